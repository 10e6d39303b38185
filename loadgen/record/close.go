package record

import (
	"errors"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// WriteAccepted puts the lab's accepted Seqs beside run.json and gives the file's name for Run.Lab.File.
func (w *Writer) WriteAccepted(accepted *roaring.Bitmap) (name string, err error) {
	if err := writeAccepted(w.create, w.dir, accepted); err != nil {
		_ = w.fail(err)
		return "", err
	}
	return acceptedFile, nil
}

// Close flushes everything, writes metrics.om and the final run.json, and gives the first error met.
// finish may change the run's final fields (Totals, Validity, Lab, Interrupted) and finds Totals.Shots and ByOutcome
// filled in; EndedAt is set to ended. Where writing failed, EndedAt stays zero: the record is not complete.
// Close takes what the shards still hold; an engine ends its shards before, for what they are given after Close is lost,
// as are events. A second Close gives the first error again.
func (w *Writer) Close(ended time.Time, finish func(*Run)) error {
	if !w.stop() {
		return w.Err()
	}
	w.disk.Lock()
	defer w.disk.Unlock()
	return w.fail(errors.Join(w.finish(ended, finish), w.lock.Close()))
}

// stop takes nothing more and ends the writing goroutine; false where that was done before.
func (w *Writer) stop() bool {
	if !w.end() {
		return false
	}
	if w.quit != nil {
		close(w.quit)
		<-w.done
	}
	return true
}

// finish writes all that is left. The caller holds disk.
func (w *Writer) finish(ended time.Time, finish func(*Run)) error {
	err := w.flush(0, true)
	for _, t := range w.tails() {
		err = errors.Join(err, t.close())
	}
	w.settle()
	if finish != nil {
		finish(&w.run)
	}
	if err == nil {
		w.run.EndedAt = ended
		err = writeMetrics(w.create, &Record{Dir: w.dir, Run: w.run})
	}
	if err != nil {
		w.run.EndedAt = time.Time{}
		w.run.Warnings = append(w.run.Warnings, warnWriteFailed(err))
	}
	return errors.Join(err, writeRun(w.create, w.dir, &w.run))
}

// settle fills in what the writer itself knows about the run. The caller holds disk.
func (w *Writer) settle() {
	w.run.Totals.Shots, w.run.Totals.ByOutcome = 0, map[string]int64{}
	for o, n := range w.counted {
		w.run.Totals.Shots += n
		if n > 0 {
			w.run.Totals.ByOutcome[Outcome(o).String()] = n
		}
	}
	w.run.Warnings = append(w.run.Warnings, w.oddity.warnings()...)
}
