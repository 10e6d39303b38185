package fit

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

func TestDemandIsRecovered(t *testing.T) {
	tr := usual()
	m := mustFit(t, tr.data())
	w := m.Workloads["app"]
	if got := w.Steps["submit"].Demand.Value; !near(got, tr.submit, 0.02) {
		t.Errorf("submit %.4f s, truth %.4f", got, tr.submit)
	}
	if got := w.Steps["form"].Demand.Value; !near(got, tr.form, 0.06) {
		t.Errorf("form %.4f s, truth %.4f", got, tr.form)
	}
	if w.Condition > Harmful || warned(m, "demand-collinear") || warned(m, "no-calibration") {
		t.Errorf("a calibration with stepped rate and changed mix: condition %.1f, warnings %v", w.Condition, m.Warnings)
	}
	// 0.15/0.5 + 0.04 and 0.06/0.5 + 0.04 s, in two values a tenth below and above.
	if got := w.Steps["submit"].Floor.Value; !near(got, 0.9*0.34, 0.01) {
		t.Errorf("floor of submit %.4f s", got)
	}
	// A tenth of 0.34 s of deviation, over the 0.30 s that are work.
	if got, want := w.Steps["submit"].Spread.Value, 0.01*math.Pow(0.34/0.30, 2); !near(got, want, 0.05) {
		t.Errorf("squared coefficient of variation %.4f, want %.4f", got, want)
	}
	if got := len(w.Steps["form"].Demand.Draws); got != 64 {
		t.Errorf("%d draws", got)
	}
}

// Twenty minutes instead of five: the estimate closes in on the truth.
func TestMoreDataComesCloser(t *testing.T) {
	tr := usual()
	tr.length = 1800
	m := mustFit(t, tr.data())
	steps := m.Workloads["app"].Steps
	if d := steps["submit"].Demand.Value; !near(d, tr.submit, 0.01) {
		t.Errorf("submit %.4f", d)
	}
	if d := steps["form"].Demand.Value; !near(d, tr.form, 0.03) {
		t.Errorf("form %.4f", d)
	}
}

// An interval that claims 90 % must hold the truth in about 90 of 100 worlds; 85 leaves room for chance (for a true
// 90 %, fewer than 85 has a probability of 4 %; the seeds are fixed).
func TestIntervalsCover(t *testing.T) {
	covered := map[string]int{}
	var width float64
	for seed := range uint64(100) {
		tr := usual()
		tr.seed, tr.length = seed, 600
		w := mustFit(t, tr.data()).Workloads["app"]
		for name, c := range map[string]struct {
			e    Estimate
			want float64
		}{"submit": {w.Steps["submit"].Demand, tr.submit}, "form": {w.Steps["form"].Demand, tr.form}, "idle": {w.Idle, tr.idle}} {
			if c.e.Low <= c.want && c.want <= c.e.High {
				covered[name]++
			}
		}
		width += (w.Steps["submit"].Demand.High - w.Steps["submit"].Demand.Low) / tr.submit / 100
	}
	t.Logf("covered %v of 100, mean width of submit's interval %.1f %%", covered, 100*width)
	for name, n := range covered {
		if n < 85 {
			t.Errorf("%s: the 90 %% interval holds the truth in %d of 100", name, n)
		}
	}
	if width > 0.1 {
		t.Errorf("intervals are %.0f %% wide: they say nothing", 100*width)
	}
}

func TestCollinearMixIsToldToTheReader(t *testing.T) {
	tr := usual()
	tr.rate = func(int) (float64, float64) { return 400, 60 } // one rate, one mix: nothing can be told apart
	m := mustFit(t, tr.data())
	if c := m.Workloads["app"].Condition; c < Harmful || !warned(m, "demand-collinear") {
		t.Errorf("condition %.1f, warnings %v", c, m.Warnings)
	}
}

// Load and pods the same all the time, only the mix changes: the steps can be told apart, the pods' own use cannot.
func TestIdleThatCannotBeToldApartCountsAsTheRequests(t *testing.T) {
	tr := usual()
	tr.rate = func(s int) (float64, float64) { return 60, []float64{10, 60}[s/75%2] }
	m := mustFit(t, tr.data())
	w := m.Workloads["app"]
	// 40 pods of 0.01 cores over 60 submits a second are 0.0067 s more each.
	if d := w.Steps["submit"].Demand.Value; !near(d, tr.submit+0.4/60, 0.03) || w.Idle.Value != 0 {
		t.Errorf("submit %.4f, idle %.4f", d, w.Idle.Value)
	}
	if !warned(m, "idle-unknown") || warned(m, "demand-collinear") || w.Condition > Harmful {
		t.Errorf("condition %.1f, warnings %v", w.Condition, m.Warnings)
	}
}

func TestWarmUpIsSeenAndKeptOutOfTheDemand(t *testing.T) {
	tr := usual()
	tr.purpose, tr.length, tr.factor, tr.young = "surge", 1800, 2.5, 60
	tr.pods = func(s int) int { return 8 + 4*(s/400) }
	m := mustFit(t, tr.data())
	w := m.Workloads["app"]
	if d := w.Steps["submit"].Demand.Value; !near(d, tr.submit, 0.02) {
		t.Errorf("submit %.4f, truth %.4f: warm-up leaked into the demand", d, tr.submit)
	}
	if !near(w.WarmUpFactor.Value, 2.5, 0.15) || w.WarmUpFactor.Low > 2.5 || w.WarmUpFactor.High < 2.5 {
		t.Errorf("factor %+v, truth 2.5", w.WarmUpFactor)
	}
	if got := w.WarmUpSeconds.Value; got < 50 || got > 75 {
		t.Errorf("warm-up of %g s, truth 60", got)
	}
	if !warned(m, "no-calibration") || warned(m, "no-warm-up") {
		t.Errorf("warnings %v", m.Warnings)
	}
	steady := mustFit(t, usual().data())
	if f := steady.Workloads["app"].WarmUpFactor.Value; f != 1 || !warned(steady, "no-warm-up") {
		t.Errorf("no young pods, factor %g, warnings %v", f, steady.Warnings)
	}
}

// At little load the mean is work and back end alone.
func TestBackendOfQuietPods(t *testing.T) {
	tr := usual()
	tr.rate = func(s int) (float64, float64) { return []float64{4, 8}[s/75%2], []float64{1, 6}[s/150%2] }
	tr.length = 1800
	w := mustFit(t, tr.data()).Workloads["app"]
	if got := w.Steps["submit"].Backend; math.Abs(got.Value-tr.backend) > 0.02 || got.Low > tr.backend || got.High < tr.backend {
		t.Errorf("back end %+v, truth %g", got, tr.backend)
	}
}

// A step that costs little, in noise: some draws would be nothing, and nothing can be planned with a step that costs nothing.
func TestDrawsOfADemandAreNeverNothing(t *testing.T) {
	tr := usual()
	tr.form, tr.cv, tr.length = 0.003, 1.5, 300
	demand := mustFit(t, tr.data()).Workloads["app"].Steps["form"].Demand
	for _, d := range demand.Draws {
		if demand.Value > 0 && d <= 0 {
			t.Fatalf("value %g, a draw of %g", demand.Value, d)
		}
	}
}

// One tenant is saturated, its answers take 30 s; the platform as a whole is quiet, and the others are.
func TestASaturatedNeighbourDoesNotRaiseTheFloor(t *testing.T) {
	tr := usual()
	tr.rate = func(s int) (float64, float64) { return []float64{4, 8}[s/75%2], []float64{1, 6}[s/150%2] }
	d := tr.data()
	before := mustFit(t, d).Workloads["app"].Steps["submit"]
	add := func(tenant string, start, length time.Duration, n int64) {
		h := record.NewHistogram(2)
		if err := h.Add(30*time.Second, n); err != nil {
			t.Fatal(err)
		}
		d.Windows = append(d.Windows, record.Window{
			Key: record.Key{Measure: record.Service, Step: "submit", Tenant: tenant}, Start: start, Length: length, Histogram: h,
		})
	}
	for s := range 300 { // half a core is worth 10 submits in three seconds
		add("", time.Duration(s)*time.Second, time.Second, []int64{3, 3, 4}[s%3])
		if s%60 == 0 {
			add("loud", time.Duration(s)*time.Second, time.Minute, 200)
		}
	}
	for s := 0; s <= 300; s += 15 {
		d.Events = append(d.Events, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindMetrics, Tenant: "loud", Workload: "app", Values: map[string]float64{
			"cpu_seconds": 0.5 * float64(s), "pods": 1,
		}})
	}
	after := mustFit(t, d).Workloads["app"].Steps["submit"]
	if after.Floor.Value != before.Floor.Value || after.Spread.Value > 2*before.Spread.Value {
		t.Errorf("floor %.3f and spread %.3f became %.3f and %.3f", before.Floor.Value, before.Spread.Value, after.Floor.Value, after.Spread.Value)
	}
}

func TestSurgeIsHeldOut(t *testing.T) {
	surge := usual()
	surge.seed, surge.purpose, surge.length = 7, "surge", 900
	m := mustFit(t, usual().data(), surge.data())
	h := m.Workloads["app"].HeldOut
	if h == nil || h.Scrapes < 50 || h.Median > 0.03 || h.P95 > 0.08 {
		t.Errorf("prediction of the run held out: %+v (goals: median 3 %%, p95 8 %%)", h)
	}
	if len(m.Runs) != 2 || m.Runs[1].Purpose != "surge" {
		t.Errorf("sources %+v", m.Runs)
	}
}

func TestSameDataSameModel(t *testing.T) {
	a, b := mustFit(t, usual().data()), mustFit(t, usual().data())
	if !reflect.DeepEqual(a, b) {
		t.Error("two fits of the same data differ")
	}
	if _, err := json.Marshal(a); err != nil {
		t.Errorf("the model cannot be written: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(a, b *Data)
		says   string
	}{
		"generator-limited": {func(a, _ *Data) {
			a.Run.Validity = record.Validity{Reasons: []scenarios.Text{{"en": "lateness p99 80 ms"}}}
		}, "lateness p99 80 ms"},
		"other version":   {func(a, _ *Data) { a.Run.Ansturm = "v2" }, "versions"},
		"other format":    {func(a, _ *Data) { a.Run.Format = 2 }, "formats"},
		"other resources": {func(a, _ *Data) { a.Run.Platform.Workloads[0].Threads = 4 }, "workload app"},
		"platform known of one": {func(a, _ *Data) {
			a.Run.Platform = nil
		}, "platform"},
		"no scrapes": {func(a, b *Data) { a.Events, b.Events = nil, nil }, "no scrape"},
		"too few scrapes": {func(a, b *Data) {
			cut := func(d *Data) {
				for i, e := range d.Events {
					if e.At > 40*time.Second {
						d.Events = d.Events[:i]
						return
					}
				}
			}
			cut(a)
			cut(b)
		}, "need at least 6"},
		"no answers": {func(a, b *Data) { a.Windows, b.Windows = nil, nil }, "no step"},
	} {
		a, b := usual().data(), usual().data()
		tc.change(a, b)
		_, err := FromData(context.Background(), []*Data{a, b}, Options{})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v should say %q", name, err, tc.says)
		}
	}
	if _, err := FromData(context.Background(), nil, Options{}); err == nil {
		t.Error("no runs at all must be an error")
	}
	if _, err := FromData(context.Background(), []*Data{usual().data()}, Options{Level: 1}); err == nil {
		t.Error("a level of 100 % must be an error")
	}
}

// A fit with hardly a residual left, or none at all, says that its intervals are worth little; a usual one does not.
func TestAFitWithoutResidualFreedomSaysSo(t *testing.T) {
	short := func() *Data {
		d := usual().data()
		for i, e := range d.Events {
			if e.At > 140*time.Second {
				d.Events = d.Events[:i]
				break
			}
		}
		return d
	}
	exact := usual()
	exact.cv, exact.phase = 0, 0
	for name, c := range map[string]struct {
		runs []*Data
		want bool
	}{"few scrapes": {[]*Data{short()}, true}, "no residuals": {[]*Data{exact.data()}, true}, "as usual": {[]*Data{usual().data()}, false}} {
		m, err := FromData(context.Background(), c.runs, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := slices.ContainsFunc(m.Warnings, func(w record.Warning) bool { return w.Code == "no-residual-freedom" }); got != c.want {
			t.Errorf("%s: warned %v, want %v: %v", name, got, c.want, m.Warnings)
		}
	}
}

// Other replicas, nodes and autoscaling are what a calibration varies.
func TestCalibrationMayVaryReplicas(t *testing.T) {
	a, b := usual().data(), usual().data()
	b.Run.Platform.Workloads[0].Replicas, b.Run.Platform.Workloads[0].HPA = 9, nil
	mustFit(t, a, b)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := FromData(ctx, []*Data{usual().data()}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestDemandOfTheSurge(t *testing.T) {
	m := mustFit(t, usual().data())
	if m.Demand.Value != 1 || m.Demand.Low != 0.9 || m.Demand.High != 1.1 || !warned(m, "demand-assumed") {
		t.Errorf("%+v", m.Demand)
	}
	inside := 0
	for _, d := range m.Demand.Draws {
		if d >= 0.9 && d <= 1.1 {
			inside++
		}
	}
	if inside < 56 || inside > 60 { // 90 % of 64, evenly covered, is 57.6
		t.Errorf("%d of 64 draws within the 90 %% interval", inside)
	}
	m, err := FromData(context.Background(), []*Data{usual().data()}, Options{Amplitude: Estimate{Value: 1.2, Low: 1, High: 1.44}})
	if err != nil || m.Demand.Value != 1.2 || warned(m, "demand-assumed") {
		t.Errorf("past events given: %+v, %v", m.Demand, err)
	}
}

func TestDomain(t *testing.T) {
	d := mustFit(t, usual().data()).Domain
	if d.MaxReplicas != 8 || d.MaxRate < 140 || d.MaxRate > 200 || !reflect.DeepEqual(d.Steps, []string{"form", "submit"}) {
		t.Errorf("%+v", d)
	}
	// 80·0.15 + 60·0.06 + 40 pods·0.01 = 16 cores of 20.
	if d.MaxUtilisation < 0.75 || d.MaxUtilisation > 0.95 {
		t.Errorf("utilisation %.2f", d.MaxUtilisation)
	}
}

func BenchmarkFit(b *testing.B) {
	tr := usual()
	tr.tenants, tr.length = 150, 1080
	d := tr.data()
	for b.Loop() {
		if _, err := FromData(context.Background(), []*Data{d}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
