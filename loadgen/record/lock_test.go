//go:build unix && !solaris && !illumos && !aix

package record

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

func TestARunningRecordIsNotRepaired(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(100))
	if err != nil {
		t.Fatal(err)
	}
	fill(w, 100)
	before := snapshot(t, dir)
	if err := Repair(dir, started); !errors.Is(err, ErrRunning) {
		t.Errorf("repair of a running record: %v", err)
	}
	for path, b := range snapshot(t, dir) {
		if string(b) != string(before[path]) {
			t.Errorf("the repair changed %s", path)
		}
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and a repair leaves no lock behind
		if err := Repair(dir, started); err != nil {
			t.Error(err)
		}
	}
}

func TestAWriterThatFailedHoldsNoRecord(t *testing.T) {
	dir := t.TempDir()
	if _, err := create(dir, testRun(1), on((&fullDisk{left: 10}).create)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("create on a full disk: %v", err)
	}
	held, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, testRun(1)); !errors.Is(err, ErrRunning) {
		t.Errorf("create while another writes: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}

// A run that ends while its record is held is running, whatever its run.json says as yet.
func TestResumeLooksUnderTheLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	held, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(dir); !errors.Is(err, ErrRunning) {
		t.Errorf("it looked before it had the lock: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}
