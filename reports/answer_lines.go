package reports

import (
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

func orderLine(p planner.PoolPlan, s *scenarios.Scenario, t tongue) poolLine {
	more := p.Planned - p.Now
	line := poolLine{
		Pool: p.Pool, Now: t.count(int64(p.Now)), Planned: t.count(int64(p.Planned)), More: t.count(int64(more)), Bound: "–",
		OrderBy: t.say("order.nothing"), Order: more > 0,
	}
	if p.LowerBound > 0 {
		line.Bound = t.count(int64(p.LowerBound))
	}
	if more > 0 {
		line.More = "+" + line.More
		line.OrderBy = t.say("order.lead", t.length(p.LeadTime))
		if p.LeadTime == 0 {
			line.OrderBy = t.say("order.noLead")
		}
		if !p.OrderBy.IsZero() {
			zoned := p.OrderBy
			if s != nil && !s.On.IsZero() {
				zoned = zoned.In(s.On.Location())
			}
			line.OrderBy = t.stamp(zoned)
		}
	}
	return line
}

// settingLines sum up the autoscaling of all tenants: from what to what.
func settingLines(p *planner.Plan, t tongue) []string {
	if len(p.Tenants) == 0 {
		return nil
	}
	now, planned := spans{}, spans{}
	for _, tenant := range p.Tenants {
		planned.target.add(tenant.Target)
		planned.min.add(tenant.Min)
		planned.max.add(tenant.Max)
		if b := tenant.Before; b != nil {
			now.min.add(valueOr(b.MinReplicas, 1))
			now.max.add(b.MaxReplicas)
			if target := cpuTarget(b); target > 0 {
				now.target.add(target)
			}
		}
	}
	return []string{
		t.say("settings.target", now.target.text(" %"), planned.target.text(" %")),
		t.say("settings.min", now.min.text(""), planned.min.text("")),
		t.say("settings.max", now.max.text(""), planned.max.text("")),
	}
}

// basisLines say what the answer rests on.
func basisLines(in *Input, t tongue) []string {
	return append(runLines(in, t), proofLines(in, t)...)
}

// runLines say what was fired.
func runLines(in *Input, t tongue) []string {
	run := &in.Surge.Record.Run
	lines := []string{t.say("basis.surge", t.count(run.Scenario.Arrivals.Total), t.length(run.Scenario.Arrivals.Over), t.stamp(run.StartedAt))}
	if in.Surge.Record.Run.Target == "lab" {
		lines = append(lines, t.say("basis.lab", t.short(max(run.Speed, 1))))
	}
	if line := fleetLine(run.Fleet, t); line != "" {
		lines = append(lines, line)
	}
	if n := len(in.Calibration); n > 0 {
		lines = append(lines, t.say("basis.calibration", t.count(int64(n))))
	}
	return lines
}

// proofLines say how sure the plan is: computed, fired, and held against one notch less.
func proofLines(in *Input, t tongue) []string {
	p := in.Plan
	if p == nil {
		return nil
	}
	lines := append(riskLines(p, t), verifyLine(in, t))
	if notch := notchLine(p, t); notch != "" {
		lines = append(lines, notch)
	}
	if in.Verify != nil && in.Verify.Notch != nil {
		lines = append(lines, firedLine(in.Verify.Notch, t))
	}
	return lines
}

// riskLines say how often the plan was computed, and what came of it.
func riskLines(p *planner.Plan, t tongue) []string {
	if p.Risk.Worlds == 0 {
		return nil
	}
	return []string{t.say("basis.worlds", t.count(int64(p.Risk.Worlds)), t.count(int64(p.Risk.Broken)), t.share(p.Risk.Upper), t.share(p.Risk.Delta))}
}

func verifyLine(in *Input, t tongue) string {
	if in.Verify == nil || in.Verify.Verdict == nil {
		return t.say("basis.verify.none")
	}
	return t.say("basis.verify." + string(known(in.Verify.Verdict.Result)))
}

// known maps a result that no version of the gate gives to inconclusive.
func known(r gate.Result) gate.Result {
	switch r {
	case gate.Pass, gate.Fail, gate.Invalid:
		return r
	default:
		return gate.Inconclusive
	}
}

func notchLine(p *planner.Plan, t tongue) string {
	what, breaks := t.text(p.Notch.What), t.text(p.Notch.Breaks)
	if what == "" || breaks == "" {
		return ""
	}
	return t.say("basis.notch", what, sentence(breaks))
}
