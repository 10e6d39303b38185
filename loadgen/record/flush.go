package record

import (
	"errors"
	"time"
)

// write is the writing goroutine; it ends when quit is closed.
func (w *Writer) write() {
	defer close(w.done)
	for {
		select {
		case <-w.wake:
			_ = w.Flush(0) // kept, see Err
		case <-w.quit:
			return
		}
	}
}

// Flush says that the run has come to now (platform time), takes what all shards have counted, and writes what is due:
// fates, events, what was created, and the windows that are over. It gives the writer's first error; after Close
// that is all it does. Zero says nothing about the time.
func (w *Writer) Flush(now time.Duration) error {
	w.disk.Lock()
	defer w.disk.Unlock()
	if w.ended() { // else the shards would get back buffers that take something
		return w.Err()
	}
	return w.flush(now, false)
}

// flush takes everything out of the memory that others write to, and then writes it. The caller holds disk.
func (w *Writer) flush(now time.Duration, everything bool) error {
	now, err := w.gather(now, everything)
	w.takeDue(w.reach(now), everything)
	err = errors.Join(err, w.writeTold(), w.writeWindows())
	for _, c := range w.due {
		w.shelf.back(c)
	}
	clear(w.due)
	w.due = w.due[:0]
	return w.fail(err)
}

// gather merges what the keeper's own shards and events tell: a delta that need not be sent. It gives the latest time
// among it. The caller holds disk.
func (w *Writer) gather(now time.Duration, end bool) (latest time.Duration, err error) {
	d := &w.delta
	d.reset()
	d.At = now
	w.drain(d, end)
	defer d.letGo()
	if d.empty() {
		return d.At, nil
	}
	d.seal()
	return d.At, w.addOwn(d)
}

// cell is the window that is counted under id, touched at the samples' time at.
func (w *Writer) cell(id cellID, at time.Duration) *cell {
	c := w.cells[id]
	if c == nil {
		c = w.shelf.cell(w.names.minute(id.series))
		c.id, c.opened = id, at
		w.cells[id] = c
	}
	c.touch = at
	return c
}

// takeDue moves the cells to be written from cells to due.
func (w *Writer) takeDue(clock time.Duration, everything bool) {
	crowded := len(w.cells) > w.mostOpen
	for id, c := range w.cells {
		over := time.Duration(id.slot+1)*w.names.length(id.series) <= clock
		if everything || over && (clock-c.touch >= w.idle || clock-c.opened >= w.hold) || crowded && w.names.minute(id.series) {
			w.due = append(w.due, c)
			delete(w.cells, id)
		}
	}
}

// atOnce is about how many bytes of windows are written at one time.
const atOnce = 256 << 10

// writeWindows writes the lines of the due cells, whole lines at one time.
func (w *Writer) writeWindows() error {
	sortCells(w.due)
	w.buf = w.buf[:0]
	var err error
	for _, c := range w.due {
		length := w.names.length(c.id.series)
		w.buf = appendInterval(w.buf, w.names.key(c.id.series), time.Duration(c.id.slot)*length, length, c.highest())
		if w.buf, err = w.encode.append(w.buf, c); err != nil {
			return err
		}
		if w.buf = append(w.buf, '\n'); len(w.buf) < atOnce {
			continue
		}
		if err := w.hlog.write(w.buf); err != nil {
			return err
		}
		w.buf = w.buf[:0]
	}
	return w.hlog.write(w.buf)
}
