package record

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A keeper that dies after any delta and begins anew has the record of one that lived, byte for byte.
func TestAResumedFoldIsTheSame(t *testing.T) {
	run := testRun(200)
	frames := fleetFrames(t, run)
	fold := func(w *Writer) {
		mergeAll(t, w, frames, 3)
		if err := w.Close(started, nil); err != nil {
			t.Fatal(err)
		}
	}
	uncut := filepath.Join(t.TempDir(), "run")
	w, err := begin(uncut, run, unsynced)
	if err != nil {
		t.Fatal(err)
	}
	fold(w)
	want := snapshot(t, uncut)
	for cut := range len(frames) + 1 {
		dir := filepath.Join(t.TempDir(), "run")
		w, err := begin(dir, run, unsynced)
		if err != nil {
			t.Fatal(err)
		}
		mergeAll(t, w, frames[:cut], 3)
		if _, err := Resume(dir); !errors.Is(err, ErrRunning) {
			t.Fatalf("a record that is written is resumed: %v", err)
		}
		if err := w.lock.Close(); err != nil { // as its process' end does
			t.Fatal(err)
		}
		if w, err = resume(dir, unsynced); err != nil {
			t.Fatal(err)
		}
		fold(w)
		if got := snapshot(t, dir); !maps.EqualFunc(got, want, slices.Equal[[]byte]) {
			t.Fatalf("resumed after %d deltas it is another", cut)
		}
	}
	if _, err := Resume(uncut); err == nil {
		t.Error("a run that is over is resumed")
	}
	if err := Repair(uncut, started); err != nil {
		t.Errorf("a refused resume holds the lock: %v", err)
	}
}

// A run that one process fired has no deltas: whoever would resume it would throw it away.
func TestARunByItselfIsNotResumed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	w.Shard().Fate(3, Completed)
	if err := errors.Join(w.Flush(time.Second), w.lock.Close()); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	if _, err := Resume(dir); err == nil || !strings.Contains(err.Error(), "ansturm inspect --repair") {
		t.Errorf("resumed: %v", err)
	}
	if !maps.EqualFunc(snapshot(t, dir), before, slices.Equal[[]byte]) {
		t.Error("something of it is changed")
	}
	if err := Repair(dir, started); err != nil {
		t.Error(err)
	}
}
