package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// How long a window is kept in memory for more answers, in wall time: it is written when it is over and nothing came
// for windowIdle, or windowHold after it was opened. What comes later opens it again and is another line of the log.
// So a killed run loses at most windowHold of the one-second windows, and a second of the ledger and the timeline.
const (
	flushEvery = time.Second
	windowIdle = 2 * time.Second
	windowHold = 10 * time.Second

	// sentEarly is how much before its time a shot may be sent without a warning: engines wake for groups of shots.
	sentEarly = time.Millisecond
)

// Writer writes one record. Sample, Fate and Event may be called by many goroutines at once; they only count in memory.
// One goroutine of the writer's own writes to disk: every second of wall time, as far as the times of the samples and
// events tell, and whenever Flush is called. The engine should call Flush every second, so that a lull is written too.
type Writer struct {
	dir    string
	run    Run
	create creator
	names  *numbering
	// Times below are platform time: wall time × speed.
	every, idle, hold time.Duration
	early             time.Duration

	mu      sync.Mutex // guards what follows; never held while writing to disk
	closed  bool
	clock   time.Duration // the latest time heard of
	next    time.Duration // when to flush by itself
	cells   map[cellID]*cell
	shelf   shelf
	ended   [fates][]uint32
	events  []byte
	oddity  oddities
	counted [outcomes]int64
	err     error

	wake chan struct{} // holds one wish to flush
	done chan struct{} // closed when the writing goroutine has ended

	disk                   sync.Mutex // guards what follows; taken before mu
	hlog, ledger, timeline tail
	encode                 encoder
	buf                    []byte
	due                    []*cell
	frame                  frameID
}

// oddities counts what was brought into range or left out; each becomes a warning.
type oddities struct {
	long     int64 // over an hour, counted as an hour
	negative int64 // less than nothing, counted as nothing
	unknown  int64 // of a step, tenant, outcome or fate the scenario does not have: left out
	values   int64 // event values that are no finite number: left out
}

// Create makes the directory (which must not hold a record yet) and starts writing. run says what is known at the
// start; its Scenario names the steps and tenants that samples point to.
func Create(dir string, run Run) (*Writer, error) { return create(dir, run, createFile) }

func create(dir string, run Run, create creator) (*Writer, error) {
	names, err := newNumbering(run.Scenario)
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
		dir: dir, run: run, create: create, names: names,
		every: scale(flushEvery, run.Speed), idle: scale(windowIdle, run.Speed), hold: scale(windowHold, run.Speed),
		early: scale(sentEarly, run.Speed),
		cells: map[cellID]*cell{}, frame: frameID{worker: 0, epoch: 1},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
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
		filepath.Join(ledgerDir, ledgerName(w.frame.worker, w.frame.epoch)): &w.ledger,
	}
}

func ledgerName(worker, epoch uint32) string { return fmt.Sprintf("w%d-e%d.log", worker, epoch) }

// Sample records one shot.
func (w *Writer) Sample(s Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if s.Outcome >= outcomes || uint(s.Step) >= uint(len(w.names.steps)) || uint(s.Tenant) >= uint(len(w.names.tenants)) {
		w.oddity.unknown++
		return
	}
	w.hear(s.Done)
	w.counted[s.Outcome]++
	w.add(0, s.Sent, w.micros(s.Lateness()))
	response := w.micros(s.Response())
	w.add(w.names.all(byResponse, s.Step, s.Outcome), s.Due, response)
	w.add(w.names.one(byResponse, s.Step, s.Tenant, s.Outcome), s.Due, response)
	if s.Outcome == Refused {
		return // nothing was sent, so nothing was served
	}
	service := w.micros(s.Service())
	w.add(w.names.all(byService, s.Step, s.Outcome), s.Done, service)
	w.add(w.names.one(byService, s.Step, s.Tenant, s.Outcome), s.Done, service)
}

// micros is d as the histograms count it, and notes what does not fit.
func (w *Writer) micros(d time.Duration) int64 {
	v, clamped := micros(d)
	if clamped && d < -w.early {
		w.oddity.negative++
	} else if clamped && d > 0 {
		w.oddity.long++
	}
	return v
}

// add counts the value v (µs) in the window of series that holds the time at.
func (w *Writer) add(series uint32, at time.Duration, v int64) {
	id := cellID{series, slot(at, w.names.length(series))}
	c := w.cells[id]
	if c == nil {
		c = w.shelf.cell(w.names.minute(series))
		c.id, c.opened = id, w.clock
		w.cells[id] = c
	}
	c.touch = w.clock
	c.add(v, &w.shelf)
}

// slot is the number of the window that holds at; a time before the start belongs to the first.
func slot(at, length time.Duration) uint32 {
	return uint32(min(max(at, 0)/length, 1<<30-1))
}

// hear learns of the time and wakes the writing goroutine when it is due.
func (w *Writer) hear(at time.Duration) {
	if at <= w.clock {
		return
	}
	if w.clock = at; at < w.next {
		return
	}
	w.next = at + w.every
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// Fate records where an arrival ended; called once an arrival.
func (w *Writer) Fate(seq uint32, f Fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if f >= fates {
		w.oddity.unknown++
		return
	}
	w.ended[f] = append(w.ended[f], seq)
}

// Created records what the run made at its target.
func (w *Writer) Created(Created) {}

// Event records one event of the timeline.
func (w *Writer) Event(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	buf, dropped, err := appendEvent(w.events, e)
	w.events = buf
	w.oddity.values += int64(dropped)
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
