package loadgen

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// sessionOf compiles one journey and gives its first person's session.
func sessionOf(t testing.TB, change func(*scenarios.Scenario)) (*Engine, *visit, *session) {
	t.Helper()
	s := uniform(10, time.Second, scenarios.Step{})
	change(s)
	cfg, _ := config(t, s, "127.0.0.1:8080")
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, &visit{values: make([][]byte, e.slots)}, &session{}
}

// request is what the session would send, as net/http reads it.
func (s *session) request(t testing.TB, e *Engine, v *visit) (*http.Request, string) {
	t.Helper()
	raw := string(s.appendRequest(nil, e, v))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return r, string(body)
}

// answering reads an answer.
func parsed(t testing.TB, answer string) *parser {
	t.Helper()
	p := &parser{}
	p.reset(false, true, true)
	if _, err := p.feed([]byte(answer)); err != nil || p.state != answered {
		t.Fatal(err, p.state)
	}
	return p
}

// goingTo is an answer that redirects.
func goingTo(status, location string, more ...string) string {
	lines := append([]string{"HTTP/1.1 " + status + " X", "Location: " + location}, more...)
	return strings.Join(lines, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"
}

// TestMethodsThroughRedirects: who was sent away by 307 or 308 sends the same again, all others only look.
func TestMethodsThroughRedirects(t *testing.T) {
	for _, c := range []struct{ method, status, want string }{
		{"POST", "301", "GET"},
		{"POST", "302", "GET"},
		{"POST", "303", "GET"},
		{"POST", "307", "POST"},
		{"POST", "308", "POST"},
		{"GET", "302", "GET"},
		{"HEAD", "303", "HEAD"},
		{"PUT", "303", "GET"},
		{"DELETE", "307", "DELETE"},
		{"PUT", "308", "PUT"},
	} {
		e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
			step := &s.Journeys[0].Steps[0]
			step.Method, step.URL, step.Follow = c.method, "/from", 1
			step.Headers = map[string]string{"Content-Language": "de", "X-A": "b"}
			if c.method != "GET" && c.method != "HEAD" {
				step.Body = `{"a":1}`
			}
		})
		if err := s.begin(e, v, noon); err != nil {
			t.Fatal(err)
		}
		before, sent := s.request(t, e, v)
		again, err := s.answer(e.steps[0], parsed(t, goingTo(c.status, "/to?x")), noon)
		if !again || err != nil {
			t.Fatalf("%s %s: %v, %v", c.method, c.status, again, err)
		}
		r, body := s.request(t, e, v)
		kept := c.want == c.method && sent != ""
		if before.Method != c.method || r.Method != c.want || r.RequestURI != "/to?x" || r.Host != "127.0.0.1:8080" || r.Header.Get("X-A") != "b" ||
			(body == sent) != (kept || sent == "") || (r.Header.Get("Content-Type") == "application/json") != kept || r.Header.Get("Referer") != "" {
			t.Errorf("%s after %s: %s %s %v %q", c.method, c.status, r.Method, r.RequestURI, r.Header, body)
		}
		if (r.Header.Get("Content-Language") == "de") != (c.want == c.method) {
			t.Errorf("%s after %s: %v", c.method, c.status, r.Header)
		}
		if got := s.idempotent(e.steps[0]); got != (c.want != "POST") {
			t.Errorf("%s after %s: may be sent twice is %v", c.method, c.status, got)
		}
	}
}

// TestWhatIsNoRedirect is judged as it is.
func TestWhatIsNoRedirect(t *testing.T) {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) { s.Journeys[0].Steps[0].Follow = 3 })
	for _, answer := range []string{
		goingTo("300", "/x"), goingTo("304", "/x"), goingTo("201", "/x"), goingTo("305", "/x"), "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n",
	} {
		if err := s.begin(e, v, noon); err != nil {
			t.Fatal(err)
		}
		if again, err := s.answer(e.steps[0], parsed(t, answer), noon); again || err != nil {
			t.Errorf("%q: %v, %v", answer, again, err)
		}
	}
	e, v, s = sessionOf(t, func(s *scenarios.Scenario) { s.Journeys[0].Cookies = true })
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	if again, err := s.answer(e.steps[0], parsed(t, goingTo("302", "/x")), noon); again || err != nil {
		t.Errorf("a step that follows nothing: %v, %v", again, err)
	}
}

// TestRedirectsEnd: at addresses that are none of the run's, at no address, and after as many as the step says. The
// page stays where it was, so that nothing can be sent by mistake.
func TestRedirectsEnd(t *testing.T) {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) { s.Journeys[0].Steps[0].Follow = 2 })
	st := e.steps[0]
	for location, want := range map[string]error{
		"http://127.0.0.1:8081/": errElsewhere, "https://example.org/": errElsewhere, "//127.0.0.2:8080/": errElsewhere, "http://127.0.0.1/": errElsewhere,
		"http://127.0.0.1:8080@example.org/": errURL, "javascript:alert(1)": errURL, "http://": errURL,
	} {
		if err := s.begin(e, v, noon); err != nil {
			t.Fatal(err)
		}
		again, err := s.answer(st, parsed(t, goingTo("302", location)), noon)
		if again || !errors.Is(err, want) || s.host.address != "127.0.0.1:8080" || string(s.at.text) != "http://127.0.0.1:8080/" {
			t.Errorf("%s: %v, %v, at %s", location, again, err, s.at.text)
		}
	}
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		again, err := s.answer(st, parsed(t, goingTo("302", "/again")), noon)
		if again != (i < 2) || errors.Is(err, errCircle) != (i == 2) {
			t.Errorf("redirect %d: %v, %v", i+1, again, err)
		}
	}
}

// TestRedirectsToKnownHosts: by a name, by an address, by localhost, by the name that the step gives its tenant; whatever
// the scheme, since what ends TLS may not be there.
func TestRedirectsToKnownHosts(t *testing.T) {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
		s.Hosts = map[string]string{"login.example.org": "http://127.0.0.1:9000"}
		step := &s.Journeys[0].Steps[0]
		step.Follow, step.Headers = 9, map[string]string{"Host": "{{tenant}}.Example.org", "Authorization": "Basic x", "Cookie": "own=1"}
	})
	st := e.steps[0]
	for _, c := range []struct{ location, address, host string }{
		{"https://login.example.org/x", "127.0.0.1:9000", "login.example.org"},
		{"http://127.0.0.1:9000/x", "127.0.0.1:9000", "127.0.0.1:9000"},
		{"http://localhost:9000/x", "127.0.0.1:9000", "localhost:9000"},
		{"https://A.example.org/x", "127.0.0.1:8080", "a.example.org"},
		{"/x", "127.0.0.1:8080", "a.example.org"},
	} {
		if err := s.begin(e, v, noon); err != nil {
			t.Fatal(err)
		}
		r, _ := s.request(t, e, v)
		if r.Host != "a.example.org" || r.Header.Get("Authorization") == "" || r.Header.Get("Cookie") == "" {
			t.Fatalf("first goes to %s with %v", r.Host, r.Header)
		}
		if again, err := s.answer(st, parsed(t, goingTo("302", c.location)), noon); !again || err != nil {
			t.Errorf("%s: %v, %v", c.location, again, err)
			continue
		}
		r, _ = s.request(t, e, v)
		stays := strings.HasPrefix(c.location, "/")
		if s.host.address != c.address || r.Host != c.host || r.RequestURI != "/x" || (r.Header.Get("Authorization") != "") != stays || (r.Header.Get("Cookie") != "") != stays {
			t.Errorf("%s: to %s as %s with %v", c.location, s.host.address, r.Host, r.Header)
		}
	}
}

// TestExtractedURLs: a step goes to where an earlier one was told, from the page that the person was at, on each try.
func TestExtractedURLs(t *testing.T) {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
		s.Hosts = map[string]string{"login.example.org": "http://127.0.0.1:9000"}
		s.Journeys[0].Steps = []scenarios.Step{
			{Name: "one", URL: "http://login.example.org/realm/start", Extract: []scenarios.Extract{{Name: "next", Regexp: "next=(.*)"}}},
			{Name: "two", URL: "{{next}}&seq={{seq}}", Follow: 1},
		}
	})
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.request(t, e, v); r.Host != "login.example.org" || r.RequestURI != "/realm/start" || s.host.address != "127.0.0.1:9000" {
		t.Errorf("the first goes to %s%s", r.Host, r.RequestURI)
	}
	p := parsed(t, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nnext=go on?x")
	if again, err := s.answer(e.steps[0], p, noon); again || err != nil || !e.steps[0].judge(p, v, s) {
		t.Fatal(again, err)
	}
	v.at = 1
	for try := range 3 {
		v.retry = try
		if err := s.begin(e, v, noon); err != nil {
			t.Fatal(err)
		}
		if r, _ := s.request(t, e, v); r.Host != "login.example.org" || r.RequestURI != "/realm/go%20on?x&seq=0" {
			t.Errorf("try %d goes to %s%s", try, r.Host, r.RequestURI)
		}
		if again, err := s.answer(e.steps[1], parsed(t, goingTo("302", "/far/away/")), noon); !again || err != nil {
			t.Fatal(again, err)
		}
	}
	v.values[0] = append(v.values[0][:0], "http://example.org/"...)
	if err := s.begin(e, v, noon); !errors.Is(err, errElsewhere) {
		t.Errorf("a URL that leads out of the run: %v", err)
	}
	v.values[0] = v.values[0][:0] // the step before was not taken
	if err := s.begin(e, v, noon); err != nil || string(s.at.text) != "http://login.example.org/realm/&seq=0" {
		t.Errorf("no URL: %v, to %s", err, s.at.text)
	}
}

// TestSecureNames: an application that is https to its users, fired at behind what ends TLS, keeps its secure cookies
// and may send people to its own name.
func TestSecureNames(t *testing.T) {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
		s.Hosts = map[string]string{"app.example.org": "http://127.0.0.1:9000"}
		s.Journeys[0].Cookies = true
		s.Journeys[0].Steps[0].URL, s.Journeys[0].Steps[0].Follow = "https://App.example.org/a/", 1
	})
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	away := goingTo("302", "https://app.example.org/b", "Set-Cookie: __Host-sid=1; Secure; Path=/")
	if again, err := s.answer(e.steps[0], parsed(t, away), noon); !again || err != nil {
		t.Fatal(again, err)
	}
	if r, _ := s.request(t, e, v); r.Host != "app.example.org" || r.RequestURI != "/b" || r.Header.Get("Cookie") != "__Host-sid=1" || s.host.address != "127.0.0.1:9000" {
		t.Errorf("to %s as %s%s with %v", s.host.address, r.Host, r.RequestURI, r.Header)
	}
}

// TestSessionsForgetTheirPersons: what the next person has is theirs.
func TestSessionsForgetTheirPersons(t *testing.T) {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
		s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{Name: "b", Weight: 1})
		s.Journeys[0].Cookies = true
	})
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := s.answer(e.steps[0], parsed(t, "HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret; Path=/\r\nContent-Length: 0\r\n\r\n"), noon); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.request(t, e, v); r.Header.Get("Cookie") != "sid=secret" {
		t.Errorf("the person has %v", r.Header)
	}
	s.reset()
	v.Seq, v.Tenant = 1, 1
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.request(t, e, v); r.Header.Get("Cookie") != "" || s.tenant != e.tenants[1].host {
		t.Errorf("the next person has %v", r.Header)
	}
}

// TestCreatedIsToldEvenWhereACheckFails, and only what an answer of success says.
func TestCreatedIsToldEvenWhereACheckFails(t *testing.T) {
	for _, c := range []struct {
		answer string
		ok     bool
		want   string
	}{
		{"HTTP/1.1 201 OK\r\nContent-Length: 24\r\n\r\n{\"id\":\"a1\",\"state\":\"ok\"}", true, "a1"},
		{"HTTP/1.1 201 OK\r\nContent-Length: 24\r\n\r\n{\"id\":\"a1\",\"state\":\"no\"}", false, "a1"},
		{"HTTP/1.1 500 OK\r\nContent-Length: 24\r\n\r\n{\"id\":\"a1\",\"state\":\"ok\"}", false, ""},
		{"HTTP/1.1 201 OK\r\nContent-Length: 14\r\n\r\n{\"state\":\"ok\"}", false, ""},
	} {
		e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
			step := &s.Journeys[0].Steps[0]
			step.Extract = []scenarios.Extract{{Name: "id", JSON: "id", Created: true}}
			step.Checks = []scenarios.Check{{Status: []int{201}}, {JSON: "state", Equals: "ok"}}
		})
		m := &memory{}
		v.values[0] = append(v.values[0], "of an earlier try"...)
		if ok := e.steps[0].judge(parsed(t, c.answer), v, s); ok != c.ok {
			t.Errorf("%q: %v", c.answer, ok)
		}
		e.steps[0].tellCreated(v, m)
		got := ""
		for _, created := range m.created {
			got += string(created.Value)
		}
		if got != c.want {
			t.Errorf("%q: created %q, want %q", c.answer, got, c.want)
		}
	}
}

// redirectedShot is what a shot with a redirect and cookies asks of a session.
func redirectedShot(t testing.TB) func() {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
		s.Hosts = map[string]string{"login.example.org": "http://127.0.0.1:9000"}
		s.Journeys[0].Cookies = true
		s.Journeys[0].Steps[0].Follow = 5
		s.Journeys[0].Steps[0].Form = &scenarios.Form{Fields: map[string]string{"name": "Muster {{seq}}", "b": "c"}}
	})
	away := parsed(t, goingTo("302", "http://login.example.org/auth?state=abc&x=1", "Set-Cookie: state=abc; Path=/; HttpOnly"))
	page := parsed(t, "HTTP/1.1 200 OK\r\nSet-Cookie: AUTH=xyz; Path=/realm; Max-Age=300\r\nContent-Length: 0\r\n\r\n")
	var dst []byte
	return func() {
		s.reset()
		if err := s.begin(e, v, noon); err != nil {
			t.Fatal(err)
		}
		dst = s.appendRequest(dst[:0], e, v)
		if again, err := s.answer(e.steps[0], away, noon); !again || err != nil {
			t.Fatal(again, err)
		}
		dst = s.appendRequest(dst, e, v)
		if again, err := s.answer(e.steps[0], page, noon); again || err != nil || !e.steps[0].judge(page, v, s) {
			t.Fatal(again, err)
		}
	}
}

// TestSessionsAllocateNothing once their buffers have their size.
func TestSessionsAllocateNothing(t *testing.T) {
	shot := redirectedShot(t)
	if n := testing.AllocsPerRun(100, shot); n != 0 {
		t.Errorf("%g allocations a shot, want none", n)
	}
}

func BenchmarkSession(b *testing.B) {
	shot := redirectedShot(b)
	b.ReportAllocs()
	for b.Loop() {
		shot()
	}
}
