package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// Record is a record on disk, opened for reading.
type Record struct {
	Dir string
	Run Run
}

// Open reads run.json and checks that dir is a record; broken or unfinished parts are found by Account, not here.
func Open(dir string) (*Record, error) {
	b, err := os.ReadFile(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("record: %s is not a run record: it has no %s: %w", dir, runFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("record: open: %w", err)
	}
	run, err := parseRun(b)
	if err != nil {
		return nil, fmt.Errorf("record: %s: %w", filepath.Join(dir, runFile), err)
	}
	return &Record{Dir: dir, Run: *run}, nil
}

func parseRun(b []byte) (*Run, error) {
	var run Run
	if err := json.Unmarshal(b, &run); err != nil {
		return nil, err
	}
	switch {
	case run.Format != FormatVersion:
		return nil, fmt.Errorf("format %d, this program reads format %d", run.Format, FormatVersion)
	case run.Scenario == nil:
		return nil, errors.New("the scenario is missing")
	case run.Scenario.Arrivals.Total < 0 || run.Scenario.Arrivals.Total > 1<<32:
		return nil, fmt.Errorf("%d arrivals are more than a record can hold, or fewer than none", run.Scenario.Arrivals.Total)
	case !(run.Speed > 0):
		return nil, fmt.Errorf("speed %g is not above zero", run.Speed)
	}
	return &run, nil
}

func writeRun(create creator, dir string, run *Run) error {
	return replaceFile(create, filepath.Join(dir, runFile), func(w io.Writer) error {
		b, err := json.MarshalIndent(run, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(b, '\n'))
		return err
	})
}

// Windows reads latency.hlog: each window of the run whose key is kept, lines of one window merged, in order of start.
// A nil keep keeps all. A log cut off at its end gives what is whole, Account says what is missing; a line broken in
// the middle is an error that names it, beside the windows that could be read.
func (r *Record) Windows(keep func(key Key, start time.Duration) bool) ([]Window, error) {
	windows, damage, err := r.windows(keep)
	return windows, errors.Join(err, damage.err())
}

func (r *Record) windows(keep func(Key, time.Duration) bool) (windows []Window, d damage, err error) {
	err = r.read(latencyFile, func(f io.Reader) error {
		windows, d, err = readHlog(f, latencyFile, keep)
		return err
	})
	return windows, d, err
}

// Timeline reads timeline.jsonl, in order of At; broken lines as with Windows.
func (r *Record) Timeline() ([]Event, error) {
	events, damage, err := r.timeline()
	return events, errors.Join(err, damage.err())
}

func (r *Record) timeline() (events []Event, d damage, err error) {
	err = r.read(timelineFile, func(f io.Reader) error {
		events, d, err = readTimeline(f, timelineFile)
		return err
	})
	return events, d, err
}

// eachEvent reads the timeline as it stands in the file.
func (r *Record) eachEvent(do func(Event)) (d damage, err error) {
	err = r.read(timelineFile, func(f io.Reader) error {
		d, err = eachEvent(f, timelineFile, do)
		return err
	})
	return d, err
}

// read opens one of the record's files.
func (r *Record) read(name string, do func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(r.Dir, name))
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return errors.Join(do(f), f.Close())
}

// Ledger merges the ledger's files, each frame once. A file cut off at its end gives what is whole; a broken frame is
// an error that names it, beside the ledger that could be read.
func (r *Record) Ledger() (*Ledger, error) {
	l, err := r.ledger()
	if err != nil {
		return nil, err
	}
	return l.ledger, l.damage.err()
}

func (r *Record) ledger() (*ledgerReader, error) {
	names, err := r.ledgerFiles()
	if err != nil {
		return nil, err
	}
	l := newLedgerReader(r.Run.Scenario.Arrivals.Total)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(r.Dir, name))
		if err != nil {
			return nil, fmt.Errorf("record: read the ledger: %w", err)
		}
		l.file(name, b)
	}
	l.endClosedLoop(&r.Run)
	return l, nil
}

// ledgerFiles lists the ledger's files, relative to the record.
func (r *Record) ledgerFiles() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.Dir, ledgerDir))
	if err != nil {
		return nil, fmt.Errorf("record: read the ledger: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".log") {
			names = append(names, filepath.Join(ledgerDir, e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Accepted reads the lab's accepted Seqs; nil where the target was not the lab.
func (r *Record) Accepted() (*roaring.Bitmap, error) {
	if r.Run.Lab == nil || r.Run.Lab.File == "" {
		return nil, nil
	}
	name := r.Run.Lab.File
	if name != filepath.Base(name) {
		return nil, fmt.Errorf("record: the accepted set %q is not in the record", name)
	}
	b, err := os.ReadFile(filepath.Join(r.Dir, name))
	if err != nil {
		return nil, fmt.Errorf("record: read the accepted set: %w", err)
	}
	set, err := parseBitmap(b)
	if err != nil {
		return nil, fmt.Errorf("record: %s: %w", name, err)
	}
	return set, nil
}

func writeAccepted(create creator, dir string, accepted *roaring.Bitmap) error {
	return replaceFile(create, filepath.Join(dir, acceptedFile), func(w io.Writer) error {
		_, err := accepted.WriteTo(w)
		return err
	})
}
