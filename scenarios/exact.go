package scenarios

import "math"

// The functions here give the same bits on every processor: package math has assembly of its own on some, and a
// compiler may fuse a product with a sum. The schedule rests on them; a difference in the last place would move an
// arrival by a nanosecond. They are accurate to a few units in the last place, which is all a curve's shape needs.

// ln2 in two parts: products of ln2Hi with small whole numbers are exact.
const (
	ln2Hi = 6.93147180369123816490e-01
	ln2Lo = 1.90821492927058770002e-10
)

// exactExp is eˣ: x = k·ln 2 + r with |r| ≤ ln 2 / 2, and Taylor's series for r.
func exactExp(x float64) float64 {
	if x < -700 {
		return 0
	}
	k := math.Floor(float64(x/math.Ln2) + 0.5)
	r := float64(x-float64(k*ln2Hi)) - float64(k*ln2Lo)
	sum := 1.0
	for n := 18; n > 0; n-- {
		sum = 1 + float64(float64(r*sum)/float64(n))
	}
	return math.Ldexp(sum, int(k))
}

// exactLog is ln x for x > 0: x = m·2ᵏ, and ln m = 2·artanh((m−1)/(m+1)) as a series.
func exactLog(x float64) float64 {
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = float64(2*m), k-1
	}
	z := float64((m - 1) / (m + 1))
	square, sum := float64(z*z), 0.0
	for n := 41; n > 0; n -= 2 {
		sum = float64(square*sum) + 1/float64(n)
	}
	return float64(2*float64(z*sum)) + float64(float64(k)*ln2Hi) + float64(float64(k)*ln2Lo)
}

// exactCos is cos(2πx): one turn is 1, folded to a quarter turn, and Taylor's series.
func exactCos(turns float64) float64 {
	x := math.Abs(turns - math.Round(turns)) // 0 to 1/2
	sign := 1.0
	if x > 0.25 {
		x, sign = 0.5-x, -1
	}
	a := float64(float64(x*x) * float64(4*math.Pi*math.Pi))
	sum := 1.0
	for n := 22; n > 0; n -= 2 {
		sum = 1 - float64(float64(a*sum)/float64(n*(n-1)))
	}
	return float64(sign * sum)
}
