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
// it is refused with [ErrRunning].
func Resume(dir string) (*Writer, error) {
	w, err := resume(dir, defaults)
	if err != nil {
		return nil, fmt.Errorf("record: resume: %w", err)
	}
	return w, nil
}

func resume(dir string, o options) (*Writer, error) {
	r, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if r.Run.Complete() {
		return nil, fmt.Errorf("%s: the run is over", dir)
	}
	w, err := newWriter(dir, r.Run, o)
	if err != nil {
		return nil, err
	}
	w.run.Warnings = slices.DeleteFunc(w.run.Warnings, func(x Warning) bool { return slices.Contains(closing, x.Code) })
	if w.lock, err = lock(dir); err != nil {
		return nil, err
	}
	if err := w.clear(); err != nil {
		return nil, errors.Join(err, w.lock.Close())
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
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
