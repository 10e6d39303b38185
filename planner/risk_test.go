package planner

import (
	"math"
	"testing"
)

// One-sided 95 % Clopper–Pearson bounds. With none of n broken the bound is 1 − 0.05^(1/n): 0.5834 % for 512, 0.2589 for
// 10 (the "rule of three" is its approximation). One of 10: 0.3942, and 10 of 100: 0.1637, as in published tables.
func TestUpperBound(t *testing.T) {
	for _, c := range []struct {
		broken, worlds int
		want           float64
	}{
		{0, 512, 1 - math.Pow(0.05, 1.0/512)},
		{0, 10, 0.2589},
		{1, 10, 0.3942},
		{2, 10, 0.5069},
		{10, 100, 0.1637},
		{10, 10, 1},
		{0, 0, 1},
	} {
		if got := upperBound(c.broken, c.worlds); math.Abs(got-c.want) > 6e-5 {
			t.Errorf("%d of %d: %.5f, want %.5f", c.broken, c.worlds, got, c.want)
		}
	}
}

func TestMostBroken(t *testing.T) {
	for _, c := range []struct {
		worlds int
		delta  float64
		want   int
	}{{512, 0.01, 1}, {298, 0.01, -1}, {299, 0.01, 0}, {64, 0.05, 0}, {512, 0.05, 17}} {
		if got := mostBroken(c.worlds, c.delta); got != c.want {
			t.Errorf("%d worlds at %v: %d, want %d", c.worlds, c.delta, got, c.want)
		}
	}
}
