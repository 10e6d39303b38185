//go:build linux

package loadgen

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// modern is a server of HTTP/2 alone; it counts its connections.
type modern struct {
	*httptest.Server
	accepted atomic.Int64
	trusted  *tls.Config
}

func startModern(t testing.TB, secure bool, handle http.HandlerFunc) *modern {
	t.Helper()
	m := &modern{Server: httptest.NewUnstartedServer(handle)}
	m.Config.ErrorLog = quietLog()
	m.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			m.accepted.Add(1)
		}
	}
	m.Config.Protocols = new(http.Protocols)
	m.Config.Protocols.SetHTTP2(secure)
	m.Config.Protocols.SetUnencryptedHTTP2(!secure)
	if secure {
		m.EnableHTTP2 = true
		m.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(m.Certificate())
		m.trusted = &tls.Config{RootCAs: pool}
	} else {
		m.Start()
	}
	t.Cleanup(m.Close)
	return m
}

// address is as Config.Address gives it.
func (m *modern) address() string { return strings.TrimPrefix(m.URL, "http://") }

// TestHTTP2: what is sent arrives, and answers of every framing are read, with and without TLS. A connection of the record
// is a connection of the server.
func TestHTTP2(t *testing.T) {
	const long = 300_000
	handle := func(w http.ResponseWriter, r *http.Request) {
		got, err := io.Copy(io.Discard, r.Body)
		if r.ProtoMajor != 2 || r.Header.Get("Ansturm-Run") != "run-1" || r.Header.Get("Accept-Encoding") != "" || r.URL.RawQuery != "q=%2F" ||
			err != nil || r.Method == "POST" && got != long {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/short":
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "short")
		case "/trailers":
			w.Header().Set("Trailer", "Sum")
			_, _ = io.WriteString(w, strings.Repeat("x", long)+"end")
			w.Header().Set("Sum", "1")
		}
	}
	step := func(method, path string, checks ...scenarios.Check) scenarios.Step {
		s := scenarios.Step{Name: "s" + method + path[1:], Method: method, URL: path + "?q=%2F", Checks: append(checks, scenarios.Check{Status: []int{200, 204}})}
		if method == "POST" {
			s.Body = strings.Repeat("b", long)
		}
		return s
	}
	for name, secure := range map[string]bool{"over TLS": true, "in the clear": false} {
		t.Run(name, func(t *testing.T) {
			server := startModern(t, secure, handle)
			s := uniform(30, 200*time.Millisecond, step("POST", "/trailers", scenarios.Check{Contains: "xend"}))
			s.Journeys[0].Steps = append(s.Journeys[0].Steps, step("GET", "/none"), step("HEAD", "/trailers"), step("HEAD", "/short"),
				step("GET", "/short", scenarios.Check{Contains: "short"}))
			cfg, m := config(t, s, server.address())
			cfg.HTTP2, cfg.TLS = true, server.trusted
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if n := checkFates(t, m, 30); n[record.Completed] != 30 {
				t.Errorf("fates %v, want all completed: %+v, %+v", n, result.Totals, result.Warnings)
			}
			if got := server.accepted.Load(); got != result.Totals.Connections || got == 0 {
				t.Errorf("%d connections in the record, %d at the server", result.Totals.Connections, got)
			}
			for _, s := range m.samples {
				if s.Connect > 0 && (s.Handshake > 0) != secure || s.FirstByte < s.Sent || s.Done < s.FirstByte {
					t.Errorf("times %+v", s)
				}
			}
		})
	}
}

// TestHTTP2Insisted: who asked for HTTP/2 does not measure HTTP/1.1.
func TestHTTP2Insisted(t *testing.T) {
	address, pool := secureServer(t, tls.VersionTLS13, func(http.ResponseWriter, *http.Request) { t.Error("a request came through") })
	cfg, m := config(t, uniform(10, 50*time.Millisecond, scenarios.Step{}), address)
	cfg.HTTP2, cfg.TLS = true, &tls.Config{RootCAs: pool}
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 10); n[record.FailedArrival] != 10 || result.Totals.ByOutcome["refused"] != 10 || !told(result, "HTTP/2", "application protocol") {
		t.Errorf("fates %v, %+v, %+v: want all refused, and why", n, result.Totals, result.Warnings)
	}
}

// told says whether a warning has one of the texts in it.
func told(r Result, texts ...string) bool {
	return slices.ContainsFunc(r.Warnings, func(w record.Warning) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(w.Text["en"], text) })
	})
}

// framed serves HTTP/2 connections frame by frame; each handles the headers of a request.
func framed(t testing.TB, each func(f *http2.Framer, stream uint32) (goOn bool)) string {
	return server(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(c, bufio.NewReader(c))
		_ = f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			if s, ok := frame.(*http2.SettingsFrame); ok && !s.IsAck() {
				_ = f.WriteSettingsAck()
			}
			if h, ok := frame.(*http2.HeadersFrame); ok && !each(f, h.StreamID) {
				return
			}
		}
	})
}

// ok2 is a header block of :status 200.
var ok2 = []byte{0x88}

// TestHTTP2Hostile: what servers do to streams and connections is told apart, nothing hangs and nothing leaks.
func TestHTTP2Hostile(t *testing.T) {
	reset := func(code http2.ErrCode) func(*http2.Framer, uint32) bool {
		return func(f *http2.Framer, stream uint32) bool { return f.WriteRSTStream(stream, code) == nil }
	}
	brief := posting(shortly)
	for _, c := range []struct {
		name   string
		each   func(*http2.Framer, uint32) bool
		step   scenarios.Step
		want   record.Outcome
		reason string
	}{
		{"refuses the stream", reset(http2.ErrCodeRefusedStream), post, record.Refused, "REFUSED_STREAM"},
		{"resets the stream", reset(http2.ErrCodeInternal), post, record.Lost, "INTERNAL_ERROR"},
		{"goes away before the request", func(f *http2.Framer, _ uint32) bool { return f.WriteGoAway(0, http2.ErrCodeNo, nil) == nil }, post, record.Refused, "closed the HTTP/2 connection"},
		{"cuts the connection", func(*http2.Framer, uint32) bool { return false }, post, record.Lost, ""},
		{"never answers", func(*http2.Framer, uint32) bool { return true }, brief, record.TimedOut, ""},
		{"answers half and waits", func(f *http2.Framer, s uint32) bool {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: ok2, EndHeaders: true})
			return f.WriteData(s, false, []byte("half")) == nil
		}, brief, record.TimedOut, ""},
		{"answers half and resets", func(f *http2.Framer, s uint32) bool {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: ok2, EndHeaders: true})
			return f.WriteRSTStream(s, http2.ErrCodeCancel) == nil
		}, post, record.Lost, "CANCEL"},
		{"answers before a trailer that is garbage", func(f *http2.Framer, s uint32) bool {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: []byte{0x82}, EndHeaders: true}) == nil // :method in an answer
		}, post, record.Failed, ""},
		{"answers", func(f *http2.Framer, s uint32) bool {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: ok2, EndHeaders: true, EndStream: true}) == nil
		}, post, record.OK, ""},
		{"answers each connection's first, then goes away", func(f *http2.Framer, s uint32) bool {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: ok2, EndHeaders: true, EndStream: true})
			return f.WriteGoAway(s, http2.ErrCodeNo, nil) == nil
		}, post, record.OK, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := framed(t, c.each)
			goroutines, descriptors := inUse(t)
			cfg, m := config(t, uniform(5, 100*time.Millisecond, c.step), address)
			cfg.HTTP2 = true
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			checkFates(t, m, 5)
			if result.Totals.ByOutcome[c.want.String()] != 5 || c.reason != "" && !told(result, c.reason) {
				t.Errorf("outcomes %v, warnings %+v, want all %s because %q", result.Totals.ByOutcome, result.Warnings, c.want, c.reason)
			}
			for _, s := range m.samples {
				if s.Service() > c.step.Timeout+slack {
					t.Errorf("a shot took %s", s.Service())
				}
			}
			noLeaks(t, goroutines, descriptors)
		})
	}
}

// forwarder is an HTTP proxy, for requests and for tunnels.
type forwarder struct {
	mu    sync.Mutex
	lines []string // the distinct beginnings of what it was asked
	deny  bool
}

func (p *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	line := fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Host, r.Header.Get("Proxy-Authorization"))
	if !slices.Contains(p.lines, line) {
		p.lines = append(p.lines, line)
	}
	p.mu.Unlock()
	switch {
	case p.deny:
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	default:
		out := r.Clone(r.Context())
		out.RequestURI = ""
		out.Header.Del("Proxy-Authorization")
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}
}

func (p *forwarder) tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		defer there.Close()
		_, _ = io.Copy(there, buffered)
	}()
	defer here.Close()
	_, _ = io.Copy(here, there)
}

// TestProxy: requests and tunnels go by the proxy, which is given literal addresses and never a name to look up: not even
// where a step's Host header has one.
func TestProxy(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/a?b=c" || r.Header.Get("Proxy-Authorization") != "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer plain.Close()
	plainAddress := plain.Listener.Addr().String()
	secure := startModern(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Host != "town.example.org" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	secureAddress := secure.Listener.Addr().String()
	for _, c := range []struct {
		name, address, line string
		http2, deny         bool
		want, reason        string
	}{
		{"request", plainAddress, "GET http://" + plainAddress + "/a?b=c " + plainAddress + " Basic dTpw", false, false, "ok", ""},
		{"tunnel", "https://" + secureAddress, "CONNECT " + secureAddress + " " + secureAddress + " Basic dTpw", true, false, "ok", ""},
		{"tunnel denied", "https://" + secureAddress, "CONNECT " + secureAddress + " " + secureAddress + " Basic dTpw", true, true, "refused", "CONNECT with 403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &forwarder{deny: c.deny}
			proxy := httptest.NewServer(p)
			defer proxy.Close()
			step := scenarios.Step{URL: "/a?b=c", Headers: map[string]string{"Host": "town.example.org"}, Checks: []scenarios.Check{{Status: []int{200}}}}
			cfg, m := config(t, uniform(20, 100*time.Millisecond, step), c.address)
			cfg.HTTP2, cfg.TLS = c.http2, secure.trusted
			cfg.Proxy, _ = url.Parse(strings.Replace(proxy.URL, "http://", "http://u:p@", 1))
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			checkFates(t, m, 20)
			if result.Totals.ByOutcome[c.want] != 20 || c.reason != "" && !told(result, c.reason) {
				t.Errorf("%+v, %+v, want all %s because %q", result.Totals, result.Warnings, c.want, c.reason)
			}
			if len(p.lines) != 1 || p.lines[0] != c.line {
				t.Errorf("the proxy was asked %q, want %q", p.lines, c.line)
			}
		})
	}
}

// TestProxyConsent: a proxy elsewhere gets no packet, and its password stays out of every text.
func TestProxyConsent(t *testing.T) {
	for bad, want := range map[string]error{
		"http://192.0.2.1:3128": ErrNoConsent, "http://proxy.example.org:3128": ErrNoConsent, "http://u:secret@192.0.2.1": ErrNoConsent,
		"https://127.0.0.1:3128": nil, "127.0.0.1:3128": nil, "": nil, "http://127.0.0.1/x": nil, "ftp://u:secret@127.0.0.1": nil,
		"http://u:secret@127.0.0.1:x": nil,
	} {
		_, err := ParseProxy(bad)
		if err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want an error (%v) without the password", bad, err, want)
		}
	}
	good, err := ParseProxy("http://u:secret@localhost:3128")
	if err != nil || ProxyText(good) != "http://localhost:3128" {
		t.Errorf("%v, %q", err, ProxyText(good))
	}
	cfg, _ := config(t, uniform(1, time.Second, scenarios.Step{}), "127.0.0.1:80")
	cfg.Proxy = &url.URL{Scheme: "http", Host: "192.0.2.1:3128"}
	if _, err := New(cfg); !errors.Is(err, ErrNoConsent) {
		t.Errorf("an engine with a proxy elsewhere: %v, want %v", err, ErrNoConsent)
	}
	cfg.Proxy, cfg.HTTP2 = good, true
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "only for https") {
		t.Errorf("HTTP/2 in the clear by an HTTP proxy: %v", err)
	}
}

// TestRelayInFakeTime: a target that does not answer, or does not even accept, costs the time-out and no more; the
// former was sent to, the latter was not.
func TestRelayInFakeTime(t *testing.T) {
	for name, c := range map[string]struct {
		transport Transport
		want      string
	}{
		"never answers": {&memNet{handle: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }}, "timed-out"},
		"never accepts": {deafNet{}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, m := config(t, uniform(10, 5*time.Second, posting(2*time.Second)), "127.0.0.1:80")
				cfg.HTTP2, cfg.Transport = true, c.transport
				result, err := run(t, t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				checkFates(t, m, 10)
				if result.Totals.ByOutcome[c.want] != 10 {
					t.Errorf("outcomes %v, want all %s", result.Totals.ByOutcome, c.want)
				}
				for _, s := range m.samples {
					if s.Response() != 2*time.Second {
						t.Errorf("a shot ended after %s, want 2s", s.Response())
					}
				}
			})
		})
	}
}

// deafNet is a network in which no connection ever opens.
type deafNet struct{}

func (deafNet) Dial(ctx context.Context, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestRelayedUploads: long forms arrive whole at a server that reads slowly, without being held in memory; an answer before the end
// of the upload is taken.
func TestRelayedUploads(t *testing.T) {
	const size = 4 << 20
	for name, early := range map[string]bool{"whole": false, "answered early": true} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int64
			server := startModern(t, true, func(w http.ResponseWriter, r *http.Request) {
				if early {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return
				}
				n, err := io.Copy(io.Discard, r.Body)
				if err == nil && n == r.ContentLength && n > size {
					arrived.Add(1)
				}
			})
			goroutines, descriptors := inUse(t)
			step := scenarios.Step{Form: &scenarios.Form{Files: []scenarios.File{{Field: "a", Size: quantity("4Mi")}}}}
			step.Checks = []scenarios.Check{{Status: []int{200, 413}}}
			cfg, m := config(t, uniform(8, 100*time.Millisecond, step), server.address())
			cfg.HTTP2, cfg.TLS, cfg.MaxConnections = true, server.trusted, 4
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if n := checkFates(t, m, 8); n[record.Completed] != 8 || !early && arrived.Load() != 8 {
				t.Errorf("fates %v, %d arrived whole: %+v, %+v", n, arrived.Load(), result.Totals, result.Warnings)
			}
			server.CloseClientConnections()
			noLeaks(t, goroutines, descriptors)
		})
	}
}

// TestRelayedCut: a run that is cancelled leaves nothing behind, whatever its relays were waiting for.
func TestRelayedCut(t *testing.T) {
	for name, address := range map[string]string{
		"no answer":    framed(t, func(*http2.Framer, uint32) bool { return true }),
		"no handshake": "https://" + server(t, silent),
		"half a body": framed(t, func(f *http2.Framer, s uint32) bool {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: ok2, EndHeaders: true})
			return f.WriteData(s, false, []byte("half")) == nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			goroutines, descriptors := inUse(t)
			cfg, m := config(t, uniform(10, 10*time.Millisecond, post), address)
			cfg.HTTP2, cfg.Grace = true, time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			result, err := run(t, ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if checkFates(t, m, 10); !result.Interrupted {
				t.Error("the run was not interrupted")
			}
			noLeaks(t, goroutines, descriptors)
		})
	}
}

// TestRelayedGarbage: what a target sends by a proxy is judged as without one.
func TestRelayedGarbage(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   record.Outcome
	}{
		"none":                 {"", record.Lost},
		"no HTTP":              {"SSH-2.0-x\r\n", record.Failed},
		"another protocol":     {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", record.Failed},
		"interim, then good":   {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", record.OK},
		"to the close":         {"HTTP/1.0 200 OK\r\n\r\nok", record.OK},
		"too short":            {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort", record.Lost},
		"half a header":        {"HTTP/1.1 200 OK\r\nA: b", record.Lost},
		"a chunk bomb":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n", record.Failed},
		"a header without end": {"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", record.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := server(t, func(conn net.Conn) {
				in := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					_, _ = io.WriteString(conn, c.answer)
					if c.want != record.OK || strings.HasPrefix(c.answer, "HTTP/1.0") {
						return
					}
				}
			})
			goroutines, descriptors := inUse(t)
			cfg, m := config(t, uniform(5, 50*time.Millisecond, scenarios.Step{Method: "POST", Timeout: patently}), "127.0.0.1:9")
			cfg.Proxy = &url.URL{Scheme: "http", Host: proxy}
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if checkFates(t, m, 5); result.Totals.ByOutcome[c.want.String()] != 5 {
				t.Errorf("outcomes %v, want all %s", result.Totals.ByOutcome, c.want)
			}
			noLeaks(t, goroutines, descriptors)
		})
	}
}

// TestRelayedPersons: who has connections of their own has them over HTTP/2, too, and redirects stay on them.
func TestRelayedPersons(t *testing.T) {
	var mu sync.Mutex
	from := map[string]map[string]bool{} // connections by person
	server := startModern(t, true, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch c, err := r.Cookie("sid"); {
		case r.URL.Path == "/first":
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: r.RemoteAddr, Path: "/", Secure: true})
			http.Redirect(w, r, "/home", http.StatusSeeOther)
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			if from[c.Value] == nil {
				from[c.Value] = map[string]bool{}
			}
			from[c.Value][r.RemoteAddr] = true
		}
	})
	s := uniform(12, 40*time.Millisecond, scenarios.Step{})
	s.Journeys[0].Cookies, s.Journeys[0].Connections = true, "session"
	s.Journeys[0].Steps = []scenarios.Step{{Name: "one", URL: "/first", Follow: 3}, {Name: "two", URL: "/then"}}
	cfg, m := config(t, s, server.address())
	cfg.HTTP2, cfg.TLS = true, server.trusted
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 12); n[record.Completed] != 12 || len(from) != 12 || server.accepted.Load() != 12 {
		t.Errorf("fates %v, %d persons over %d connections: %+v", n, len(from), server.accepted.Load(), result.Totals)
	}
	for person, connections := range from {
		if len(connections) != 1 || !connections[person] {
			t.Errorf("%s came over %v", person, connections)
		}
	}
}
