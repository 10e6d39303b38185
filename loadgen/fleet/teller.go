package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// How events go into the stream.
const (
	tellEvery = 250 * time.Millisecond
	tellBytes = 256 << 10 // of lines in one message

	epochsEvery  = 20  // tellEvery: a coordinator that follows another does not know what became of those who had gone by then
	epochsAtOnce = 500 // in one message
)

// A bus that takes nothing (its disk is full, it is away) is said to be so, and borne with for a while.
const (
	sayAfter   = 3 * time.Second
	sayAgain   = 10 * time.Second
	busPending = 30 * time.Second
	busEnding  = 5 * time.Second // of a run that was interrupted
)

// trouble is since when a bus has taken nothing, and when that was last said.
type trouble struct{ since, said time.Time }

// bear takes in what the bus answered, and gives the error once it is not to be borne any longer.
func (c *Coordinator) bear(t *trouble, err error) error {
	now := time.Now()
	if err == nil {
		*t = trouble{}
		return nil
	}
	if t.since.IsZero() {
		t.since = now
	}
	lasted, patience := now.Sub(t.since), busPending
	if c.leaving() {
		patience = busEnding
	}
	if lasted >= sayAfter && now.Sub(t.said) >= sayAgain {
		t.said = now
		c.cfg.Say(fmt.Sprintf("the bus has taken nothing for %s: %v", scenarios.Span(lasted.Round(time.Second), "en"), err))
	}
	if lasted >= patience {
		return fmt.Errorf("fleet: the bus takes nothing: %w", err)
	}
	return nil
}

// teller is a coordinator's way into the stream.
type teller struct {
	turn     turn    // one message at a time: their order is that of their being told
	sequence uint64  // of the last message: the first is drawn, so that no two coordinators have the same
	untold   trouble // of whose turn it is

	waiting sync.Mutex // guards what follows
	waits   map[uint64]chan bool
	lines   []json.RawMessage
	refused map[string]int64 // by the bus
	mute    chan error       // holds why no events are told any more
}

func (t *teller) init() {
	t.sequence = rand.Uint64N(1<<38) << 24 //nolint:gosec // need only be another than the others'
	t.turn = newTurn()
	t.mute = make(chan error, 1)
	t.waits, t.refused = map[uint64]chan bool{}, map[string]int64{}
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
	if err := c.turn.take(ctx); err != nil {
		return false, err
	}
	defer c.turn.giveBack()
	c.mu.Lock()
	m.versioned, m.Coordinator = versioned{Version}, c.number
	c.mu.Unlock()
	c.sequence++
	looked, body := c.wait(c.sequence), encode(m)
	for {
		failed := c.cfg.Store.Tell(ctx, c.sequence, body)
		if err := c.bear(&c.untold, failed); err != nil {
			return false, err
		}
		if failed == nil || c.closed() || !pause(ctx, lease.BeatEvery/2) {
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

// Event takes an event into the record, by way of the stream. It may be called from any goroutine, until Account has given its answer.
func (c *Coordinator) Event(e record.Event) {
	c.waiting.Lock()
	defer c.waiting.Unlock()
	line := lineOf(e)
	if line == nil {
		c.refused["event"]++
	}
	c.lines = append(c.lines, line...)
}

// lineOf is an event as a message has it; nil where no message can have it.
func lineOf(e record.Event) []json.RawMessage {
	values := maps.Clone(e.Values)
	maps.DeleteFunc(values, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	e.Values = values
	line, err := json.Marshal(e)
	if err != nil || len(line) > tellBytes { // a time beyond the year 9999 is an error
		return nil
	}
	return []json.RawMessage{line}
}

// tellEvents brings events, and now and then how the epochs fare, into the stream until ctx ends.
func (c *Coordinator) tellEvents(ctx context.Context) {
	for n := 1; pause(ctx, tellEvery); n++ {
		err := c.flush(ctx)
		if err == nil && n%epochsEvery == 0 {
			err = c.tellEpochs(ctx)
		}
		if err != nil {
			c.mute <- err
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

// refusals are what the bus has refused, by reason.
func (t *teller) refusals() map[string]int64 {
	t.waiting.Lock()
	defer t.waiting.Unlock()
	return maps.Clone(t.refused)
}

// turn is a mutex that is given up with a context.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) giveBack() { <-t }
