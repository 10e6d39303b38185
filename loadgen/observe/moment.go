package observe

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// moment is when something happened, as far as can be told: at is the best estimate, the truth is from … to.
type moment struct {
	at, from, to time.Time
	evidence     string
	late         bool
}

// seen is how a change came here.
type seen struct {
	at      time.Time // arrival
	version string    // the object's resourceVersion
	late    bool
	gap     gap // the one it happened in, if late
}

// exact is a moment that the object itself tells to the microsecond or finer.
func (s seen) exact(t time.Time) moment {
	return moment{at: t, from: t, to: t, evidence: record.EvidenceExact, late: s.late}
}

// nearby is how far an arrival may be from its stamp's second to be taken for prompt.
const nearby = time.Second

// around is the moment of a change whose stamp has whole seconds, cut off as Kubernetes does it: it lies in the second
// that begins with stamp, and before the arrival. Changes arrive promptly as a rule, so that the point of that second next to
// the arrival is the best estimate; of one that came long after, the middle is. A zero stamp says nothing.
func (s seen) around(stamp time.Time) moment {
	m := moment{at: s.at, from: s.at, to: s.at, evidence: record.EvidenceArrival, late: s.late}
	if stamp.IsZero() {
		if s.late {
			m.from = s.gap.heard // a broken connection is noticed after it broke
		}
		return m
	}
	begin, end := stamp, stamp.Add(time.Second)
	switch {
	case s.at.Before(begin): // the cluster's clock is ahead of ours
		m.to = end
	case !s.at.After(end):
		m.from = begin
	case s.at.Sub(end) <= nearby && !s.late:
		m.at, m.from, m.to, m.evidence = end, begin, end, record.EvidenceStamp
	default:
		m.at, m.from, m.to, m.evidence = begin.Add(time.Second/2), begin, end, record.EvidenceStamp
	}
	return m
}

// place puts a moment on an event; offsets are from start, none before it.
func (m moment) place(e *record.Event, start time.Time) {
	e.At, e.Evidence, e.Late = offset(m.at, start), m.evidence, m.late
	if from, to := offset(m.from, start), offset(m.to, start); from != to {
		e.Within = &record.Span{From: from, To: to}
	}
}

func offset(t, start time.Time) time.Duration { return max(0, t.Sub(start)) }
