package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Fold makes a record as Create does, but one that is filled by Merge: nothing is written but at Flush and Close, so that
// its bytes are a function of the calls and not of when they came.
func Fold(dir string, run Run) (*Writer, error) { return begin(dir, run, defaults) }

// Resume begins the files of a record that was not closed anew, to be filled from the deltas of its run as after Fold.
// What its keeper had written is thrown away: the deltas hold all of it. While somebody else still writes to the record,
// it is refused with [ErrRunning]; so is a record of a run that one process fired by itself, which has no deltas: see [Repair].
func Resume(dir string) (*Writer, error) {
	w, err := resume(dir, defaults)
	if err != nil {
		return nil, fmt.Errorf("record: resume: %w", err)
	}
	return w, nil
}

func resume(dir string, o options) (*Writer, error) {
	held, err := Lock(dir) // before looking: whoever holds it may be about to end the run
	if err != nil {
		return nil, err
	}
	w, err := unfinished(dir, o)
	if err == nil {
		err = w.clear()
	}
	if err != nil {
		return nil, errors.Join(err, held.Close())
	}
	w.lock = held
	if err := w.open(); err != nil { // which lets go of the lock
		return nil, err
	}
	return w, nil
}

// unfinished is the writer of a record that can be filled from deltas again.
func unfinished(dir string, o options) (*Writer, error) {
	r, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if r.Run.Complete() {
		return nil, fmt.Errorf("%s: the run is over", dir)
	}
	if alone, err := r.firedAlone(); err != nil {
		return nil, err
	} else if alone {
		return nil, fmt.Errorf("%s: one process fired it and wrote it, there are no deltas to fill it from; "+
			"`ansturm inspect --repair %s` finishes it", dir, dir)
	}
	w, err := newWriter(dir, r.Run, o)
	if err != nil {
		return nil, err
	}
	w.run.Warnings = slices.DeleteFunc(w.run.Warnings, func(x Warning) bool { return slices.Contains(closing, x.Code) })
	return w, nil
}

// firedAlone says whether nobody but the keeper itself has written to the ledger.
func (r *Record) firedAlone() (bool, error) {
	names, err := r.ledgerFiles()
	if err != nil {
		return false, err
	}
	alone := false
	for _, name := range names {
		info, err := os.Stat(filepath.Join(r.Dir, name))
		if err != nil {
			return false, err
		}
		if info.Size() == 0 {
			continue
		}
		if name != filepath.Join(ledgerDir, ledgerName(keeper, 1)) {
			return false, nil
		}
		alone = true
	}
	return alone, nil
}

// Leave lets go of a record that is not closed, for somebody else to resume: what was not flushed is lost, and it takes nothing more.
func (w *Writer) Leave() error {
	if !w.stop() {
		return w.Err()
	}
	w.disk.Lock()
	defer w.disk.Unlock()
	var err error
	for _, t := range w.tails() {
		err = errors.Join(err, t.close())
	}
	return w.fail(errors.Join(err, w.lock.Close()))
}

// closing are the codes of the warnings that a writer adds at its end.
var closing = []string{WarnClamped, WarnNegative, WarnUnknown, WarnValues, WarnCreated, WarnWriteFailed}

// clear takes away all files of a record but run.json, without which it would be none.
func (w *Writer) clear() error {
	ledgers, err := (&Record{Dir: w.dir}).ledgerFiles()
	if err != nil {
		return err
	}
	for _, name := range append(ledgers, latencyFile, timelineFile, createdFile, metricsFile, acceptedFile) {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
