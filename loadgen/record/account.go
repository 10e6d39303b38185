package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// Account is what a record holds and whether it adds up; `ansturm inspect --json` prints it.
type Account struct {
	Dir string `json:"dir"`
	// Complete says that the run was closed in order, or repaired.
	Complete bool           `json:"complete"`
	Ledger   LedgerAccount  `json:"ledger"`
	Lab      *LabComparison `json:"lab,omitempty"`
	// Shots are counted in the windows, Created are the lines of created.jsonl; Gaps are the events that tell of an
	// interrupted watching.
	Shots   int64 `json:"shots"`
	Created int64 `json:"created"`
	Windows int   `json:"windows"`
	Events  int   `json:"events"`
	Gaps    int   `json:"gaps"`
	// Door is what the waiting room cost; nil where there was none.
	Door *DoorAccount `json:"door,omitempty"`
	// Throttling is what CPU quotas did, by workload, the worst first; empty where nobody told of any.
	Throttling []Throttling `json:"throttling,omitempty"`
	// Fleet is how workers shared the run; nil where one process fired it by itself.
	Fleet *Fleet `json:"fleet,omitempty"`
	// MissingMinutes are the minutes of the run (from 0) of which no window is there although arrivals were due.
	MissingMinutes []int `json:"missingMinutes,omitempty"`
	// Problems say what is missing or does not add up; empty when all is well.
	Problems []string `json:"problems"`
	// Valid is the run's own validity: neither the generator nor the lab's timers were the limit.
	Valid bool `json:"valid"`
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

// Account reads everything and says whether it adds up. What is missing or broken is a problem in the account; an error
// is only what kept it from being read at all.
func (r *Record) Account() (*Account, error) {
	a := &Account{Dir: r.Dir, Complete: r.Run.Complete(), Valid: r.Run.Validity.Valid, Fleet: r.Run.Fleet, Problems: []string{}}
	if !a.Complete {
		a.problem("the run was killed, or still goes on: %s has no end", runFile)
	}
	ledger, err := a.readLedger(r)
	if err != nil {
		return nil, err
	}
	if err := a.readWindows(r); err != nil {
		return nil, err
	}
	if err := a.readTimeline(r); err != nil {
		return nil, err
	}
	if err := a.readCreated(r); err != nil {
		return nil, err
	}
	if a.Complete {
		a.checkMetrics(r)
	}
	if ledger != nil {
		a.compareLab(r, ledger)
	}
	return a, nil
}

func (a *Account) problem(format string, args ...any) {
	a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
}

// part notes what is damaged or missing in one part of the record; any other error is handed on.
func (a *Account) part(d damage, err error) error {
	a.Problems = append(append(a.Problems, d.broken...), d.torn...)
	if errors.Is(err, fs.ErrNotExist) {
		a.problem("%v", err)
		return nil
	}
	return err
}

func (a *Account) readLedger(r *Record) (*Ledger, error) {
	a.Ledger.Total = r.Run.Scenario.Arrivals.Total
	a.Ledger.Missing = a.Ledger.Total
	l, err := r.ledger()
	if err != nil {
		return nil, a.part(damage{}, err)
	}
	_ = a.part(l.damage, nil) // without an error to hand on
	a.Problems = append(a.Problems, l.gaps()...)
	a.Ledger = l.ledger.account()
	if n := a.Ledger.Missing; n > 0 {
		a.problem("ledger: %d of %d arrivals have no fate", n, a.Ledger.Total)
	}
	if n := a.Ledger.Overlaps; n > 0 {
		a.problem("ledger: %d arrivals have more than one fate, the first is %d", n, l.ledger.Overlaps().Minimum())
	}
	if n := l.ledger.Foreign(); n > 0 {
		a.problem("ledger: %d fates are of arrivals that the scenario does not have", n)
	}
	return l.ledger, nil
}

// account counts the sets.
func (l *Ledger) account() LedgerAccount {
	count := func(set *roaring.Bitmap) int64 { return int64(set.GetCardinality()) }
	return LedgerAccount{
		Total:         l.Total,
		Completed:     count(l.Sets[Completed]),
		Failed:        count(l.Sets[FailedArrival]),
		Indeterminate: count(l.Sets[Indeterminate]),
		Unsent:        count(l.Sets[Unsent]),
		Missing:       count(l.Missing()),
		Overlaps:      count(l.Overlaps()),
	}
}

func (a *Account) readWindows(r *Record) error {
	// The same shots are counted by the second for all tenants and by the minute for each.
	seconds, minutes := map[Key]int64{}, map[Key]int64{}
	there := map[int]bool{}
	windows := map[int]*roaring.Bitmap{} // by series: starts in seconds
	var decode decoder
	var door *Histogram
	damage, err := r.intervals(func(x interval) error {
		n, err := decode.count(x.payload)
		if err != nil {
			return fmt.Errorf("histogram: %w", err)
		}
		if x.Measure == Waited {
			if door, err = add(door, &decode, x.payload); err != nil {
				return fmt.Errorf("histogram: %w", err)
			}
		}
		if windows[x.series] == nil {
			windows[x.series] = roaring.New()
		}
		if windows[x.series].CheckedAdd(uint32(x.start / time.Second)) {
			a.Windows++
		}
		key := x.Key
		key.Tenant = ""
		switch {
		case x.Measure != Response && x.Measure != Service: // not counted by tenant
		case x.Tenant != "":
			minutes[key] += n
		default:
			seconds[key] += n
			if x.Measure == Response {
				a.Shots += n
				there[int(x.start/time.Minute)] = true
			}
		}
		return nil
	})
	if err := a.part(damage, err); err != nil {
		return err
	}
	a.addDoor(r, door)
	if a.Complete {
		a.compareSums(r, seconds, minutes)
	}
	a.findMissingMinutes(r, there)
	return nil
}

// compareSums holds against each other what was counted in several places.
func (a *Account) compareSums(r *Record, seconds, minutes map[Key]int64) {
	if want := r.Run.Totals.Shots; want != a.Shots {
		a.problem("%s: windows count %d shots, %s counts %d", latencyFile, a.Shots, runFile, want)
	}
	keys := map[Key]bool{}
	for k := range seconds {
		keys[k] = true
	}
	for k := range minutes {
		keys[k] = true
	}
	var differing []string
	for k := range keys {
		if seconds[k] != minutes[k] {
			differing = append(differing, fmt.Sprintf("%s: %s: the seconds count %d shots, the tenants' minutes %d",
				latencyFile, k.tag(), seconds[k], minutes[k]))
		}
	}
	slices.Sort(differing)
	a.Problems = append(a.Problems, differing...)
}

// judgeable is the least number of arrivals expected in a minute whose silence means something: a Poisson number with
// that mean is zero once in 500 million minutes.
const judgeable = 20

// findMissingMinutes looks for minutes of the surge without a single response although arrivals were due; there holds
// those with one.
func (a *Account) findMissingMinutes(r *Record, there map[int]bool) {
	curve, err := r.Run.Scenario.Curve()
	if err != nil {
		a.problem("minutes are not checked: %v", err)
		return
	}
	last := 0
	for minute := range there {
		last = max(last, minute)
	}
	over := r.Run.Scenario.Arrivals.Over
	if r.Run.Interrupted { // who was due later was not sent
		over = min(over, time.Duration(last+1)*time.Minute)
	}
	for m := range int(min((over+time.Minute-1)/time.Minute, longestRun)) {
		from := time.Duration(m) * time.Minute
		if !there[m] && curve.Cumulative(min(from+time.Minute, over))-curve.Cumulative(from) >= judgeable {
			a.MissingMinutes = append(a.MissingMinutes, m)
		}
	}
	if len(a.MissingMinutes) > 0 {
		a.problem("%s: no response in minute %s, although arrivals were due", latencyFile, ranges(a.MissingMinutes))
	}
}

// longestRun bounds the minutes looked at: a year.
const longestRun = 366 * 24 * 60

// ranges writes ascending numbers as "1–3, 7".
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "–" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

func (a *Account) readTimeline(r *Record) error {
	var quotas throttled
	damage, err := r.eachEvent(func(e Event) {
		a.Events++
		if e.Kind == KindGap {
			a.Gaps++
		}
		quotas.add(&e)
	})
	a.Throttling = quotas.list()
	return a.part(damage, err)
}

func (a *Account) readCreated(r *Record) error {
	damage, err := r.created(func(Creation) { a.Created++ })
	return a.part(damage, err)
}

func (a *Account) checkMetrics(r *Record) {
	switch whole, err := metricsWhole(r.Dir); {
	case err != nil:
		a.problem("%v", err)
	case !whole:
		a.problem("%s: the end is cut off", metricsFile)
	}
}

// endOfMetrics is the line without which no tool loads the file.
const endOfMetrics = "# EOF\n"

// metricsWhole says whether metrics.om ends as it must.
func metricsWhole(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, metricsFile))
	if err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	defer f.Close()
	end := make([]byte, len(endOfMetrics))
	if _, err := f.Seek(-int64(len(end)), io.SeekEnd); err != nil {
		return false, nil // shorter than its last line
	}
	if _, err := io.ReadFull(f, end); err != nil {
		return false, fmt.Errorf("record: read %s: %w", metricsFile, err)
	}
	return bytes.Equal(end, []byte(endOfMetrics)), nil
}
