package record

import (
	"errors"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// write is the writing goroutine; it ends when wake is closed.
func (w *Writer) write() {
	defer close(w.done)
	for range w.wake {
		_ = w.Flush(0) // kept, see Err
	}
}

// Flush says that the run has come to now (platform time) and writes what is due: fates, events, and the windows that
// are over. It gives the writer's first error. Zero says nothing about the time.
func (w *Writer) Flush(now time.Duration) error {
	w.disk.Lock()
	defer w.disk.Unlock()
	return w.flush(now, false)
}

// flush moves what is due out of the memory that samples are counted in, and then writes it. The caller holds disk.
func (w *Writer) flush(now time.Duration, everything bool) error {
	w.mu.Lock()
	if now > w.clock {
		w.clock, w.next = now, now+w.every
	}
	w.takeDue(everything)
	ended, events := w.ended, w.events
	w.ended, w.events = [fates][]uint32{}, nil
	w.mu.Unlock()

	err := errors.Join(w.timeline.write(events), w.writeFates(ended), w.writeWindows())

	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.due {
		w.shelf.back(c)
	}
	w.due = w.due[:0]
	if w.events == nil {
		w.events = events[:0] // use its memory again
	}
	w.keep(err)
	return w.err
}

// takeDue moves the cells to be written from cells to due. The caller holds both locks.
func (w *Writer) takeDue(everything bool) {
	for id, c := range w.cells {
		length := w.names.length(id.series)
		over := time.Duration(id.slot+1)*length <= w.clock
		if everything || over && (w.clock-c.touch >= w.idle || w.clock-c.opened >= w.hold) {
			w.due = append(w.due, c)
			delete(w.cells, id)
		}
	}
}

// writeWindows writes the lines of the due cells in one go.
func (w *Writer) writeWindows() error {
	sortCells(w.due)
	w.buf = w.buf[:0]
	var err error
	for _, c := range w.due {
		length := w.names.length(c.id.series)
		w.buf = appendInterval(w.buf, w.names.tag(c.id.series), time.Duration(c.id.slot)*length, length, c.highest)
		if w.buf, err = w.encode.append(w.buf, c); err != nil {
			return err
		}
		w.buf = append(w.buf, '\n')
	}
	return w.hlog.write(w.buf)
}

// writeFates writes one frame of the ledger, if anything has ended.
func (w *Writer) writeFates(ended [fates][]uint32) error {
	var sets [fates]*roaring.Bitmap
	any := false
	for f := range ended {
		sets[f] = roaring.BitmapOf(ended[f]...)
		any = any || len(ended[f]) > 0
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
