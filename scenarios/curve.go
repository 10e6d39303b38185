package scenarios

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

// Curve is the arrival rate over time: piecewise linear, jumps allowed, its integral normalised to the total.
// Its methods give the same bits on every processor.
type Curve struct {
	pieces []piece
	// before[i] is the mass of the pieces before i; the last one is the mass of all.
	before   []float64
	inverses []inverse
	total    float64
	over     time.Duration
}

// Curve makes the scenario's arrival curve: each shape becomes straight pieces scaled to its weight, and the shapes
// are added up at the union of their knots.
func (s *Scenario) Curve() (*Curve, error) {
	a := s.Arrivals
	if a.Over <= 0 || a.Over > longest {
		return nil, fmt.Errorf("arrival curve: over is %s, must be above 0 and at most %s", brief(a.Over), brief(longest))
	}
	shapes := a.Curve
	if len(shapes) == 0 {
		shapes = []Shape{{Kind: "constant"}}
	}
	summands := make([][]piece, len(shapes))
	for i, shape := range shapes {
		if err := shape.check(a.Over); err != nil {
			return nil, fmt.Errorf("arrival curve: shape %d: %w", i+1, err)
		}
		list, err := shape.pieces(a.Over)
		if err != nil {
			return nil, fmt.Errorf("arrival curve: shape %d: %w", i+1, err)
		}
		summands[i] = list
	}
	c := &Curve{pieces: sum(summands, a.Over), total: float64(a.Total), over: a.Over}
	c.before = make([]float64, len(c.pieces)+1)
	for i, p := range c.pieces {
		c.before[i+1] = c.before[i] + p.mass()
		c.inverses = append(c.inverses, p.inverse())
	}
	return c, nil
}

// sum adds lists of pieces up at the union of their knots, from 0 to over without a gap.
func sum(lists [][]piece, over time.Duration) []piece {
	knots := []time.Duration{0, over}
	for _, list := range lists {
		for _, p := range list {
			knots = append(knots, p.start, p.end)
		}
	}
	slices.Sort(knots)
	knots = slices.Compact(knots)
	total := make([]piece, len(knots)-1)
	for i := range total {
		total[i] = piece{start: knots[i], end: knots[i+1]}
	}
	for _, list := range lists {
		i := 0
		for _, p := range list {
			for total[i].start < p.start {
				i++
			}
			for ; i < len(total) && total[i].end <= p.end; i++ {
				total[i].from += p.at(total[i].start)
				total[i].to += p.at(total[i].end)
			}
		}
	}
	return total
}

// mass of the whole curve.
func (c *Curve) mass() float64 { return c.before[len(c.pieces)] }

// Rate is the arrival rate at t in arrivals per second of platform time; at a jump the rate after it, and 0 outside
// of the surge.
func (c *Curve) Rate(t time.Duration) float64 {
	if t < 0 || t > c.over {
		return 0
	}
	i := min(c.pieceAt(t), len(c.pieces)-1)
	return float64(c.pieces[i].at(t) / c.mass() * c.total * 1e9)
}

// Cumulative is the expected number of arrivals due before t: 0 at the start, the total at the end.
func (c *Curve) Cumulative(t time.Duration) float64 {
	switch {
	case t <= 0:
		return 0
	case t >= c.over:
		return c.total
	}
	i := c.pieceAt(t)
	p := c.pieces[i]
	inside := piece{p.start, t, p.from, p.at(t)}.mass()
	return float64((c.before[i] + inside) / c.mass() * c.total)
}

// pieceAt is the piece that t lies in; its start belongs to it.
func (c *Curve) pieceAt(t time.Duration) int {
	return sort.Search(len(c.pieces), func(i int) bool { return c.pieces[i].end > t })
}

// Quantile is the time by which the share u (0 to 1) of the arrivals is expected, rounded to the nanosecond. It is
// the inverse of the curve's integral, monotone in u: the roots of a quadratic per piece.
func (c *Curve) Quantile(u float64) time.Duration {
	w := c.Walk(u)
	return w.Quantile(u)
}

// Walk begins a row of quantiles at u.
func (c *Curve) Walk(u float64) Walk {
	target := c.target(u)
	i := sort.Search(len(c.pieces), func(i int) bool { return c.before[i+1] > target })
	return Walk{c, i}
}

// target is the mass before the quantile u.
func (c *Curve) target(u float64) float64 { return float64(min(max(u, 0), 1) * c.mass()) }

// Walk gives quantiles in rising order of u, without searching for the piece each time.
type Walk struct {
	curve *Curve
	piece int
}

// Quantile is Curve.Quantile(u), to the bit, for a u not below those before it.
func (w *Walk) Quantile(u float64) time.Duration {
	c, target := w.curve, w.curve.target(u)
	for w.piece < len(c.pieces) && c.before[w.piece+1] <= target {
		w.piece++
	}
	i := w.piece
	if i == len(c.pieces) { // u = 1: the end of the last piece that has any mass
		i = sort.Search(i, func(i int) bool { return c.before[i+1] >= target })
	}
	return c.inverses[i].at(target - c.before[i])
}

// inverse is a piece prepared for solving mass(x) = m for x, the nanoseconds since its start. Where the rate falls it
// solves from the start, where it rises from the end: either way no difference of like numbers, and monotone in m for
// every rounding.
type inverse struct {
	start        time.Duration
	length, mass float64
	rate         float64 // at the end that it solves from
	slope        float64 // of the rate away from there, never above 0
	rising       bool
}

func (p piece) inverse() inverse {
	v := inverse{start: p.start, length: float64(p.end - p.start), mass: p.mass(), rate: p.from}
	v.slope = float64((p.to - p.from) / v.length)
	if v.slope > 0 {
		v.rate, v.slope, v.rising = p.to, -v.slope, true
	}
	return v
}

// at is the time by which the piece has brought the mass m.
func (v *inverse) at(m float64) time.Duration {
	x := 0.0
	if v.rising {
		x = v.length - v.root(v.mass-m)
	} else {
		x = v.root(m)
	}
	return v.start + time.Duration(math.Round(min(max(x, 0), v.length)))
}

// root is the smaller x with rate·x + slope·x²/2 = m.
func (v *inverse) root(m float64) float64 {
	if m <= 0 {
		return 0
	}
	inner := max(0, float64(v.rate*v.rate)+float64(2*float64(v.slope*m)))
	return float64(2 * m / (v.rate + math.Sqrt(inner)))
}

// Peak is the highest rate, in arrivals per second, and when it is first reached.
func (c *Curve) Peak() (at time.Duration, rate float64) {
	top := -1.0
	for _, p := range c.pieces {
		if p.from > top {
			at, top = p.start, p.from
		}
		if p.to > top {
			at, top = p.end, p.to
		}
	}
	return at, float64(top / c.mass() * c.total * 1e9)
}

// Knots are the times at which the curve bends or jumps, from 0 to the end.
func (c *Curve) Knots() []time.Duration {
	knots := []time.Duration{0}
	for _, p := range c.pieces {
		knots = append(knots, p.end)
	}
	return knots
}
