package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// site is a small server for scripts; asked is closed when it was asked for /count the tenth time.
type site struct {
	mu      sync.Mutex
	count   int
	asked   chan struct{}
	scrapes float64
}

// serve starts a site on loopback and sets URL to it, and PORT; over TLS its certificate is in cert.pem: serve
// [tls | http2].
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: serve [tls | http2]")
	}
	s := &site{asked: make(chan struct{})}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes
	if len(args) == 0 {
		server.Start()
	} else {
		server.EnableHTTP2 = args[0] == "http2"
		server.StartTLS()
		cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		ts.Check(os.WriteFile(ts.MkAbs("cert.pem"), cert, 0o644))
	}
	ts.Defer(server.Close)
	ts.Setenv("URL", server.URL)
	ts.Setenv("PORT", server.URL[strings.LastIndex(server.URL, ":")+1:])
	sites.Store(server.URL, s)
}

// await waits until the site was asked for /count ten times: await.
func await(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := sites.Load(ts.Getenv("URL"))
	if neg || len(args) != 0 || !ok {
		ts.Fatalf("usage: serve, then await")
	}
	<-s.(*site).asked
}

// sites are those that scripts have started, by URL.
var sites sync.Map

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/")); err == nil {
		w.WriteHeader(status)
		return
	}
	switch r.URL.Path {
	case "/count":
		s.mu.Lock()
		if s.count++; s.count == 10 {
			close(s.asked)
		}
		s.mu.Unlock()
	case "/metrics": // a pod whose quota holds it back in every other period
		s.mu.Lock()
		s.scrapes++
		n := s.scrapes
		s.mu.Unlock()
		for name, v := range map[string]float64{"periods_total": 2 * n, "throttled_periods_total": n, "throttled_seconds_total": n / 20} {
			fmt.Fprintf(w, "container_cpu_cfs_%s{namespace=\"adorf\",pod=\"web-1\",container=\"web\"} %g\n", name, v)
		}
	case "/slow":
		time.Sleep(100 * time.Millisecond)
	case "/third": // every third arrival meets an error
		if seq, _ := strconv.Atoi(r.URL.Query().Get("seq")); seq%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case "/form": // only what the script sends is right
		body, _ := io.ReadAll(r.Body)
		if r.Method == "PUT" && strings.HasPrefix(string(body), `{"id":"`) && len(body) == 46 && r.Header.Get("X-Try") == "yes: 1" &&
			r.Header.Get("Content-Type") == "application/json" && strings.HasPrefix(r.Host, "localhost:") {
			w.WriteHeader(http.StatusCreated)
		}
	}
}
