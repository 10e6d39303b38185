package lease

import (
	"fmt"
	"time"
)

// Exchange is a question and its answer between two clocks, as NTP's (RFC 5905, section 8): T1 asked and T4 answered by one's
// own, T2 heard and T3 said by the other's.
type Exchange struct{ T1, T2, T3, T4 time.Duration }

// drift is how fast two clocks may go apart, in parts of a million: twice what a quartz and its temperature make of it.
const drift = 50

// Offset bounds how far another clock is ahead of one's own. An exchange says that it is between T3 − T4 and T2 − T1: nothing is heard
// before it is said. What exchanges say is intersected, each widened by 50 ppm of its age since T1. Where nothing is left, a clock was
// stepped: it starts anew with the exchange that said so. The zero Offset knows nothing.
type Offset struct {
	at, lo, hi time.Duration // the bounds at that time of one's own clock
	known      bool
	steps      int
}

// Add learns from an exchange, in any order. It is an error, and changes nothing, if the answer came before the question.
func (o *Offset) Add(x Exchange) error {
	at := x.T4
	if o.known {
		at = max(at, o.at)
	}
	lo, hi := wider(x.T3-x.T4, x.T2-x.T1, at-x.T1)
	if x.T4 < x.T1 || x.T3 < x.T2 || hi < lo {
		return fmt.Errorf("lease: exchange %+v: answered before it was asked", x)
	}
	if o.known {
		oldLo, oldHi := wider(o.lo, o.hi, at-o.at)
		if bothLo, bothHi := max(lo, oldLo), min(hi, oldHi); bothLo <= bothHi {
			lo, hi = bothLo, bothHi
		} else if x.T4 < o.at { // from before the step
			return nil
		} else {
			o.steps++
		}
	}
	o.at, o.lo, o.hi, o.known = at, lo, hi, true
	return nil
}

// At is the offset at a time of one's own clock, and how far the truth may be from it; known is false before the first exchange.
func (o *Offset) At(now time.Duration) (offset, uncertainty time.Duration, known bool) {
	lo, hi := wider(o.lo, o.hi, now-o.at)
	offset = lo + (hi-lo)/2
	return offset, hi - offset, o.known
}

// Steps is how often the exchanges contradicted each other.
func (o *Offset) Steps() int { return o.steps }

// wider are bounds after, or before, that time.
func wider(lo, hi, age time.Duration) (time.Duration, time.Duration) {
	by := (max(age, -age)*drift + 999_999) / 1_000_000
	return lo - by, hi + by
}
