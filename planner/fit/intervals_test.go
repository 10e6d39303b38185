package fit

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/floats"
	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
)

// A warm-up is as long as it is, not as one of those tried.
func TestAWarmUpOfAnyLength(t *testing.T) {
	for _, length := range []float64{17, 26, 47, 83} {
		young := usual()
		young.seed, young.cv, young.purpose, young.length, young.factor, young.young = 3, 0.05, "surge", 1800, 2.5, length
		young.pods = func(s int) int { return 8 + 4*(s/400) }
		w := mustFit(t, usual().data(), young.data()).Workloads["app"]
		if math.Abs(w.WarmUpSeconds.Value-length) > 0.08*length || !near(w.WarmUpFactor.Value, 2.5, 0.08) {
			t.Errorf("%g s and 2.5 became %.1f s and %.2f", length, w.WarmUpSeconds.Value, w.WarmUpFactor.Value)
		}
	}
}

// Nowhere on the way from one regressor to the other does the fit take more off.
func TestSteepest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 8).Draw(t, "rows")
		column := func(name string) []float64 {
			return rapid.SliceOfN(rapid.Float64Range(0.01, 1), n, n).Draw(t, name)
		}
		f, g, y := column("first"), column("next"), column("extra")
		dot := func(a, b []float64) (sum float64) {
			for i := range a {
				sum += a[i] * b[i]
			}
			return sum
		}
		takes := func(p float64) float64 {
			h := make([]float64, n)
			for i := range h {
				h[i] = (1-p)*f[i] + p*g[i]
			}
			return dot(h, y) * dot(h, y) / dot(h, h)
		}
		best := max(takes(0), takes(1), takes(steepest(dot(f, y), dot(g, y), dot(f, f), dot(f, g), dot(g, g))))
		for p := 0.0; p <= 1; p += 0.01 {
			if takes(p) > best*(1+1e-6) {
				t.Fatalf("%g takes %g off, the best of ends and peak %g", p, takes(p), best)
			}
		}
	})
}

// What is cut at nothing is still as uncertain as it was.
func TestPositive(t *testing.T) {
	opts := Options{}.withDefaults()
	e := positive(estimate(-1, []float64{-4, 2, -3, 1}, "s", opts))
	if e.Value != 0 || e.Low != 0 || e.High < 2 || slices.Min(e.Draws) < 0 {
		t.Errorf("%+v", e)
	}
	if e = positive(estimate(3, []float64{2, 4, 2, 4}, "s", opts)); e.Value != 3 || !near(e.High-e.Low, 2*1.645, 1e-3) {
		t.Errorf("%+v", e)
	}
}

// In another unit the interval is the same; its ends are as far from the value as each other, in proportion.
func TestProportional(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draws := rapid.SliceOfN(rapid.Float64Range(0, 9), 2, 40).Draw(t, "draws")
		value, unit := rapid.Float64Range(0.1, 9).Draw(t, "value"), rapid.Float64Range(0.01, 100).Draw(t, "unit")
		other := slices.Clone(draws)
		for i := range other {
			other[i] *= unit
		}
		opts := Options{}.withDefaults()
		stretchLog(draws, value, 1.1, 7, opts.Level)
		stretchLog(other, value*unit, 1.1, 7, opts.Level)
		e, o := proportional(value, draws, "1", opts), proportional(value*unit, other, "1", opts)
		if !near(o.Low, e.Low*unit, 1e-9) || !near(o.High, e.High*unit, 1e-9) || !near(e.Low*e.High, value*value, 1e-9) || e.Low <= 0 || e.Low > value {
			t.Fatalf("%+v, in another unit %+v", e, o)
		}
	})
	if e := proportional(0, []float64{0, 0, 1}, "1", Options{}.withDefaults()); e.Value != 0 || e.Low != 0 || e.High <= 0 {
		t.Errorf("of nothing: %+v", e)
	}
}

// Which minutes are quiet does not depend on how dear their requests happened to be.
func TestQuietMinutesAreNotTheCheapOnes(t *testing.T) {
	tr := usual()
	tr.length = 900
	tr.rate = func(s int) (float64, float64) { return []float64{4, 8}[s/75%2], []float64{1, 6}[s/150%2] }
	cheap := tr.data()
	for i, e := range cheap.Events { // every second minute its requests cost half
		if used, ok := e.Values["cpu_seconds"]; ok {
			s := e.At.Seconds()
			odd := math.Floor(s/120)*60 + max(0, math.Mod(s, 120)-60)
			cheap.Events[i].Values["cpu_seconds"] = used * (s - odd/2) / max(s, 1)
		}
	}
	f := &demandFit{steps: []string{"form", "submit"}, x: []float64{tr.idle, tr.form, tr.submit}}
	keys := func(d *Data) (out []minuteKey) {
		for _, q := range f.quietest([]*run{arrange(d)}, "app", "submit") {
			out = append(out, q.minuteKey)
		}
		return out
	}
	if got, want := keys(cheap), keys(tr.data()); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("minutes %v, and %v where every second one is cheap", want, got)
	}
}

// Few minutes or many: a resample has what was counted and nothing else, as much of it where requests are drawn, and what
// holds nothing gives nothing. The variance's own freedom is known where all minutes are alike, and small where one has it all.
func TestPooledMinutes(t *testing.T) {
	minutes := func(values ...[]time.Duration) (out []quiet) {
		for _, list := range values {
			h := record.NewHistogram(2)
			for _, v := range list {
				if err := h.Add(v, 10); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, quiet{moment: moment{histogram: h}})
		}
		return out
	}
	usual, rare := []time.Duration{100 * time.Millisecond, 300 * time.Millisecond}, []time.Duration{100 * time.Millisecond, 9 * time.Second}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, leastMinutes - 1, leastMinutes, 40} {
		p := pool(minutes(slices.Repeat([][]time.Duration{usual}, n)...))
		for range 20 {
			if again := p.again(rng); floats.Sum(again) != float64(20*n) || slices.Min(again) < 0 {
				t.Fatalf("%d minutes of 20 requests: %v", n, again)
			}
		}
		median, average, variance := p.moments(p.all())
		if !near(median, 0.1, 0.01) || !near(average, 0.2, 0.01) || !near(math.Sqrt(variance), 0.1, 0.01) {
			t.Errorf("median %g, mean %g, variance %g", median, average, variance)
		}
		if got := p.freedom(average, variance); got != p.units()-1 {
			t.Errorf("%d minutes all alike: %d degrees of freedom of %d", n, got, p.units()-1)
		}
	}
	p := pool(minutes(append(slices.Repeat([][]time.Duration{usual}, 40), rare)...))
	_, average, variance := p.moments(p.all())
	if got := p.freedom(average, variance); got > 3 {
		t.Errorf("one minute has it all: %d degrees of freedom", got)
	}
	if p = pool(minutes(nil)); len(p.again(rng)) != 0 || p.units() != 0 || p.freedom(0, 0) > 0 {
		t.Errorf("nothing: %d units, %d degrees of freedom", p.units(), p.freedom(0, 0))
	}
}

// The seconds in which a back end fills up are not at its limit all the time.
func TestABackendsMostIsOfSecondsAtItsLimit(t *testing.T) {
	seconds := func(rates ...float64) (out []serving) {
		for range 2 * len(rates) {
			out = append(out, serving{in: 1, rate: 20, residence: 0.05})
		}
		for _, rate := range rates {
			out = append(out, serving{in: 100, rate: rate, residence: 100 / rate})
		}
		return out
	}
	opts := Options{}.withDefaults()
	if b := fitBackend(seconds(40, 60, 61, 59, 60, 60), opts); !near(b.Most.Value, 60, 1e-9) {
		t.Errorf("%+v", b)
	}
	if b := fitBackend(seconds(40, 60, 60, 60), opts); !near(b.Most.Value, 55, 1e-9) { // too few to leave any out
		t.Errorf("%+v", b)
	}
	runs := seconds(40, 60, 60, 60, 60)
	other := seconds(20, 60, 60)
	for i := range other {
		other[i].run = 1
	}
	if b := fitBackend(append(runs, other[6:]...), opts); !near(b.Most.Value, 60, 1e-9) { // full from one run's end to the next one's start
		t.Errorf("%+v", b)
	}
}

func TestTheTableOfCoverage(t *testing.T) {
	line := func(method int, from int64, parameter string, worlds, covered int) coverageLine {
		return coverageLine{Method: method, From: from, To: from + 100, Parameter: parameter, Worlds: worlds, Covered: covered, Under: worlds - covered, Width: 0.1}
	}
	got := coverageTable([]coverageLine{
		line(coverageMethod-1, 0, "a", 100, 10),                                      // of another method
		line(coverageMethod, 0, "a", 100, 20), line(coverageMethod, 0, "a", 100, 90), // once more
		line(coverageMethod, 100, "a", 100, 88), line(coverageMethod, 0, "b", 100, 94),
	})
	want := `| parameter | worlds | interval holds the truth | lies below it | above it | width, of the truth | 87 to 93 % |
|---|--:|--:|--:|--:|--:|---|
| a | 200 | 89.0 ± 4.3 % | 11.0 % | 0.0 % | 10.0 % | met |
| b | 100 | 94.0 ± 4.7 % | 6.0 % | 0.0 % | 10.0 % | **falls short** |
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
