package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The names in a record's directory.
const (
	runFile      = "run.json"
	latencyFile  = "latency.hlog"
	ledgerDir    = "ledger"
	timelineFile = "timeline.jsonl"
	createdFile  = "created.jsonl"
	metricsFile  = "metrics.om"
	acceptedFile = "accepted.roaring"
)

// file is what a record is written to.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// creator makes a file that must not exist yet. It is the seam at which tests put a disk that fills up.
type creator func(path string) (file, error)

func createFile(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
}

// tail is a file that is only ever appended to. After its first error nothing more is written to it: what is on disk
// stays whole lines or frames, but for the last.
type tail struct {
	file file
	err  error
}

// open makes the file; where it cannot, whatever is written to it fails so.
func (t *tail) open(create creator, path string) {
	if t.err != nil {
		return
	}
	if t.file, t.err = create(path); t.err != nil {
		t.file = nil
	}
}

func (t *tail) write(b []byte) error {
	if t.err != nil || len(b) == 0 {
		return t.err
	}
	n, err := t.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		t.err = fmt.Errorf("record: write: %w", err)
	}
	return t.err
}

// close makes the file last and closes it.
func (t *tail) close() error {
	if t.file == nil {
		return t.err
	}
	err := t.err
	if err == nil {
		err = t.file.Sync()
	}
	return errors.Join(err, t.file.Close())
}

// replaceFile writes a file in one step: a reader sees the old content or the new, never half of it, whenever the
// process is killed.
func replaceFile(create creator, path string, content func(io.Writer) error) error {
	draft := path + ".draft"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("record: replace %s: %w", filepath.Base(path), err)
	}
	err := writeDraft(create, draft, content)
	if err == nil {
		err = os.Rename(draft, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(draft) // the first error says more than this one
		return fmt.Errorf("record: write %s: %w", filepath.Base(path), err)
	}
	return nil
}

func writeDraft(create creator, path string, content func(io.Writer) error) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	err = content(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename last through a loss of power.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
