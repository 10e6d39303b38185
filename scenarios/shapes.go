package scenarios

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// The grid on which smooth shapes become straight pieces. The chord of a piece of length h is off by at most
// h²/8·max|f″|, that is 0.05 % of the top for a bell and 0.05 % of the local rate for an exponential at perWidth = 16,
// and 0.02 % of the top for a daily wave.
const (
	perWidth   = 16               // knots per width (gaussian) or time constant (deadline)
	dailyKnots = 15 * time.Minute // between the knots of a daily wave
	bellReach  = 6                // a bell ends at six standard deviations: 2e-9 of its mass lie outside
	riseReach  = 16               // an exponential ends at sixteen time constants: 1e-7 of its mass lie outside
	fallFaster = 8                // after a deadline the rate falls that many times as fast as it rose
)

// piece is a straight stretch of a curve: rate from at its start to at its end; times in nanoseconds.
type piece struct {
	start, end time.Duration
	from, to   float64
}

// mass is the integral of the rate over the piece, in rate × nanoseconds.
func (p piece) mass() float64 {
	return float64(float64(float64(p.end-p.start)*(p.from+p.to)) / 2)
}

// at is the rate inside the piece; exact at both ends.
func (p piece) at(t time.Duration) float64 {
	switch {
	case t <= p.start || p.from == p.to:
		return p.from
	case t >= p.end:
		return p.to
	}
	x := float64(t-p.start) / float64(p.end-p.start)
	return float64(p.from*(1-x)) + float64(p.to*x)
}

// kinds are the named shapes: the knots of each between two times. What lies outside is cut off afterwards.
var kinds = map[string]func(s Shape, from, to time.Duration) []Point{
	"constant": func(_ Shape, from, to time.Duration) []Point { return []Point{{from, 1}, {to, 1}} },
	"ramp":     func(s Shape, from, to time.Duration) []Point { return []Point{{from, s.Start}, {to, s.End}} },
	"step": func(s Shape, from, to time.Duration) []Point {
		return []Point{{min(from, s.At), s.Start}, {s.At, s.Start}, {s.At, s.End}, {max(to, s.At), s.End}}
	},
	"spike": func(s Shape, _, _ time.Duration) []Point {
		return []Point{{s.At - s.Width/2, 0}, {s.At, 1}, {s.At + s.Width/2, 0}}
	},
	"gaussian": func(s Shape, _, _ time.Duration) []Point { return bell(s.At, s.Width) },
	"daily":    daily,
	"deadline": func(s Shape, _, _ time.Duration) []Point { return deadline(s.At, s.Width) },
	"points":   func(s Shape, _, _ time.Duration) []Point { return s.Points },
}

// kindNames lists the kinds for messages.
func kindNames() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// bell samples exp(−x²/2) over bellReach standard deviations on both sides.
func bell(at, width time.Duration) []Point {
	points := make([]Point, 0, 2*bellReach*perWidth+1)
	for i := -bellReach * perWidth; i <= bellReach*perWidth; i++ {
		x := float64(i) / perWidth
		points = append(points, Point{at + width*time.Duration(i)/perWidth, exactExp(-float64(x*x) / 2)})
	}
	return points
}

// deadline samples the rise exp((t−At)/Width) and, after At, a fall fallFaster times as fast.
func deadline(at, width time.Duration) []Point {
	var points []Point
	for i := -riseReach * perWidth; i <= 0; i++ {
		points = append(points, Point{at + width*time.Duration(i)/perWidth, exactExp(float64(i) / perWidth)})
	}
	for i := 1; i <= riseReach*perWidth; i++ {
		points = append(points, Point{at + width*time.Duration(i)/(perWidth*fallFaster), exactExp(-float64(i) / perWidth)})
	}
	return points
}

// daily samples Base + (1−Base)·(1 + cos(2π(t−At)/24 h))/2 from the last knot before from to the first after to.
func daily(s Shape, from, to time.Duration) []Point {
	const day = 24 * time.Hour
	first := time.Duration(math.Floor(float64(from-s.At) / float64(dailyKnots)))
	last := time.Duration(math.Ceil(float64(to-s.At) / float64(dailyKnots)))
	var points []Point
	for i := first; i <= last; i++ {
		wave := (1 + exactCos(float64(i)*float64(dailyKnots)/float64(day))) / 2
		points = append(points, Point{s.At + i*dailyKnots, s.Base + float64((1-s.Base)*wave)})
	}
	return points
}

// pieces are the shape's straight pieces within From and To and the surge's length, scaled to the mass Weight.
func (s Shape) pieces(over time.Duration) ([]piece, error) {
	knots, known := kinds[s.Kind]
	if !known {
		return nil, fmt.Errorf("unknown kind %q", s.Kind)
	}
	from, to := max(0, s.From), over
	if s.To != 0 {
		to = min(over, s.To)
	}
	points := knots(s, from, to)
	var list []piece
	mass := 0.0
	for i := 1; i < len(points); i++ {
		p := piece{points[i-1].At, points[i].At, points[i-1].Rate, points[i].Rate}
		if cut, ok := p.within(from, to); ok {
			list = append(list, cut)
			mass += cut.mass()
		}
	}
	if !(mass > 0) || math.IsInf(mass, 0) {
		return nil, fmt.Errorf("the shape %s has no arrivals between %s and %s", s.Kind, brief(from), brief(to))
	}
	weight := s.Weight
	if weight == 0 {
		weight = 1
	}
	for i := range list {
		list[i].from = float64(list[i].from / mass * weight)
		list[i].to = float64(list[i].to / mass * weight)
	}
	return list, nil
}

// within cuts the piece to a stretch of time; false where nothing is left.
func (p piece) within(from, to time.Duration) (piece, bool) {
	cut := piece{start: max(p.start, from), end: min(p.end, to)}
	if cut.start >= cut.end {
		return piece{}, false
	}
	cut.from, cut.to = p.at(cut.start), p.at(cut.end)
	return cut, true
}
