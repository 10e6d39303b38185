package fit

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// registry adds a shared back end to a run: offered in steps, with limit requests a second at most; what it cannot serve
// waits.
func registry(d *Data, limit, work float64, offered func(second int) float64) *Data {
	d.Run.Platform.Backends = []scenarios.Backend{{Name: "registry", Cores: limit * work}}
	rng, waiting := rand.New(rand.NewPCG(1, 1)), 0.0
	for s := range 300 {
		waiting += poisson(rng, offered(s))
		served := math.Min(waiting, limit)
		waiting -= served
		d.Events = append(d.Events, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindBackend, Object: "registry", Values: map[string]float64{
			"in_service": waiting + served*work, "served": served,
		}})
	}
	return d
}

func TestABackendsMost(t *testing.T) {
	steps := func(most float64) func(int) float64 {
		return func(s int) float64 { return []float64{0.3, 0.5, 0.8, 1, 0.4, 0.2}[s/50%6] * most }
	}
	m := mustFit(t, registry(usual().data(), 60, 0.05, steps(80)))
	b := m.Backends["registry"]
	if b == nil || !b.Reached || b.KneeObserved || b.Most.Low > 60 || b.Most.High < 60*0.98 || !near(b.Most.Value, 60, 0.03) {
		t.Errorf("%+v", b)
	}
	if p := parameterOf(m, KindBackend, "", "registry"); p == nil || p.Status != Known || p.Settles != "" {
		t.Errorf("parameter %+v", p)
	}
	m = mustFit(t, registry(usual().data(), 60, 0.05, steps(40)))
	if b = m.Backends["registry"]; b.Reached || b.KneeObserved || b.AtLeast < 38 || b.AtLeast > 60 {
		t.Errorf("never at its limit: %+v", b)
	}
	if p := parameterOf(m, KindBackend, "", "registry"); p == nil || p.Status != Assumed || p.Settles != RunBackends || p.Low != b.AtLeast || p.Value != 0 {
		t.Errorf("parameter %+v", p)
	}
}

// A back end that does the less the more there are in service has a knee, between what it was seen with before and after.
func TestABackendsKnee(t *testing.T) {
	const cores, work = 10.0, 0.1
	law := func(n float64) float64 { return math.Min(n, cores) / (1 + 0.02*n + 0.002*n*n) / work }
	d := usual().data()
	d.Run.Platform.Backends = []scenarios.Backend{{Name: "registry", Cores: cores}}
	rng, in := rand.New(rand.NewPCG(1, 1)), 0.0
	for s := range 300 {
		served := 0.0
		for range 10 { // tenths of a second
			done := math.Min(in, poisson(rng, law(in)/10))
			in += poisson(rng, []float64{1.5, 3, 4.5, 9, 1, 1}[s/50]) - done
			served += done
		}
		d.Events = append(d.Events, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindBackend, Object: "registry", Values: map[string]float64{
			"in_service": in, "served": served,
		}})
	}
	m := mustFit(t, d)
	b := m.Backends["registry"]
	if !b.KneeObserved || b.Knee.Low > cores || b.Knee.High < cores || b.Knee.Value > 2*cores || b.Knee.Low < 1 {
		t.Errorf("%+v", b)
	}
	if !warned(m, "backend-knee-observed") || warned(m, "backend-knee-not-observed") {
		t.Errorf("warnings %v", m.Warnings)
	}
	if p := parameterOf(m, KindBackend, "", "registry"); p.Status == Known && p.High < law(cores)*0.95 || p.Low > law(cores)*1.1 {
		t.Errorf("parameter %+v, truth %.1f", p, law(cores))
	}
	says := func(b *Backend) scenarios.Text {
		w := &warnings{}
		w.backend("registry", b)
		return w.list[0].Text
	}
	if got := says(&Backend{KneeObserved: true, Reached: true, Most: Estimate{Value: 70}, Knee: Estimate{Value: 10, Low: 8, High: 20}}); !strings.Contains(got["de"], "70,0 Anfragen/s, mit 10 zugleich (8 bis 20)") || !strings.Contains(got["en"], "70.0 requests/s, with 10 at a time (8 to 20)") {
		t.Errorf("seen: %v", got)
	}
	if got := says(&Backend{KneeObserved: true, AtLeast: 60, Knee: Estimate{Value: 40, Low: 2, High: 100}}); !strings.Contains(got["de"], "zwischen 2 und 100 Anfragen zugleich") || !strings.Contains(got["de"], "mindestens 60,0 Anfragen/s") ||
		!strings.Contains(got["en"], "between 2 and 100 requests at a time") || !strings.Contains(got["en"], "at least 60.0 requests/s") {
		t.Errorf("rushed past: %v", got)
	}
}

// crowds are bins in which a back end served so much with so many in service.
func crowds(in, rate []float64, each int) (out []serving) {
	for i, n := range in {
		for range each {
			out = append(out, serving{in: n, rate: rate[i], residence: n / rate[i], steady: true})
		}
	}
	return out
}

// A back end that rushed past its knee, which lies below the number with which it was seen to serve most: nobody knows
// where, nor what it gives there. Where it went slowly both are known.
func TestAKneeRushedPast(t *testing.T) {
	opts := Options{}.withDefaults()
	if b := fitBackend(crowds([]float64{2, 40, 100}, []float64{20, 60, 30}, 8), opts); !b.KneeObserved || b.Reached || b.Knee.Low > 2 || b.Knee.High < 100 || b.Most.Value != 0 {
		t.Errorf("rushed past: %+v", b)
	}
	if b := fitBackend(crowds([]float64{2, 7, 10, 15, 25}, []float64{20, 50, 70, 50, 30}, 8), opts); !b.KneeObserved || !b.Reached || b.Knee.Low > 10 || b.Knee.High < 10 || b.Most.Low > 70 || b.Most.High < 70 {
		t.Errorf("seen: %+v", b)
	}
}

// What may as well be less than nothing is as uncertain as what may not: its draws are cut once its interval is told.
func TestABackendsFiguresAreCutLast(t *testing.T) {
	opts := Options{}.withDefaults()
	width := func(less float64) float64 {
		list := crowds([]float64{10, 10}, []float64{10, 30}, 8)
		f := drawn(list, source(opts, streamBackend), opts, func(list []serving) []float64 { return []float64{rateOf(list) - less} })[0]
		e := f.estimate("1/s", opts)
		if e.Low < 0 || slices.Min(e.Draws) < 0 {
			t.Errorf("%+v", e)
		}
		return e.High - e.Value
	}
	if got, want := width(20), width(0); !near(got, want, 1e-9) {
		t.Errorf("half as wide as %g at nought, and as %g elsewhere", got, want)
	}
}

// Where nothing is served the wait is not known: but nobody waited for longer than the
// run tells, in vain or not.
func TestStrainReachesAsFarAsAnyoneWaited(t *testing.T) {
	h := record.NewHistogram(3)
	if err := h.Add(3*time.Second, 1); err != nil {
		t.Fatal(err)
	}
	r := arrange(&Data{Run: usual().data().Run, Windows: []record.Window{{
		Key: record.Key{Measure: record.Service, Step: "submit", Outcome: record.TimedOut}, Start: 3 * time.Second, Length: time.Second, Histogram: h,
	}}})
	if !near(r.longest, 3, 0.01) {
		t.Errorf("waited for %g s at most", r.longest)
	}
	calm := crowds([]float64{1}, []float64{20}, 5)
	strain([]*run{r}, map[string][]serving{"registry": append(calm, serving{from: 500, to: 505, in: 2000, residence: 10000})})
	if !r.strainedIn(498, 499) || r.strainedIn(0, 496) || r.strainedIn(509, 1000) {
		t.Errorf("under strain %v", r.strained)
	}
}

// What was sent and not answered in time costs what an answer does, when it was sent; and neither moment can be trusted.
func TestWorkOfRequestsGivenUpIsTheirSteps(t *testing.T) {
	h := record.NewHistogram(3)
	if err := h.Add(20*time.Second, 7); err != nil {
		t.Fatal(err)
	}
	r := arrange(&Data{Run: usual().data().Run, Windows: []record.Window{{
		Key: record.Key{Measure: record.Service, Step: "submit", Outcome: record.TimedOut}, Start: 30 * time.Second, Length: time.Second, Histogram: h,
	}}})
	if got := between(r.givenUp["submit"], 10, 11); got != 7 {
		t.Errorf("%g at the moment they were sent", got)
	}
	if r.bad[10] != 7 || r.bad[30] != 7 || sum(r.ok["submit"]) != 0 {
		t.Errorf("failed %v, good %v", r.bad, r.ok)
	}
}

// Everything that a plan needs of a platform is told of by a model fitted on it, and whatever is open names its run.
func TestEveryNeededParameterIsToldOf(t *testing.T) {
	h := usualHouse()
	for name, m := range map[string]*Model{
		"usual": mustFit(t, usual().data()), "heap": mustFit(t, usualHeap().data()), "house": mustFit(t, h.data()), "loud house": mustFit(t, h.data(), h.loud().data()),
	} {
		pf := platformOf()
		if strings.Contains(name, "house") {
			pf = h.platform()
		}
		for _, need := range Needed(pf) {
			p := parameterOf(m, need.Kind, need.Workload, need.Of)
			if p == nil {
				t.Errorf("%s: nothing is told of %s %s %s", name, need.Kind, need.Workload, need.Of)
				continue
			}
			if p.Name["de"] == "" || p.Name["en"] == "" || p.Name["en"] != need.Name["en"] {
				t.Errorf("%s: named %v and %v", name, p.Name, need.Name)
			}
			if p.Status == Known && (p.Low > p.Value || p.High < p.Value) || p.Open() != (p.Settles != "") && p.Kind != KindSurge && p.Kind != KindDelay {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
}

// What is known, assumed and unknown of a calibration without starts, and what a surge with starts adds.
func TestWhatACalibrationKnows(t *testing.T) {
	status := func(m *Model, kind, of string) string {
		p := parameterOf(m, kind, "app", of)
		if p == nil {
			t.Fatalf("nothing is told of %s %s", kind, of)
		}
		return p.Status
	}
	m := mustFit(t, usual().data())
	for _, want := range [][3]string{
		{KindDemand, "submit", Known},
		{KindDemand, "form", Known},
		{KindIdle, "", Known},
		{KindKnee, "", Unknown},
		{KindDelay, record.PhaseReady, Assumed},
		{KindWarmUp, "", Assumed},
		{KindMemory, "", Unknown},
	} {
		if got := status(m, want[0], want[1]); got != want[2] {
			t.Errorf("%s %s is %s, want %s", want[0], want[1], got, want[2])
		}
	}
	i := slices.IndexFunc(m.Warnings, func(w record.Warning) bool { return w.Code == "parameters-open" })
	if i < 0 || !strings.Contains(m.Warnings[i].Text["en"], RunKnee) || !strings.Contains(m.Warnings[i].Text["en"], RunStarts) || strings.Contains(m.Warnings[i].Text["de"], RunLoud) {
		t.Errorf("warnings %v", m.Warnings)
	}
	young := usual()
	young.seed, young.purpose, young.length, young.factor, young.young = 3, "surge", 1800, 2.5, 60
	young.pods = func(s int) int { return 8 + 4*(s/400) }
	if m = mustFit(t, usual().data(), young.data()); status(m, KindWarmUp, "") != Known {
		t.Errorf("a surge with starts: warm-up is %s", status(m, KindWarmUp, ""))
	}
	same := usual() // the mix never changes: the steps cannot be told apart
	same.rate = func(s int) (float64, float64) { r := []float64{40, 80}[s/75%2]; return r, r / 2 }
	if m = mustFit(t, same.data()); status(m, KindDemand, "form") != Unknown || parameterOf(m, KindDemand, "app", "form").Settles != RunCommon {
		t.Errorf("one mix only: %+v", parameterOf(m, KindDemand, "app", "form"))
	}
	past, err := FromData(t.Context(), []*Data{usual().data()}, Options{Amplitude: Estimate{Value: 1.2, Low: 1, High: 1.4}})
	if err != nil || parameterOf(past, KindSurge, "", "").Status != Known || parameterOf(m, KindSurge, "", "").Status != Assumed {
		t.Errorf("past events: %v, %+v", err, parameterOf(past, KindSurge, "", ""))
	}
}
