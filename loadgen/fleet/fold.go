package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

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

	w       *record.Writer // nil before the start
	early   []told         // of before the start
	delta   record.Delta
	seconds int64 // on the wall, that are flushed
	accept  []byte

	mu      sync.Mutex // guards what follows, which others look at
	ruler   uint64     // the coordinator that is heard
	start   time.Time
	workers map[uint32]uint32 // the last epoch of each
	epochs  map[lease.Owner]*kept
	refused map[string]int64
	run     *record.Run // once it is closed
}

// kept is which messages of an epoch have been folded.
type kept struct {
	joined
	next  uint64          // all up to this one
	ahead map[uint64]bool // and these
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
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.Worker == 0 {
		return f.takeTold(m)
	}
	e := f.epochs[lease.Owner{Worker: m.Worker, Epoch: m.Epoch}]
	if e == nil || f.w == nil {
		f.refused["early"]++
		return nil
	}
	e.keep(m.Sequence)
	return f.takeFrame(m)
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
	heard := t.Coordinator == f.ruler || t.Begins != "" && t.Coordinator > f.ruler
	if heard {
		f.ruler = t.Coordinator
		err = f.do(&t)
	}
	f.looked(m.Sequence, heard && (err == nil || errors.Is(err, errClosed)))
	return err
}

func (f *fold) do(t *told) error {
	if j := t.Joined; j != nil {
		f.workers[j.Worker] = max(f.workers[j.Worker], j.Epoch)
		f.epochs[lease.Owner{Worker: j.Worker, Epoch: j.Epoch}] = &kept{joined: *j, ahead: map[uint64]bool{}}
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
	f.accept = append(f.accept, t.Accepted...)
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
	f.start = start
	for _, t := range f.early {
		if err := f.write(t.Events); err != nil {
			return err
		}
	}
	f.early = nil
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

// close gives a fate to those of whom nobody told any, and closes the record.
func (f *fold) close(c *closingTold) error {
	lost, err := f.settle(c)
	if err != nil {
		return fmt.Errorf("fleet: close: %w", err)
	}
	lab := c.Lab
	if lab != nil && len(f.accept) > 0 {
		accepted := roaring.New()
		if err := accepted.UnmarshalBinary(f.accept); err != nil {
			return fmt.Errorf("fleet: close: the platform's account: %w", err)
		}
		if lab.File, err = f.w.WriteAccepted(accepted); err != nil {
			return err
		}
	}
	err = f.w.Close(c.Ended, func(r *record.Run) {
		r.Interrupted, r.Lab, r.Workers = c.Interrupted, lab, len(f.workers)
		r.Warnings = append(r.Warnings, c.Warnings...)
		f.judge(r, lost)
		if f.cfg.Finish != nil {
			f.cfg.Finish(r)
		}
		run := *r
		f.run = &run
	})
	return errors.Join(err, errClosed)
}

// settle says of arrivals without a fate whether anybody can have begun them; lost is how many may have been.
func (f *fold) settle(c *closingTold) (lost int64, err error) {
	table, err := f.table(c.Entries)
	if err != nil {
		return 0, err
	}
	done := map[lease.Owner]bool{}
	for o := range f.epochs {
		_, done[o] = f.w.Told(o.Worker, o.Epoch)
	}
	unsent, indeterminate, err := lease.Settle(f.cfg.Engine.Schedule, table, lease.Closing{Promised: c.Promised, Done: done}, func(yield func(uint32) bool) {
		f.w.Missing().Iterate(yield)
	})
	if err != nil {
		return 0, err
	}
	return int64(len(indeterminate)), errors.Join(
		f.w.Settle(record.Unsent, roaring.BitmapOf(unsent...)), f.w.Settle(record.Indeterminate, roaring.BitmapOf(indeterminate...)),
	)
}

// table is the fold of the list's first entries.
func (f *fold) table(entries uint64) (*lease.Table, error) {
	list, err := f.entries()
	if err != nil {
		return nil, err
	}
	if uint64(len(list)) < entries {
		return nil, fmt.Errorf("the list has %d entries, the close is of %d", len(list), entries)
	}
	return tableOf(f.cfg.Parts, list[:entries])
}

// tableOf folds a list from its first entry on.
func tableOf(parts int, list []lease.Entry) (*lease.Table, error) {
	table, err := lease.NewTable(parts)
	for i := 0; i < len(list) && err == nil; i++ {
		err = table.Add(uint64(i)+1, list[i])
	}
	return table, err
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

// began is the run's start; zero before it was told.
func (f *fold) began() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.start
}

// refusals are counted by their reason.
func (f *fold) refusals() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.refused)
}
