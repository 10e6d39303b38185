package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// mostLost is the share of the arrivals of which nobody may know what has become of them because their workers died, for a run to be valid.
const mostLost = 0.001

// close gives a fate to those of whom nobody told any, and closes the record.
func (f *fold) close(c *closingTold) error {
	unsent, lost, err := f.settle(c)
	if err != nil {
		return fmt.Errorf("fleet: close: %w", err)
	}
	lab := c.Lab
	if lab != nil && len(f.accepted) > 0 {
		set := roaring.New()
		if err := set.UnmarshalBinary(f.accepted); err != nil {
			return fmt.Errorf("fleet: close: the platform's account: %w", err)
		}
		if lab.File, err = f.w.WriteAccepted(set); err != nil {
			return err
		}
	}
	evidence, err := f.evidence(unsent)
	if err != nil {
		return err
	}
	err = f.w.Close(c.Ended, func(r *record.Run) {
		r.Interrupted, r.Lab, r.Workers, r.Fleet = c.Interrupted, lab, len(f.workers), f.fleet(c.Refused, lost)
		r.Warnings = append(r.Warnings, c.Warnings...)
		judge(r, evidence)
		f.judgeLost(r, sum(lost))
		warnRefused(r)
		warnClocks(r)
		if f.cfg.Finish != nil {
			f.cfg.Finish(r)
		}
		run := *r
		f.run = &run
	})
	if err != nil {
		return err
	}
	return errClosed
}

// settle says of arrivals without a fate whether anybody can have begun them: unsent of them cannot, those may who are lost.
func (f *fold) settle(c *closingTold) (unsent int64, lost map[lease.Owner]int64, err error) {
	entries, err := f.entries()
	if err != nil {
		return 0, nil, err
	}
	if uint64(len(entries)) < c.Entries {
		return 0, nil, fmt.Errorf("the list has %d entries, it is of %d", len(entries), c.Entries)
	}
	table, err := tableOf(f.cfg.Parts, entries[:c.Entries])
	if err != nil {
		return 0, nil, err
	}
	done := map[lease.Owner]bool{}
	for o := range f.epochs {
		_, done[o] = f.w.Told(o.Worker, o.Epoch)
	}
	not, maybe, err := lease.Settle(f.cfg.Engine.Schedule, table, lease.Closing{Promised: c.Promised, Done: done},
		func(yield func(uint32) bool) { f.w.Missing().Iterate(yield) })
	lost, began := map[lease.Owner]int64{}, roaring.New()
	for o, seqs := range maybe {
		lost[o] = int64(len(seqs))
		began.AddMany(seqs)
	}
	return int64(len(not)), lost, errors.Join(err, f.w.Settle(record.Unsent, roaring.BitmapOf(not...)), f.w.Settle(record.Indeterminate, began))
}

func sum(all map[lease.Owner]int64) (n int64) {
	for _, each := range all {
		n += each
	}
	return n
}

// tableOf folds a list from its first entry on.
func tableOf(parts int, list []lease.Entry) (*lease.Table, error) {
	table, err := lease.NewTable(parts)
	for i := 0; i < len(list) && err == nil; i++ {
		err = table.Add(uint64(i)+1, list[i])
	}
	return table, err
}

// evidence is that of all epochs, and of the coordinator of those that are unsent by its word.
func (f *fold) evidence(unsent int64) (all []loadgen.Evidence, err error) {
	for _, o := range ordered(f.epochs) {
		text := f.w.Attested(o.Worker, o.Epoch)
		if text == nil {
			continue
		}
		e, err := loadgen.ParseEvidence(text)
		if err != nil {
			f.refused["garbage"]++
			continue
		}
		e.Worker = o.String()
		all = append(all, e)
	}
	return append(all, loadgen.Evidence{Unsent: unsent}), nil
}

// judge fills in the totals, and whether the workers were fit for the run. Shots are those in the record: of an epoch that died its evidence may know more.
func judge(r *record.Run, all []loadgen.Evidence) {
	recorded := r.Totals
	r.Totals = loadgen.Totals(all)
	r.Totals.Shots, r.Totals.ConnectionsPeak = recorded.Shots, peak(all)
	for outcome := range r.Totals.ByOutcome {
		r.Totals.ByOutcome[outcome] = recorded.ByOutcome[outcome]
	}
	validity, warnings := loadgen.Judge(all, r.Interrupted)
	r.Validity = validity
	r.Warnings = append(r.Warnings, warnings...)
}

// peak is how many connections were open at one time, at most: the epochs of a worker follow each other.
func peak(all []loadgen.Evidence) (n int64) {
	most := map[string]int64{}
	for i := range all {
		worker, _, _ := strings.Cut(all[i].Worker, ":")
		most[worker] = max(most[worker], all[i].ConnectionsPeak)
	}
	for _, each := range most {
		n += each
	}
	return n
}

// judgeLost says how many may have begun without anybody's knowing what came of it.
func (f *fold) judgeLost(r *record.Run, lost int64) {
	if lost == 0 {
		return
	}
	text := scenarios.Text{
		"de": fmt.Sprintf("Von %d Ankünften ist ungewiss, was aus ihnen wurde: Ihre Lastgeneratoren sind ausgefallen, ohne davon zu berichten.", lost),
		"en": fmt.Sprintf("What became of %d arrivals is not known: their workers were lost before they told of them.", lost),
	}
	r.Warnings = append(r.Warnings, record.Warning{Code: "worker-lost", Text: text})
	if float64(lost) > mostLost*float64(f.cfg.Engine.Schedule.Total()) {
		r.Validity.Valid = false
		r.Validity.Reasons = append(r.Validity.Reasons, text)
		r.Validity.Advice = append(r.Validity.Advice, scenarios.Text{
			"de": "die Ursache des Ausfalls beheben und noch einmal fahren",
			"en": "find out why the workers were lost, and fire again",
		})
	}
}

// warnRefused says what the bus and the fold have refused.
func warnRefused(r *record.Run) {
	for _, reason := range slices.Sorted(maps.Keys(r.Fleet.Refused)) {
		n := r.Fleet.Refused[reason]
		r.Warnings = append(r.Warnings, record.Warning{Code: "fleet-refused", Text: scenarios.Text{
			"de": fmt.Sprintf("%d Nachrichten wurden zurückgewiesen und sind nicht im Protokoll (%s).", n, reason),
			"en": fmt.Sprintf("%d messages were refused and are not in the record (%s).", n, reason),
		}})
	}
}
