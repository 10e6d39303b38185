package scenarios

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func curveOf(t testing.TB, total int64, over time.Duration, shapes ...Shape) *Curve {
	t.Helper()
	s := &Scenario{Arrivals: Arrivals{Total: total, Over: over, Curve: shapes}}
	c, err := s.Curve()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCurvesAgainstClosedForms holds rates, counts and quantiles against integrals done by hand.
func TestCurvesAgainstClosedForms(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name   string
		over   time.Duration
		shapes []Shape
		at     time.Duration
		rate   float64 // at the time, for a total of 1,000
		count  float64 // before the time
	}{
		{"constant", 10 * second, []Shape{{Kind: "constant"}}, 3 * second, 100, 300},
		{"no shape is constant", 10 * second, nil, 3 * second, 100, 300},
		{"constant within bounds", 10 * second, []Shape{{Kind: "constant", From: 2 * second, To: 7 * second}}, 3 * second, 200, 200},
		// rate 0 to r: r·10/2 = 1000, r = 200; ∫₀⁵ 20t = 250
		{"ramp", 10 * second, []Shape{{Kind: "ramp", Start: 0, End: 7}}, 5 * second, 100, 250},
		{"ramp down", 10 * second, []Shape{{Kind: "ramp", Start: 7, End: 0}}, 5 * second, 100, 750},
		// 4 s at r and 6 s at 4r: 28r = 1000
		{"step", 10 * second, []Shape{{Kind: "step", At: 4 * second, Start: 1, End: 4}}, 5 * second, 4 * 1000. / 28, 8 * 1000. / 28},
		{"step, at the jump the rate after it", 10 * second, []Shape{{Kind: "step", At: 4 * second, Start: 1, End: 4}}, 4 * second, 4 * 1000. / 28, 4 * 1000. / 28},
		// a triangle 4 s wide: 2·top = 1000
		{"spike", 10 * second, []Shape{{Kind: "spike", At: 5 * second, Width: 4 * second}}, 4 * second, 250, 125},
		// cut in the middle: half a triangle, top·2/2 = 1000
		{"spike at the end", 10 * second, []Shape{{Kind: "spike", At: 10 * second, Width: 4 * second}}, 9 * second, 500, 250},
		{"points with a jump", 10 * second, []Shape{{Kind: "points", Points: []Point{{0, 1}, {5 * second, 1}, {5 * second, 3}, {10 * second, 3}}}}, 6 * second, 150, 400},
		{"a sum", 10 * second, []Shape{{Kind: "constant", Weight: 1}, {Kind: "constant", Weight: 3, From: 5 * second}}, 6 * second, 175, 300},
		// Φ(1) − Φ(0) of a bell of 1,000 around the middle; density 1000·φ(1)/2 s
		{"gaussian", 60 * second, []Shape{{Kind: "gaussian", At: 30 * second, Width: 2 * second}}, 32 * second, 120.985, 841.345},
		// a wave over one day: its mean is the rate (1+Base)/2, so at 6 h after the top the mean rate
		{"daily", 24 * time.Hour, []Shape{{Kind: "daily", At: 12 * time.Hour, Base: 0.2}}, 18 * time.Hour, 1000. / 86400, 1000 * (0.5 + (0.25*0.6+0.4/(2*math.Pi))/0.6)},
		// up to the deadline Width, after it Width/8: the rise has 8/9 of the mass
		{"deadline", 100 * second, []Shape{{Kind: "deadline", At: 50 * second, Width: 2 * second}}, 50 * second, 1000. / 2.25, 1000. * 8 / 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := curveOf(t, 1000, test.over, test.shapes...)
			tolerance := 1e-9
			if k := test.name; k == "gaussian" || k == "daily" || k == "deadline" {
				tolerance = 1e-3 // their chords, see perWidth
			}
			if got := c.Rate(test.at); math.Abs(got-test.rate) > tolerance*(1+test.rate) {
				t.Errorf("rate %v, want %v", got, test.rate)
			}
			if got := c.Cumulative(test.at); math.Abs(got-test.count) > tolerance*1000 {
				t.Errorf("count %v, want %v", got, test.count)
			}
			if got := c.Quantile(c.Cumulative(test.at) / 1000); test.rate > 0 && (got-test.at).Abs() > time.Microsecond {
				t.Errorf("quantile of the count is %s, want %s", got, test.at)
			}
			if c.Rate(-1) != 0 || c.Rate(test.over+1) != 0 || c.Cumulative(test.over) != 1000 || c.Cumulative(-1) != 0 {
				t.Error("there are arrivals outside of the surge")
			}
		})
	}
}

func TestPeak(t *testing.T) {
	c := curveOf(t, 1000, 10*time.Second, Shape{Kind: "spike", At: 5 * time.Second, Width: 4 * time.Second})
	if at, rate := c.Peak(); at != 5*time.Second || math.Abs(rate-500) > 1e-9 {
		t.Errorf("peak %v at %s", rate, at)
	}
}

func TestUniformQuantilesAreExact(t *testing.T) {
	c := curveOf(t, 20_000, 20*time.Second)
	for k := range 20_001 {
		if got, want := c.Quantile(float64(k)/20_000), time.Duration(k)*time.Millisecond; got != want {
			t.Fatalf("quantile %d/20000 is %s, want %s", k, got, want)
		}
	}
}

// anyShape draws a valid shape for a surge of that length.
func anyShape(over time.Duration) *rapid.Generator[Shape] {
	return rapid.Custom(func(t *rapid.T) Shape {
		inside := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(over)).Draw(t, name))
		}
		s := Shape{
			Kind:   rapid.SampledFrom(kindNames()).Draw(t, "kind"),
			Weight: rapid.Float64Range(0.01, 100).Draw(t, "weight"),
		}
		set := map[string]func(){
			"at":    func() { s.At = inside("at") },
			"width": func() { s.Width = time.Duration(rapid.Int64Range(int64(over/100), int64(over)).Draw(t, "width")) },
			"start": func() { s.Start = rapid.Float64Range(0.5, 9).Draw(t, "start") },
			"end":   func() { s.End = rapid.Float64Range(0, 9).Draw(t, "end") },
			"base":  func() { s.Base = rapid.Float64Range(0, 1).Draw(t, "base") },
			"points": func() {
				s.Points = []Point{{0, 1}, {inside("middle"), rapid.Float64Range(0, 5).Draw(t, "rate")}, {over, 0}}
			},
		}
		for name, draw := range set {
			if s.reads(name) {
				draw()
			}
		}
		return s
	})
}

func TestCurveLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		over := time.Duration(rapid.Int64Range(int64(time.Second), int64(48*time.Hour)).Draw(t, "over"))
		shapes := rapid.SliceOfN(anyShape(over), 1, 4).Draw(t, "shapes")
		s := &Scenario{Arrivals: Arrivals{Total: 1e6, Over: over, Curve: shapes}}
		c, err := s.Curve()
		if err != nil {
			t.Skip(err) // a bell or spike may lie outside of its bounds altogether
		}
		walk, last := c.Walk(0), time.Duration(0)
		for i := range 500 {
			u := float64(i) / 499
			at := c.Quantile(u)
			if at < last || at > over {
				t.Fatalf("quantile %v is %s after %s", u, at, last)
			}
			if w := walk.Quantile(u); w != at {
				t.Fatalf("walking, quantile %v is %s, else %s", u, w, at)
			}
			// The quantile is the inverse of the count: rounding to a nanosecond moves it by the rate of that moment.
			if back, slack := c.Cumulative(at), 1e-6*1e6+2e-9*max(c.Rate(at), c.Rate(at-1)); math.Abs(back-u*1e6) > slack {
				t.Fatalf("count at quantile %v is %v", u, back)
			}
			last = at
		}
		_, top := c.Peak()
		for i := range 100 {
			if r := c.Rate(over * time.Duration(i) / 99); r < 0 || r > top*(1+1e-9) {
				t.Fatalf("rate %v, peak %v", r, top)
			}
		}
	})
}

func TestNeighbouringQuantilesNeverFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		over := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "over"))
		s := &Scenario{Arrivals: Arrivals{Total: 1, Over: over, Curve: []Shape{anyShape(over).Draw(t, "shape")}}}
		c, err := s.Curve()
		if err != nil {
			t.Skip(err)
		}
		u := rapid.Float64Range(0, 1).Draw(t, "u")
		for last := c.Quantile(u); u < 1; last = c.Quantile(u) {
			if u = math.Nextafter(u, 2); c.Quantile(u) < last {
				t.Fatalf("quantile %v is before the one just below it", u)
			}
			if rapid.IntRange(0, 20).Draw(t, "stop") == 0 {
				break
			}
		}
	})
}

// TestExactFunctions holds them to package math's, which is accurate to one unit in the last place.
func TestExactFunctions(t *testing.T) {
	for i := range 4000 {
		x := float64(i-2000) / 100
		if got, want := exactExp(x), math.Exp(x); math.Abs(got-want) > 4e-15*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
		if got, want := exactCos(x), math.Cos(2*math.Pi*x); math.Abs(got-want) > 2e-14 {
			t.Fatalf("cos(2π·%v) = %v, want %v", x, got, want)
		}
		y := math.Exp(x)
		if got := exactLog(y); math.Abs(got-x) > 4e-15*(1+math.Abs(x)) {
			t.Fatalf("ln(%v) = %v, want %v", y, got, x)
		}
	}
}
