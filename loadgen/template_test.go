package loadgen

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// seen is a request as net/http read it.
type seen struct {
	*http.Request
	body string
}

// recordingServer answers each request, as net/http reads it, with what answer says.
func recordingServer(answer func(seen) string) (*memNet, func() []seen) {
	var mu sync.Mutex
	var all []seen
	network := &memNet{handle: func(c net.Conn) {
		from := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(from)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(r.Body)
			s := seen{r, string(body)}
			mu.Lock()
			all = append(all, s)
			mu.Unlock()
			_, _ = c.Write([]byte(answer(s)))
		}
	}}
	return network, func() []seen {
		network.all.Wait()
		return all
	}
}

func TestTemplatesOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := uniform(3, 3*time.Second, scenarios.Step{})
		s.Tenants.List = []scenarios.Tenant{{Name: "adorf", Title: `A "Dorf"`, Weight: 1}}
		s.Feeders = map[string]scenarios.Feeder{"p": {Synthetic: "person"}, "c": {CSV: "rows.csv"}}
		s.Journeys[0].Steps = []scenarios.Step{
			{
				Name: "form", URL: "/t/{{tenant}}/ä b?q={{c.word}}&s={{ seq }}",
				Headers: map[string]string{"X-Who": "{{c.word}} {{p.email}}", "X-Now": "{{now}}"},
				Extract: []scenarios.Extract{
					{Name: "id", JSON: "items.1.id"},
					{Name: "tag", Header: "etag"},
					{Name: "session", Cookie: "sid"},
					{Name: "number", Regexp: `no=(\d+)`},
				},
			},
			{
				Name: "submit", Method: "POST", URL: "/s/{{id}}",
				Headers: map[string]string{"Content-Type": "application/json", "Cookie": "sid={{session}}", "If-Match": "{{tag}}"},
				Body:    `{"title":"{{tenant.title}}","name":"{{p.name}}","word":"{{c.word}}","no":{{number}},"uuid":"{{uuid}}","run":"{{run}}","retry":{{retry}}}`,
			},
		}
		cfg, m := config(t, s, "127.0.0.1:80")
		cfg.Files = fstest.MapFS{"rows.csv": {Data: []byte("word\n\"a&\"\"b\"\nzwei\n")}}
		network, requests := recordingServer(func(s seen) string {
			if s.Method == "POST" {
				return "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
			}
			const body = `{"items":[{},{"id":"x/y"}],"t":"no=7"}`
			return "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nSet-Cookie: other=1\r\nSet-Cookie: sid=s3; Path=/\r\nContent-Length: " +
				strconv.Itoa(len(body)) + "\r\n\r\n" + body
		})
		cfg.Transport = network
		if _, err := run(t, t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if n := checkFates(t, m, 3); n[record.Completed] != 3 {
			t.Fatalf("fates %v: %+v", n, m.samples)
		}
		all := requests()
		if len(all) != 6 {
			t.Fatalf("%d requests, want 6", len(all))
		}
		checkForm(t, all[0])
		checkSubmit(t, all[1])
	})
}

func checkForm(t *testing.T, r seen) {
	t.Helper()
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || query.Get("q") != `a&"b` || query.Get("s") != "0" || r.URL.Path != "/t/adorf/ä b" {
		t.Errorf("form's URL is %s (%v)", r.URL, err)
	}
	if r.Host != "127.0.0.1:80" || r.Header.Get("Ansturm-Run") != "run-1" || r.Header.Get("Ansturm-Step") != "form" {
		t.Errorf("form's host is %s, its header %v", r.Host, r.Header)
	}
	if r.Header.Get("X-Who") != `a&"b person-0@example.org` || r.Header.Get("X-Now") != "2000-01-01T00:00:00Z" {
		t.Errorf("form's header is %v", r.Header)
	}
}

func checkSubmit(t *testing.T, r seen) {
	t.Helper()
	if r.RequestURI != "/s/x%2Fy" || r.Header.Get("Cookie") != "sid=s3" || r.Header.Get("If-Match") != `"v1"` {
		t.Errorf("submit's URI is %s, its header %v", r.RequestURI, r.Header)
	}
	var body struct {
		Title, Name, Word, UUID, Run string
		No, Retry                    int
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	name := string(people{}.append(nil, 0, 0))
	if body.Title != `A "Dorf"` || body.Word != `a&"b` || body.No != 7 || body.Retry != 0 || body.Run != "run-1" || body.Name != name || len(body.UUID) != 36 {
		t.Errorf("submit's body is %+v", body)
	}
}

func TestCompileErrorsNameStepAndField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scenarios.Step)
		want   []string
	}{
		"placeholder in body":   {func(s *scenarios.Step) { s.Body = "{{sequence}}" }, []string{`step "step"`, "body", "{{sequence}}", "seq"}},
		"placeholder in url":    {func(s *scenarios.Step) { s.URL = "/{{x}}" }, []string{`step "step"`, "url", "{{x}}"}},
		"placeholder in header": {func(s *scenarios.Step) { s.Headers = map[string]string{"X-A": "{{x}}"} }, []string{"header x-a", "{{x}}"}},
		"unclosed":              {func(s *scenarios.Step) { s.Body = "{{seq" }, []string{"body", "without }}"}},
		"own value":             {func(s *scenarios.Step) { s.URL = "/{{v}}"; s.Extract = []scenarios.Extract{{Name: "v", JSON: "a"}} }, []string{"url", "{{v}}"}},
		"foreign":               {func(s *scenarios.Step) { s.URL = "http://192.0.2.1/" }, []string{"url", "consent"}},
		"no path":               {func(s *scenarios.Step) { s.URL = "antrag" }, []string{"url", "begins with /"}},
		"line break":            {func(s *scenarios.Step) { s.URL = "/a\r\nX: y" }, []string{"url"}},
		"header line break":     {func(s *scenarios.Step) { s.Headers = map[string]string{"X": "a\r\nB: c"} }, []string{"header x"}},
		"header name":           {func(s *scenarios.Step) { s.Headers = map[string]string{"X Y": "a"} }, []string{"X Y"}},
		"own length":            {func(s *scenarios.Step) { s.Headers = map[string]string{"Content-Length": "1"} }, []string{"set by the engine"}},
		"method":                {func(s *scenarios.Step) { s.Method = "GE T" }, []string{"method"}},
		"two sources":           {func(s *scenarios.Step) { s.Extract = []scenarios.Extract{{Name: "v", JSON: "a", Regexp: "b"}} }, []string{"extract"}},
		"taken name":            {func(s *scenarios.Step) { s.Extract = []scenarios.Extract{{Name: "seq", JSON: "a"}} }, []string{"extract", "seq"}},
		"regexp":                {func(s *scenarios.Step) { s.Extract = []scenarios.Extract{{Name: "v", Regexp: "("}} }, []string{"extract", "v"}},
		"equals alone":          {func(s *scenarios.Step) { s.Checks = []scenarios.Check{{Equals: "x"}} }, []string{"check 1"}},
	} {
		step := scenarios.Step{Name: "step", URL: "/"}
		c.change(&step)
		cfg, _ := config(t, uniform(1, time.Second, step), "127.0.0.1:80")
		refused(t, name, cfg, c.want)
	}
}

// refused checks that an engine is not made, and that the error says each of these.
func refused(t *testing.T, name string, cfg Config, says []string) {
	t.Helper()
	_, err := New(cfg)
	if err == nil {
		t.Errorf("%s: no error", name)
		return
	}
	for _, want := range says {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %s", name, err, want)
		}
	}
}

func TestCompileErrorsOfFeeders(t *testing.T) {
	for name, f := range map[string]scenarios.Feeder{
		"no such file": {CSV: "missing.csv"}, "no rows": {CSV: "empty.csv"}, "ragged": {CSV: "ragged.csv"},
		"kind": {Synthetic: "animal"}, "nothing": {}, "both": {CSV: "ok.csv", Synthetic: "person"},
	} {
		s := uniform(1, time.Second, scenarios.Step{})
		s.Feeders = map[string]scenarios.Feeder{"f": f}
		cfg, _ := config(t, s, "127.0.0.1:80")
		cfg.Files = fstest.MapFS{"empty.csv": {Data: []byte("a\n")}, "ragged.csv": {Data: []byte("a,b\n1\n")}, "ok.csv": {Data: []byte("a\n1\n")}}
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), `feeder "f"`) {
			t.Errorf("%s: %v, want an error that names the feeder", name, err)
		}
	}
}

func TestNewRefusesForeignTargets(t *testing.T) {
	cfg, _ := config(t, uniform(1, time.Second, scenarios.Step{}), "192.0.2.1:80")
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "consent") {
		t.Errorf("a foreign address: %v", err)
	}
}

func TestPeopleAreFakeAndTheSameEveryTime(t *testing.T) {
	for seq := range uint32(5000) {
		for column, name := range personColumns {
			value := string(people{}.append(nil, seq, column))
			if value != string(people{}.append(nil, seq, column)) || value == "" {
				t.Fatalf("person %d's %s is %q", seq, name, value)
			}
			switch {
			case name == "birthDate":
				born, err := time.Parse(time.DateOnly, value)
				if err != nil || born.Year() < 1930 || born.Year() > 2007 {
					t.Fatalf("person %d was born on %q: %v", seq, value, err)
				}
			case name == "postcode" && (len(value) != 5 || value[:2] != "00"):
				t.Fatalf("person %d's postcode is %q", seq, value)
			case name == "email" && !strings.HasSuffix(value, "@example.org"):
				t.Fatalf("person %d's address is %q", seq, value)
			}
		}
	}
}

func TestAppendPadded(t *testing.T) {
	for _, c := range []struct {
		n     uint64
		width int
		want  string
	}{{0, 3, "000"}, {7, 3, "007"}, {42, 3, "042"}, {999, 3, "999"}, {5, 2, "05"}, {12, 2, "12"}, {3, 1, "3"}} {
		if got := string(appendPadded(nil, c.n, c.width)); got != c.want {
			t.Errorf("%d in %d digits is %s, want %s", c.n, c.width, got, c.want)
		}
	}
}
