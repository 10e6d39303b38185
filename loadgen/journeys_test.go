package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// TestNothingIsSentElsewhere: a target that sends people to a server of somebody else gets failed shots, and that server
// not one connection; the run says so.
func TestNothingIsSentElsewhere(t *testing.T) {
	var asked atomic.Int64
	bystander := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer bystander.Close()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			_, _ = fmt.Fprintf(w, `<form id=f action="%s/x">`, bystander.URL)
			return
		}
		http.Redirect(w, r, bystander.URL, http.StatusFound)
	}))
	defer target.Close()
	for name, steps := range map[string][]scenarios.Step{
		"redirect":      {{Name: "one", URL: "/", Follow: 5}},
		"extracted URL": {{Name: "one", URL: "/page", Extract: []scenarios.Extract{{Name: "to", Action: "f"}}}, {Name: "two", URL: "{{to}}"}},
	} {
		s := uniform(3, 30*time.Millisecond, scenarios.Step{})
		s.Journeys[0].Steps = steps
		cfg, m := config(t, s, strings.TrimPrefix(target.URL, "http://"))
		result, err := run(t, t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if n := checkFates(t, m, 3); n[record.FailedArrival] != 3 || asked.Load() != 0 {
			t.Errorf("%s: fates %v, the bystander was asked %d times", name, n, asked.Load())
		}
		told := false
		for _, w := range result.Warnings {
			told = told || strings.Contains(w.Text["en"], bystander.URL) && strings.Contains(w.Text["de"], bystander.URL)
		}
		if !told {
			t.Errorf("%s: the warnings do not say where: %v", name, result.Warnings)
		}
	}
}

// TestRedirectsAreOneSample: from the first request's Due to the last one's Done, to the nanosecond. A person who loses
// patience on the way, or whose time-out comes, is one sample, too.
func TestRedirectsAreOneSample(t *testing.T) {
	const pause = 30 * time.Millisecond
	for name, c := range map[string]struct {
		timeout, response time.Duration
		outcome           record.Outcome
	}{
		"whole":   {time.Minute, 4 * pause, record.OK},
		"too far": {100 * time.Millisecond, 100 * time.Millisecond, record.TimedOut},
	} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int64
			network, wait := recordingServer(func(r seen) string {
				time.Sleep(pause) // fake time
				if requests.Add(1)%4 == 0 {
					return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
				}
				return fmt.Sprintf("HTTP/1.1 302 Found\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n", strings.TrimSuffix(r.URL.Path, "/"))
			})
			cfg, m := config(t, uniform(2, 10*time.Second, scenarios.Step{URL: "/", Follow: 3, Timeout: c.timeout}), "127.0.0.1:80")
			cfg.Transport = network
			if _, err := run(t, t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			wait()
			if len(m.samples) != 2 {
				t.Fatalf("%s: %d samples, want 2", name, len(m.samples))
			}
			if s := m.samples[0]; s.Outcome != c.outcome || s.Response() != c.response || s.Service() != c.response || s.FirstByte > s.Done {
				t.Errorf("%s: sample %+v, want %s after %s", name, s, c.outcome, c.response)
			}
		})
	}
}

// TestUploadsToASlowReader: hundreds of kilobytes a shot go out while the server takes its time, whole and unmixed.
func TestUploadsToASlowReader(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		who, size := "", 0
		for part, err := parts.NextPart(); err == nil; part, err = parts.NextPart() {
			var data []byte
			for chunk := make([]byte, 32<<10); ; {
				n, err := part.Read(chunk)
				data = append(data, chunk[:n]...)
				time.Sleep(50 * time.Microsecond) // a slow reader, not synchronisation
				if err != nil {
					break
				}
			}
			if part.FormName() == "who" {
				who = string(data)
			} else {
				size += len(data)
			}
		}
		mu.Lock()
		got[fmt.Sprintf("%s %d", who, size)]++
		mu.Unlock()
		_, _ = io.WriteString(w, "ok")
	}))
	defer target.Close()
	s := uniform(6, 10*time.Millisecond, scenarios.Step{Form: &scenarios.Form{
		Fields: map[string]string{"who": "{{seq}}"}, Files: []scenarios.File{{Field: "a", Size: quantity("1500k")}, {Field: "b", Size: quantity("70k")}},
	}})
	cfg, m := config(t, s, strings.TrimPrefix(target.URL, "http://"))
	cfg.MaxConnections = 4
	if _, err := run(t, t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 6); n[record.Completed] != 6 || len(got) != 6 || got["5 1570000"] != 1 {
		t.Errorf("fates %v, received %v", n, got)
	}
}

// TestPersonsDoNotShareCookies nor, where the journey says so, connections.
func TestPersonsDoNotShareCookies(t *testing.T) {
	for _, connections := range []string{"shared", "session"} {
		var mu sync.Mutex
		persons, from := 0, map[string]map[string]bool{} // connections by person
		wrong := 0
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			c, err := r.Cookie("sid")
			if r.URL.Path == "/first" {
				if err == nil {
					wrong++
				}
				persons++
				id := fmt.Sprint("p", persons)
				from[id] = map[string]bool{r.RemoteAddr: true}
				http.SetCookie(w, &http.Cookie{Name: "sid", Value: id, Path: "/"})
				return
			}
			if err != nil || from[c.Value] == nil {
				wrong++
				return
			}
			from[c.Value][r.RemoteAddr] = true
		}))
		s := uniform(40, 40*time.Millisecond, scenarios.Step{})
		s.Journeys[0].Cookies, s.Journeys[0].Connections = true, connections
		think := scenarios.Distribution{Fixed: ptr(5 * time.Millisecond)}
		s.Journeys[0].Steps = []scenarios.Step{{Name: "one", URL: "/first"}, {Name: "two", URL: "/then", Think: &think}, {Name: "three", URL: "/last"}}
		cfg, m := config(t, s, strings.TrimPrefix(target.URL, "http://"))
		if _, err := run(t, t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		target.Close()
		if n := checkFates(t, m, 40); n[record.Completed] != 40 || persons != 40 || wrong != 0 {
			t.Errorf("%s: fates %v, %d persons, %d of their requests with a wrong cookie", connections, n, persons, wrong)
		}
		all := map[string]bool{}
		for id, addresses := range from {
			if connections == "session" && len(addresses) != 1 {
				t.Errorf("%s came over %d connections", id, len(addresses))
			}
			for address := range addresses {
				all[address] = true
			}
		}
		if connections == "session" && len(all) != 40 {
			t.Errorf("40 persons came over %d connections", len(all))
		}
	}
}

// TestSecureLogin is the whole login over TLS, whose cookies are secure.
func TestSecureLogin(t *testing.T) {
	target := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch c, err := r.Cookie("__Host-sid"); {
		case r.URL.Path == "/in":
			http.SetCookie(w, &http.Cookie{Name: "__Host-sid", Value: "1", Path: "/", Secure: true})
			http.Redirect(w, r, "/page", http.StatusSeeOther)
		case err != nil || c.Value != "1":
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer target.Close()
	s := uniform(3, 10*time.Millisecond, scenarios.Step{URL: "/in", Method: "POST", Follow: 1})
	s.Journeys[0].Cookies = true
	cfg, m := config(t, s, target.URL)
	cfg.TLS = target.Client().Transport.(*http.Transport).TLSClientConfig
	if _, err := run(t, t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 3); n[record.Completed] != 3 {
		t.Errorf("fates %v: %+v", n, m.samples)
	}
}

// BenchmarkJourneyShot is BenchmarkShot with everything that a session does: cookies, a form, JSON checks and extraction.
func BenchmarkJourneyShot(b *testing.B) {
	const body = `{"status":"accepted","application":{"id":"a-4711","state":[1,2,3]}}`
	answer := fmt.Sprintf("HTTP/1.1 201 Created\r\nSet-Cookie: sid=0123456789abcdef; Path=/; HttpOnly\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	s := uniform(int64(b.N), time.Duration(b.N)*200*time.Microsecond, scenarios.Step{
		URL: "/antrag", Form: &scenarios.Form{Fields: map[string]string{"name": "{{p.name}}", "csrf": "0123"}},
		Checks:  []scenarios.Check{{Status: []int{201}}, {JSON: "status", Equals: "accepted"}},
		Extract: []scenarios.Extract{{Name: "id", JSON: "application.id", Created: true}},
	})
	s.Journeys[0].Cookies = true
	s.Feeders = map[string]scenarios.Feeder{"p": {Synthetic: "person"}}
	fireShots(b, s, answer)
}
