package fit

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

func near(got, want, rel float64) bool { return math.Abs(got-want) <= rel*math.Abs(want) }

func TestNNLSClosedForms(t *testing.T) {
	for name, tc := range map[string]struct {
		rows, cols int
		a, b, want []float64
	}{
		"interior":                      {2, 2, []float64{2, 0, 0, 4}, []float64{6, 2}, []float64{3, 0.5}},
		"one bound":                     {2, 2, []float64{1, 0, 0, 1}, []float64{3, -1}, []float64{3, 0}},
		"all bounds":                    {2, 2, []float64{1, 0, 0, 1}, []float64{-3, -1}, []float64{0, 0}},
		"mean":                          {3, 1, []float64{1, 1, 1}, []float64{1, 2, 6}, []float64{3}},
		"correlated, second pushed out": {3, 2, []float64{1, 1, 1, 2, 1, 3}, []float64{3, 2, 1}, []float64{2, 0}},
		"twin columns share one":        {2, 2, []float64{1, 1, 2, 2}, []float64{2, 4}, []float64{2, 0}},
	} {
		x, err := nnls(mat.NewDense(tc.rows, tc.cols, tc.a), tc.b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for j := range x {
			if math.Abs(x[j]-tc.want[j]) > 1e-12 {
				t.Errorf("%s: got %v, want %v", name, x, tc.want)
			}
		}
	}
}

// The conditions of Karush, Kuhn and Tucker are necessary and sufficient here: x ≥ 0, gradient Aᵀ(b−Ax) ≤ 0, and 0 where x > 0.
func TestNNLSIsOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols := rapid.IntRange(1, 5).Draw(t, "cols")
		rows := rapid.IntRange(cols, 12).Draw(t, "rows")
		number := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-50, 50).Draw(t, "v")) / 10 })
		a := mat.NewDense(rows, cols, rapid.SliceOfN(number, rows*cols, rows*cols).Draw(t, "a"))
		b := rapid.SliceOfN(number, rows, rows).Draw(t, "b")
		x, err := nnls(a, b)
		if err != nil {
			t.Fatal(err)
		}
		for j := range cols {
			var g, norm float64
			for i := range rows {
				r := b[i]
				for k := range cols {
					r -= a.At(i, k) * x[k]
				}
				g += a.At(i, j) * r
				norm += a.At(i, j) * a.At(i, j)
			}
			tolerance := 1e-7 * (1 + math.Sqrt(norm))
			if x[j] < 0 || g > tolerance || (x[j] > 0 && math.Abs(g) > tolerance) {
				t.Fatalf("column %d: x = %g, gradient %g", j, x[j], g)
			}
		}
	})
}

func TestCondition(t *testing.T) {
	// Two unit columns at an angle φ have singular values √(1±cos φ): at 60° the ratio is √3.
	a := mat.NewDense(2, 2, []float64{10, 0.5, 0, math.Sqrt(3) / 2})
	if got := condition(a); !near(got, math.Sqrt(3), 1e-12) {
		t.Errorf("at 60°: %g, want √3", got)
	}
	if got := condition(mat.NewDense(2, 2, []float64{1, 2, 2, 4})); got < 1e14 {
		t.Errorf("parallel columns: %g", got)
	}
}

// residuals of a model y = f(x; p) on observed pairs.
func residuals(xs, ys []float64, f func(x float64, p []float64) float64) curve {
	return func(dst, p []float64) {
		for i := range xs {
			dst[i] = f(xs[i], p) - ys[i]
		}
	}
}

// Certified values: NIST Statistical Reference Datasets, nonlinear regression: Misra1a (lower difficulty), Thurber
// (higher, 7 parameters), MGH10 (higher; from its second start).
func TestMarquardtAgainstNIST(t *testing.T) {
	misra := func(x float64, p []float64) float64 { return p[0] * (1 - math.Exp(-p[1]*x)) }
	misraX := []float64{77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0}
	misraY := []float64{10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78}
	thurber := func(x float64, p []float64) float64 {
		return (p[0] + x*(p[1]+x*(p[2]+x*p[3]))) / (1 + x*(p[4]+x*(p[5]+x*p[6])))
	}
	thurberX := []float64{
		-3.067, -2.981, -2.921, -2.912, -2.840, -2.797, -2.702, -2.699, -2.633, -2.481, -2.363, -2.322, -1.501, -1.460, -1.274,
		-1.212, -1.100, -1.046, -0.915, -0.714, -0.566, -0.545, -0.400, -0.309, -0.109, -0.103, 0.010, 0.119, 0.377, 0.790, 0.963,
		1.006, 1.115, 1.572, 1.841, 2.047, 2.200,
	}
	thurberY := []float64{
		80.574, 84.248, 87.264, 87.195, 89.076, 89.608, 89.868, 90.101, 92.405, 95.854, 100.696, 101.060, 401.672, 390.724, 567.534,
		635.316, 733.054, 759.087, 894.206, 990.785, 1090.109, 1080.914, 1122.643, 1178.351, 1260.531, 1273.514, 1288.339, 1327.543,
		1353.863, 1414.509, 1425.208, 1421.384, 1442.962, 1464.350, 1468.705, 1447.894, 1457.628,
	}
	mgh := func(x float64, p []float64) float64 { return p[0] * math.Exp(p[1]/(x+p[2])) }
	mghX := []float64{50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 125}
	mghY := []float64{34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872}
	for name, tc := range map[string]struct {
		f           curve
		n           int
		start, want []float64
		rss         float64
	}{
		"Misra1a, start 1": {residuals(misraX, misraY, misra), 14, []float64{500, 0.0001}, []float64{2.3894212918e+02, 5.5015643181e-04}, 1.2455138894e-01},
		"Misra1a, start 2": {residuals(misraX, misraY, misra), 14, []float64{250, 0.0005}, []float64{2.3894212918e+02, 5.5015643181e-04}, 1.2455138894e-01},
		"Thurber, start 1": {residuals(thurberX, thurberY, thurber), 37, []float64{1000, 1000, 400, 40, 0.7, 0.3, 0.03}, thurberWant, 5.6427082397e+03},
		"Thurber, start 2": {residuals(thurberX, thurberY, thurber), 37, []float64{1300, 1500, 500, 75, 1, 0.4, 0.05}, thurberWant, 5.6427082397e+03},
		"MGH10, start 2":   {residuals(mghX, mghY, mgh), 16, []float64{0.02, 4000, 250}, []float64{5.6096364710e-03, 6.1813463463e+03, 3.4522363462e+02}, 8.7945855171e+01},
	} {
		got, err := marquardt(tc.f, tc.n, tc.start)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range tc.want {
			if !near(got.P[i], tc.want[i], 1e-7) {
				t.Errorf("%s: parameter %d is %.11g, certified %.11g", name, i+1, got.P[i], tc.want[i])
			}
		}
		if !near(got.RSS, tc.rss, 1e-9) {
			t.Errorf("%s: sum of squares %.11g, certified %.11g", name, got.RSS, tc.rss)
		}
	}
}

var thurberWant = []float64{
	1.2881396800e+03, 1.4910792535e+03, 5.8323836877e+02, 7.5416644291e+01, 9.6629502864e-01, 3.9797285797e-01, 4.9727297349e-02,
}

// SPEC SDM91 on a SPARCcenter 2000: the measurements, and the coefficients published with R's package usl:
// α = 0.0277285, β = 0.0001044.
func TestUSLAgainstPublished(t *testing.T) {
	n := []float64{1, 18, 36, 72, 108, 144, 216}
	x := []float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2}
	u, err := fitUSL(n, x)
	if err != nil {
		t.Fatal(err)
	}
	if !near(u.alpha, 0.0277285, 1e-4) || !near(u.beta, 0.0001044, 1e-3) || !near(u.gamma, 90, 0.01) {
		t.Errorf("got %+v", u)
	}
	if k := u.knee(); k < 90 || k > 100 {
		t.Errorf("knee at %g", k)
	}
}

func TestUSLRecoversExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := usl{
			rapid.Float64Range(0.5, 500).Draw(t, "gamma"), rapid.SampledFrom([]float64{0, 0.001, 0.05, 0.3}).Draw(t, "alpha"),
			rapid.SampledFrom([]float64{0, 1e-4, 1e-2}).Draw(t, "beta"),
		}
		var n, x []float64
		for _, r := range []float64{1, 2, 4, 8, 16, 32} {
			n, x = append(n, r), append(x, want.at(r))
		}
		got, err := fitUSL(n, x)
		if err != nil || !near(got.gamma, want.gamma, 1e-6) || math.Abs(got.alpha-want.alpha) > 1e-6 || math.Abs(got.beta-want.beta) > 1e-7 {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestUSLNeedsThreeCounts(t *testing.T) {
	if _, err := fitUSL([]float64{1, 1, 2}, []float64{1, 1, 2}); err == nil {
		t.Error("two different numbers of replicas cannot give three parameters")
	}
}
