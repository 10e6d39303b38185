package scenarios

import "time"

// Curve is the arrival rate over time, normalised to the scenario's total.
type Curve struct{}

// Curve makes the scenario's arrival curve.
func (s *Scenario) Curve() (*Curve, error) { return nil, errNotBuilt }

// Rate is the arrival rate at t, per second.
func (c *Curve) Rate(t time.Duration) float64 { return 0 }

// Cumulative is the expected number of arrivals before t.
func (c *Curve) Cumulative(t time.Duration) float64 { return 0 }

// Quantile is the time at which the share u (0 to 1) of the arrivals has come.
func (c *Curve) Quantile(u float64) time.Duration { return 0 }

// Peak is the highest rate, per second, and when it is first reached.
func (c *Curve) Peak() (at time.Duration, rate float64) { return 0, 0 }
