package record

import (
	"errors"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
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
// fates, events, what was created, and the windows that are over. It gives the writer's first error. Zero says nothing
// about the time.
func (w *Writer) Flush(now time.Duration) error {
	w.disk.Lock()
	defer w.disk.Unlock()
	return w.flush(now, false)
}

// flush takes everything out of the memory that others write to, and then writes it. The caller holds disk.
func (w *Writer) flush(now time.Duration, everything bool) error {
	now = max(now, w.gather(everything))
	w.mu.Lock()
	if now > w.clock {
		w.clock, w.next = now, now+w.every
	}
	clock, events := w.clock, w.events
	w.events = nil
	w.mu.Unlock()

	w.takeDue(clock, everything)
	err := errors.Join(w.timeline.write(events), w.created.write(w.made), w.writeFates(), w.writeWindows())
	w.made = w.made[:0]
	for _, c := range w.due {
		w.shelf.back(c)
	}
	clear(w.due)
	w.due = w.due[:0]

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events == nil {
		w.events = events[:0] // use its memory again
	}
	w.keep(err)
	return w.err
}

// gather takes what all shards have counted, and gives the latest time among it. At the end it leaves them buffers that
// take nothing more.
func (w *Writer) gather(end bool) (latest time.Duration) {
	w.mu.Lock()
	shards := w.shards // only ever appended to
	w.mu.Unlock()
	for _, sh := range shards {
		empty := sh.spare
		switch {
		case end:
			empty = &buffer{closed: true}
		case empty == nil:
			empty = newBuffer(w.names)
		}
		full := sh.exchange(empty)
		if full.closed {
			continue
		}
		latest = max(latest, full.latest)
		w.merge(full)
		full.empty()
		sh.spare = full
	}
	return latest
}

// merge adds what a buffer holds to the cells, the fates and what was created.
func (w *Writer) merge(b *buffer) {
	w.into = w.into[:0]
	b.eachWindow(func(series, slot uint32) { w.into = append(w.into, w.cell(cellID{series, slot}, b.latest)) })
	b.eachPage(func(window, first uint32, page *counters) { w.into[window].merge(first, page, &w.shelf) })
	b.eachCarry(func(window, i uint32) { w.into[window].add(i, laneMax+1, &w.shelf) })
	for o, n := range b.counted {
		w.counted[o] += n
	}
	for f, seqs := range b.ended {
		w.ended[f] = append(w.ended[f], seqs...)
	}
	w.made = b.appendCreated(w.made)
	w.oddity.add(b.oddity)
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

// writeFates writes one frame of the ledger, if anything has ended.
func (w *Writer) writeFates() error {
	var sets [fates]*roaring.Bitmap
	any := false
	for f, seqs := range w.ended {
		sets[f] = roaring.BitmapOf(seqs...)
		any = any || len(seqs) > 0
		w.ended[f] = seqs[:0]
	}
	if !any {
		return nil
	}
	b, err := appendFrame(nil, w.frame, &sets)
	if err != nil {
		return err
	}
	w.frame.sequence++
	return w.ledger.write(b)
}
