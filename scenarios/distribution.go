package scenarios

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// z95 is the 0.95-quantile of the standard normal distribution.
const z95 = 1.6448536269514722

// Quantile is the value below which the share u (0 to 1) of the draws lies. With u uniform on (0, 1) it is one draw.
// A zero Distribution gives 0; a u outside of (0, 1) gives the nearest value inside.
func (d Distribution) Quantile(u float64) time.Duration {
	u = max(0x1p-53, min(u, 1-0x1p-53))
	switch {
	case d.Fixed != nil:
		return *d.Fixed
	case d.Uniform != nil:
		return d.Uniform.Min + duration(float64(float64(d.Uniform.Max-d.Uniform.Min)*u))
	case d.Exponential != nil:
		return duration(-float64(float64(*d.Exponential) * math.Log1p(-u)))
	case d.LogNormal != nil:
		mu, sigma := d.LogNormal.parameters()
		z := math.Sqrt2 * math.Erfinv(float64(2*u)-1)
		return duration(float64(d.LogNormal.Shift) + math.Exp(mu+float64(sigma*z)))
	}
	return 0
}

// Mean is the expectation.
func (d Distribution) Mean() time.Duration {
	switch {
	case d.Fixed != nil:
		return *d.Fixed
	case d.Uniform != nil:
		return d.Uniform.Min + (d.Uniform.Max-d.Uniform.Min)/2
	case d.Exponential != nil:
		return *d.Exponential
	case d.LogNormal != nil:
		mu, sigma := d.LogNormal.parameters()
		return duration(float64(d.LogNormal.Shift) + math.Exp(mu+float64(sigma*sigma)/2))
	}
	return 0
}

// Validate says what is wrong with d; it never changes it.
func (d Distribution) Validate() error {
	if forms := d.forms(); forms != 1 {
		return fmt.Errorf("a distribution has exactly one form (fixed, uniform, exponential or lognormal), here are %d", forms)
	}
	switch {
	case d.Fixed != nil && *d.Fixed < 0:
		return fmt.Errorf("fixed is %s, must not be negative", *d.Fixed)
	case d.Uniform != nil && d.Uniform.Min < 0:
		return fmt.Errorf("min is %s, must not be negative", d.Uniform.Min)
	case d.Uniform != nil && d.Uniform.Max < d.Uniform.Min:
		return fmt.Errorf("max is %s, must be at least min, %s", d.Uniform.Max, d.Uniform.Min)
	case d.Exponential != nil && *d.Exponential < 0:
		return fmt.Errorf("exponential (the mean) is %s, must not be negative", *d.Exponential)
	case d.LogNormal != nil:
		return d.LogNormal.validate()
	}
	return nil
}

func (d Distribution) forms() int {
	n := 0
	for _, set := range []bool{d.Fixed != nil, d.Uniform != nil, d.Exponential != nil, d.LogNormal != nil} {
		if set {
			n++
		}
	}
	return n
}

func (l LogNormal) validate() error {
	switch {
	case l.Shift < 0:
		return fmt.Errorf("shift is %s, must not be negative", l.Shift)
	case l.Median <= l.Shift:
		return fmt.Errorf("median is %s, must be above shift, %s", l.Median, l.Shift)
	case l.P95 < l.Median:
		return fmt.Errorf("p95 is %s, must be at least the median, %s", l.P95, l.Median)
	}
	if _, sigma := l.parameters(); sigma > 5 {
		return errors.New("p95 is more than 3,700 times the median: no such delay is known, check the units")
	}
	return nil
}

// parameters are μ and σ of ln(value − Shift): the median and the 95 % quantile of the whole value pin them down.
func (l LogNormal) parameters() (mu, sigma float64) {
	mu = math.Log(float64(l.Median - l.Shift))
	return mu, (math.Log(float64(l.P95-l.Shift)) - mu) / z95
}

// duration rounds nanoseconds; what does not fit becomes the longest duration.
func duration(ns float64) time.Duration {
	if !(ns < math.MaxInt64) {
		return math.MaxInt64
	}
	return time.Duration(math.Round(ns))
}
