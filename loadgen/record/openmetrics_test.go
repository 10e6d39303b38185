package record

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"pgregory.net/rapid"
)

// The grammar of OpenMetrics 1.0 text, as far as this package writes it.
var (
	metaLine   = regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) (.+)$`)
	sampleLine = regexp.MustCompile(`^([a-z_]+)(\{[^}]*\})? (\S+) (\d\S*)$`)
	labelPairs = regexp.MustCompile(`^\{([a-z]+="(?:[^"\\]|\\.)*"(,[a-z]+="(?:[^"\\]|\\.)*")*)?\}$`)
)

// omSeries is one series of metrics.om: its values in order of time.
type omSeries struct {
	at     []float64
	values []float64
}

func (s omSeries) last() float64 { return s.values[len(s.values)-1] }

// parseMetrics reads metrics.om line by line and fails where it is not OpenMetrics: families must not be interleaved,
// series neither, time must rise, counters must not fall.
func parseMetrics(t *testing.T, dir string) map[string]omSeries {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	text, ended := strings.CutSuffix(string(b), "\n# EOF\n")
	if !ended {
		t.Fatal("metrics.om does not end in # EOF")
	}
	out := map[string]omSeries{}
	families := map[string]string{}
	family, current := "", ""
	for i, line := range strings.Split(text, "\n") {
		if m := metaLine.FindStringSubmatch(line); m != nil {
			if m[1] == "HELP" && families[m[2]] != "" {
				t.Fatalf("line %d: family %s comes twice", i+1, m[2])
			}
			family = m[2]
			families[family] = m[3]
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || m[2] != "" && !labelPairs.MatchString(m[2]) {
			t.Fatalf("line %d is not OpenMetrics: %s", i+1, line)
		}
		if strings.TrimSuffix(m[1], "_total") != family || (families[family] == "counter") != strings.HasSuffix(m[1], "_total") {
			t.Fatalf("line %d: %s in family %s of type %s", i+1, m[1], family, families[family])
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		at, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		name := m[1] + m[2]
		s := out[name]
		if n := len(s.at); n > 0 {
			if name != current || at <= s.at[n-1] {
				t.Fatalf("line %d: %s is interleaved or goes back in time", i+1, name)
			}
			if families[family] == "counter" && value < s.values[n-1] {
				t.Fatalf("line %d: a counter falls: %s", i+1, line)
			}
		}
		current = name
		s.at, s.values = append(s.at, at), append(s.values, value)
		out[name] = s
	}
	return out
}

func TestMetricsAreOpenMetricsAndSumToTheRecord(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(4000))
	if err != nil {
		t.Fatal(err)
	}
	fill(w, 4000)
	w.Event(Event{At: 70 * time.Second, Kind: KindMetrics, Tenant: "a", Workload: "web", Values: map[string]float64{"utilisation_percent": 85}})
	w.Event(Event{At: 71 * time.Second, Kind: KindPod, Tenant: "a\"b\\c\nd", Workload: "web"})
	w.Event(Event{At: 71 * time.Second, Kind: KindReplicas, Tenant: "a\"b\\c\nd", Workload: "web", Ready: 4})
	if err := w.Close(started.Add(3*time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	metrics := parseMetrics(t, dir)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := r.Windows(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for _, w := range windows {
		n := float64(w.Histogram.Count())
		labels := fmt.Sprintf(`step="%s",outcome="%s"}`, w.Step, w.Outcome)
		switch {
		case w.Measure == Response && w.Tenant == "":
			want["ansturm_shots_total{"+labels] += n
		case w.Measure == Response:
			want[`ansturm_tenant_shots_total{tenant="`+w.Tenant+`",`+labels] += n
		case w.Measure == Service && w.Tenant == "":
			want["ansturm_answers_total{"+labels] += n
		}
	}
	for fate, n := range map[string]float64{"completed": 3400, "failed": 400, "indeterminate": 200, "unsent": 0} {
		want[`ansturm_arrivals_total{fate="`+fate+`"}`] = n
	}
	want["ansturm_arrivals_due_total"] = 4000
	want[`ansturm_utilisation_ratio{tenant="a",workload="web"}`] = 0.85
	want[`ansturm_replicas_current{tenant="a",workload="web"}`] = 2
	want[`ansturm_replicas_ready{tenant="a\"b\\c\nd",workload="web"}`] = 4
	for name, value := range want {
		s, there := metrics[name]
		if !there || s.last() < value-1e-6 || s.last() > value+1e-6 {
			t.Errorf("%s ends at %v, want %g", name, s.values, value)
		}
	}
	for name := range metrics {
		if _, known := want[name]; strings.Contains(name, "_total") && !known {
			t.Errorf("%s is not in the record", name)
		}
	}
}

func TestQuantilesInMetricsAreThoseOfTheWindows(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 4000)
	metrics := parseMetrics(t, dir)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := r.Windows(func(k Key, _ time.Duration) bool {
		return k == Key{Measure: Response, Step: "submit", Outcome: OK}
	})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := r.Windows(func(k Key, _ time.Duration) bool { return k.Measure == Connect })
	if err != nil {
		t.Fatal(err)
	}
	if c := metrics[`ansturm_connect_seconds{quantile="0.99"}`]; len(c.at) != len(opened) || c.values[0] != opened[0].Histogram.Quantile(0.99).Seconds() {
		t.Errorf("time to connect: %d values of %d windows, the first %g", len(c.at), len(opened), c.values[0])
	}
	for _, name := range []string{`ansturm_tls_seconds{quantile="0.5"}`, `ansturm_first_byte_seconds{step="form",quantile="0.5"}`} {
		if v := metrics[name]; len(v.at) == 0 || v.last() <= 0 {
			t.Errorf("%s: %v", name, v)
		}
	}
	s := metrics[`ansturm_response_seconds{step="submit",quantile="0.95"}`]
	if len(s.at) != len(windows) {
		t.Fatalf("%d values of %d windows", len(s.at), len(windows))
	}
	for i, w := range windows {
		at := float64(started.Add(w.Start+w.Length).UnixMilli()) / 1000
		if s.at[i] != at || s.values[i] != w.Histogram.Quantile(0.95).Seconds() {
			t.Errorf("window %v: %g at %f, want %v at %f", w.Start, s.values[i], s.at[i], w.Histogram.Quantile(0.95), at)
		}
	}
}

// What the library makes of the same values is the same text.
func TestOurTextIsTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, suffix := dto.MetricType_GAUGE, ""
		if rapid.Bool().Draw(t, "counter") {
			kind, suffix = dto.MetricType_COUNTER, "_total"
		}
		name, help := "ansturm_x"+suffix, "What it is."
		f := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
		var ours bytes.Buffer
		o := openMetrics{Writer: bufio.NewWriter(&ours), start: started.UnixMilli()}
		o.family("ansturm_x", help, strings.ToLower(kind.String()))
		for range rapid.IntRange(1, 5).Draw(t, "values") {
			at, v := rapid.Int64Range(0, 1e12).Draw(t, "ms"), rapid.Float64().Draw(t, "value")
			if rapid.Bool().Draw(t, "whole") {
				v = math.Round(v)
			}
			stamp := o.start + at
			m := &dto.Metric{TimestampMs: &stamp, Gauge: &dto.Gauge{Value: &v}, Counter: &dto.Counter{Value: &v}}
			var labels []label
			for _, name := range []string{"tenant", "step"}[:rapid.IntRange(0, 2).Draw(t, "labels")] {
				l := label{name, rapid.String().Draw(t, "label")}
				labels = append(labels, l)
				m.Label = append(m.Label, &dto.LabelPair{Name: &l.name, Value: &l.value})
			}
			f.Metric = append(f.Metric, m)
			o.put(time.Duration(at)*time.Millisecond, v, labels...)
		}
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
		var theirs bytes.Buffer
		if _, err := expfmt.MetricFamilyToOpenMetrics(&theirs, f); err != nil {
			t.Fatal(err)
		}
		if ours.String() != theirs.String() {
			t.Fatalf("ours:\n%stheirs:\n%s", ours.String(), theirs.String())
		}
	})
}

// A day of eleven thousand tenants must not make a file that no disk holds.
func TestMetricsStayBounded(t *testing.T) {
	for _, c := range []struct {
		span time.Duration
		unit time.Duration
		most int
		want time.Duration
	}{
		{18 * time.Minute, time.Second, mostTicks, time.Second},
		{30 * time.Minute, time.Second, mostTicks, time.Second},
		{30*time.Minute + time.Second, time.Second, mostTicks, 2 * time.Second},
		{24 * time.Hour, time.Second, mostTicks, 48 * time.Second},
		{24 * time.Hour, time.Minute, 3, 8 * time.Hour},
		{0, time.Second, mostTicks, time.Second},
	} {
		if got := lengthOf(c.span, c.unit, c.most); got != c.want {
			t.Errorf("%v in at most %d of %v: every %v, want %v", c.span, c.most, c.unit, got, c.want)
		}
	}
}
