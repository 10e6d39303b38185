package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// virtual is the kind of platform that is package lab in virtual time.
const virtual = "virtual"

// worlds is how many the surge is foreseen in.
const worlds = 9

// trial is what came of one platform.
type trial struct {
	Seed    int64 `json:"seed"`
	Tenants int   `json:"tenants"`
	// Refused is why there is no model, or no prediction from it; then there are no figures.
	Refused string `json:"refused,omitempty"`
	// Foreseen is how far the prediction is from the surge; Told how far one is that rests on the platform's true figures
	// instead of a fit's; Another how far the same surge is on another day: what chance alone does, and no model can foresee.
	Foreseen gaps `json:"foreseen"`
	Told     gaps `json:"told"`
	Another  gaps `json:"another"`
	// Knee: in the surge a back end had more in service than it does best with. Shown: it had so in what the fit saw.
	// Claimed: the fit names a knee.
	Knee    bool `json:"knee"`
	Shown   bool `json:"shown"`
	Claimed bool `json:"claimed"`
	// Warnings are the codes of the fit's.
	Warnings []string `json:"warnings"`
}

// prove calibrates and rehearses the platform, fits, foresees the surge and fires it; records go below dir. alter
// changes the model before it is used; nil leaves it.
func (x *subject) prove(ctx context.Context, dir string, alter func(*fit.Model)) (trial, error) {
	out := trial{Seed: x.seed, Tenants: len(x.surge.Tenants.List)}
	records, err := x.learn(ctx, dir)
	if err != nil {
		return out, err
	}
	if out.Shown, err = x.shown(records); err != nil {
		return out, err
	}
	model, err := fit.Fit(ctx, records, fit.Options{Seed: uint64(x.seed)})
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		out.Refused = err.Error()
		return out, nil
	}
	out.learned(model)
	if alter != nil {
		alter(model)
	}
	foreseen, err := planner.Foresee(ctx, model, x.surge, x.described, worlds, uint64(x.seed))
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		out.Refused = err.Error()
		return out, nil
	}
	exact, err := planner.Foresee(ctx, nil, x.surge, x.platform, worlds, uint64(x.seed))
	if err != nil {
		return out, err
	}
	truth, err := x.run(ctx, dir, x.surge)
	if err != nil {
		return out, err
	}
	another, err := x.run(ctx, dir, x.another())
	if err != nil {
		return out, err
	}
	sync := x.platform.Autoscaling.WithDefaults().SyncPeriod.Seconds()
	out.Foreseen, out.Told, out.Another = x.foreseen(foreseen).from(truth, sync), x.foreseen(exact).from(truth, sync), another.from(truth, sync)
	out.Knee = truth.knee
	return out, nil
}

// shown says whether a back end's knee was passed in one of the records.
func (x *subject) shown(records []*record.Record) (bool, error) {
	for _, rec := range records {
		events, err := rec.Timeline()
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(events, x.pastKnee) {
			return true, nil
		}
	}
	return false, nil
}

// learned notes what the fit says of itself.
func (t *trial) learned(m *fit.Model) {
	for _, w := range m.Workloads {
		t.Claimed = t.Claimed || w.Capacity.KneeObserved
	}
	for _, b := range m.Backends {
		t.Claimed = t.Claimed || b.KneeObserved
	}
	for _, w := range m.Warnings {
		if !slices.Contains(t.Warnings, w.Code) {
			t.Warnings = append(t.Warnings, w.Code)
		}
	}
	slices.Sort(t.Warnings)
}

// learn fires what the model is fitted to: the calibration that `ansturm calibrate` fires, and the rehearsal.
func (x *subject) learn(ctx context.Context, dir string) ([]*record.Record, error) {
	proposal, err := planner.Propose(x.surge, x.described, nil, 1)
	if err != nil {
		return nil, err
	}
	var runs []firing
	for _, r := range proposal.Runs {
		e := r.Experiment
		if x.cores > 0 && x.wants(e.Scenario) > x.cores {
			continue
		}
		runs = append(runs, firing{
			name: e.Name, purpose: "calibration", scenario: e.Scenario, platform: x.enact(e.Platform), described: e.Platform,
		})
	}
	runs = append(runs, firing{name: "rehearsal", purpose: "surge", scenario: x.rehearsal, platform: x.platform, described: x.described, linger: true})
	var out []*record.Record
	for _, f := range runs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f.dir = filepath.Join(dir, f.name)
		rec, err := x.fire(ctx, f)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// run fires a surge that is held out.
func (x *subject) run(ctx context.Context, dir string, s *scenarios.Scenario) (*course, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := firing{
		name: s.Name, purpose: "verify", scenario: s, platform: x.platform, described: x.described, dir: filepath.Join(dir, s.Name), linger: true,
	}
	rec, err := x.fire(ctx, f)
	if err != nil {
		return nil, err
	}
	return x.fired(rec)
}

// truthMethod counts how often platforms or trials were made otherwise: lines of other counts say nothing of these.
const truthMethod = 2

// line is a line of testdata/proofs/truth.jsonl: some platforms of one kind.
type line struct {
	Date   string `json:"date"`
	Commit string `json:"commit"`
	Method int    `json:"method"`
	// Kind is "virtual", package lab in virtual time, or "processes", burning CPU under a real control plane.
	Kind string `json:"kind"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
	// Figures sum the trials up, by name.
	Figures map[string]figure `json:"figures"`
	// Worst is, by figure, the seed that is furthest off.
	Worst   map[string]int64 `json:"worst"`
	Trials  []trial          `json:"trials"`
	Seconds float64          `json:"seconds"`
}

// figure is how far predictions are off, in shares of the truth; of replicas and scalings it is the share that is not
// within the bound.
type figure struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	// Within is the share within the goal.
	Within float64 `json:"within"`
}

// goals are the figures and what each is held against, as docs/planner-truth.md has them.
var goals = []struct {
	name   string
	within float64
	// of gives a trial's figures.
	of func(gaps) []float64
}{
	{"cpu", 0.08, func(e gaps) []float64 { return e.CPU }},
	{"knee", 0.05, func(e gaps) []float64 {
		if e.Knee == nil {
			return nil
		}
		return []float64{*e.Knee}
	}},
	{"p99", 0.15, func(e gaps) []float64 { return e.P99 }},
	{"replicas", 0.05, func(e gaps) []float64 { return missed(e.Near, e.Seconds) }},
	{"scalings", 0, func(e gaps) []float64 { return missed(e.Met, e.Scalings) }},
}

// missed is the share that is not among them; nothing where there is none.
func missed(hit, all int) []float64 {
	if all == 0 {
		return nil
	}
	return []float64{1 - float64(hit)/float64(all)}
}

// figures sums trials up; whose says which of their errors.
func figures(trials []trial, whose func(*trial) gaps) (map[string]figure, map[string]int64) {
	out, worst := map[string]figure{}, map[string]int64{}
	for _, g := range goals {
		var all []float64
		furthest := -1.0
		for i := range trials {
			for _, v := range g.of(whose(&trials[i])) {
				all = append(all, math.Abs(v))
				if math.Abs(v) > furthest {
					furthest, worst[g.name] = math.Abs(v), trials[i].Seed
				}
			}
		}
		if len(all) > 0 {
			out[g.name] = sumUp(all, g.within)
		}
	}
	return out, worst
}

func foreseen(t *trial) gaps { return t.Foreseen }
func told(t *trial) gaps     { return t.Told }
func another(t *trial) gaps  { return t.Another }

func sumUp(all []float64, within float64) figure {
	slices.Sort(all)
	n, _ := slices.BinarySearchFunc(all, within+1e-9, cmp.Compare)
	return figure{
		N: len(all), Median: rounded(all[(len(all)-1)/2]), P95: rounded(all[(len(all)*95+99)/100-1]), Within: rounded(float64(n) / float64(len(all))),
	}
}

// say is a trial in a line for a person.
func (t *trial) say() string {
	if t.Refused != "" {
		return fmt.Sprintf("seed %d: %s", t.Seed, t.Refused)
	}
	f, _ := figures([]trial{*t}, foreseen)
	text := fmt.Sprintf("seed %d, %d tenants:", t.Seed, t.Tenants)
	for _, g := range goals {
		if x, there := f[g.name]; there {
			text += fmt.Sprintf(" %s %.1f/%.1f %%", g.name, 100*x.Median, 100*x.P95)
		}
	}
	return text
}

// pieceOf proves the platforms from..to.
func pieceOf(ctx context.Context, s settings, from, to int64, say func(string)) (line, error) {
	began := time.Now()
	l := line{Date: began.UTC().Format(time.DateOnly), Kind: s.kind.name, From: from, To: to}
	for seed := from; seed < to; seed++ {
		t, err := s.try(ctx, seed)
		if err != nil {
			return l, fmt.Errorf("seed %d: %w", seed, err)
		}
		l.Trials = append(l.Trials, t)
		say(t.say())
	}
	l.Figures, l.Worst = figures(l.Trials, foreseen)
	l.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	return l, nil
}
