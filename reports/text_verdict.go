package reports

import (
	"io"
	"strings"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// VerdictText writes a verdict for a terminal: the result, its reasons, each promise, the tenants hit most, warnings.
func VerdictText(w io.Writer, v *gate.Verdict, lang string) error {
	s := newSheet(w, lang)
	s.verdict(v)
	return s.write(w)
}

func (s *sheet) verdict(v *gate.Verdict) {
	if v == nil {
		s.line("", s.say("why.unjudged"))
		return
	}
	s.line("", s.say("text.verdict", strings.ToUpper(s.say("result."+string(known(v.Result))))))
	for _, reason := range v.Reasons {
		s.line("  - ", s.text(reason))
	}
	s.head(s.say("text.slos"))
	if len(v.SLOs) == 0 {
		s.line("  ", s.say("text.noSLOs"))
	}
	for i := range v.SLOs {
		s.line("  "+sign(v.SLOs[i].Result)+" ", s.promised(&v.SLOs[i])+" – "+s.outcome(&v.SLOs[i]))
	}
	s.hitMost(v)
	var lines []string
	for _, warning := range v.Warnings {
		lines = append(lines, s.warning(warning))
	}
	s.warnings(lines)
}

func sign(r gate.Result) string {
	switch r {
	case gate.Pass:
		return "✓"
	case gate.Fail:
		return "✕"
	default:
		return "?"
	}
}

// promised words a promise in full: "submit: 95 % der Anfragen in höchstens 2 s, höchstens 1 % gescheitert".
func (t tongue) promised(r *gate.SLOResult) string {
	step := r.SLO.Step
	if step == "" {
		step = t.say("text.step")
	}
	return t.say("text.slo", step, t.promise(&r.SLO)) + ", " + t.say("text.slo.errors", t.share(r.SLO.Errors))
}

// outcome words what came of a promise.
func (t tongue) outcome(r *gate.SLOResult) string {
	switch {
	case r.Judged == 0:
		return t.say("text.slo.none")
	case r.Broken == 0:
		return t.say("text.slo.all", t.count(int64(r.Judged)))
	default:
		return t.say("text.slo.windows", t.count(int64(r.Broken)), t.count(int64(r.Judged)), t.count(int64(len(r.BrokenTenants))), t.count(int64(r.Tenants)))
	}
}

// hitMost lists the tenants with most broken windows.
func (s *sheet) hitMost(v *gate.Verdict) {
	hit := map[string]gate.TenantBreak{}
	eachBreak(v, func(b gate.TenantBreak) {
		sum, had := hit[b.Tenant]
		if !had || b.First < sum.First {
			sum.First = b.First
		}
		sum.Tenant, sum.Broken = b.Tenant, sum.Broken+b.Broken
		hit[b.Tenant] = sum
	})
	if len(hit) == 0 {
		return
	}
	const shown = 5
	s.head(s.say("text.worstTenants"))
	for i, b := range worstTenants(hit) {
		if i == shown {
			s.line("  ", s.say("text.more", s.count(int64(len(hit)-shown))))
			break
		}
		s.line("  - ", s.say("text.tenantLine", b.Tenant, s.count(int64(b.Broken)), scenarios.Clock(b.First)))
	}
}

// boundLines say why fewer nodes never do.
func boundLines(p *planner.Plan, t tongue) []string {
	var lines []string
	for _, pool := range p.Pools {
		if bound := t.text(pool.BoundBy); pool.LowerBound > 0 && bound != "" {
			lines = append(lines, t.say("text.bound", t.count(int64(pool.LowerBound)), pool.Pool, bound))
		}
	}
	return lines
}

// PlanText writes a plan for a terminal: what to order, how to set the autoscaling, what decides it, risk, warnings.
func PlanText(w io.Writer, p *planner.Plan, lang string) error {
	s := newSheet(w, lang)
	if p == nil {
		s.line("", s.say("order.noPlan"))
		return s.write(w)
	}
	a := answer{settings: settingLines(p, s.tongue)}
	for _, pool := range p.Pools {
		a.pools = append(a.pools, orderLine(pool, p.Scenario, s.tongue))
	}
	if !p.Mendable {
		a.limit = sentence(s.text(p.Limit))
	}
	s.line("", s.say("order.title"))
	s.orders(a)
	s.list(boundLines(p, s.tongue))
	if len(a.settings) > 0 {
		s.head(s.say("settings.title"))
		s.list(a.settings)
	}
	if len(p.Constraints) > 0 {
		s.head(s.say("text.constraints"))
		s.list(s.sentences(p.Constraints))
	}
	s.parts(decisionParts(p, s.tongue))
	s.head(s.say("text.risk"))
	s.line("  - ", s.say("text.riskLine", s.share(p.Risk.Upper), s.share(p.Risk.Delta), s.count(int64(p.Risk.Broken)), s.count(int64(p.Risk.Worlds))))
	if notch := notchLine(p, s.tongue); notch != "" {
		s.line("  - ", notch)
	}
	s.parts(evidenceParts(p, s.tongue))
	if len(p.Explanation) > 0 {
		s.head(s.say("explained.title"))
		s.list(s.sentences(p.Explanation))
	}
	s.warnings(s.planWarnings(p, every))
	return s.write(w)
}
