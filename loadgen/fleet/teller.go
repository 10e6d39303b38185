package fleet

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// How events go into the stream.
const (
	tellEvery = 250 * time.Millisecond
	tellBytes = 256 << 10 // of lines in one message
)

// teller is a coordinator's way into the stream.
type teller struct {
	turn sync.Mutex // one message at a time: their order is that of their being told
	last uint64     // number of a message: the first is drawn, so that no two coordinators' are the same

	waiting sync.Mutex // guards what follows
	waits   map[uint64]chan bool
	lines   []json.RawMessage
}

func (t *teller) init() {
	t.last = rand.Uint64N(1<<38) << 24 //nolint:gosec // need only be another than the others'
	t.waits = map[uint64]chan bool{}
}

// looked is the fold's word on a message.
func (t *teller) looked(sequence uint64, heard bool) {
	t.waiting.Lock()
	defer t.waiting.Unlock()
	if wait := t.waits[sequence]; wait != nil {
		wait <- heard
		delete(t.waits, sequence)
	}
}

func (t *teller) wait(sequence uint64) <-chan bool {
	t.waiting.Lock()
	defer t.waiting.Unlock()
	wait := make(chan bool, 1)
	t.waits[sequence] = wait
	return wait
}

// tell tells something, and waits until the fold has looked at it: it is not heard where another coordinator has begun before, or the record was
// closed.
func (c *Coordinator) tell(ctx context.Context, m told) (heard bool, err error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.mu.Lock()
	m.versioned, m.Coordinator = versioned{Version}, c.number
	c.mu.Unlock()
	c.last++
	looked, body := c.wait(c.last), encode(m)
	for c.cfg.Store.Tell(ctx, c.last, body) != nil {
		if c.closed() || !pause(ctx, lease.BeatEvery/2) {
			break
		}
	}
	select {
	case heard = <-looked:
		return heard, nil
	case <-c.over:
		select {
		case heard = <-looked:
		default:
		}
		return heard, c.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// mustTell tells something that only the coordinator that is heard may tell.
func (c *Coordinator) mustTell(ctx context.Context, m told) error {
	heard, err := c.tell(ctx, m)
	if err == nil && !heard {
		err = ErrReplaced
	}
	return err
}

// Event takes an event into the record, by way of the stream. It may be called from any goroutine, until Account has been asked.
func (c *Coordinator) Event(e record.Event) {
	values := map[string]float64{}
	for name, v := range e.Values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) { // which no message can have
			values[name] = v
		}
	}
	if len(values) < len(e.Values) {
		e.Values = values
	}
	line, err := json.Marshal(e)
	if err != nil { // a time beyond the year 9999
		return
	}
	c.waiting.Lock()
	defer c.waiting.Unlock()
	c.lines = append(c.lines, line)
}

// tellEvents brings events into the stream until ctx ends.
func (c *Coordinator) tellEvents(ctx context.Context) {
	for pause(ctx, tellEvery) {
		if c.flush(ctx) != nil {
			return
		}
	}
}

// flush tells the events that wait.
func (c *Coordinator) flush(ctx context.Context) error {
	for {
		lines := c.takeLines()
		if len(lines) == 0 {
			return nil
		}
		if err := c.mustTell(ctx, told{Events: &eventsTold{At: c.platform(), Lines: lines}}); err != nil {
			return err
		}
	}
}

// takeLines takes what fits into a message.
func (t *teller) takeLines() (lines []json.RawMessage) {
	t.waiting.Lock()
	defer t.waiting.Unlock()
	n, size := 0, 0
	for n < len(t.lines) && (n == 0 || size+len(t.lines[n]) < tellBytes) {
		size += len(t.lines[n])
		n++
	}
	lines, t.lines = t.lines[:n:n], t.lines[n:]
	return lines
}
