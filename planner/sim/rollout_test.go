package sim

import (
	"context"
	"math"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/planner/hpa"
)

func update(surge, unavailable string) *appsv1.RollingUpdateDeployment {
	most, least := intstr.Parse(surge), intstr.Parse(unavailable)
	return &appsv1.RollingUpdateDeployment{MaxSurge: &most, MaxUnavailable: &least}
}

func TestFences(t *testing.T) {
	for _, c := range []struct {
		update                       *appsv1.RollingUpdateDeployment
		replicas, surge, unavailable int
	}{
		{nil, 10, 3, 2}, // 25 %: up to 3, down to 2
		{&appsv1.RollingUpdateDeployment{}, 4, 1, 1},
		{update("1", "0"), 10, 1, 0},
		{update("0", "1%"), 10, 0, 1}, // both come to 0: one may be missing
		{update("0%", "50%"), 1, 0, 1},
		{update("2", "5"), 3, 2, 3}, // no more than there are
		{nil, 0, 0, 0},
	} {
		surge, unavailable, err := fences(c.update, c.replicas)
		if surge != c.surge || unavailable != c.unavailable || err != nil {
			t.Errorf("%v of %d: %d and %d, %v; want %d and %d", c.update, c.replicas, surge, unavailable, err, c.surge, c.unavailable)
		}
	}
}

// The examples of Kubernetes' documentation and source: 10 replicas, maxSurge 3, maxUnavailable 2.
func TestStepsOfARollout(t *testing.T) {
	for _, c := range []struct {
		name                 string
		from                 sets
		replicas             int
		oldReady, freshReady int
		want                 sets
	}{
		{"it begins with the surge", sets{10, 0}, 10, 10, 0, sets{10, 3}},
		{"then the old give way", sets{10, 3}, 10, 10, 0, sets{8, 3}},
		{"and the new fill up", sets{8, 3}, 10, 8, 0, sets{8, 5}},
		{"until none is ready", sets{8, 5}, 10, 8, 0, sets{8, 5}},
		{"one that never gets ready stops it", sets{8, 5}, 10, 7, 0, sets{8, 5}},
		{"three are ready", sets{8, 5}, 10, 8, 3, sets{5, 5}},
		{"an old one that is not ready goes first", sets{8, 5}, 10, 6, 1, sets{7, 5}},
		{"all are", sets{3, 10}, 10, 3, 10, sets{0, 10}},
		{"nothing is left to do", sets{0, 10}, 10, 0, 10, sets{0, 10}},
		{"fewer are wanted", sets{2, 8}, 6, 2, 6, sets{2, 6}},
		{"rolled back to none", sets{3, 2}, 0, 3, 2, sets{3, 0}},
	} {
		got, changed := c.from.step(c.replicas, 3, min(2, c.replicas), c.oldReady, c.freshReady)
		if got != c.want || changed != (got != c.from) {
			t.Errorf("%s: %v → %v, want %v", c.name, c.from, got, c.want)
		}
	}
}

func TestScalingDuringARollout(t *testing.T) {
	for _, c := range []struct {
		name                    string
		from                    sets
		replicas, before, after int
		want                    sets
	}{
		{"the documentation's: 10 to 15 with 3 more", sets{8, 5}, 15, 13, 18, sets{11, 7}},
		{"down again", sets{11, 7}, 10, 18, 13, sets{8, 5}},
		{"as much to both, newer first", sets{5, 5}, 11, 10, 11, sets{5, 6}},
		{"older first on the way down", sets{5, 5}, 9, 10, 9, sets{4, 5}},
		{"what is left over goes to the larger", sets{4, 3}, 9, 7, 9, sets{5, 4}},
		{"only old ones", sets{10, 0}, 15, 13, 18, sets{15, 0}},
		{"only new ones", sets{0, 10}, 15, 10, 15, sets{0, 15}},
		{"to none", sets{8, 5}, 0, 13, 0, sets{0, 0}},
	} {
		if got := c.from.scaled(c.replicas, c.before, c.after); got != c.want {
			t.Errorf("%s: %v → %v, want %v", c.name, c.from, got, c.want)
		}
	}
}

// rolling is ten idle pods that take 7 s from scheduled to ready (start 2 s, ready 5 s; no pull), rolled out at 20 s.
func rolling(u *appsv1.RollingUpdateDeployment) *Params {
	p := small(0.001, 120, 10)
	p.Workloads[0].Pull = fixed(0)
	p.Control.SchedulingDelay, p.Control.EndpointDelay = 0, 0
	p.Rollouts = []Rollout{{At: 20, Workload: 0, Update: u}}
	return p
}

// follow runs second by second and counts the pods: all, those ready, and the old ones.
func follow(t *testing.T, p *Params, w World, each func(r *Runner, sec, all, ready, old int)) {
	t.Helper()
	r := &Runner{thorough: true}
	if err := r.reset(p, w); err != nil {
		t.Fatal(err)
	}
	for sec := range int(p.Length) {
		r.control(sec)
		r.serve(sec)
		ready, old := 0, 0
		for _, id := range r.tenants[0].pods {
			if r.pods[id].ready <= float64(sec) {
				ready++
			}
			if r.pods[id].old {
				old++
			}
		}
		each(r, sec, len(r.tenants[0].pods), ready, old)
	}
}

// A rollout takes as many rounds of the 7 s that a pod takes as its strategy gives: with a surge of 1 and none missing each
// of ten pods its own; with 25 % two, for five new pods come at once (three more, two for those that may be missing) and
// the other five when these are ready; with all at once one. An old pod goes in the second in which a new one is ready.
func TestRolloutTakesItsRounds(t *testing.T) {
	for name, c := range map[string]struct {
		update *appsv1.RollingUpdateDeployment
		rounds int
		most   int // pods
		least  int // ready ones
	}{
		"one more":       {update("1", "0"), 10, 11, 10},
		"one fewer":      {update("0", "1"), 10, 10, 9},
		"25 %":           {nil, 2, 13, 8},
		"all at once":    {update("100%", "0"), 1, 20, 10},
		"none need stay": {update("0", "100%"), 1, 10, 0},
	} {
		ended, most, least := 0, 0, math.MaxInt
		follow(t, rolling(c.update), World{Seed: 1}, func(r *Runner, sec, all, ready, old int) {
			most, least = max(most, all), min(least, ready)
			if sec >= 20 && ended == 0 && old == 0 && ready == 10 {
				ended = sec
			}
			if sec < 20 && old != 0 {
				t.Errorf("%s: %d old pods at %d s, before the rollout", name, old, sec)
			}
		})
		if want := 20 + 7*c.rounds; ended != want {
			t.Errorf("%s: ended at %d s, want %d", name, ended, want)
		}
		if most != c.most || least != c.least {
			t.Errorf("%s: at most %d pods, at least %d ready; want %d and %d", name, most, least, c.most, c.least)
		}
	}
}

// The pods of a rollout pull an image of their own, once a node.
func TestRolloutPullsItsImage(t *testing.T) {
	p := rolling(update("100%", "0"))
	p.Workloads[0].Pull = fixed(8)
	follow(t, p, World{Seed: 1}, func(r *Runner, sec, all, ready, old int) {
		if sec == 34 && (old != 10 || ready != 10) || sec == 35 && (old != 0 || ready != 10) {
			t.Errorf("at %d s %d old pods, %d ready; the new ones are ready 8 + 7 s after 20 s", sec, old, ready)
		}
	})
}

// The autoscaler finds pods by their selector: those of both generations are its input, and spec.replicas its count.
func TestSurgePodsAreTheAutoscalersToo(t *testing.T) {
	p := rolling(update("3", "0"))
	p.Workloads[0].HPA = scaling(60, 10, 12)
	follow(t, p, World{Seed: 1}, func(r *Runner, sec, all, ready, old int) {
		r.see(0, float64(sec))
		in := &r.input
		classes := map[hpa.Readiness]int{}
		for i := range in.Pods {
			classes[in.Pods[i].Ready]++
		}
		if in.SpecReplicas != 10 || int(in.StatusReplicas) != all || len(in.Pods) != all || classes[hpa.Ready] != ready {
			t.Errorf("at %d s it sees %d of %d pods, %v, with %d in the spec; there are %d, %d ready", sec, len(in.Pods), in.StatusReplicas, classes, in.SpecReplicas, all, ready)
		}
	})
}

// Rolling pods at their target ask for no more: what the surge pods take from the others is counted for them. Pods that are
// twice as dear while they warm up do (kubernetes#72775), and it is gone once they are warm and the window is over.
func TestWarmingSurgePodsInflate(t *testing.T) {
	most := func(factor float64) (most int) {
		p := small(15, 900, 10) // 15/s × 0.15 s = 2.25 cores of 5: 45 % of 45 %
		p.Workloads[0].Pull, p.Workloads[0].WarmFor, p.Workloads[0].WarmFactor = fixed(0), 60, factor
		p.Workloads[0].HPA = scaling(45, 10, 30)
		p.Rollouts = []Rollout{{At: 300, Workload: 0, Update: update("50%", "0")}}
		follow(t, p, World{Seed: 1}, func(r *Runner, sec, all, ready, old int) {
			most = max(most, r.tenants[0].desired)
		})
		return most
	}
	if calm, warm := most(1), most(2.5); calm > 12 || warm < calm+3 {
		t.Errorf("at most %d replicas with warm pods, %d with cold ones", calm, warm)
	}
}

// Whatever happens during a rollout (another one, an autoscaler, a node that is lost), it ends: all pods are of the new
// generation, as many as the Deployment wants, and ready; and never are there more than replicas and surge, nor, as long
// as nobody scales and no node is lost, fewer ready than may be missing.
func TestRolloutsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := small(rapid.Float64Range(1, 20).Draw(t, "rate"), 900, rapid.IntRange(1, 12).Draw(t, "pods"))
		share := func(name string) string {
			return rapid.SampledFrom([]string{"0", "1", "3", "25%", "100%"}).Draw(t, name)
		}
		p.Rollouts = []Rollout{{At: 100, Update: update(share("surge"), share("unavailable"))}}
		if rapid.Bool().Draw(t, "twice") {
			p.Rollouts = append(p.Rollouts, Rollout{At: rapid.Float64Range(100, 200).Draw(t, "again"), Update: p.Rollouts[0].Update})
		}
		scaled := rapid.Bool().Draw(t, "scaled")
		if scaled {
			p.Workloads[0].HPA = scaling(50, 1, 14)
		}
		w := World{Seed: rapid.Uint64().Draw(t, "seed"), Lost: rapid.IntRange(0, 2).Draw(t, "lost"), At: rapid.Float64Range(90, 150).Draw(t, "at")}
		r := &Runner{}
		if err := r.reset(p, w); err != nil {
			t.Fatal(err)
		}
		tenant := &r.tenants[0]
		for sec := range int(p.Length) {
			r.control(sec)
			r.serve(sec)
			surge, unavailable, _ := fences(p.Rollouts[0].Update, tenant.desired)
			ready := 0
			for _, id := range tenant.pods {
				if r.pods[id].ready <= float64(sec) {
					ready++
				}
			}
			if scaled {
				continue
			}
			if len(tenant.pods) > tenant.desired+surge {
				t.Fatalf("%d pods at %d s, with %d replicas and %d more", len(tenant.pods), sec, tenant.desired, surge)
			}
			if w.Lost == 0 && ready < tenant.desired-unavailable {
				t.Fatalf("%d ready at %d s, with %d replicas and %d that may be missing", ready, sec, tenant.desired, unavailable)
			}
		}
		if tenant.rolling != nil || len(tenant.pods) != tenant.desired || tenant.sets != (sets{fresh: tenant.desired}) {
			t.Fatalf("not ended: %+v, %d pods, %d wanted", tenant.sets, len(tenant.pods), tenant.desired)
		}
		for _, id := range tenant.pods {
			if r.pods[id].old || r.pods[id].dead {
				t.Fatalf("a pod of the old generation or a lost node is left: %+v", r.pods[id])
			}
		}
	})
}

// A node's loss in a rollout: the old pods on it are made anew from the old template, and go in their turn.
func TestNodeLossDuringARollout(t *testing.T) {
	p := rolling(update("1", "0"))
	p.Control.LossDetection = 5
	made := 0
	follow(t, p, World{Seed: 1, Lost: 1, At: 22}, func(r *Runner, sec, all, ready, old int) {
		switch sec {
		case 21, 26:
			made = old
		case 27: // found: the dead pods are replaced at once, generation by generation
			if old != made || all != 11 || ready >= 10 {
				t.Errorf("%d old pods after the loss was found, %d before; %d in all, %d ready", old, made, all, ready)
			}
		case 119:
			if old != 0 || all != 10 || ready != 10 {
				t.Errorf("at the end %d pods, %d ready, %d old", all, ready, old)
			}
		}
	})
}

func TestBadRolloutsAreErrors(t *testing.T) {
	for name, rollouts := range map[string][]Rollout{
		"no workload":  {{Workload: 1}},
		"before":       {{At: -1}},
		"no number":    {{At: math.NaN()}},
		"out of order": {{At: 2}, {At: 1}},
		"no share":     {{Update: update("much", "0")}},
		"negative":     {{Update: update("-1", "0")}},
	} {
		p := small(1, 60, 1)
		p.Rollouts = rollouts
		if _, err := Run(context.Background(), p, World{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
