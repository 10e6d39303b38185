package record

import (
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/RoaringBitmap/roaring/v2"
)

var errNotBuilt = errors.New("record: not built yet")

// Histogram counts durations in microseconds.
type Histogram struct{ h *hdrhistogram.Histogram }

// Count is the number of values.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Quantile gives the q-quantile (0 to 1); zero where there is no value.
func (h *Histogram) Quantile(q float64) time.Duration { return 0 }

// CountAbove is the number of values above d.
func (h *Histogram) CountAbove(d time.Duration) int64 { return 0 }

// Mean of the values.
func (h *Histogram) Mean() time.Duration { return 0 }

// Merge adds o's counts; it refuses a histogram of another layout.
func (h *Histogram) Merge(o *Histogram) error { return errNotBuilt }

// Clone is an independent copy.
func (h *Histogram) Clone() *Histogram { return nil }

// Writer writes one record. Sample, Fate and Event may be called by many goroutines at once.
type Writer struct{}

// Create makes the directory (which must not hold a record yet) and starts writing. run says what is known at the start.
func Create(dir string, run Run) (*Writer, error) { return nil, errNotBuilt }

// Sample records one shot.
func (w *Writer) Sample(s Sample) {}

// Fate records where an arrival ended; called once an arrival.
func (w *Writer) Fate(seq uint32, f Fate) {}

// Event records one event of the timeline.
func (w *Writer) Event(e Event) {}

// Err is the first error of writing (a full disk), nil while there is none. The engine watches it and ends the run.
func (w *Writer) Err() error { return nil }

// Close flushes everything, writes metrics.om and the final run.json, and gives the first error met.
// finish may change the run's final fields (Totals, Validity, Lab, Interrupted); EndedAt is set to ended.
func (w *Writer) Close(ended time.Time, finish func(*Run)) error { return errNotBuilt }

// Record is a record on disk, opened for reading.
type Record struct {
	Dir string
	Run Run
}

// Open reads run.json and checks that dir is a record; broken or unfinished parts are found by Check, not here.
func Open(dir string) (*Record, error) { return nil, errNotBuilt }

// Windows reads latency.hlog: each window of the run whose key is kept, lines of one window merged, in order of start.
// A nil keep keeps all. A log cut off in the middle gives what is whole; Check says what is missing.
func (r *Record) Windows(keep func(Key, time.Duration) bool) ([]Window, error) {
	return nil, errNotBuilt
}

// Ledger is where every arrival ended.
type Ledger struct {
	Total int64
	// Sets are the Seqs by Fate; disjoint.
	Sets [fates]*roaring.Bitmap
}

// Ledger merges the ledger's files.
func (r *Record) Ledger() (*Ledger, error) { return nil, errNotBuilt }

// Timeline reads timeline.jsonl, in order of At.
func (r *Record) Timeline() ([]Event, error) { return nil, errNotBuilt }

// Accepted reads the lab's accepted Seqs; nil where the target was not the lab.
func (r *Record) Accepted() (*roaring.Bitmap, error) { return nil, errNotBuilt }

// Account is what a record holds and whether it adds up; `ansturm inspect --json` prints it.
type Account struct {
	Dir      string         `json:"dir"`
	Complete bool           `json:"complete"`
	Ledger   LedgerAccount  `json:"ledger"`
	Lab      *LabComparison `json:"lab,omitempty"`
	Shots    int64          `json:"shots"`
	Windows  int            `json:"windows"`
	Events   int            `json:"events"`
	Gaps     int            `json:"gaps"`
	// MissingMinutes are the minutes of the run (from 0) of which no window is there although arrivals were due.
	MissingMinutes []int `json:"missingMinutes,omitempty"`
	// Problems say what is missing or does not add up; empty when all is well.
	Problems []string `json:"problems"`
	Valid    bool     `json:"valid"`
}

// LedgerAccount are the ledger's counts. Missing = Total − the sum of the others; it is more than 0 only for a killed run.
type LedgerAccount struct {
	Total         int64 `json:"total"`
	Completed     int64 `json:"completed"`
	Failed        int64 `json:"failed"`
	Indeterminate int64 `json:"indeterminate"`
	Unsent        int64 `json:"unsent"`
	Missing       int64 `json:"missing"`
	Overlaps      int64 `json:"overlaps"`
}

// LabComparison holds the ledger against the lab's own log, as sets.
type LabComparison struct {
	Accepted                int64 `json:"accepted"`
	Duplicates              int64 `json:"duplicates"`
	CompletedNotAccepted    int64 `json:"completedNotAccepted"`    // must be 0
	AcceptedNotCompleted    int64 `json:"acceptedNotCompleted"`    // each failed or indeterminate
	AcceptedWithoutFate     int64 `json:"acceptedWithoutFate"`     // must be 0
	AcceptedUnsent          int64 `json:"acceptedUnsent"`          // must be 0
	DuplicatesBeyondReloads int64 `json:"duplicatesBeyondReloads"` // must be 0
	Agrees                  bool  `json:"agrees"`
}

// Account reads everything and says whether it adds up.
func (r *Record) Account() (*Account, error) { return nil, errNotBuilt }

// Repair finishes a killed run's record in place: cuts half lines and frames, accounts arrivals without a fate as
// indeterminate (their worker died), writes metrics.om. Idempotent.
func Repair(dir string, now time.Time) error { return errNotBuilt }
