package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// How long a window is kept in memory for more answers, in wall time: it is written when it is over and nothing came
// for windowIdle, or windowHold after it was opened. What comes later opens it again and is another line of the log.
// So a killed run loses at most windowHold of the one-second windows, and some two seconds of the ledger, the timeline and
// what was created.
const (
	flushEvery = time.Second
	windowIdle = 2 * time.Second
	windowHold = 10 * time.Second

	// sentEarly is how much before its time a shot may be sent without a warning: engines wake for groups of shots.
	sentEarly = time.Millisecond

	// mostOpen windows are kept in memory at one time; where there are more, those of single tenants are written early.
	mostOpen = 1 << 17
)

// Writer writes one record. Shots and fates come through a [Shard] each goroutine, events through Event from any
// goroutine; none of these waits for the disk. One goroutine of the writer's own takes what the shards have counted and
// writes it: every second of wall time, as far as the times of the samples and events tell, and whenever Flush is called.
// The engine should call Flush every second, so that a lull is written too. What workers elsewhere have counted comes
// through Merge.
type Writer struct {
	hub
	dir    string
	run    Run
	create creator
	lock   io.Closer // held while the record is written
	// Times below are platform time: wall time × speed.
	idle, hold time.Duration
	mostOpen   int

	quit chan struct{} // closed by Close; nil where there is no writing goroutine
	done chan struct{} // closed when the writing goroutine has ended

	disk    sync.Mutex // guards what follows; taken before mu
	own     FrameID    // of the keeper's own delta that comes next
	delta   Delta      // of the keeper's own shards
	epochs  map[epochID]*epoch
	cells   map[cellID]*cell
	shelf   shelf
	into    []*cell // the windows of the delta that is merged
	fated   *roaring.Bitmap
	counted [outcomes]int64
	oddity  oddities
	told    []told
	text    []byte // of told

	hlog, timeline, created tail

	encode encoder
	buf    []byte
	due    []*cell
}

// oddities counts what was brought into range or left out; each becomes a warning.
type oddities struct {
	long     int64 // over an hour, counted as an hour
	negative int64 // less than nothing, counted as nothing
	unknown  int64 // of a step, tenant, outcome or fate the scenario does not have: left out
	values   int64 // event values that are no finite number: left out
	ids      int64 // created things with too long an id: left out
}

// all are the counts in the order in which deltas have them.
func (o *oddities) all() [5]*int64 {
	return [...]*int64{&o.long, &o.negative, &o.unknown, &o.values, &o.ids}
}

func (o *oddities) add(p oddities) {
	from := p.all()
	for i, n := range o.all() {
		*n += *from[i]
	}
}

// Create makes the directory (which must not hold a record yet) and starts writing. run says what is known at the
// start; its Scenario names the steps and tenants that samples point to.
func Create(dir string, run Run) (*Writer, error) { return create(dir, run, defaults) }

// options are what tests set otherwise.
type options struct {
	create creator
	budget int // pairs of tenant and step
	open   int // windows
}

var defaults = options{createFile, TenantBudget, mostOpen}

func create(dir string, run Run, o options) (*Writer, error) {
	w, err := begin(dir, run, o)
	if err != nil {
		return nil, err
	}
	w.wake, w.quit, w.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go w.write()
	return w, nil
}

// begin makes a record that nobody writes to yet.
func begin(dir string, run Run, o options) (*Writer, error) {
	run.Format, run.Speed = FormatVersion, speedOf(&run)
	w, err := newWriter(dir, run, o)
	if err != nil {
		return nil, err
	}
	if n := w.names; n.folded > 0 {
		w.run.Warnings = append(slices.Clip(run.Warnings), warnFolded(n.folded, len(n.tenants)))
	}
	if err := os.MkdirAll(filepath.Join(dir, ledgerDir), 0o755); err != nil {
		return nil, fmt.Errorf("record: create: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, runFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("record: create: %s holds a record already", dir)
	}
	if w.lock, err = Lock(dir); err == nil {
		err = w.open()
	}
	if err != nil {
		return nil, fmt.Errorf("record: create: %w", err)
	}
	return w, nil
}

func newWriter(dir string, run Run, o options) (*Writer, error) {
	w := &Writer{
		dir: dir, run: run, create: o.create,
		idle: scale(windowIdle, run.Speed), hold: scale(windowHold, run.Speed), mostOpen: o.open,
		own: FrameID{Worker: keeper, Epoch: 1}, epochs: map[epochID]*epoch{{keeper, 1}: newEpoch()}, cells: map[cellID]*cell{}, fated: roaring.New(),
	}
	if err := w.init(&run, o.budget); err != nil {
		return nil, err
	}
	return w, nil
}

// open makes the files; run.json comes last, so that a directory that is half made is not a record. Where it fails, it
// takes them away again and lets go of the lock, so that it can be tried again.
func (w *Writer) open() (err error) {
	for name, t := range w.tails() {
		if t.open(w.create, filepath.Join(w.dir, name)); t.err != nil {
			err = t.err
			break
		}
	}
	if err == nil {
		err = w.hlog.write(hlogHeader(&w.run))
	}
	if err == nil {
		err = writeRun(w.create, w.dir, &w.run)
	}
	if err == nil {
		return nil
	}
	_ = w.lock.Close()
	for name, t := range w.tails() {
		if t.file != nil { // ours; the first error says more than these
			_ = t.file.Close()
			_ = os.Remove(filepath.Join(w.dir, name))
		}
	}
	return err
}

// tails are the files that grow, by name.
func (w *Writer) tails() map[string]*tail {
	all := map[string]*tail{latencyFile: &w.hlog, timelineFile: &w.timeline, createdFile: &w.created}
	for id, e := range w.epochs {
		all[filepath.Join(ledgerDir, ledgerName(id.worker, id.epoch))] = &e.ledger
	}
	return all
}

func ledgerName(worker, epoch uint32) string { return fmt.Sprintf("w%d-e%d.log", worker, epoch) }
