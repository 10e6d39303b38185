package loadgen

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// volley is how many shots are fired before answers are looked at. A shard that is late has many to fire at once; the
// first answers are then there before a connection has been opened for the last.
const volley = 32

// longestSleep is after how long a shard looks around though nothing is due.
const longestSleep = 250 * time.Millisecond

// shard fires a part of the arrivals, from the first shot to the fate, on a thread of its own and without asking
// anybody: its connections, visits, buffers and counts are nobody else's.
//
// One round of its loop: fire what is due, sleep until the next is due or something has come, read what has come.
type shard struct {
	e       *Engine
	share   arrivals.Share
	samples Samples
	network network
	supply  supply
	done    bool // the schedule is at its end
	stopped bool
	naps    bool // answers may be read late, with the kernel's time stamps

	agenda  agenda
	pool    pool
	spinner spinner
	retry   time.Duration // when to dial again after want of descriptors or ports
	visits  []*visit      // free ones
	// sessions are free ones, too.
	sessions []*session
	live     int    // visits that are not free
	pulse    *pulse // felt by a lease; nil without one

	clock   time.Duration // the last look at the clock
	fresh   bool          // nothing that takes time has been done since
	heard   time.Duration // when the network said what is being worked off
	heardAt int64         // the same instant in Unix nanoseconds
	came    time.Duration // when what was last read had come in
	events  []ready
	pending []ready // to be worked off before sleeping

	in, out, body []byte
	intakes       [together]intake
	headings      []heading                  // by step
	answered      []map[string]time.Duration // by tenant: of the pods that have answered, when the first request was sent

	count counters
	late  lateness
}

// supply gives a shard its arrivals.
type supply interface {
	// peek gives the next arrival and when it is due on the wall; false after the last.
	peek(s *shard) (arrivals.Arrival, time.Duration, bool)
	advance()
	// hungry says that the next arrival need not wait for the next round.
	hungry(s *shard) bool
}

// run fires until every arrival of the shard has its fate.
func (s *shard) run() {
	for {
		if !s.stopped && s.e.stopping.Load() {
			s.stop()
		}
		if s.e.cutting.Load() {
			s.cut()
		}
		s.look()
		next := s.fireDue()
		if s.done && s.live == 0 {
			break
		}
		s.listen(next)
	}
	if !s.stopped {
		s.e.quiet.Add(1)
	}
	for _, c := range s.pool.places {
		if c.link != nil {
			s.shut(c)
		}
	}
}

// look looks at the clock.
func (s *shard) look() { s.clock, s.fresh = s.e.now(), true }

// now is the time, without a look where the last one was just before.
func (s *shard) now() time.Duration {
	if !s.fresh {
		s.look()
	}
	return s.clock
}

// fireDue fires what is due, does what else is on the agenda by now, and gives the next time for either. It leaves the
// rest of a long row to the next round.
func (s *shard) fireDue() (next time.Duration) {
	if s.retry <= s.clock {
		s.feed()
	}
	for range volley {
		arrival, due, more := s.peek()
		alarm := s.agenda.next()
		switch {
		case due > s.clock && alarm > s.clock:
			return min(due, alarm, s.retry)
		case due <= alarm && more:
			s.supply.advance()
			s.enter(arrival)
		default:
			if v := s.agenda.pop(s.clock); v != nil {
				s.onAlarm(v, s.clock)
			}
		}
	}
	return s.clock
}

// peek gives the next arrival; at the schedule's end it is due never.
func (s *shard) peek() (arrivals.Arrival, time.Duration, bool) {
	if s.done {
		return arrivals.Arrival{}, never, false
	}
	a, due, more := s.supply.peek(s)
	if !more {
		s.done = true
		return a, never, false
	}
	return a, due, true
}

// enter fires the first shot of an arrival.
func (s *shard) enter(a arrivals.Arrival) {
	v := s.begin(a)
	if !v.toTaken(v.at) {
		s.settle(v, record.Completed) // a journey none of whose steps the person takes
		return
	}
	s.aim(v, a.Due)
	s.fire(v)
}

// onAlarm sends a shot that is due, or gives up one whose time is over. What has come for it, perhaps in time, is read
// before.
func (s *shard) onAlarm(v *visit, now time.Duration) {
	if v.state == thinking {
		s.fire(v)
		return
	}
	if c := v.conn; c != nil && !c.opening {
		s.receive(c, false)
		if v.conn != c || v.deadline > now {
			return
		}
	}
	s.giveUp(v)
}

// listen sleeps until next, or until something has come, and works that off; what is due meanwhile is not kept waiting.
func (s *shard) listen(next time.Duration) {
	s.sleep(next)
	if s.pulse != nil {
		s.feel()
	}
	s.events, s.pending = append(s.events, s.pending...), s.pending[:0]
	for events := s.events; len(events) > 0; {
		n := s.gather(events)
		for i, r := range events[:n] {
			s.onReady(r, &s.intakes[i])
		}
		s.fresh = false
		if events = events[n:]; s.clock >= next || s.supply.hungry(s) {
			next = s.fireDue()
		}
	}
}

// sleep sleeps until next, or until something has come.
func (s *shard) sleep(next time.Duration) {
	now := s.now()
	if s.pulse != nil && now < 0 { // so that how far a fleet's workers begin from each other does not hang on what is due first
		next = min(next, 0)
	}
	until := min(next, now+longestSleep)
	if len(s.pending) > 0 {
		until = now
	}
	lead := time.Duration(0)
	if next == until {
		lead = s.spinner.lead(now, next)
	}
	// Who waits for a connection waits for somebody else's answer.
	nap := s.naps && s.pool.waiting.live == 0
	s.events = s.network.wait(now, until-lead, nap, s.events[:0])
	heard := time.Now()
	s.heard, s.heardAt = heard.Sub(s.e.start), heard.UnixNano()
	s.clock, s.came, s.fresh = s.heard, s.heard, true
	if len(s.events) == 0 && until > now {
		s.spinner.learn(s.heard, until-lead)
		for lead > 0 && s.clock < next {
			s.look()
		}
	}
}

// stop ends what is not under way: what waits is abandoned, what has not begun is unsent.
func (s *shard) stop() {
	s.stopped = true
	s.e.quiet.Add(1)
	for v := s.pool.waiting.pop(); v != nil; v = s.pool.waiting.pop() {
		s.abandon(v)
	}
	for _, v := range s.agenda {
		if v.state == thinking {
			s.abandon(v)
		}
	}
	if s.pulse != nil { // by a lease it is told later what is unsent
		return
	}
	for a, _, more := s.peek(); more; a, _, more = s.peek() {
		s.unsend(a)
		s.supply.advance()
	}
}

// unsend gives an arrival that will not begin its fate.
func (s *shard) unsend(a arrivals.Arrival) {
	s.samples.Fate(a.Seq, record.Unsent)
	s.count.fates[record.Unsent].Add(1)
}

// cut ends what is still under way.
func (s *shard) cut() {
	s.look()
	s.came = s.clock
	for v := s.pool.waiting.pop(); v != nil; v = s.pool.waiting.pop() {
		s.abandon(v)
	}
	for _, c := range s.pool.places {
		v := c.visit
		switch {
		case v == nil:
		case c.opening && !v.wrote:
			s.discard(c)
			s.abandon(v)
		default:
			s.end(c, v, v.lost())
		}
	}
}
