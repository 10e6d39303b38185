package record

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// frameRoom is how many bytes a delta's frame has at most, but for one line that is longer than that: every server of a
// bus takes a mebibyte, and a delta that did not pass would stop its worker for good.
const frameRoom = 512 << 10

// Collector gathers what shards count and gives it away as deltas instead of writing it: a worker's side of a record that
// is kept elsewhere, where [Writer.Merge] takes them. Shards and events come to it as to a Writer.
type Collector struct {
	hub
	room int
	give func(FrameID, []byte) error

	broken   atomic.Pointer[error]  // the first error of giving
	attested atomic.Pointer[[]byte] // that no frame tells yet

	giving sync.Mutex // guards what follows; taken before hub.mu
	id     FrameID    // of the frame that comes next
	delta  Delta
	frame  []byte
}

// NewCollector collects for one epoch of a worker, counted from 1; run is the run as its record's keeper describes it.
// give takes the frames, in order and one at a time; what it is given is valid during the call. After its first error it
// is not called again: an epoch's deltas have no gap.
func NewCollector(run Run, worker, epoch uint32, give func(id FrameID, frame []byte) error) (*Collector, error) {
	if worker == keeper {
		return nil, errors.New("record: worker 0 is the record's keeper, workers count from 1")
	}
	c := &Collector{room: frameRoom, give: give, id: FrameID{Worker: worker, Epoch: epoch}}
	if err := c.init(&run, TenantBudget); err != nil {
		return nil, err
	}
	c.longest = frameRoom
	return c, nil
}

// Err is the first error of giving, nil while there is none. An event that cannot be told is left out and does not end the
// epoch: Close says it.
func (c *Collector) Err() error {
	if err := c.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Attest says what the epoch's engine knows of itself by now, in the engine's words, all of it from the start on: the next frame
// tells it, and the keeper goes by the latest, see [Writer.Attested]. More than 64 KiB are left out.
func (c *Collector) Attest(evidence []byte) {
	if len(evidence) <= mostAttested {
		evidence = slices.Clone(evidence)
		c.attested.Store(&evidence)
	}
}

// Flush says that the run has come to now (platform time) and gives away what was counted and told since the Flush
// before, in as many frames as it takes; none where there was nothing. It gives Err; after Close that is all it does.
func (c *Collector) Flush(now time.Duration) error {
	c.giving.Lock()
	defer c.giving.Unlock()
	if c.ended() { // else the shards would get back buffers that take something
		return c.Err()
	}
	return c.flush(now, false)
}

// Close is the last Flush; its last frame is Final, and there is at least one. The engine ends its shards before, for
// what they are given after Close is lost, as are events. It gives Err, or else why the first event was left out; a second
// Close the same again.
func (c *Collector) Close(now time.Duration) error {
	c.giving.Lock()
	defer c.giving.Unlock()
	if c.end() {
		_ = c.flush(now, true) // kept, see Err
	}
	return firstOf(c.Err(), c.hub.Err())
}

// flush cuts what was gathered into frames. The caller holds giving.
func (c *Collector) flush(now time.Duration, end bool) error {
	c.delta.reset()
	c.delta.At = max(now, 0)
	c.drain(&c.delta, end)
	c.delta.unpack()
	if err := c.Err(); err != nil || !end && c.delta.empty() {
		return err
	}
	c.delta.seal()
	c.delta.tidy()
	rest, attested := c.delta, c.takeAttested() // whose memory stays where it is
	for room, more := c.room, true; more; {
		piece := rest.cut(room - len(attested))
		more = !rest.empty()
		if more && piece.empty() { // the first thing is longer than a frame should be
			room *= 2
			continue
		}
		piece.FrameID, piece.Final, piece.attested = c.id, end && !more, attested
		room, attested = c.room, nil
		if err := c.send(piece); err != nil {
			c.broken.Store(&err)
			return err
		}
	}
	return nil
}

// takeAttested takes what no frame tells yet.
func (c *Collector) takeAttested() []byte {
	if evidence := c.attested.Swap(nil); evidence != nil {
		return *evidence
	}
	return nil
}

func (c *Collector) send(d *Delta) (err error) {
	if c.frame, err = d.appendTo(c.frame[:0], c.mark); err != nil {
		return err
	}
	if err := c.give(d.FrameID, c.frame); err != nil {
		return fmt.Errorf("record: worker %d, epoch %d: give delta %d away: %w", d.Worker, d.Epoch, d.Sequence, err)
	}
	c.id.Sequence++
	return nil
}
