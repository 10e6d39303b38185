package loadgen

import (
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ansturm/ansturm/scenarios"
	"pgregory.net/rapid"
)

// TestBodiesSayTheirType: what the step says, else what the body looks like.
func TestBodiesSayTheirType(t *testing.T) {
	for _, c := range []struct {
		step       scenarios.Step
		kind, body string
	}{
		{scenarios.Step{Method: "POST", Body: `{"a":"{{p.email}}"}`}, "application/json", `{"a":"person-0@example.org"}`},
		{scenarios.Step{Method: "POST", Body: `["{{p.email}}"]`}, "application/json", `["person-0@example.org"]`},
		{scenarios.Step{Method: "POST", Body: "{{seq}} {{p.email}}"}, "text/plain; charset=utf-8", "0 person-0@example.org"},
		{scenarios.Step{Method: "POST", Body: "<a/>", Headers: map[string]string{"content-type": "text/xml"}}, "text/xml", "<a/>"},
		{scenarios.Step{Method: "POST"}, "", ""},
		{scenarios.Step{Form: &scenarios.Form{Fields: map[string]string{"b c": "1 & {{p.email}} = ü", "a": ""}}}, "application/x-www-form-urlencoded", "a=&b%20c=1%20%26%20person-0%40example.org%20%3D%20%C3%BC"},
	} {
		for _, cookies := range []bool{false, true} { // written whole, and put together by a session
			e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
				s.Feeders = map[string]scenarios.Feeder{"p": {Synthetic: "person"}}
				step := &s.Journeys[0].Steps[0]
				s.Journeys[0].Cookies = cookies
				c.step.Name, c.step.URL = step.Name, "/ä?x={{p.email}}"
				*step = c.step
			})
			v.host = e.tenants[0].host
			raw, _ := e.appendRequest(nil, nil, v)
			if cookies {
				if err := s.begin(e, v, noon); err != nil {
					t.Fatal(err)
				}
				raw = s.appendRequest(nil, e, v)
			}
			head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
			kind := ""
			if _, rest, found := strings.Cut(head, "ontent-Type: "); found || strings.Contains(head, "ontent-type: ") {
				if !found {
					_, rest, _ = strings.Cut(head, "ontent-type: ")
				}
				kind, _, _ = strings.Cut(rest, "\r\n")
			}
			if kind != c.kind || body != c.body || !strings.HasPrefix(head, "POST /%C3%A4?x=person-0%40example.org HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Ansturm\r\nAnsturm-Run: run-1\r\nAnsturm-Step: step\r\n") {
				t.Errorf("session %v: %q\n%s", cookies, head, body)
			}
			if form := c.step.Form; form != nil {
				values, err := url.ParseQuery(body)
				if err != nil || values.Get("b c") != "1 & person-0@example.org = ü" {
					t.Errorf("the form is %v, %v", values, err)
				}
			}
		}
	}
}

func TestOneRunIDIsEscapedOnce(t *testing.T) {
	s := uniform(1, time.Second, scenarios.Step{Form: &scenarios.Form{Fields: map[string]string{"run": "{{run}}"}}})
	cfg, _ := config(t, s, "127.0.0.1:8080")
	cfg.RunID = "a run"
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if body := string(e.steps[0].body.append(nil, e, &visit{})); body != "run=a%20run" {
		t.Errorf("the form is %s", body)
	}
}

func TestCompileErrorsOfJourneys(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scenarios.Scenario, *scenarios.Step)
		want   []string
	}{
		"two bodies": {func(_ *scenarios.Scenario, s *scenarios.Step) { s.Body, s.Form = "x", &scenarios.Form{} }, []string{"form", "body"}},
		"a form's type": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Form, s.Headers = &scenarios.Form{}, map[string]string{"Content-Type": "x/y"}
		}, []string{"content-type", "form"}},
		"a field": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Form = &scenarios.Form{Fields: map[string]string{"a": "{{b}}"}}
		}, []string{"form", `field "a"`, "{{b}}"}},
		"a field beside": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Form = &scenarios.Form{Fields: map[string]string{"a": "{{b}}"}, Files: []scenarios.File{{Field: "f"}}}
		}, []string{"form", `field "a"`, "{{b}}"}},
		"a file's name": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Form = &scenarios.Form{Files: []scenarios.File{{Field: "f", Name: "{{b}}"}}}
		}, []string{`field "f"`, "name", "{{b}}"}},
		"a file's type": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Form = &scenarios.Form{Files: []scenarios.File{{Field: "f", Type: "a\r\nb"}}}
		}, []string{`field "f"`, "type"}},
		"no such file": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Form = &scenarios.Form{Files: []scenarios.File{{Field: "f", File: "no.pdf"}}}
		}, []string{`field "f"`, "no.pdf"}},
		"jar and header": {func(sc *scenarios.Scenario, s *scenarios.Step) {
			sc.Journeys[0].Cookies = true
			s.Headers = map[string]string{"Cookie": "a=b"}
		}, []string{"cookie", "jar"}},
		"packed and checked": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Headers = map[string]string{"accept-encoding": "gzip"}
			s.Checks = []scenarios.Check{{Contains: "x"}}
		}, []string{"accept-encoding", "compressed"}},
		"host without consent": {func(sc *scenarios.Scenario, _ *scenarios.Step) {
			sc.Hosts = map[string]string{"idp": "http://192.0.2.1"}
		}, []string{`host "idp"`, "consent"}},
		"URL of no value": {func(_ *scenarios.Scenario, s *scenarios.Step) { s.URL = "{{tenant}}/x" }, []string{"url", "{{tenant}}", "extracted"}},
		"URL unknown":     {func(_ *scenarios.Scenario, s *scenarios.Step) { s.URL = "{{x}}" }, []string{"url", "{{x}}"}},
		"URL unclosed":    {func(_ *scenarios.Scenario, s *scenarios.Step) { s.URL = "{{x" }, []string{"url", "without }}"}},
		"two in a page": {func(_ *scenarios.Scenario, s *scenarios.Step) {
			s.Extract = []scenarios.Extract{{Name: "x", Field: "a", Link: "b"}}
		}, []string{"extract", "exactly one"}},
	} {
		s := uniform(1, time.Second, scenarios.Step{})
		c.change(s, &s.Journeys[0].Steps[0])
		cfg, _ := config(t, s, "127.0.0.1:80")
		cfg.Files = fstest.MapFS{}
		refused(t, name, cfg, c.want)
	}
}

// TestPlainJourneysHaveNoSession: what needs none keeps the prebuilt request.
func TestPlainJourneysHaveNoSession(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scenarios.Scenario)
		want   bool
	}{
		"nothing": {func(*scenarios.Scenario) {}, false},
		"a form": {func(s *scenarios.Scenario) {
			s.Journeys[0].Steps[0].Form = &scenarios.Form{Fields: map[string]string{"a": "b"}}
		}, false},
		"connections": {func(s *scenarios.Scenario) { s.Journeys[0].Connections = "session" }, false},
		"cookies":     {func(s *scenarios.Scenario) { s.Journeys[0].Cookies = true }, true},
		"redirects":   {func(s *scenarios.Scenario) { s.Journeys[0].Steps[0].Follow = 1 }, true},
		"files": {func(s *scenarios.Scenario) {
			s.Journeys[0].Steps[0].Form = &scenarios.Form{Files: []scenarios.File{{Field: "f"}}}
		}, true},
		"pages": {func(s *scenarios.Scenario) {
			s.Journeys[0].Steps[0].Extract = []scenarios.Extract{{Name: "a", Field: "b"}}
		}, true},
	} {
		e, _, _ := sessionOf(t, func(s *scenarios.Scenario) {
			s.Journeys[0].Steps = append(s.Journeys[0].Steps, scenarios.Step{Name: "two", URL: "/"})
			c.change(s)
		})
		if e.steps[0].session != c.want || e.steps[1].session != c.want {
			t.Errorf("%s: sessions %v and %v, want %v", name, e.steps[0].session, e.steps[1].session, c.want)
		}
		if e.steps[1].ownConnections != (name == "connections") {
			t.Errorf("%s: own connections are %v", name, e.steps[1].ownConnections)
		}
	}
}

// TestEscapingInPlace gives what escaping into another place gives, and costs nothing.
func TestEscapingInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, value := rapid.String().Draw(t, "before"), rapid.StringOf(rapid.RuneFrom([]rune("a/ \"\\\n\r\x00\x7fäé&=%"))).Draw(t, "value")
		for _, esc := range []escaping{plain, forURL, forJSON, forHeader, forQuoted} {
			got := string(escapeTail([]byte(before+value), len(before), esc))
			if want := before + string(appendEscaped(nil, []byte(value), esc)); got != want {
				t.Fatalf("%q is %q, want %q", value, got, want)
			}
		}
	})
	dst := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		dst = escapeTail(append(dst[:0], "Größe \"3\" & mehr"...), 2, forURL)
	}); n != 0 {
		t.Errorf("%g allocations, want none", n)
	}
}
