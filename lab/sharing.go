package lab

import (
	"math"
	"time"
)

// sharing is a processor-sharing server in virtual time: v is the work that each job in service has had since the
// server was last empty, so a job of work w that enters at v is done when v reaches v+w, whatever happens to the rate
// meanwhile. A change of rate touches no job (the "virtual time" of fair queueing: Demers, Keshav, Shenker 1989).
type sharing struct {
	queue *queue
	// done is set to the moment at which the first job is done at the present rate.
	done event
	// rate is what each job in service gets, in work seconds per second.
	rate float64
	v    float64
	at   time.Duration
	jobs []job // a heap, least tag first
	last uint64
}

type job struct {
	tag   float64
	order uint64
	r     *request
}

// catchUp brings v up to now at the present rate.
func (s *sharing) catchUp(now time.Duration) {
	if len(s.jobs) > 0 {
		s.v += s.rate * (now - s.at).Seconds()
	} else {
		s.v = 0
	}
	s.at = now
}

// turn sets the rate from now on; s must be caught up to now.
func (s *sharing) turn(rate float64) {
	s.rate = rate
	if len(s.jobs) == 0 || rate <= 0 {
		s.queue.drop(&s.done)
		return
	}
	wait := math.Ceil((s.jobs[0].tag - s.v) / rate * 1e9)
	s.queue.set(&s.done, s.at+time.Duration(max(0, min(wait, math.MaxInt64/4))))
}

// enter adds a job of work seconds; s must be caught up and be turned afterwards.
func (s *sharing) enter(r *request, work float64) {
	s.last++
	s.jobs = append(s.jobs, job{s.v + work, s.last, r})
	for i := len(s.jobs) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.less(i, parent) {
			return
		}
		s.jobs[i], s.jobs[parent] = s.jobs[parent], s.jobs[i]
		i = parent
	}
}

// pop takes out the first job if it is done, nil if it is not. At the moment of the done event force makes it so, for
// rounding may leave it a hair short.
func (s *sharing) pop(force bool) *request {
	if len(s.jobs) == 0 {
		return nil
	}
	if force {
		s.v = max(s.v, s.jobs[0].tag)
	}
	if s.jobs[0].tag > s.v+1e-12 {
		return nil
	}
	r := s.jobs[0].r
	end := len(s.jobs) - 1
	s.jobs[0] = s.jobs[end]
	s.jobs[end] = job{}
	s.jobs = s.jobs[:end]
	s.sink()
	return r
}

func (s *sharing) sink() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(s.jobs) {
			return
		}
		if child+1 < len(s.jobs) && s.less(child+1, child) {
			child++
		}
		if !s.less(child, i) {
			return
		}
		s.jobs[i], s.jobs[child] = s.jobs[child], s.jobs[i]
		i = child
	}
}

func (s *sharing) less(i, j int) bool {
	if s.jobs[i].tag != s.jobs[j].tag {
		return s.jobs[i].tag < s.jobs[j].tag
	}
	return s.jobs[i].order < s.jobs[j].order
}
