package sim

import (
	"math"
	"testing"
)

// Counts have the mean and the variance of the Poisson distribution, at rates within the table, between its rows, and
// beyond it.
func TestClockworkIsPoisson(t *testing.T) {
	for _, x := range []float64{0.001, 0.1, 0.125, 0.7, 1.99, 3.2, 4.999, 5, 12} {
		const n = 200_000
		c := clockwork{source: hashed(1)}
		chances := hashed(2)
		var sum, squares float64
		for sec := range n {
			k := c.events(x, chances.dice(sec)%draws)
			sum, squares = sum+k, squares+k*k
		}
		mean := sum / n
		variance := squares/n - mean*mean
		if math.Abs(mean-x) > 4*math.Sqrt(x/n) || math.Abs(variance/x-1) > 0.02+4*math.Sqrt((2+1/x)/n) {
			t.Errorf("at %v expected: mean %v, variance %v", x, mean, variance)
		}
	}
}
