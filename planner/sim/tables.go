package sim

import (
	"math"
	"sort"
)

// Delay is a distribution of seconds as 64 quantiles at the middles of 64 equal shares.
type Delay [64]float64

// NewDelay tabulates a quantile function.
func NewDelay(quantile func(u float64) float64) Delay {
	var d Delay
	for i := range d {
		d[i] = max(0, quantile((float64(i)+0.5)/64))
	}
	return d
}

func (d *Delay) draw(u uint64) float64 { return d[u>>58] }

// Tail is the shape of a distribution of work: P(X > u·mean), tabulated.
type Tail struct {
	survival [tailCells + 1]float64
	// most is the largest u with a survival above zero.
	most float64
	// eighths are the quantiles at the middles of eight shares, for percentiles.
	eighths [8]float64
	// parts stand for the distribution where its end matters: the quantiles at the middles of partShares.
	parts [len(partShares)]float64
}

// partShares are seven eighths and what is left, halved again and again: the slowest hundredth is three of them.
var partShares = [...]float64{1. / 8, 1. / 8, 1. / 8, 1. / 8, 1. / 8, 1. / 8, 1. / 8, 1. / 16, 1. / 32, 1. / 64, 1. / 128, 1. / 256, 1. / 256}

const (
	tailCells = 512
	tailReach = 16.0
)

// NewTail tabulates the shape of a distribution given by its quantile function; the mean is divided out.
func NewTail(quantile func(u float64) float64) *Tail {
	const draws = 4096
	x := make([]float64, draws)
	var sum float64
	for i := range x {
		x[i] = max(0, quantile((float64(i)+0.5)/draws))
		sum += x[i]
	}
	mean := sum / draws
	t := &Tail{}
	if !(mean > 0) || !finite(mean) {
		x, mean = []float64{1}, 1
	}
	sort.Float64s(x)
	for i := range t.survival {
		u := float64(i) * tailReach / tailCells * mean
		above := len(x) - sort.Search(len(x), func(k int) bool { return x[k] > u })
		t.survival[i] = float64(above) / float64(len(x))
	}
	t.most = math.Min(tailReach, x[len(x)-1]/mean+tailReach/tailCells)
	for i := range t.eighths {
		t.eighths[i] = x[(2*i+1)*len(x)/16] / mean
	}
	below := 0.0
	for i, share := range partShares {
		t.parts[i] = x[int((below+share/2)*float64(len(x)))] / mean
		below += share
	}
	return t
}

// LogNormalTail is the shape of a lognormal distribution with squared coefficient of variation scv.
func LogNormalTail(scv float64) *Tail {
	sigma := math.Sqrt(math.Log1p(math.Max(0, scv)))
	return NewTail(func(u float64) float64 { return math.Exp(sigma * math.Sqrt2 * math.Erfinv(2*u-1)) })
}

// above is P(X > u·mean).
func (t *Tail) above(u float64) float64 {
	if u >= t.most {
		return 0
	}
	x := max(0, u) * (tailCells / tailReach)
	i := int(x)
	return t.survival[i] + (x-float64(i))*(t.survival[i+1]-t.survival[i])
}

// least is the integral of the quantile function from 0 to share: that of the survival above the rest, over all u.
func (t *Tail) least(share float64) float64 {
	sum := 0.0
	for i := range tailCells {
		a, b := t.survival[i]-(1-share), t.survival[i+1]-(1-share)
		if a <= 0 {
			break
		}
		if b < 0 { // the rest begins within the cell
			b, a = 0, a*a/(a-b)
		}
		sum += (a + b) / 2 * (tailReach / tailCells)
	}
	return min(sum, share)
}

const (
	drawBits  = 11
	draws     = 1 << drawBits
	drawShift = 64 - drawBits
)

// units and normals are 2,048 stratified draws of the unit exponential and the standard normal distribution: a draw is
// one look-up in tables that stay in the first cache.
var units, normals = func() (units, normals [draws]float32) {
	var e, z [draws]float64
	var sum float64
	for i := range e {
		u := (float64(i) + 0.5) / draws
		e[i] = -math.Log1p(-u)
		sum += e[i]
		z[i] = math.Sqrt2 * math.Erfinv(2*u-1)
	}
	for i := range e {
		units[i], normals[i] = float32(e[i]*draws/sum), float32(z[i])
	}
	return units, normals
}()

const golden = 0x9e3779b97f4a7c15

// source is SplitMix64 (Steele, Lea, Flood 2014).
type source uint64

func (s *source) next() uint64 {
	*s += golden
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// hashed is a source of its own for what the words name.
func hashed(words ...uint64) source {
	var s source
	for _, w := range words {
		s ^= source(w)
		s = source(s.next())
	}
	return s
}

// counts are 2,048 stratified draws of the Poisson distributions with the means 0, 1/8, 2/8 … mostTabulated, in order, and
// tabulated the means that these draws have.
var counts, tabulated = func() (counts [rows][draws]uint8, means [rows]float64) {
	for row := range rows {
		mean := float64(row) / rowsAUnit
		p := math.Exp(-mean)
		below, k, sum := p, 0, 0
		for i := range draws {
			for ; below < (float64(i)+0.5)/draws; k++ {
				p *= mean / float64(k+1)
				below += p
			}
			counts[row][i] = uint8(k)
			sum += k
		}
		means[row] = float64(sum) / draws
	}
	return counts, means
}()

const (
	mostTabulated = 5
	rowsAUnit     = 8
	rows          = mostTabulated*rowsAUnit + 1
)

// clockwork is a Poisson process: most of it one look-up for each stretch of time, and what the table's means leave of the
// rate a unit process run along its integral, which seldom has an event.
type clockwork struct {
	source
	left float64 // until that one's next event
}

// events moves on by x expected events and says how many came, by the draw u below draws: the larger, the more. Many at
// once come from the normal approximation.
func (c *clockwork) events(x float64, u uint64) float64 {
	if x >= mostTabulated {
		if n := x + math.Sqrt(x)*float64(normals[u]) + 0.5; n > 0 {
			return float64(int64(n)) // its floor, without a call
		}
		return 0
	}
	row := int(x * rowsAUnit)
	n := float64(counts[row][u])
	for c.left -= x - tabulated[row]; c.left < 0; n++ {
		c.left += float64(units[c.next()>>drawShift])
	}
	return n
}

// drawn is events by a draw of its own.
func (c *clockwork) drawn(x float64) float64 { return c.events(x, c.next()>>drawShift) }

// quiet moves on by x expected events if none of them comes, whatever the draw.
func (c *clockwork) quiet(x float64) bool {
	if x >= 1.0/rowsAUnit || c.left < x {
		return false
	}
	c.left -= x
	return true
}

// dice are the draws of a second, each of its own bits: the same whatever was drawn before.
func (s source) dice(sec int) uint64 {
	s += source(sec) * golden
	return s.next()
}
