package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// errClosed ends the reading of a stream: its close was folded.
var errClosed = errors.New("the record is closed")

// fold makes the record of a run from the messages of its stream, in their order, up to its close. What a message does is a function of those before
// it, of the list, and of the run as it was described: folding the stream again gives the same bytes.
type fold struct {
	cfg     *Config
	entries func() ([]lease.Entry, error)
	// looked is told of each message of a coordinator's own, and whether it was heard.
	looked func(sequence uint64, heard bool)

	w        *record.Writer // nil before the start
	early    []told         // of before the start
	delta    record.Delta
	seconds  int64 // on the wall, that are flushed
	accepted []byte
	refused  map[string]int64
	leads    int         // coordinators that were heard
	last     uint64      // message of the one that is heard
	run      *record.Run // once it is closed

	mu      sync.Mutex // guards what follows where others look at it; only the fold's own goroutine changes it
	ruler   uint64     // the coordinator that is heard
	start   time.Time
	stopped bool              // the run ends early
	workers map[uint32]uint32 // the last epoch of each
	epochs  map[lease.Owner]*kept
}

// kept is which messages of an epoch have been folded.
type kept struct {
	joined
	next  uint64            // all up to this one
	ahead map[uint64]bool   // and these
	said  record.FleetEpoch // by a coordinator, last
	early *bus.Message      // of before the start: the last word of one that left, there is no other
}

func newFold(cfg *Config, entries func() ([]lease.Entry, error), looked func(uint64, bool)) *fold {
	return &fold{
		cfg: cfg, entries: entries, looked: looked,
		workers: map[uint32]uint32{}, epochs: map[lease.Owner]*kept{}, refused: map[string]int64{},
	}
}

// follow folds the stream until its close, an error, or ctx's end. Unless it is closed the record is left to be resumed.
func (f *fold) follow(ctx context.Context, store bus.Store) error {
	err := store.Messages(ctx, f.take)
	if errors.Is(err, errClosed) {
		return nil
	}
	if f.w != nil {
		err = errors.Join(err, f.w.Leave())
	}
	return err
}

// take folds a message.
func (f *fold) take(m bus.Message) error {
	if m.Worker == 0 {
		return f.takeTold(m)
	}
	e := f.epochs[lease.Owner{Worker: m.Worker, Epoch: m.Epoch}]
	if e == nil || f.w == nil && e.early != nil {
		f.refused["early"]++
		return nil
	}
	f.change(func() { e.keep(m.Sequence) })
	if f.w == nil {
		m.Body = slices.Clone(m.Body)
		e.early = &m
		return nil
	}
	return f.takeFrame(m)
}

// change changes what others look at.
func (f *fold) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (e *kept) keep(sequence uint64) {
	if sequence > e.next {
		e.ahead[sequence] = true
	}
	for e.ahead[e.next+1] {
		e.next++
		delete(e.ahead, e.next)
	}
}

// takeFrame merges a delta: of the epoch that sent it, or of one before it of the same worker, whose journal it has taken up.
func (f *fold) takeFrame(m bus.Message) error {
	if err := f.w.Parse(m.Body, &f.delta); err != nil {
		f.refused["garbage"]++
		return nil
	}
	if d := &f.delta; d.Worker != m.Worker || d.Epoch > m.Epoch {
		f.refused["foreign"]++
		return nil
	}
	if _, err := f.w.Merge(&f.delta); err != nil {
		f.refused["contradiction"]++
		return nil
	}
	return f.reach(f.delta.At)
}

// reach flushes the record whenever a message's time passes a whole second on the wall.
func (f *fold) reach(at time.Duration) error {
	second := int64(float64(at) / (f.cfg.speed() * float64(time.Second)))
	if second <= f.seconds {
		return nil
	}
	f.seconds = second
	return f.w.Flush(at)
}

// takeTold does what a coordinator has told.
func (f *fold) takeTold(m bus.Message) error {
	t, err := decode[told]("message of a coordinator", m.Body)
	if err != nil {
		f.refused["garbage"]++
		return nil
	}
	begins := t.Begins != "" && t.Coordinator > f.ruler
	heard := begins || t.Coordinator == f.ruler && m.Sequence > f.last // else the stream has it twice
	if begins {
		f.leads++
		f.accepted = nil // a part of what the one before it began to tell
		f.change(func() { f.ruler = t.Coordinator })
	}
	if heard {
		f.last = m.Sequence
		err = f.do(&t)
	}
	f.looked(m.Sequence, heard && (err == nil || errors.Is(err, errClosed)))
	return err
}

func (f *fold) do(t *told) error {
	if j := t.Joined; j != nil && f.epochs[j.owner()] == nil {
		f.change(func() {
			f.workers[j.Worker] = max(f.workers[j.Worker], j.Epoch)
			f.epochs[j.owner()] = &kept{joined: *j, ahead: map[uint64]bool{}}
		})
	}
	for _, said := range t.Epochs {
		if e := f.epochs[lease.Owner{Worker: said.Worker, Epoch: said.Epoch}]; e != nil {
			e.heed(said)
		}
	}
	if t.Start != nil && f.w == nil {
		if err := f.open(*t.Start); err != nil {
			return err
		}
	}
	if t.Events != nil && f.w == nil {
		f.early = append(f.early, *t)
	} else if t.Events != nil {
		if err := f.write(t.Events); err != nil {
			return err
		}
	}
	if t.Stopped {
		f.change(func() { f.stopped = true })
	}
	f.accepted = append(f.accepted, t.Accepted...)
	if t.Close != nil && f.w != nil {
		return f.close(t.Close)
	}
	return nil
}

// open begins the record, or begins it anew, and writes what was told before.
func (f *fold) open(start time.Time) (err error) {
	run := f.cfg.Run
	run.StartedAt = start
	if _, err = os.Lstat(filepath.Join(f.cfg.Dir, "run.json")); errors.Is(err, fs.ErrNotExist) {
		f.w, err = record.Fold(f.cfg.Dir, run)
	} else if err == nil {
		f.w, err = record.Resume(f.cfg.Dir)
	}
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	f.change(func() { f.start = start })
	for _, t := range f.early {
		if err := f.write(t.Events); err != nil {
			return err
		}
	}
	f.early = nil
	for _, o := range ordered(f.epochs) {
		if m := f.epochs[o].early; m != nil {
			if err := f.takeFrame(*m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fold) write(t *eventsTold) error {
	for _, line := range t.Lines {
		var e record.Event
		if err := json.Unmarshal(line, &e); err != nil {
			f.refused["garbage"]++
			continue
		}
		f.w.Event(e)
	}
	return f.reach(t.At)
}

// seen is what others want to know of an epoch: how many of its messages are in the record, and whether it was given by a coordinator that was heard.
func (f *fold) seen(o lease.Owner) (kept uint64, given bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.epochs[o]; e != nil {
		return e.next, true
	}
	return 0, false
}

// following is the next epoch of a worker; of a worker 0 the first of one that nobody was.
func (f *fold) following(worker uint32) (uint32, uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if worker == 0 {
		for w := range f.workers {
			worker = max(worker, w)
		}
		worker++
	}
	return worker, f.workers[worker] + 1
}

// who is what was told of an epoch when it was given.
func (f *fold) who(o lease.Owner) joined {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epochs[o].joined
}

// given are the epochs that were given away.
func (f *fold) given() map[lease.Owner]joined {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[lease.Owner]joined, len(f.epochs))
	for o, e := range f.epochs {
		all[o] = e.joined
	}
	return all
}

// heard is the coordinator that is heard.
func (f *fold) heard() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ruler
}

// isStopped says that a coordinator has ended the run early.
func (f *fold) isStopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

// began is the run's start; zero before it was told.
func (f *fold) began() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.start
}
