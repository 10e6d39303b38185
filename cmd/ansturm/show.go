package main

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen"
)

// show is a run's bar: by arrivals, or by time.
type show struct {
	*stage
	over time.Duration // 0: by arrivals
	last loadgen.Progress
	rate float64 // shots a second between the last two looks
}

func (f firing) show(p *progress) *show {
	if f.byTime {
		over := f.scenario.Arrivals.Over
		return &show{stage: p.stage(f.title, over.Milliseconds()), over: over}
	}
	return &show{stage: p.stage(f.title, f.scenario.Arrivals.Total)}
}

// now shows how far the run is.
func (s *show) now(p loadgen.Progress) {
	if s.over == 0 && s.p.bars != nil {
		s.set(p.Offered, barNote(p))
		return
	}
	if s.over == 0 {
		s.set(p.Offered, progressNote(p))
		return
	}
	if passed := p.At - s.last.At; passed > 0 {
		s.rate = float64(p.Shots-s.last.Shots) / passed.Seconds()
	}
	s.last = p
	s.set(p.At.Milliseconds(), s.fireNote(p))
}

// end shows where it ended.
func (s *show) end(p loadgen.Progress, interrupted bool) {
	note := progressNote(p)
	switch {
	case s.over == 0 && s.p.bars != nil:
		note = fmt.Sprintf("%d completed, %d in vain", p.Completed, p.Failed+p.Indeterminate)
	case s.over > 0:
		note = fmt.Sprintf("%d shots, %d not ok", p.Shots, p.Shots-p.ShotsOK)
	}
	if interrupted {
		s.abort(note)
	} else {
		s.done(note)
	}
}

func progressNote(p loadgen.Progress) string {
	return fmt.Sprintf("%d offered, %d completed, %d failed, %d indeterminate, %d in flight, lateness p99 %v",
		p.Offered, p.Completed, p.Failed, p.Indeterminate, p.InFlight, p.LatenessP99.Round(100*time.Microsecond))
}

// barNote is short: it stands beside a bar on 80 columns.
func barNote(p loadgen.Progress) string {
	return fmt.Sprintf("%d in vain, %d in flight, late %s", p.Failed+p.Indeterminate, p.InFlight, brief(p.LatenessP99))
}

// fireNote is short: it stands beside a bar on 80 columns.
func (s *show) fireNote(p loadgen.Progress) string {
	if p.At > s.over {
		return fmt.Sprintf("waiting for %d answers", p.InFlight)
	}
	return fmt.Sprintf("%.0f/s, %d not ok, %d in flight, late %s",
		s.rate, p.Shots-p.ShotsOK, p.InFlight, brief(p.LatenessP99))
}
