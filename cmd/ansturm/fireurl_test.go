package main

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// plainShot is what the flags hold when only the URL is written, and given names those that tests change.
func plainShot(url string, given ...string) *shot {
	return &shot{
		url: url, rate: "50", over: 10 * time.Second, curve: "constant", process: "poisson",
		given: func(flag string) bool { return strings.Contains(" "+strings.Join(given, " ")+" ", " "+flag+" ") },
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{
		"50": 50, "0.5": 0.5, "10k": 10_000, "1.5k": 1500, "600/m": 10, "600/min": 10, "36k/h": 10, "7/s": 7, "1e3": 1000,
	} {
		if got, isMax, err := parseRate(text); err != nil || isMax || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, %v, %v; want %v", text, got, isMax, err, want)
		}
	}
	if _, isMax, err := parseRate("max"); err != nil || !isMax {
		t.Errorf("max is %v, %v", isMax, err)
	}
	for _, text := range []string{"", "k", "-1", "0", "NaN", "Inf", "5/", "5/day", "5 /s", "maximum", "1,000"} {
		if got, _, err := parseRate(text); err == nil {
			t.Errorf("%q is taken for %v/s", text, got)
		}
	}
}

func TestTwoOfRateTimeAndTotalSayTheThird(t *testing.T) {
	for _, test := range []struct {
		rate  string
		over  time.Duration
		total int64
		given string

		wantTotal int64
		wantOver  time.Duration
	}{
		{"50", 10 * time.Second, 0, "", 500, 10 * time.Second},
		{"10k", 30 * time.Second, 0, "rate for", 300_000, 30 * time.Second},
		{"50", 10 * time.Second, 7, "total", 7, 10 * time.Second},
		{"50", 4 * time.Second, 100, "total for", 100, 4 * time.Second},
		{"20", 10 * time.Second, 50, "total rate", 50, 2500 * time.Millisecond},
		{"0.3", 5 * time.Second, 0, "rate for", 2, 5 * time.Second}, // 1.5 arrivals are two
	} {
		s := plainShot("http://127.0.0.1:1/", strings.Fields(test.given)...)
		s.rate, s.over, s.total = test.rate, test.over, test.total
		a, closed, err := s.arrivals()
		if err != nil || closed != 0 || a.Total != test.wantTotal || a.Over != test.wantOver {
			t.Errorf("%+v: %d in %s, closed %d, %v", test, a.Total, a.Over, closed, err)
		}
	}
}

func TestTargetsAreSplitAndChecked(t *testing.T) {
	for url, want := range map[string]target{
		"http://127.0.0.1:8080":                 {"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", "/"},
		"http://127.0.0.1:8080/a/{{seq}}?b=/c#": {"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", "/a/{{seq}}?b=/c"},
		"http://localhost?q={{uuid}}":           {"http://localhost", "localhost", "localhost:80", "/?q={{uuid}}"},
		"http://[::1]:81/x":                     {"http://[::1]:81", "[::1]:81", "[::1]:81", "/x"},
	} {
		if got, err := splitTarget(url); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", url, got, err, want)
		}
	}
	for _, url := range []string{
		"", "127.0.0.1:80/", "/path", "http://", "http:///x", "http://10.0.0.1/", "http://127.0.0.1.example.org/", "http://127.0.0.1@example.org/",
		"http://127.0.0.1:8080@example.org", "http://{{seq}}/", "http://127.0.0.1:0/", "ftp://127.0.0.1/", "http://example.org?http://127.0.0.1/",
	} {
		if got, err := splitTarget(url); err == nil {
			t.Errorf("%q would be fired at as %+v", url, got)
		}
	}
}

// TestCurvesKeepTheTotal: whatever the shape, the rate is the mean; each named one can be made for short runs and long.
func TestCurvesKeepTheTotal(t *testing.T) {
	for _, name := range curveNames {
		for _, over := range []time.Duration{2 * time.Second, time.Hour} {
			if name == "daily" && over < leastDaily {
				continue
			}
			s := plainShot("http://127.0.0.1:1/")
			s.curve, s.over = name, over
			f, err := s.firing(nil)
			if err != nil {
				t.Errorf("%s in %s: %v", name, over, err)
				continue
			}
			curve, err := f.scenario.Curve()
			if err != nil {
				t.Fatal(err)
			}
			want := 50 * over.Seconds()
			if got := curve.Cumulative(over); math.Abs(got-want) > 1e-6*want {
				t.Errorf("%s in %s: %v arrivals, want %v", name, over, got, want)
			}
		}
	}
}

func TestOnlyObviousJSONIsCalledJSON(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"{{uuid}}"}`: "application/json", " [1, {{seq}}]\n": "application/json",
		"{{uuid}}": "", "a=b&c=d": "", "": "", "{broken": "", "hello": "",
	} {
		s := plainShot("http://127.0.0.1:1/", "data")
		s.body = body
		step, err := s.step(target{origin: "http://127.0.0.1:1", host: "127.0.0.1:1", address: "127.0.0.1:1", path: "/"}, nil)
		if err != nil || step.Headers["Content-Type"] != want || step.Method != "POST" || step.Body != body {
			t.Errorf("%q: %+v, %v; want content type %q", body, step, err, want)
		}
		s.headers = []string{"content-type: text/plain"}
		if step, err = s.step(target{}, nil); err != nil || step.Headers["content-type"] != "text/plain" || step.Headers["Content-Type"] != "" {
			t.Errorf("%q: a content type that is written is changed to %q, %v", body, step.Headers, err)
		}
	}
}

// TestResultIsTheRecords: a record with known times gives just these, each shot counted once.
func TestResultIsTheRecords(t *testing.T) {
	s := plainShot("http://127.0.0.1:1/", "total")
	s.total = 1000
	f, err := s.firing(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, start := filepath.Join(t.TempDir(), "r"), time.Unix(1_700_000_000, 0)
	w, err := record.Create(dir, f.run(start))
	if err != nil {
		t.Fatal(err)
	}
	shard := w.Shard()
	for i := range 1000 { // the service takes 1 to 1000 ms, evenly; every shot is 100 ms late; every tenth fails
		due := time.Duration(i) * 10 * time.Millisecond
		sent := due + 100*time.Millisecond
		x := record.Sample{Seq: uint32(i), Due: due, Sent: sent, Done: sent + time.Duration(i+1)*time.Millisecond}
		fate := record.Completed
		if i%10 == 9 {
			x.Outcome, fate = record.Failed, record.FailedArrival
		}
		shard.Sample(x)
		shard.Fate(x.Seq, fate)
	}
	err = w.Close(start.Add(11*time.Second), func(r *record.Run) { r.Validity.Valid = true })
	if err != nil {
		t.Fatal(err)
	}
	rec, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := resultOf(rec, f)
	if err != nil {
		t.Fatal(err)
	}
	if r.Completed != 900 || r.Failed != 100 || r.Response.Count != 1000 || r.ResponseOK.Count != 900 || len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
	for name, pair := range map[string][2]int64{
		"service p50": {r.Service.P50, 500_000}, "service p90": {r.Service.P90, 900_000}, "service p99": {r.Service.P99, 990_000},
		"service p99.9": {r.Service.P999, 999_000}, "service max": {r.Service.Max, 1_000_000},
		"response p95": {r.Response.P95, 1_050_000}, "response max": {r.Response.Max, 1_100_000},
		"lateness p50": {r.Lateness.P50, 100_000}, "lateness max": {r.Lateness.Max, 100_000},
		"good max": {r.ResponseOK.Max, 1_099_000},
	} {
		if off := math.Abs(float64(pair[0]-pair[1])) / float64(pair[1]); off > 0.001 {
			t.Errorf("%s is %d µs, want %d", name, pair[0], pair[1])
		}
	}
	if math.Abs(r.Rate-900.0/11) > 1e-9 || r.OfferedRate != 100 || math.Abs(r.SentRate-1000.0/11) > 1e-9 {
		t.Errorf("rates %v, %v, %v", r.OfferedRate, r.SentRate, r.Rate)
	}
}

func TestTheSentenceNamesTheCause(t *testing.T) {
	even := func(us int64) spread { return spread{100, us, us, us, us, us, us} }
	for want, r := range map[string]fireResult{
		"nobody waited for the generator": {Response: even(20_010), Service: even(20_000), Lateness: even(10)},
		"small enough":                    {Response: even(110), Service: even(60), Lateness: even(50)},
		"waiting for one of the 50 conn":  {Response: even(900_000), Service: even(20_000), Lateness: even(880_000), full: true, ConnectionsPeak: 50},
		"the generator's own, which sent": {Response: even(900_000), Service: even(20_000), Lateness: even(880_000)},
		"At p95 the response time is 1.02 s and the service time 1.01 s": {
			Response: spread{100, 103, 122_000, 1_020_000, 1_810_000, 1_980_000, 2_000_000}, Lateness: even(37_000),
			Service: spread{100, 23, 121_000, 1_010_000, 1_810_000, 1_980_000, 2_000_000},
		},
		"the target may serve more":         {Response: even(60), Service: even(60), Closed: 64, Busy: 0.97},
		"what the target can serve":         {Response: even(60), Service: even(60), Closed: 64},
		"no service time":                   {Response: even(60), Lateness: even(10)},
		"nothing to compare":                {},
		"at p50 and 2.00 ms at p99 (limit ": {Response: even(3000), Service: even(1000), Lateness: even(2000)},
	} {
		r.limit = 5 * time.Millisecond
		if got := r.explain(); !strings.Contains(got, want) || strings.Count(got, ".\n")+strings.Count(got, ". ") > 0 {
			t.Errorf("want one sentence with %q, got %q", want, got)
		}
	}
}

func TestTextFitsTheTerminal(t *testing.T) {
	r := fireResult{Arrivals: math.MaxUint32, Completed: math.MaxUint32, Outcomes: map[string]int64{"ok": 1}, OfferedRate: 123456, SentRate: 123456, Rate: 123456, Duration: 86400}
	r.Response = spread{1, 1, 1000, 1e6, 1e7, 1e8, 3_600_000_000}
	r.Service, r.Lateness, r.Explanation = r.Response, r.Response, r.explain()
	r.Warnings = []string{strings.Repeat("many words ", 30)}
	var b strings.Builder
	if err := r.text(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	for us, want := range map[int64]string{0: "0 µs", 999: "999 µs", 1000: "1.00 ms", 9_996: "10.0 ms", 99_960: "100 ms", 999_000: "999 ms", 1_234_567: "1.23 s", 3_600_000_000: "3600 s"} {
		if got := micros(us); got != want {
			t.Errorf("%d µs is %q, want %q", us, got, want)
		}
	}
}

// FuzzFireFlags: no command line panics, and what is let through is a scenario that loads from a file and has a schedule.
func FuzzFireFlags(f *testing.F) {
	f.Add("http://127.0.0.1:8080/{{seq}}", "10k", "spike:2s,1s", "Accept: a", "[1]", int64(0))
	f.Add("http://localhost", "600/m", "ramp:1,10", "x:", "", int64(5))
	f.Add("http://[::1]:1/?a#b", "max", "gaussian", ":", "{{", int64(-1))
	f.Add("http://127.0.0.1:1/\x00", "1e300", "daily:1h,2", "A: \r\nB: c", "", int64(1<<40))
	f.Add("https://127.0.0.1", "0x10", "step:1s,1e99", "", "", int64(1))
	f.Fuzz(func(t *testing.T, url, rate, curve, header, body string, total int64) {
		if strings.HasPrefix(curve, "@") || strings.HasPrefix(body, "@") {
			return // files
		}
		s := plainShot(url, "data", "rate")
		if total != 0 {
			s = plainShot(url, "data", "total")
		}
		s.rate, s.curve, s.headers, s.body, s.total = rate, curve, []string{header}, body, total
		fired, err := s.firing(nil)
		if err != nil || fired.scenario.Arrivals.Total > 1e6 {
			return
		}
		if _, err := arrivals.New(fired.scenario); err != nil {
			t.Fatalf("valid, but without a schedule: %v", err)
		}
		text, err := scenarios.Marshal(fired.scenario)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenarios.Parse("fire.yaml", text, nil); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	})
}
