package reports

import (
	"strings"
	"time"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// reasonsOnPage is how many of the verdict's reasons page one gives where it cannot say it shorter.
const reasonsOnPage = 3

// podsInVain is the percentage of the pods asked for that must have become ready, or page one names the others; a few
// are always under way when a run ends.
const podsInVain = 80

// answer is page one: what a head of department reads.
type answer struct {
	// now is the answer for the platform as it is, then the one for the plan; plan.show is false where there is none.
	now, plan verdictCard
	why       []string
	pools     []poolLine
	settings  []string
	decides   []string // what decides the plan
	parts     []part
	limit     string
	basis     []string
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
func answerTo(in *Input, at seen, t tongue) answer {
	a := answer{now: nowCard(in, t), plan: planCard(in, t)}
	a.now.add(t.fates(at.before))
	if a.plan.Show {
		a.plan.add(t.fates(at.after))
	}
	a.why = whyLines(in, at.pods, t)
	if p := in.Plan; p != nil {
		for _, pool := range p.Pools {
			a.pools = append(a.pools, orderLine(pool, p.Scenario, t))
		}
		a.settings = settingLines(p, t)
		a.decides = t.sentences(p.Constraints)
		a.parts = decisionParts(p, t)
		if !p.Mendable {
			a.limit = sentence(t.text(p.Limit))
		}
	}
	a.basis = append(basisLines(in, t), doorLines(at, t)...)
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
func whyLines(in *Input, pods podCount, t tongue) []string {
	v := in.Surge.Verdict
	if v == nil {
		return []string{t.say("why.unjudged")}
	}
	var lines []string
	if first, window := firstBroken(v); first != nil {
		lines = append(lines, t.say("why.first", scenarios.Clock(*first), scenarios.Clock(*first+window)))
	}
	if hit, of := tenantsHit(v); hit > 0 && of > 0 {
		lines = append(lines, t.say("why.tenants", t.count(int64(hit)), t.count(int64(of))))
	}
	if worst, slo := worstWindow(v); worst != nil && v.Result == gate.Fail && worst.Shots > 0 {
		lines = append(lines, t.say("why.worst", t.share(float64(worst.Slow)/float64(worst.Shots)), t.promise(slo), scenarios.Clock(worst.Start), scenarios.Clock(worst.Start+worst.Length)))
	}
	if v.Result == gate.Fail && len(lines) > 0 {
		return append(lines, causeLines(in.Plan, pods, t)...) // the verdict's own words say the same at length, in the details
	}
	for _, reason := range v.Reasons[:min(len(v.Reasons), reasonsOnPage)] {
		lines = append(lines, sentence(t.text(reason)))
	}
	return lines
}

// causeLines say what the plan's figures show to be too small today: nodes below the bound that no setting gets under,
// autoscalers whose maximum lies below what even a scaler that knew the future would need. The run itself shows where
// pods were asked for in vain.
func causeLines(p *planner.Plan, pods podCount, t tongue) []string {
	var lines []string
	if pods.ready*100 < pods.made*podsInVain {
		lines = append(lines, t.say("cause.pods", t.count(int64(pods.made)), t.count(int64(pods.ready))))
	}
	if p == nil {
		return lines
	}
	for _, pool := range p.Pools {
		if pool.Now < pool.LowerBound {
			lines = append(lines, t.say("cause.nodes", pool.Pool, t.count(int64(pool.Now)), t.count(int64(pool.LowerBound))))
		}
	}
	capped, need, allowed := 0, int32(0), span{}
	for _, tenant := range p.Tenants {
		if tenant.Before != nil && tenant.Clairvoyant > tenant.Before.MaxReplicas {
			capped++
			need = max(need, tenant.Clairvoyant)
			allowed.add(tenant.Before.MaxReplicas)
		}
	}
	if capped > 0 {
		lines = append(lines, t.say("cause.max", t.count(int64(capped)), t.count(int64(len(p.Tenants))), allowed.text(""), t.count(int64(need))))
	}
	return lines
}

// sentence ends a text with a full stop where it has no end.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?:") {
		return text
	}
	return text + "."
}

// sentences gives texts as sentences of one language.
func (t tongue) sentences(texts []scenarios.Text) []string {
	var out []string
	for _, text := range texts {
		if s := sentence(t.text(text)); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// promise words an SLO: "95 % der Anfragen in höchstens 2 s beantwortet".
func (t tongue) promise(slo *scenarios.SLO) string {
	return t.say("promise", t.share(slo.Percentile/100), t.length(slo.Within))
}

func firstBreak(v *gate.Verdict) *time.Duration {
	first, _ := firstBroken(v)
	return first
}

// firstBroken is when the first broken window begins, nil where none is broken, and how long it is.
func firstBroken(v *gate.Verdict) (*time.Duration, time.Duration) {
	var first *time.Duration
	var window time.Duration
	for _, s := range v.SLOs {
		if s.FirstBreak == nil || first != nil && *s.FirstBreak >= *first {
			continue
		}
		first, window = s.FirstBreak, s.SLO.Window
		if s.Worst != nil {
			window = s.Worst.Length // as judged, a promise without a window having the gate's own
		}
	}
	return first, window
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
