package reports

import (
	"math"
	"strings"

	"github.com/ansturm/ansturm/planner"
)

// quantity writes a value of a comparison in its unit. Without a unit, values that are not whole and at most one are
// shares; everything else is counted.
func (t tongue) quantity(v float64, c planner.Comparison) string {
	switch c.Unit {
	case "s":
		return t.seconds(v)
	case "", "1":
		if isShare(c) {
			return t.share(v)
		}
		return t.number(v)
	}
	unit := c.Unit
	if _, known := catalogues[t.lang]["unit."+unit]; known {
		unit = t.say("unit." + unit)
	}
	return t.number(v) + nbsp + unit
}

// interval writes the predicted range, the unit said once.
func (t tongue) interval(c planner.Comparison) string {
	low, high := t.quantity(c.Low, c), t.quantity(c.High, c)
	if value, unit, has := strings.Cut(low, nbsp); has && strings.HasSuffix(high, nbsp+unit) {
		low = value
	}
	return low + " – " + high
}

// inRange tells whether the measured value lies in the predicted range.
func inRange(c planner.Comparison) bool { return c.Measured >= c.Low && c.Measured <= c.High }

func isShare(c planner.Comparison) bool {
	broken := false
	for _, v := range []float64{c.Predicted, c.Low, c.High, c.Measured} {
		if v < 0 || v > 1 || math.IsNaN(v) {
			return false
		}
		broken = broken || v != math.Trunc(v)
	}
	return broken
}
