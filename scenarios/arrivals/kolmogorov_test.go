package arrivals

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// ks is a Kolmogorov–Smirnov test against the uniform distribution on (0, 1); it keeps its buckets.
type ks struct {
	count     []int32
	low, high []float64
}

// distance of a sample, in any order, from the uniform distribution, exactly and without sorting: among the points of
// a bucket narrower than 1/n only the lowest and the highest can be where the distance is greatest (Gonzalez, Sahni,
// Franta 1977).
func (k *ks) distance(sample []float64) float64 {
	n := len(sample)
	k.count = slices.Grow(k.count[:0], n+1)[:n+1]
	k.low, k.high = slices.Grow(k.low[:0], n+1)[:n+1], slices.Grow(k.high[:0], n+1)[:n+1]
	clear(k.count)
	for _, x := range sample {
		b := min(max(int(x*float64(n+1)), 0), n)
		if k.count[b] == 0 {
			k.low[b], k.high[b] = x, x
		}
		k.low[b], k.high[b] = min(k.low[b], x), max(k.high[b], x)
		k.count[b]++
	}
	d, before := 0.0, 0.0
	for b, c := range k.count {
		if c > 0 {
			d = max(d, k.low[b]-before/float64(n))
			before += float64(c)
			d = max(d, before/float64(n)-k.high[b])
		}
	}
	return d
}

// p is the probability that n independent uniform numbers have a distance greater than d: Kolmogorov's limit (1933) at
// a point moved for the finite n, √n·d + 1/(6√n) + (√n·d − 1)/(4n) (Vrbik 2018). TestKolmogorov shows the error.
func (k *ks) p(sample []float64) float64 { return kolmogorovTail(len(sample), k.distance(sample)) }

func kolmogorovTail(n int, d float64) float64 {
	root := math.Sqrt(float64(n))
	z := root * d
	return 1 - kolmogorovLimit(z+1/(6*root)+(z-1)/(4*float64(n)))
}

// kolmogorovLimit is the limit of P(√n·D < z): of its two series the one that converges (theta functions).
func kolmogorovLimit(z float64) float64 {
	sum := 0.0
	switch {
	case z < 0.2:
		return 0 // below 1e-12
	case z < 1:
		for i := 1.0; i <= 7; i += 2 {
			sum += math.Exp(-i * i * math.Pi * math.Pi / (8 * z * z))
		}
		return math.Sqrt(2*math.Pi) / z * sum
	}
	for i := 1.0; i <= 5; i++ {
		sum += math.Copysign(math.Exp(-2*i*i*z*z), 0.5-math.Mod(i+1, 2))
	}
	return 1 - 2*sum
}

// kolmogorovExact is P(D < d) for n points by the power of a matrix (Durbin 1973; Marsaglia, Tsang, Wang 2003).
func kolmogorovExact(n int, d float64) float64 {
	k := int(float64(n)*d) + 1
	m, h := 2*k-1, float64(k)-float64(n)*d
	step := make([][]float64, m)
	for i := range step {
		step[i] = make([]float64, m)
		for j := range min(i+2, m) {
			step[i][j] = 1
		}
	}
	for i := range m {
		step[i][0] -= math.Pow(h, float64(i+1))
		step[m-1][i] -= math.Pow(h, float64(m-i))
	}
	step[m-1][0] += math.Pow(max(0, 2*h-1), float64(m))
	for i := range m {
		for j := range min(i+2, m) {
			step[i][j] /= math.Gamma(float64(i - j + 2))
		}
	}
	row := make([]float64, m) // only the middle one of the power's rows is asked for
	row[k-1] = 1
	for range n { // times n!/nⁿ, of which e⁻ⁿ on the way, so that nothing gets too small
		next := make([]float64, m)
		for a := range m {
			for b := range m {
				next[b] += row[a] * step[a][b]
			}
		}
		for a := range next {
			next[a] /= math.E
		}
		row = next
	}
	factorial, _ := math.Lgamma(float64(n + 1))
	return row[k-1] * math.Exp(factorial-float64(n)*math.Log(float64(n))+float64(n))
}

// TestKolmogorov holds the exact distribution against published values, and the fast one against the exact.
func TestKolmogorov(t *testing.T) {
	// Marsaglia, Tsang, Wang 2003
	if got := kolmogorovExact(10, 0.274); math.Abs(got-0.6284796154565) > 1e-12 {
		t.Errorf("P(D of 10 < 0.274) = %.13f", got)
	}
	if got := kolmogorovExact(2000, 0.04); math.Abs(got-0.9967694319171) > 1e-10 {
		t.Errorf("P(D of 2000 < 0.04) = %.13f", got)
	}
	for _, c := range []struct {
		n    int
		d, p float64 // Miller 1956: two-sided critical values, five digits
	}{
		{10, 0.36866, 0.10},
		{10, 0.40925, 0.05},
		{10, 0.48893, 0.01},
		{20, 0.26473, 0.10},
		{20, 0.29408, 0.05},
		{20, 0.35241, 0.01},
	} {
		if got := 1 - kolmogorovExact(c.n, c.d); math.Abs(got-c.p) > 2e-5 {
			t.Errorf("P(D of %d > %v) = %.6f, published %v", c.n, c.d, got, c.p)
		}
	}
	// Smirnov 1948
	for z, p := range map[float64]float64{0.5: 0.036055, 1.0: 0.730000, 1.36: 0.950514, 1.63: 0.990154, 2.0: 0.999329} {
		if got := kolmogorovLimit(z); math.Abs(got-p) > 1e-6 {
			t.Errorf("Kolmogorov's limit at %v is %.6f, published %v", z, got, p)
		}
	}
	for _, n := range []int{15, 20, 40, 100, 300} {
		worst := 0.0
		for z := 0.3; z < 2.4; z += 0.05 {
			d := z / math.Sqrt(float64(n))
			worst = max(worst, math.Abs(kolmogorovTail(n, d)-(1-kolmogorovExact(n, d))))
		}
		t.Logf("n = %d: the p-value is off by at most %.1e", n, worst)
		if worst > 1e-3 {
			t.Errorf("n = %d: the p-value is off by up to %v", n, worst)
		}
	}
}

// TestDistanceWithoutSorting is the textbook's, which sorts.
func TestDistanceWithoutSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var k ks
	for n := 1; n < 300; n++ {
		sample := make([]float64, n)
		for i := range sample {
			sample[i] = math.Pow(random.Float64(), 1+float64(n%3))
			if n%7 == 0 {
				sample[i] = math.Round(sample[i]*20) / 20 // ties, and both ends
			}
		}
		got := k.distance(sample)
		slices.Sort(sample)
		want := 0.0
		for i, x := range sample {
			want = max(want, x-float64(i)/float64(n), float64(i+1)/float64(n)-x)
		}
		if math.Abs(got-want) > 1e-15 {
			t.Fatalf("%d points: %v, want %v", n, got, want)
		}
	}
}
