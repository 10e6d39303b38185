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
// The engine should call Flush every second, so that a lull is written too.
type Writer struct {
	dir    string
	run    Run
	create creator
	names  *numbering
	lock   io.Closer // held while the record is written
	// Times below are platform time: wall time × speed.
	every, idle, hold time.Duration
	early             time.Duration
	mostOpen          int

	mu     sync.Mutex // guards what follows; never held while writing to disk or counting
	closed bool
	clock  time.Duration // the latest time heard of
	next   time.Duration // when an event wakes the writer
	shards []*Shard
	events []byte
	values int64 // of events, left out
	err    error

	wake chan struct{} // holds one wish to flush
	quit chan struct{} // closed by Close
	done chan struct{} // closed when the writing goroutine has ended

	disk    sync.Mutex // guards what follows; taken before mu
	cells   map[cellID]*cell
	shelf   shelf
	into    []*cell
	ended   [fates][]uint32
	made    []byte
	counted [outcomes]int64
	oddity  oddities

	hlog, ledger, timeline, created tail

	encode encoder
	buf    []byte
	due    []*cell
	frame  frameID
}

// oddities counts what was brought into range or left out; each becomes a warning.
type oddities struct {
	long     int64 // over an hour, counted as an hour
	negative int64 // less than nothing, counted as nothing
	unknown  int64 // of a step, tenant, outcome or fate the scenario does not have: left out
	values   int64 // event values that are no finite number: left out
	ids      int64 // created things with too long an id: left out
}

func (o *oddities) add(p oddities) {
	o.long += p.long
	o.negative += p.negative
	o.unknown += p.unknown
	o.values += p.values
	o.ids += p.ids
}

// Create makes the directory (which must not hold a record yet) and starts writing. run says what is known at the
// start; its Scenario names the steps and tenants that samples point to.
func Create(dir string, run Run) (*Writer, error) {
	return create(dir, run, options{createFile, TenantBudget, mostOpen})
}

// options are what tests set otherwise.
type options struct {
	create creator
	budget int // pairs of tenant and step
	open   int // windows
}

func create(dir string, run Run, o options) (*Writer, error) {
	names, err := newNumbering(run.Scenario, o.budget)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, ledgerDir), 0o755); err != nil {
		return nil, fmt.Errorf("record: create: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, runFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("record: create: %s holds a record already", dir)
	}
	run.Format = FormatVersion
	if !(run.Speed > 0) {
		run.Speed = 1
	}
	w := &Writer{
		dir: dir, run: run, create: o.create, names: names,
		every: scale(flushEvery, run.Speed), idle: scale(windowIdle, run.Speed), hold: scale(windowHold, run.Speed),
		early: scale(sentEarly, run.Speed), mostOpen: o.open,
		cells: map[cellID]*cell{}, frame: frameID{worker: 0, epoch: 1},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if names.folded > 0 {
		w.run.Warnings = append(slices.Clip(run.Warnings), warnFolded(names.folded, len(names.tenants)))
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	go w.write()
	return w, nil
}

func scale(d time.Duration, speed float64) time.Duration { return time.Duration(float64(d) * speed) }

// open makes the files; run.json comes last, so that a directory that is half made is not a record.
func (w *Writer) open() (err error) {
	if w.lock, err = lock(w.dir); err != nil {
		return fmt.Errorf("record: create: %w", err)
	}
	for name, t := range w.tails() {
		f, cause := w.create(filepath.Join(w.dir, name))
		if err = cause; err != nil {
			break
		}
		t.file = f
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
		if t.file != nil { // ours: away with it, so that Create can be tried again; the first error says more than these
			_ = t.file.Close()
			_ = os.Remove(filepath.Join(w.dir, name))
		}
	}
	return fmt.Errorf("record: create: %w", err)
}

// tails are the files that grow, by name.
func (w *Writer) tails() map[string]*tail {
	return map[string]*tail{
		latencyFile:  &w.hlog,
		timelineFile: &w.timeline,
		createdFile:  &w.created,
		filepath.Join(ledgerDir, ledgerName(w.frame.worker, w.frame.epoch)): &w.ledger,
	}
}

func ledgerName(worker, epoch uint32) string { return fmt.Sprintf("w%d-e%d.log", worker, epoch) }

// hear learns of the time from an event and wakes the writing goroutine when it is due. The caller holds mu.
func (w *Writer) hear(at time.Duration) {
	if at <= w.clock {
		return
	}
	if w.clock = at; at < w.next {
		return
	}
	w.next = at + w.every
	w.rouse()
}

// Event records one event of the timeline.
func (w *Writer) Event(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	buf, dropped, err := appendEvent(w.events, e)
	w.events = buf
	w.values += int64(dropped)
	w.keep(err)
	w.hear(e.At)
}

// Err is the first error of writing (a full disk), nil while there is none. The engine watches it and ends the run.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// keep remembers the first error. The caller holds mu.
func (w *Writer) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}
