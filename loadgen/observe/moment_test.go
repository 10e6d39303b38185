package observe

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
)

var epoch = time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)

// Whatever the moment and however long a change was on its way, the bounds hold the truth, the estimate is within them,
// and a change that came promptly is told to its own delay.
func TestBoundsHoldTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := epoch.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "truth")))
		delay := time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "delay"))
		s := seen{at: truth.Add(delay), late: rapid.Bool().Draw(t, "late")}
		s.gap = gap{heard: truth.Add(-time.Second)}
		stamped := rapid.Bool().Draw(t, "stamped")
		stamp := time.Time{}
		if stamped {
			stamp = truth.Truncate(time.Second)
		}
		m := s.around(stamp)
		if m.at.Before(m.from) || m.at.After(m.to) {
			t.Fatalf("the estimate %v is not within %v to %v", m.at, m.from, m.to)
		}
		if (stamped || s.late) && (truth.Before(m.from) || truth.After(m.to)) {
			t.Fatalf("the truth %v is not within %v to %v", truth, m.from, m.to)
		}
		if stamped && m.to.Sub(m.from) > time.Second {
			t.Fatalf("bounds of %v from a stamp of whole seconds", m.to.Sub(m.from))
		}
		if off := m.at.Sub(truth).Abs(); stamped && !s.late && delay <= nearby && off > delay || stamped && off > time.Second {
			t.Fatalf("the estimate is off by %v after a delay of %v", off, delay)
		}
	})
}

// A cluster's clock that is ahead cannot turn the bounds around, and before the run there are no offsets.
func TestMomentEdges(t *testing.T) {
	s := seen{at: epoch}
	m := s.around(epoch.Add(3 * time.Second))
	if m.from.After(m.at) || m.to.Before(m.at) {
		t.Errorf("with a clock ahead: %+v", m)
	}
	var e record.Event
	m.place(&e, epoch.Add(time.Minute))
	if e.At != 0 || e.Within != nil {
		t.Errorf("before the run: %+v", e)
	}
	s.exact(epoch.Add(-1500*time.Microsecond)).place(&e, epoch.Add(-time.Second))
	if e.At != 998500*time.Microsecond || e.Within != nil || e.Evidence != record.EvidenceExact {
		t.Errorf("an exact moment: %+v", e)
	}
}

// What was written in a gap is late; what came after it is not, whether its write left a stamp or only older ones did.
func TestLate(t *testing.T) {
	at := func(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }
	l := &line{was: gap{heard: at(8), from: at(10.5), to: at(16.2)}}
	for name, c := range map[string]struct {
		arrived, stamp float64
		want           bool
	}{
		"written in the gap":                  {16.3, 12, true},
		"before it was noticed":               {16.3, 9, true},
		"in the second in which it ended":     {16.3, 16, false},
		"after it":                            {20.1, 19, false},
		"long after, with an old stamp":       {31, 2, false},
		"at once after it, with an old stamp": {16.3, 2, true},
		"much later":                          {60, 12, false},
	} {
		if _, late := l.late(at(c.arrived), at(c.stamp)); late != c.want {
			t.Errorf("%s: late %v", name, late)
		}
	}
	l.was.relisted = true
	if _, late := l.late(at(16.3), time.Time{}); late {
		t.Error("late after a relist, which told what was")
	}
	if _, late := (&line{}).late(at(1), at(0)); late {
		t.Error("late without a gap")
	}
}

// While a gap is being told, its line does not pass for whole: the gaps of others would be told without it.
func TestNotWholeWhileTold(t *testing.T) {
	for _, relisted := range []bool{false, true} {
		told := 0
		var l *line
		l = &line{now: time.Now, noticed: func(gap) {
			told++
			if l.whole() {
				t.Errorf("relisted %v: the line is whole before its gap is known", relisted)
			}
		}}
		l.join(true)
		l.cut("gone")
		l.join(relisted)
		l.heard()
		if told != 1 || !l.whole() {
			t.Errorf("relisted %v: told %d gaps, whole %v", relisted, told, l.whole())
		}
	}
}
