package gate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// Data is what a verdict rests on, read from a record.
type Data struct {
	Dir string
	Run *record.Run
	// Account says whether the record adds up.
	Account *record.Account
	// Windows are the run's response windows, behind a waiting room the service windows too; others are passed over.
	Windows []record.Window
	// Gaps are the timeline's events of kind gap.
	Gaps []record.Event
}

// Judge reads a record, and a baseline's where one is given (nil for none), and judges it. The error says that a
// record could not be read, that a promise cannot be held against what a record keeps, or that the baseline is a run
// of another scenario; a record that says too little is no error but an inconclusive verdict.
func Judge(rec, baseline *record.Record) (*Verdict, error) {
	data, err := Read(rec)
	if err != nil {
		return nil, err
	}
	if baseline == nil {
		return JudgeData(data, nil)
	}
	before, err := Read(baseline)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	return JudgeData(data, before)
}

// Read takes from a record what a verdict rests on. What of it is broken or cut off is named in the account, so that
// the rest is judged beside it; only what keeps a record from being read at all is an error.
func Read(rec *record.Record) (*Data, error) {
	if rec == nil {
		return nil, errors.New("judge: no record")
	}
	account, err := rec.Account()
	if err != nil {
		return nil, fmt.Errorf("judge %s: %w", rec.Dir, err)
	}
	windows, err := rec.Windows(func(k record.Key, _ time.Duration) bool { return held(&rec.Run, k) })
	events, errEvents := rec.Timeline()
	if err = errors.Join(err, errEvents); err != nil && len(account.Problems) == 0 {
		return nil, fmt.Errorf("judge %s: %w", rec.Dir, err)
	}
	gaps := slices.DeleteFunc(events, func(e record.Event) bool { return e.Kind != record.KindGap })
	return &Data{Dir: rec.Dir, Run: &rec.Run, Account: account, Windows: windows, Gaps: gaps}, nil
}

// JudgeData judges a run; the pure core of Judge. before may be nil.
//
// A run whose generator was the limit is invalid, whatever else is true of it. Where data is missing the verdict is
// inconclusive even when a promise is visibly broken in what is there: nobody knows what the missing minutes held or
// why they are missing, and a verdict of fail would pass for one on the whole run. The break is named among the
// reasons, though, and the promise itself keeps its fail.
func JudgeData(data, before *Data) (*Verdict, error) {
	if data == nil || data.Run == nil {
		return nil, errors.New("judge: no run")
	}
	in := facts{Data: data, cells: cellsOf(data)}
	if before == nil {
		return judge(in, nil)
	}
	return judge(in, &facts{Data: before, cells: cellsOf(before)})
}

// facts is a run's data with its response windows as cells.
type facts struct {
	*Data
	cells []cell
}

// judge puts the results in their order.
func judge(in facts, before *facts) (*Verdict, error) {
	v := &Verdict{Run: in.Run.ID, Dir: in.Dir, SLOs: []SLOResult{}, Warnings: slices.Clone(in.Run.Warnings)}
	if reasons := invalidity(in.Run); len(reasons) > 0 {
		v.Result, v.Reasons = Invalid, reasons
		for _, slo := range slos(in.Run) {
			v.SLOs = append(v.SLOs, SLOResult{SLO: slo, Result: Invalid})
		}
		return v, nil
	}
	judged, err := promises(in)
	if err != nil {
		return nil, err
	}
	missing := missingData(in)
	v.settle(judged, missing)
	if before == nil {
		return v, nil
	}
	return v, v.compare(in, *before)
}

// slos are the run's promises.
func slos(run *record.Run) []scenarios.SLO {
	if run.Scenario == nil {
		return nil
	}
	return run.Scenario.SLOs
}

// promises judges each SLO on the cells there are.
func promises(in facts) ([]sloJudged, error) {
	span := time.Duration(0)
	if in.Run.Scenario != nil {
		span = in.Run.Scenario.Arrivals.Over
	}
	var out []sloJudged
	for _, slo := range slos(in.Run) {
		judged, err := judgeSLO(slo, in.cells, span)
		if err != nil {
			return nil, err
		}
		out = append(out, judged)
	}
	return out, nil
}

// settle fills the verdict from the judged promises and what data is missing.
func (v *Verdict) settle(judged []sloJudged, missing []scenarios.Text) {
	var fails, unjudged []scenarios.Text
	for _, j := range worstFirst(judged) {
		switch j.Result {
		case Fail:
			fails = append(fails, breakText(j))
		case Inconclusive:
			unjudged = append(unjudged, unjudgedText(j.SLO))
		}
	}
	for _, j := range judged {
		if len(missing) > 0 && j.Result == Pass {
			j.Result = Inconclusive
		}
		if j.Judged > 0 && len(j.thin) > 0 {
			v.Warnings = append(v.Warnings, thinWarning(j))
		}
		v.SLOs = append(v.SLOs, j.SLOResult)
	}
	switch {
	case len(missing) > 0:
		v.Result, v.Reasons = Inconclusive, append(missing, few(fails)...)
	case len(judged) == 0:
		v.Result, v.Reasons = Inconclusive, []scenarios.Text{noPromise()}
	case len(fails) > 0:
		v.Result, v.Reasons = Fail, append(few(fails), few(unjudged)...)
	case len(unjudged) > 0:
		v.Result, v.Reasons = Inconclusive, few(unjudged)
	default:
		v.Result, v.Reasons = Pass, []scenarios.Text{passText(judged)}
	}
}

// worstFirst orders judged promises by the share of bad shots in their worst window.
func worstFirst(judged []sloJudged) []sloJudged {
	bad := func(j sloJudged) float64 {
		if j.Worst == nil {
			return -1
		}
		return share(j.Worst.Slow, j.Worst.Shots)
	}
	out := slices.Clone(judged)
	slices.SortStableFunc(out, func(a, b sloJudged) int { return cmp.Compare(bad(b), bad(a)) })
	return out
}

// invalidity gives the reasons why a run says nothing about the platform: the generator was the limit, or the embedded
// platform's own timers were. A run that was killed has no evidence yet and is not judged here.
func invalidity(run *record.Run) []scenarios.Text {
	val := run.Validity
	var out []scenarios.Text
	for _, reason := range val.Reasons {
		if !val.Valid {
			out = append(out, generatorText(reason, val.Advice))
		}
	}
	if !val.Valid && len(out) == 0 && run.Complete() && hasEvidence(val) {
		out = append(out, latenessText(val))
	}
	if run.Lab != nil && !run.Lab.Valid && len(out) == 0 {
		out = append(out, labText(val))
	}
	return out
}

// hasEvidence says whether the engine has written its evidence at all.
func hasEvidence(v record.Validity) bool { return v.LatenessLimit > 0 }

// missingData says what the record lacks for a verdict, the gravest first.
func missingData(in facts) []scenarios.Text {
	var out []scenarios.Text
	run := in.Run
	switch {
	case !run.Complete():
		out = append(out, unfinishedText())
	case run.Interrupted:
		out = append(out, interruptedText())
	}
	if !run.Validity.Valid && run.Complete() {
		out = append(out, noEvidenceText())
	}
	if len(in.cells) == 0 {
		out = append(out, noWindowsText())
	}
	if minutes := missingMinutes(in); len(minutes) > 0 {
		out = append(out, minutesText(minutes))
	}
	if len(in.Gaps) > 0 {
		out = append(out, gapsText(in.Gaps))
	}
	out = append(out, ledgerTexts(in.Account)...)
	if len(out) == 0 && in.Account != nil {
		return problemTexts(in.Account.Problems)
	}
	return out
}

// missingMinutes are the minutes the record's own account misses, and those in which the tenants' minutes and the
// platform's seconds do not hold the same number of shots, so that one of the two was cut.
func missingMinutes(in facts) []int {
	missing := map[int]bool{}
	if in.Account != nil {
		for _, m := range in.Account.MissingMinutes {
			missing[m] = true
		}
	}
	tenants, all := map[int]int64{}, map[int]int64{}
	for _, c := range in.cells {
		minute := int(c.start / time.Minute)
		if c.tenant == "" {
			all[minute] += c.Count()
		} else {
			tenants[minute] += c.Count()
		}
	}
	if len(all) > 0 && len(tenants) > 0 {
		for m := range all {
			missing[m] = missing[m] || all[m] != tenants[m]
		}
		for m := range tenants {
			missing[m] = missing[m] || all[m] != tenants[m]
		}
	}
	maps.DeleteFunc(missing, func(_ int, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(missing))
}
