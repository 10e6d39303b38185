package reports

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
)

// every and covered are which of a plan's warnings are told: all, or those that tell of something else than what no model
// covers.
func every(record.Warning) bool     { return true }
func covered(w record.Warning) bool { return !w.Uncovered() }

// warningLines are the warnings of everything the report rests on, each once, of the plan those that are asked for. Where
// two runs were fired, a run's warnings say which one they are of.
func warningLines(in *Input, ofPlan func(record.Warning) bool, t tongue) []string {
	var lines []string
	add := func(line string) {
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	run := func(caption string, warnings []record.Warning) {
		for _, w := range warnings {
			if w.Uncovered() && in.Plan != nil {
				continue // the plan says it for all of its runs
			}
			line := t.warning(w)
			if in.Verify != nil && in.Verify.Verdict != nil {
				line = t.say("warnings.run", caption, line)
			}
			add(line)
		}
	}
	run(t.say("side.before"), in.Surge.Record.Run.Warnings)
	if v := in.Surge.Verdict; v != nil {
		run(t.say("side.before"), v.Warnings)
	}
	if in.Plan != nil {
		for _, line := range t.planWarnings(in.Plan, ofPlan) {
			add(line)
		}
	}
	for _, rec := range in.Calibration {
		for _, w := range rec.Run.Warnings {
			if !w.Uncovered() || in.Plan == nil { // the plan says those for all of its runs
				add(t.say("warnings.run", calledRun(rec), t.warning(w)))
			}
		}
	}
	if in.Verify != nil && in.Verify.Verdict != nil {
		run(t.say("side.after"), in.Verify.Verdict.Warnings)
	}
	return lines
}

// calledRun is what a calibration run is called: calibration-1.
func calledRun(r *record.Record) string {
	if r.Run.Scenario == nil {
		return r.Run.ID
	}
	return cmp.Or(r.Run.Scenario.Name, r.Run.ID)
}

// planWarnings are the warnings of a plan and its model that are asked for, each once.
func (t tongue) planWarnings(p *planner.Plan, asked func(record.Warning) bool) []string {
	all := slices.Clone(p.Warnings)
	if p.Model != nil {
		all = append(all, p.Model.Warnings...)
	}
	var lines []string
	for _, w := range all {
		if !asked(w) {
			continue
		}
		for _, line := range t.plain(w, p) {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// plain says the commonest warnings of a fit without its terms of art; the others keep their own words.
func (t tongue) plain(w record.Warning, p *planner.Plan) []string {
	switch model := p.Model; {
	case model == nil:
	case w.Code == "knee-not-observed":
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(model.Workloads)) {
			if m := model.Workloads[name]; m != nil && !m.Capacity.KneeObserved && m.Capacity.AtLeast > 0 {
				lines = append(lines, t.say("warnings.knee", t.number(m.Capacity.AtLeast), name))
			}
		}
		if len(lines) > 0 {
			return lines
		}
	case w.Code == "no-warm-up":
		var of []string
		for _, name := range slices.Sorted(maps.Keys(model.Workloads)) {
			if m := model.Workloads[name]; m != nil && !m.WarmUpSeen {
				of = append(of, name)
			}
		}
		if len(of) > 0 {
			return []string{t.say("warnings.warmUp", strings.Join(of, ", "))}
		}
	case w.Code == fit.CodeOpen && len(t.stillOpen(model)) > 0: // the page's table and the terminal's list say which
		open, runs := 0, []string(nil)
		for i := range model.Parameters {
			if p := &model.Parameters[i]; p.Open() && !p.Needless && p.Kind != fit.KindSurge {
				if open++; p.Settles != "" && !slices.Contains(runs, p.Settles) {
					runs = append(runs, p.Settles)
				}
			}
		}
		if len(runs) == 0 {
			return []string{t.say("warnings.open", t.count(int64(open)))}
		}
		return []string{t.say("warnings.open", t.count(int64(open))) + " " + t.say("warnings.open.runs", strings.Join(runs, ", "))}
	case w.Code == "demand-assumed" && model.Demand.High > 0:
		return []string{t.say("warnings.demand", t.share(model.Demand.Low), t.share(model.Demand.High))}
	}
	return []string{t.warning(w)}
}

// warning gives a warning in its own words, or its code where it has none.
func (t tongue) warning(w record.Warning) string { return cmp.Or(t.text(w.Text), w.Code) }

// bookLines say where a record's books could not be read or do not add up.
func bookLines(runs []*measured, t tongue) []string {
	var lines []string
	for _, m := range runs {
		if m.accountErr != nil {
			lines = append(lines, t.say("warnings.account", m.run.ID, m.accountErr))
			continue
		}
		for _, problem := range m.account.Problems {
			lines = append(lines, t.say("warnings.problem", m.run.ID, problem))
		}
	}
	return lines
}
