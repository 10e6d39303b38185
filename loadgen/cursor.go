package loadgen

import (
	"math"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// never is later than any run lasts.
const never = time.Duration(math.MaxInt64 / 4)

// cursor walks the share's arrivals in order of Due, made ahead of the shard by a goroutine of its own.
type cursor struct {
	blocks <-chan []arrivals.Arrival
	spare  chan<- []arrivals.Arrival
	block  []arrivals.Arrival
	at     int
}

// readAhead makes the blocks of the schedule; the channel is closed after the last.
func (s *shard) readAhead() *cursor {
	const ahead = 2
	blocks, spare := make(chan []arrivals.Arrival, ahead), make(chan []arrivals.Arrival, ahead+2)
	s.e.goroutines.Add(1)
	go func() {
		defer s.e.goroutines.Done()
		defer close(blocks)
		for b := range s.e.cfg.Schedule.Blocks() {
			var buf []arrivals.Arrival
			select {
			case buf = <-spare:
			default:
			}
			if block := s.e.cfg.Schedule.Block(b, s.share, buf[:0]); len(block) > 0 {
				blocks <- block // the shard takes every one, sent or unsent
			}
		}
	}()
	return &cursor{blocks: blocks, spare: spare}
}

func (c *cursor) peek(s *shard) (arrivals.Arrival, time.Duration, bool) {
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
			return arrivals.Arrival{}, never, false
		}
	}
	a := c.block[c.at]
	return a, s.e.wall(a.Due), true
}

func (c *cursor) advance() { c.at++ }

func (c *cursor) hungry(*shard) bool { return false }

// closedLoop lets the next arrival begin when another has ended, until the time is over.
type closedLoop struct {
	people    int // under way at one time
	seq, step uint32
	over      time.Duration // on the wall
}

func (l *closedLoop) peek(s *shard) (arrivals.Arrival, time.Duration, bool) {
	switch {
	case s.stopped || s.clock >= l.over:
		return arrivals.Arrival{}, never, false
	case s.live >= l.people:
		return arrivals.Arrival{}, never, true
	case s.clock < 0: // the start is yet to come
		return arrivals.Arrival{Seq: l.seq, Tenant: s.e.cfg.Schedule.Tenant(l.seq)}, 0, true
	}
	return arrivals.Arrival{Seq: l.seq, Due: s.e.platform(s.clock), Tenant: s.e.cfg.Schedule.Tenant(l.seq)}, s.clock, true
}

func (l *closedLoop) advance() { l.seq += l.step }

func (l *closedLoop) hungry(s *shard) bool { return s.live < l.people && !s.done }
