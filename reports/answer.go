package reports

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// answer is page one: what a head of department reads.
type answer struct {
	// now is the answer for the platform as it is, then the one for the plan; plan.show is false where there is none.
	now, plan verdictCard
	why       []string
	pools     []poolLine
	settings  []string
	limit     string
	basis     []string
	warnings  []string
}

// verdictCard is one answer in colour, icon and words.
type verdictCard struct {
	Show          bool
	Kind          string // "yes", "no", "unknown"
	Label, Answer string
	Say           string
}

// Icon is the sign that carries the answer where colours are not seen.
func (c verdictCard) Icon() string {
	return map[string]string{"yes": "✓", "no": "✕"}[c.Kind] + map[string]string{"unknown": "?"}[c.Kind]
}

// poolLine is one order.
type poolLine struct {
	Pool, Now, Planned, More, OrderBy, Bound string
	Order                                    bool
}

// answerTo makes page one.
func answerTo(in *Input, t tongue) answer {
	a := answer{now: nowCard(in, t), plan: planCard(in, t)}
	a.why = whyLines(in, t)
	if p := in.Plan; p != nil {
		for _, pool := range p.Pools {
			a.pools = append(a.pools, orderLine(pool, p.Scenario, t))
		}
		a.settings = settingLines(p, t)
		if !p.Mendable {
			a.limit = t.text(p.Limit)
		}
	}
	a.basis = basisLines(in, t)
	a.warnings = warningLines(in, t)
	return a
}

// resultNow judges the platform as it is: the run's verdict where it failed or there is no plan; a run that passed may
// still fail in the plan's other worlds.
func resultNow(in *Input) gate.Result {
	if in.Surge.Verdict == nil {
		return gate.Inconclusive
	}
	result := in.Surge.Verdict.Result
	if result == gate.Pass && in.Plan != nil && in.Plan.Stands != "" {
		return in.Plan.Stands
	}
	return result
}

func cardOf(result gate.Result, t tongue) verdictCard {
	kind := "unknown"
	switch result {
	case gate.Pass:
		kind = "yes"
	case gate.Fail:
		kind = "no"
	}
	return verdictCard{Show: true, Kind: kind, Answer: t.say("answer." + kind)}
}

func nowCard(in *Input, t tongue) verdictCard {
	result := resultNow(in)
	c := cardOf(result, t)
	c.Label = t.say("answer.now")
	switch result {
	case gate.Pass:
		c.Say = t.say("answer.now.yes")
	case gate.Fail:
		c.Say = t.say("answer.now.no")
		if in.Surge.Verdict.Result == gate.Pass {
			c.Say = t.say("answer.now.no.worlds")
		}
	case gate.Invalid:
		c.Say = t.say("answer.now.invalid")
	default:
		c.Say = t.say("answer.now.unknown")
	}
	return c
}

func planCard(in *Input, t tongue) verdictCard {
	if in.Plan == nil {
		return verdictCard{}
	}
	verified := gate.Inconclusive
	if in.Verify != nil && in.Verify.Verdict != nil {
		verified = in.Verify.Verdict.Result
	}
	c := cardOf(verified, t)
	switch {
	case !in.Plan.Mendable && verified != gate.Pass:
		c = cardOf(gate.Fail, t)
		c.Say = t.say("answer.plan.unmendable")
	case in.Verify == nil || in.Verify.Verdict == nil:
		c.Answer, c.Say = t.say("answer.unproved"), t.say("answer.plan.unproved")
	default:
		c.Say = t.say("answer.plan." + c.Kind)
	}
	c.Label = t.say("answer.plan")
	return c
}

// whyLines say when it breaks, whom it hits and what is the cause.
func whyLines(in *Input, t tongue) []string {
	v := in.Surge.Verdict
	if v == nil {
		return []string{t.say("why.unjudged")}
	}
	var lines []string
	if first := firstBreak(v); first != nil {
		lines = append(lines, t.say("why.first", clock(*first)))
	}
	if hit, of := tenantsHit(v); hit > 0 && of > 0 {
		lines = append(lines, t.say("why.tenants", t.count(int64(hit)), t.count(int64(of))))
	}
	if worst, slo := worstWindow(v); worst != nil && v.Result == gate.Fail && worst.Shots > 0 {
		lines = append(lines, t.say("why.worst", t.share(float64(worst.Slow)/float64(worst.Shots)), t.promise(slo), clock(worst.Start)))
	}
	causes := v.Reasons
	if in.Plan != nil && len(in.Plan.Constraints) > 0 {
		causes = in.Plan.Constraints
	}
	for _, cause := range causes {
		lines = append(lines, t.text(cause))
	}
	return lines
}

// promise words an SLO: "95 % der Anfragen in höchstens 2 s beantwortet".
func (t tongue) promise(slo *scenarios.SLO) string {
	return t.say("promise", t.share(slo.Percentile/100), t.duration(slo.Within))
}

func firstBreak(v *gate.Verdict) *time.Duration {
	var first *time.Duration
	for _, s := range v.SLOs {
		if s.FirstBreak != nil && (first == nil || *s.FirstBreak < *first) {
			first = s.FirstBreak
		}
	}
	return first
}

// tenantsHit counts the tenants with at least one broken promise, and the most tenants any promise was judged for.
func tenantsHit(v *gate.Verdict) (hit, of int) {
	names := map[string]bool{}
	for _, s := range v.SLOs {
		of = max(of, s.Tenants)
		for _, b := range s.BrokenTenants {
			names[b.Tenant] = true
		}
	}
	return len(names), of
}

// worstWindow is the window with the largest share of slow or failed shots, and its promise.
func worstWindow(v *gate.Verdict) (*gate.WindowJudged, *scenarios.SLO) {
	var worst *gate.WindowJudged
	var slo *scenarios.SLO
	for i := range v.SLOs {
		w := v.SLOs[i].Worst
		if w != nil && (worst == nil || slowShare(w) > slowShare(worst)) {
			worst, slo = w, &v.SLOs[i].SLO
		}
	}
	return worst, slo
}

func slowShare(w *gate.WindowJudged) float64 { return float64(w.Slow) / float64(max(w.Shots, 1)) }

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
	run := &in.Surge.Record.Run
	lines := []string{t.say("basis.surge", t.count(run.Scenario.Arrivals.Total), t.length(run.Scenario.Arrivals.Over), t.stamp(run.StartedAt))}
	if in.Surge.Record.Run.Target == "lab" {
		lines = append(lines, t.say("basis.lab", t.short(max(run.Speed, 1))))
	}
	if n := len(in.Calibration); n > 0 {
		lines = append(lines, t.say("basis.calibration", t.count(int64(n))))
	}
	if p := in.Plan; p != nil {
		if p.Risk.Worlds > 0 {
			lines = append(lines, t.say("basis.worlds", t.count(int64(p.Risk.Worlds)), t.count(int64(p.Risk.Broken)), t.share(p.Risk.Upper), t.share(p.Risk.Delta)))
		}
		lines = append(lines, verifyLine(in, t))
		if notch := notchLine(p, t); notch != "" {
			lines = append(lines, notch)
		}
	}
	return lines
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
	return t.say("basis.notch", what, breaks)
}

// warningLines are the warnings of everything the report rests on, each once.
func warningLines(in *Input, t tongue) []string {
	var all []record.Warning
	all = append(all, in.Surge.Record.Run.Warnings...)
	if v := in.Surge.Verdict; v != nil {
		all = append(all, v.Warnings...)
	}
	if in.Plan != nil {
		all = append(all, in.Plan.Warnings...)
		if in.Plan.Model != nil {
			all = append(all, in.Plan.Model.Warnings...)
		}
	}
	if in.Verify != nil && in.Verify.Verdict != nil {
		all = append(all, in.Verify.Verdict.Warnings...)
	}
	var lines []string
	said := map[string]bool{}
	for _, w := range all {
		line := t.text(w.Text)
		if line == "" {
			line = w.Code
		}
		if !said[line] {
			said[line] = true
			lines = append(lines, line)
		}
	}
	return lines
}

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
