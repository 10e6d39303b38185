package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// hub is where shots, fates and events wait until somebody takes them as a [Delta]: the [Writer] of their record, or a
// [Collector] that sends them to one.
type hub struct {
	names *numbering
	mark  uint64 // of the run, in its deltas
	total int64  // of the run's arrivals, as it begins
	// latest is the largest time that a delta may have, longest how many bytes an event's line may have.
	latest  time.Duration
	longest int
	// every is how often a hub should be emptied, early how much before its time a shot may be sent; both platform time.
	every, early time.Duration
	wake         chan struct{} // holds one wish to be emptied; nil where nobody waits for it

	mu     sync.Mutex // guards what follows; never held while writing to disk or counting
	closed bool
	clock  time.Duration // the latest time heard of
	next   time.Duration // when an event wakes whoever empties the hub
	shards []*Shard
	events []byte
	values int64 // of events, left out
	err    error
}

// init readies a hub for the samples of a run.
func (h *hub) init(run *Run, budget int) error {
	names, err := newNumbering(run.Scenario, budget)
	if err != nil {
		return err
	}
	speed := speedOf(run)
	h.names, h.mark, h.total = names, markOf(run.ID, names), run.Scenario.Arrivals.Total
	h.latest, h.longest = latestOf(run), longestLine
	h.every, h.early = scale(flushEvery, speed), scale(sentEarly, speed)
	return nil
}

// speedOf is the run's speed; a run that names none goes at life's.
func speedOf(run *Run) float64 {
	if run.Speed > 0 {
		return run.Speed
	}
	return 1
}

func scale(d time.Duration, speed float64) time.Duration { return time.Duration(float64(d) * speed) }

// markOf tells apart runs whose deltas must not be mixed: those of another id, or whose series have other numbers.
func markOf(id string, n *numbering) uint64 {
	h := sha256.New()
	for _, names := range [][]string{{id}, n.steps, n.tenants, n.rows} {
		text := binary.AppendUvarint(nil, uint64(len(names)))
		for _, name := range names {
			text = append(binary.AppendUvarint(text, uint64(len(name))), name...)
		}
		h.Write(text)
	}
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// Shard gives a new recorder, for one goroutine. A shard given after Close records nothing.
func (h *hub) Shard() *Shard {
	sh := &Shard{hub: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		sh.buffer.Store(&buffer{closed: true})
		return sh
	}
	sh.buffer.Store(newBuffer(h.names))
	h.shards = append(h.shards, sh)
	return sh
}

// Event records one event of the timeline.
func (h *hub) Event(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	buf, dropped, err := appendEvent(h.events, e)
	if n := len(buf) - len(h.events); n > h.longest {
		buf, err = h.events, fmt.Errorf("record: an event of %d bytes, the longest has %d", n, h.longest)
	}
	h.events = buf
	h.values += int64(dropped)
	h.keep(err)
	h.hear(e.At)
}

// hear learns of the time from an event and wakes whoever empties the hub when it is due. The caller holds mu.
func (h *hub) hear(at time.Duration) {
	if at <= h.clock {
		return
	}
	if h.clock = at; at < h.next {
		return
	}
	h.next = at + h.every
	h.rouse()
}

// reach says that the run has come to at, and gives the time it has come to.
func (h *hub) reach(at time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at > h.clock {
		h.clock, h.next = at, at+h.every
	}
	return h.clock
}

// rouse wakes whoever empties the hub; it never waits.
func (h *hub) rouse() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake
	}
}

// end says that what comes from now on is lost, and whether that is news.
func (h *hub) end() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := !h.closed
	h.closed = true
	return news
}

// ended says whether it is closed.
func (h *hub) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// Err is the first error of recording (a full disk), nil while there is none. The engine watches it and ends the run.
func (h *hub) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// fail remembers the first error and gives it.
func (h *hub) fail(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep(err)
	return h.err
}

// keep remembers the first error. The caller holds mu.
func (h *hub) keep(err error) {
	if h.err == nil {
		h.err = err
	}
}

// drain moves everything that waits into d, whose At it raises to the latest shot and event; d is to let go of the buffers
// before the next call. At the end it leaves the shards buffers that take nothing more. One goroutine calls it at a time.
func (h *hub) drain(d *Delta, end bool) {
	h.mu.Lock()
	shards := h.shards // only ever appended to
	d.At = max(d.At, h.clock)
	d.events = append(d.events, h.events...)
	d.oddity.values += h.values
	h.events, h.values = h.events[:0], 0
	h.mu.Unlock()
	for _, sh := range shards {
		empty := sh.spare
		switch {
		case end:
			empty = &buffer{closed: true}
		case empty == nil:
			empty = newBuffer(h.names)
		}
		full := sh.exchange(empty)
		if full.closed {
			continue
		}
		d.take(full)
		sh.spare = full // once the delta has let go of it
	}
}
