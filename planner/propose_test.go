package planner

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// mustPropose proposes, and checks what holds of every proposal: its runs can be fired, each is fired for something, and
// everything that is needed is either settled or said to stay open.
func mustPropose(t *testing.T, sc *scenarios.Scenario, pf *scenarios.Platform, model *fit.Model, speed float64) *Proposal {
	t.Helper()
	p, err := Propose(sc, pf, model, speed)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Runs {
		if err := r.Experiment.Scenario.Validate(); err != nil {
			t.Errorf("%s: scenario: %v", r.Name, err)
		}
		if err := r.Experiment.Platform.Validate(); err != nil {
			t.Errorf("%s: platform: %v", r.Name, err)
		}
		if r.Name != r.Experiment.Scenario.Name || len(r.Settles) == 0 || r.Why["de"] == "" || r.Why["en"] == "" || r.Lasts <= 0 || r.Wall != time.Duration(float64(r.Lasts)/speed) {
			t.Errorf("%s: %+v", r.Name, r)
		}
		rates, _, err := r.Experiment.rates()
		if err != nil {
			t.Fatal(err)
		}
		if most := summed(rates); most > 1.01*generatorRate/speed {
			t.Errorf("%s asks for %.0f shots/s at %g times life's speed", r.Name, most, speed)
		}
		if load := r.behind(t); (load > 1) != (r.Name == fit.RunBackends) || r.Name != fit.RunBackends && load > calm+0.01 {
			t.Errorf("%s asks for %.2f of what the shared back ends do at best", r.Name, load)
		}
	}
	for _, need := range fit.Needed(pf) {
		settled := slices.ContainsFunc(p.Runs, func(r ProposedRun) bool {
			return slices.ContainsFunc(r.Settles, func(s fit.Parameter) bool { return same(&s, &need) })
		})
		i := slices.IndexFunc(p.Left, func(l fit.Parameter) bool { return same(&l, &need) })
		if model == nil && settled == (i >= 0) {
			t.Errorf("%s %s %s: settled %v, left %v", need.Kind, need.Workload, need.Of, settled, i >= 0)
		}
		if i >= 0 && (p.Left[i].Why["de"] == "" || p.Left[i].Why["en"] == "") {
			t.Errorf("%s %s is left open without a reason", need.Kind, need.Of)
		}
	}
	return p
}

// behind is what a run asks of the shared back ends at its highest level, as a share of what they do at best.
func (r *ProposedRun) behind(t *testing.T) float64 {
	t.Helper()
	p, err := paramsOf(r.Experiment.Scenario, r.Experiment.Platform, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, peak := mustPeak(r.Experiment.Scenario)
	return peak / carried(p, perPerson(p, r.Experiment.Scenario))
}

func runNames(p *Proposal) []string {
	var out []string
	for _, r := range p.Runs {
		out = append(out, r.Name)
	}
	return out
}

func TestWhatIsProposed(t *testing.T) {
	for name, want := range map[string][]string{
		"briefwahl":      {fit.RunRare, fit.RunCommon, fit.RunKnee, fit.RunStarts},
		"briefwahl-2020": {fit.RunRare, fit.RunCommon, fit.RunStarts, fit.RunBackends}, // which are at their limit before its pods
	} {
		sc, pf := shipped(t, name)
		p := mustPropose(t, sc, pf, nil, 1)
		if got := runNames(p); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if least := p.Least(); !slices.Equal(least, want[:len(want)-2]) {
			t.Errorf("%s: least %v", name, least)
		}
	}
	sc, pf := shipped(t, "briefwahl")
	p := mustPropose(t, sc, pf, nil, 10)
	if c := p.Condition["antrag"]; c > fit.Harmful {
		t.Errorf("condition of the mixes %g", c)
	}
	if err := p.Keep([]string{"nonsense"}); err == nil {
		t.Error("a run that is not proposed was kept")
	}
	left := len(p.Left)
	if err := p.Keep(p.Least()); err != nil || len(p.Runs) != 2 || len(p.Left) <= left {
		t.Errorf("kept %v, left %d of before %d, %v", runNames(p), len(p.Left), left, err)
	}
}

// The mixes have fixed replicas, are short, and leave the scenario they are made of as it is.
func TestMixesAreStillAndMixed(t *testing.T) {
	sc, pf := shipped(t, "briefwahl")
	p := mustPropose(t, sc, pf, nil, 10)
	for i, share := range []float64{rare, common} {
		e := p.Runs[i].Experiment
		if got := *e.Scenario.Journeys[0].Steps[0].Share; got != share {
			t.Errorf("%s: the form's share is %v, want %v", e.Name, got, share)
		}
		for _, w := range e.Platform.Workloads {
			if w.HPA != nil || w.Replicas < 1 {
				t.Errorf("%s: replicas %d with an autoscaler %v", e.Name, w.Replicas, w.HPA)
			}
		}
		if e.Scenario.Arrivals.Over > 2*time.Minute || *sc.Journeys[0].Steps[0].Share != 0.15 {
			t.Errorf("%s lasts %s; the scenario's own share is now %v", e.Name, e.Scenario.Arrivals.Over, *sc.Journeys[0].Steps[0].Share)
		}
	}
}

// Steps that are optional each for itself take a mix more each.
func TestMixesAreAsManyAsItTakes(t *testing.T) {
	sc, pf := shipped(t, "briefwahl")
	half := 0.5
	steps := sc.Journeys[0].Steps
	for _, name := range []string{"help", "upload"} {
		more := steps[0]
		more.Name, more.Share = name, &half
		sc.Journeys[0].Steps = append([]scenarios.Step{more}, sc.Journeys[0].Steps...)
		for i := range pf.Workloads {
			pf.Workloads[i].Steps[name] = pf.Workloads[i].Steps["form"]
		}
	}
	p := mustPropose(t, sc, pf, nil, 1)
	mixes := 0
	for _, r := range p.Runs {
		if slices.ContainsFunc(r.Settles, func(s fit.Parameter) bool { return s.Kind == fit.KindDemand }) {
			mixes++
		}
	}
	if c := p.Condition["antrag"]; mixes != 4 || c > fit.Harmful {
		t.Errorf("%d mixes for four steps, condition %.1f", mixes, c)
	}
}

// What a model knows is not proposed again.
func TestWhatIsKnownIsNotProposed(t *testing.T) {
	sc, pf := shipped(t, "quick")
	needed := fit.Needed(pf)
	rapid.Check(t, func(rt *rapid.T) {
		model := &fit.Model{Parameters: slices.Clone(needed)}
		for i := range model.Parameters {
			if rapid.Bool().Draw(rt, model.Parameters[i].Kind) {
				model.Parameters[i].Status = fit.Known
			}
		}
		p, err := Propose(sc, pf, model, 10)
		if err != nil {
			rt.Fatal(err)
		}
		for _, r := range p.Runs {
			for _, s := range r.Settles {
				if !s.Open() {
					rt.Fatalf("%s is fired for %s, which is known", r.Name, s.Kind)
				}
			}
			if len(r.Settles) == 0 {
				rt.Fatalf("%s is fired for nothing", r.Name)
			}
		}
		if open := slices.ContainsFunc(model.Parameters, func(q fit.Parameter) bool { return q.Kind == fit.KindDemand && q.Open() }); open != slices.Contains(runNames(p), fit.RunCommon) {
			rt.Fatalf("demand open %v, proposed %v", open, runNames(p))
		}
	})
	for i := range needed {
		needed[i].Status = fit.Known
	}
	if p := mustPropose(t, sc, pf, &fit.Model{Parameters: needed}, 1); len(p.Runs) != 0 || len(p.Left) != 0 {
		t.Errorf("all is known, proposed %v, left %v", runNames(p), p.Left)
	}
}

// A run that was fired and did not show what it was to show is not proposed again.
func TestWhatARunDidNotShowIsNotProposedAgain(t *testing.T) {
	sc, pf := shipped(t, "quick")
	model := &fit.Model{Parameters: fit.Needed(pf), Runs: []fit.Source{{Dir: "runs/" + fit.RunKnee}}}
	p := mustPropose(t, sc, pf, model, 5)
	if slices.Contains(runNames(p), fit.RunKnee) || !slices.ContainsFunc(p.Left, func(l fit.Parameter) bool {
		return l.Kind == fit.KindKnee && strings.Contains(l.Why["en"], "did not show it")
	}) {
		t.Errorf("proposed %v, left %v", runNames(p), p.Left)
	}
}

// beside adds a workload that shares the nodes with the first, each promised more than it requested.
func beside(t *testing.T, sc *scenarios.Scenario, pf *scenarios.Platform, limit string) {
	t.Helper()
	w := &pf.Workloads[0]
	w.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(limit), corev1.ResourceMemory: resource.MustParse("512Mi")}
	other := *w
	other.Name, other.Tenants = "other", nil
	for i, tenant := range sc.Tenants.List {
		if i%3 == 0 {
			other.Tenants = append(other.Tenants, tenant.Name)
		}
	}
	pf.Workloads = append(pf.Workloads, other)
}

func TestALoudNeighbourIsProposedWhereItCouldTakeFromOthers(t *testing.T) {
	sc, pf := shipped(t, "briefwahl")
	beside(t, sc, pf, "500m")
	if p := mustPropose(t, sc, pf, nil, 10); slices.Contains(runNames(p), fit.RunLoud) {
		t.Error("nobody can use more than was requested, and yet a loud neighbour is proposed")
	}
	sc, pf = shipped(t, "briefwahl")
	beside(t, sc, pf, "1")
	p := mustPropose(t, sc, pf, nil, 10)
	at := slices.Index(runNames(p), fit.RunLoud)
	if at < 0 {
		t.Fatalf("proposed %v", runNames(p))
	}
	quiet, loud := p.Runs[0].Experiment, p.Runs[at].Experiment
	pressure := func(e Experiment) float64 { // persons a second of the loud workload's tenants, on a node
		_, peak := mustPeak(e.Scenario)
		of := servers(e.Platform)
		var ours, sum float64
		for _, tenant := range e.Scenario.Tenants.List {
			sum += weightOf(tenant.Weight)
			if of(tenant.Name).Name == "antrag" {
				ours += weightOf(tenant.Weight)
			}
		}
		return peak * ours / sum / float64(len(e.Platform.Nodes()))
	}
	if ratio := pressure(loud) / pressure(quiet); ratio < 1.5 {
		t.Errorf("the loud neighbour presses %.2f times as much as in the first run", ratio)
	}
}

// A back end whose limit the surge comes near is taken past it in one run alone, where the generator can.
func TestBackEndsAreTakenToTheirLimitWhereTheSurgeComesNear(t *testing.T) {
	sc, pf := shipped(t, "briefwahl")
	curve, err := sc.Curve()
	if err != nil {
		t.Fatal(err)
	}
	_, peak := curve.Peak()
	pf.Backends[0] = scenarios.Backend{Name: "meldung", Cores: 0.9 * peak * 0.008}
	status := func(speed float64) (settled bool) {
		p := mustPropose(t, sc, pf, nil, speed)
		return !slices.ContainsFunc(p.Left, func(l fit.Parameter) bool { return l.Kind == fit.KindBackend })
	}
	if !status(1) || status(10) { // at ten times life's speed the generator's 5,500/s are 550/s
		t.Errorf("settled at life's speed %v, at ten times %v", status(1), status(10))
	}
}

// Where one workload of two uses a back end, a person asks of it what the tenants' mean is, and in a run with other tenants
// what theirs is: what mustPropose holds of every run holds here too, and the run for the back end goes past the true limit.
func TestABackEndThatOneWorkloadOfTwoUses(t *testing.T) {
	for user := range 2 {
		sc, pf := shipped(t, "briefwahl")
		beside(t, sc, pf, "1")
		ours, sum := 0.0, 0.0 // weights: of those who use the back end, and of all
		for _, tenant := range sc.Tenants.List {
			sum += weightOf(tenant.Weight)
			if slices.Contains(pf.Workloads[1].Tenants, tenant.Name) == (user == 1) {
				ours += weightOf(tenant.Weight)
			}
		}
		spared := &pf.Workloads[1-user]
		spared.Steps = maps.Clone(spared.Steps)
		submit := spared.Steps["submit"]
		submit.Backends = nil
		spared.Steps["submit"] = submit
		_, peak := mustPeak(sc)
		for _, limit := range []float64{0.9, 1.1, 1.7} { // of the surge's peak
			pf.Backends[0] = scenarios.Backend{Name: "meldung", Cores: limit * peak * 0.008 * ours / sum}
			p := mustPropose(t, sc, pf, nil, 1)
			at := slices.Index(runNames(p), fit.RunBackends)
			if at < 0 {
				t.Fatalf("user %d, limit %g: proposed %v", user, limit, runNames(p))
			}
			if !slices.Contains(runNames(p), fit.RunLoud) {
				t.Errorf("user %d, limit %g: proposed %v", user, limit, runNames(p))
			}
			if _, got := mustPeak(p.Runs[at].Experiment.Scenario); got < 1.19*limit*peak || got > 1.21*limit*peak {
				t.Errorf("user %d, limit %g: fired at %.2f times the limit", user, limit, got/limit/peak)
			}
		}
	}
}

// In virtual time the run that is to start pods starts them, and the run for the knee is past the pods' limit and still
// answers most.
func TestStartsStartAndTheKneeIsPassed(t *testing.T) {
	sc, pf := shipped(t, "quick")
	p := mustPropose(t, sc, pf, nil, 5)
	for _, r := range p.Runs {
		sc := *r.Experiment.Scenario
		sc.SLOs = []scenarios.SLO{{Name: "any", Percentile: 50, Within: time.Minute, Errors: 0.99}}
		s, err := Simulate(context.Background(), &sc, r.Experiment.Platform, nil, Options{})
		if err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		ready, first := s.Prediction.Ready, s.Prediction.Ready[0]
		most := slices.Max(ready)
		switch r.Name {
		case fit.RunStarts:
			if most < first+leastStarts {
				t.Errorf("%s: from %g to %g pods", r.Name, first, most)
			}
		default:
			if most != first {
				t.Errorf("%s: from %g to %g pods", r.Name, first, most)
			}
		}
		offered, served := summed(s.Prediction.Offered), summed(s.Prediction.Served)
		if served < 0.8*offered {
			t.Errorf("%s: %.0f%% served", r.Name, 100*served/offered)
		}
	}
}

// What a plan says of a parameter is what calibrate would propose for that surge.
func TestAPlanNamesTheRunsThatWouldSettleWhatIsOpen(t *testing.T) {
	sc, pf := shipped(t, "briefwahl")
	model := &fit.Model{Parameters: fit.Needed(pf)}
	model.Warnings = append(model.Warnings, record.Warning{Code: fit.CodeOpen})
	if err := settling(model, sc, pf, 10); err != nil {
		t.Fatal(err)
	}
	for _, p := range model.Parameters {
		switch p.Kind {
		case fit.KindBackend:
			if !p.Needless || p.Settles != "" || p.Why["en"] == "" {
				t.Errorf("the surge is far from its limit: %+v", p)
			}
		case fit.KindDelay:
			if p.Settles != fit.RunStarts || p.Needless {
				t.Errorf("%+v", p)
			}
		}
	}
	if len(model.Warnings) != 1 || !strings.Contains(model.Warnings[0].Text["en"], fit.RunKnee) || strings.Contains(model.Warnings[0].Text["en"], "meldung") {
		t.Errorf("warnings %v", model.Warnings)
	}
}
