package loadgen

import (
	"math"
	"sync/atomic"
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
		reader := s.e.cfg.Schedule.Reader(s.share.Set())
		for b := range s.e.cfg.Schedule.Blocks() {
			var buf []arrivals.Arrival
			select {
			case buf = <-spare:
			default:
			}
			if block := reader.Block(b, buf[:0]); len(block) > 0 {
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

// closedLoop lets the next arrival begin when another has ended, until the time is over. The shards take their Seqs from
// one counter, so that those of a run are 0 to n−1; one that is taken begins, or is unsent where the run is ended before.
type closedLoop struct {
	people int // under way at one time
	seqs   *atomic.Uint32
	next   arrivals.Arrival
	due    time.Duration // of next, on the wall
	taken  bool          // next has its Seq, and has not begun
	over   time.Duration // on the wall
}

func (l *closedLoop) peek(s *shard) (arrivals.Arrival, time.Duration, bool) {
	switch {
	case l.taken:
	case s.stopped || s.clock >= l.over || l.seqs.Load() == math.MaxUint32:
		return arrivals.Arrival{}, never, false
	case s.live >= l.people:
		return arrivals.Arrival{}, never, true
	case s.clock < 0: // the start is yet to come
		return arrivals.Arrival{}, 0, true
	default:
		seq := l.seqs.Add(1) - 1
		l.next = arrivals.Arrival{Seq: seq, Due: s.e.platform(s.clock), Tenant: s.e.cfg.Schedule.Tenant(seq)}
		l.due, l.taken = s.clock, true
	}
	return l.next, l.due, true
}

func (l *closedLoop) advance() { l.taken = false }

func (l *closedLoop) hungry(s *shard) bool { return s.live < l.people && !s.done }
