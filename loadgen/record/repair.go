package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/scenarios"
)

// Repair finishes a killed run's record in place: cuts half lines and frames, accounts arrivals without a fate as
// indeterminate (their worker died), writes metrics.om and ends the run at its last sign of life, at the latest now.
// While a Writer of this machine still holds the record, it is refused with [ErrRunning]; where the platform or the file
// system has no such locks, whoever calls it knows that nobody writes to the record any more.
//
// What was broken in the middle stays as it is and remains a problem of the account. A sound record is not touched, so
// repairing twice is repairing once.
func Repair(dir string, now time.Time) error {
	r, err := Open(dir)
	if err != nil {
		return err
	}
	held, err := Lock(dir)
	if err != nil {
		return fmt.Errorf("record: repair %s: %w", dir, err)
	}
	defer held.Close()
	p := &repairer{record: r, now: now}
	for _, step := range []func() error{p.latency, p.timeline, p.created, p.ledger, p.end, p.metrics, p.save} {
		if err := step(); err != nil {
			return fmt.Errorf("record: repair %s: %w", dir, err)
		}
	}
	return nil
}

type repairer struct {
	record  *Record
	now     time.Time
	changed bool
	lost    int64 // arrivals that had no fate
}

func (p *repairer) latency() error {
	var decode decoder
	in := newIntervals(func(x interval) error {
		_, err := decode.count(x.payload)
		return err
	})
	return p.lines(latencyFile, hlogHeader(&p.record.Run), func(line []byte) bool { return in.line(line) == nil })
}

func (p *repairer) timeline() error {
	return p.lines(timelineFile, nil, func(line []byte) bool {
		_, d, err := readTimeline(bytes.NewReader(line), timelineFile)
		return err == nil && len(d.torn) == 0
	})
}

func (p *repairer) created() error {
	if _, err := os.Lstat(filepath.Join(p.record.Dir, createdFile)); errors.Is(err, fs.ErrNotExist) {
		return nil // a record from before there was such a file
	}
	return p.lines(createdFile, nil, func(line []byte) bool {
		_, err := parseCreated(line)
		return err == nil
	})
}

// lines ends a file of lines with a whole line: a last line that is whole but for its end gets one, a half one is cut.
// A file that is missing or does not hold more than a part of its head gets its head.
func (p *repairer) lines(name string, head []byte, whole func([]byte) bool) error {
	path := filepath.Join(p.record.Dir, name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) < len(head) && bytes.HasPrefix(head, b) {
		p.changed = true
		return os.WriteFile(path, head, 0o644)
	}
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	switch rest := b[end:]; {
	case len(rest) == 0:
		return nil
	case whole(rest):
		p.changed = true
		return appendTo(path, []byte("\n"))
	default:
		p.changed = true
		return os.Truncate(path, int64(end))
	}
}

func appendTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// ledger cuts half frames and gives a fate to those who have none.
func (p *repairer) ledger() error {
	if err := os.MkdirAll(filepath.Join(p.record.Dir, ledgerDir), 0o755); err != nil {
		return err
	}
	names, err := p.record.ledgerFiles()
	if err != nil {
		return err
	}
	l := newLedgerReader(p.record.Run.Scenario.Arrivals.Total)
	for _, name := range names {
		path := filepath.Join(p.record.Dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if whole := l.file(name, b); whole < int64(len(b)) {
			p.changed = true
			if err := os.Truncate(path, whole); err != nil {
				return err
			}
		}
	}
	l.endClosedLoop(&p.record.Run)
	p.record.Run.Scenario.Arrivals.Total = l.ledger.Total
	missing := l.ledger.Missing()
	if missing.IsEmpty() {
		return nil
	}
	p.changed = true
	p.lost = int64(missing.GetCardinality())
	return p.lose(missing, freeEpoch(l, names))
}

// lose writes a ledger file of its own with the arrivals whose end nobody told.
func (p *repairer) lose(missing *roaring.Bitmap, epoch uint32) error {
	sets := NewLedger(0).Sets
	missing.RunOptimize()
	sets[Indeterminate] = missing
	frame, err := appendFates(nil, FrameID{Epoch: epoch}, &sets)
	if err != nil {
		return err
	}
	path := filepath.Join(p.record.Dir, ledgerDir, ledgerName(0, epoch))
	return replaceFile(createFile, path, func(w io.Writer) error {
		_, err := w.Write(frame)
		return err
	})
}

// freeEpoch is an epoch of worker 0 that neither a frame nor a file has.
func freeEpoch(l *ledgerReader, names []string) uint32 {
	taken := map[uint32]bool{}
	for id := range l.seen {
		if id.Worker == 0 {
			taken[id.Epoch] = true
		}
	}
	for _, name := range names {
		var epoch uint32
		if _, err := fmt.Sscanf(strings.TrimSuffix(filepath.Base(name), ".log"), "w0-e%d", &epoch); err == nil {
			taken[epoch] = true
		}
	}
	epoch := uint32(1)
	for taken[epoch] {
		epoch++
	}
	return epoch
}

// end ends the run, in memory: run.json is written last, so that a repair that is killed is done again. The validity
// stays as it is, without evidence: nobody knows any more whether the generator was the limit.
func (p *repairer) end() error {
	run := &p.record.Run
	if !p.changed && run.Complete() {
		return nil
	}
	p.changed = true
	if !run.Complete() {
		run.Interrupted = true
		last, err := p.lastSign()
		if err != nil {
			return err
		}
		run.EndedAt = last
	}
	run.Warnings = append(run.Warnings, warnRepaired(p.lost))
	return nil
}

func (p *repairer) save() error {
	if !p.changed {
		return nil
	}
	return writeRun(createFile, p.record.Dir, &p.record.Run)
}

// lastSign is the latest moment on the wall clock that the record tells of, at the latest now. On the way it takes the
// number of shots from the response windows.
func (p *repairer) lastSign() (time.Time, error) {
	run := &p.record.Run
	last := run.StartedAt
	hear := func(wall time.Time) {
		if wall.After(last) {
			last = wall
		}
	}
	run.Totals.Shots, run.Totals.ByOutcome = 0, map[string]int64{}
	var decode decoder
	_, err := p.record.intervals(func(x interval) error {
		if x.Measure != Response || x.Tenant != "" {
			return nil
		}
		n, err := decode.count(x.payload)
		if err != nil {
			return err
		}
		run.Totals.Shots += n
		run.Totals.ByOutcome[x.Outcome.String()] += n
		hear(run.StartedAt.Add(time.Duration(float64(x.start+x.length) / run.Speed)))
		return nil
	})
	if err != nil {
		return last, err
	}
	_, err = p.record.eachEvent(func(e Event) { hear(e.Wall) })
	if last.IsZero() || last.After(p.now) {
		last = p.now
	}
	return last, err
}

func warnRepaired(lost int64) Warning {
	return Warning{WarnRepaired, scenarios.Text{
		"de": fmt.Sprintf("Der Lauf wurde abgebrochen und seine Aufzeichnung nachträglich abgeschlossen; %d Ankünfte ohne Ausgang zählen als ungeklärt. "+
			"Messwerte der letzten Sekunden können fehlen.", lost),
		"en": fmt.Sprintf("The run was killed and its record finished afterwards; %d arrivals without a fate count as indeterminate. "+
			"Measurements of the last seconds may be missing.", lost),
	}}
}

// metrics writes metrics.om anew where anything changed or its end is missing.
func (p *repairer) metrics() error {
	whole, err := metricsWhole(p.record.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if whole && !p.changed {
		return nil
	}
	return writeMetrics(createFile, p.record)
}

// ErrRunning says that somebody writes to the record.
var ErrRunning = errors.New("the record is being written: its run still goes on")
