package loadgen

import (
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// group is how long the pacer sleeps at least between two groups of shots on the real clock: at 9,000 shots a second
// a wake-up for every one would cost as much as the shots themselves. It adds at most as much lateness.
const group = 50 * time.Microsecond

// never is later than any run lasts.
const never = time.Duration(math.MaxInt64 / 4)

// cursor walks the share's arrivals in order of Due, made ahead of the pacer by a goroutine of its own.
type cursor struct {
	blocks <-chan []arrivals.Arrival
	spare  chan<- []arrivals.Arrival
	block  []arrivals.Arrival
	at     int
}

// readAhead makes the blocks of the schedule; the channel is closed after the last.
func (e *Engine) readAhead() *cursor {
	const ahead = 2
	blocks, spare := make(chan []arrivals.Arrival, ahead), make(chan []arrivals.Arrival, ahead+2)
	e.goroutines.Add(1)
	go func() {
		defer e.goroutines.Done()
		defer close(blocks)
		for b := range e.cfg.Schedule.Blocks() {
			var buf []arrivals.Arrival
			select {
			case buf = <-spare:
			default:
			}
			if block := e.cfg.Schedule.Block(b, e.cfg.Share, buf[:0]); len(block) > 0 {
				blocks <- block // the pacer takes every one, sent or unsent
			}
		}
	}()
	return &cursor{blocks: blocks, spare: spare}
}

// peek gives the next arrival; false after the last.
func (c *cursor) peek() (arrivals.Arrival, bool) {
	for c.at == len(c.block) {
		if c.block != nil {
			select {
			case c.spare <- c.block:
			default:
			}
		}
		block, more := <-c.blocks
		c.block, c.at = block, 0
		if !more {
			return arrivals.Arrival{}, false
		}
	}
	return c.block[c.at], true
}

func (c *cursor) advance() { c.at++ }

// pace fires everything when it is due, until every arrival has its fate or the run is stopped. Then what has not
// begun is unsent.
func (e *Engine) pace() {
	schedule := e.readAhead()
	exhausted := false
	for !e.stopping.Load() && e.unfinished.Load() > 0 {
		next, more := e.fireDue(schedule)
		if !more && !exhausted {
			exhausted = true
			e.release() // the pacer's own hold
		}
		now := e.now()
		if next < never {
			next = max(next, now+e.group)
		}
		e.sleeper.until(now, next)
	}
	for _, v := range e.later.close() {
		e.abandon(v)
	}
	if exhausted {
		return
	}
	for a, more := schedule.peek(); more; a, more = schedule.peek() {
		e.samples.Fate(a.Seq, record.Unsent)
		e.count.fates[record.Unsent].Add(1)
		schedule.advance()
	}
	e.release()
}

// fireDue fires what is due and gives the next due time; more is false when the schedule is at its end.
func (e *Engine) fireDue(schedule *cursor) (next time.Duration, more bool) {
	now := e.now()
	for !e.stopping.Load() {
		arrival, more := schedule.peek()
		next = never
		if more {
			next = e.wall(arrival.Due)
		}
		if due, any := e.later.next(); any && due < next {
			if due > now {
				return due, more
			}
			if v := e.later.pop(now); v != nil {
				e.fire(v)
			}
			continue
		}
		if next > now {
			return next, more
		}
		schedule.advance()
		e.enter(arrival)
	}
	return 0, true
}

// enter fires the first shot of an arrival.
func (e *Engine) enter(a arrivals.Arrival) {
	v := e.begin(a)
	if !v.toTaken(v.at) {
		e.settle(v, record.Completed) // a journey none of whose steps the person takes
		return
	}
	e.aim(v, a.Due)
	e.fire(v)
}
