package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// stormy is a small platform that carries its surge but for half a minute, and persons who reload again and again: each
// of them then asks nine times, which is more than the platform can answer, and what it answers comes too late.
func stormy(t *testing.T) *world {
	t.Helper()
	w, err := loadWorld("quick", "")
	if err != nil {
		t.Fatal(err)
	}
	s, p := w.scenario, w.platform
	s.Tenants.List = s.Tenants.List[:2]
	s.Arrivals.Total, s.Arrivals.Over = 1770, 3*time.Minute
	s.Arrivals.Curve = []scenarios.Shape{{Kind: "constant", Weight: 5}, {Kind: "gaussian", At: 25 * time.Second, Width: 5 * time.Second, Weight: 4}}
	im := s.Journeys[0].Impatience
	im.Reload, im.ComeBack, im.GiveUp, im.Most, im.After = 0.95, 0, 0.05, 8, nil
	im.Patience = scenarios.Distribution{Fixed: new(4 * time.Second)}
	s.SLOs[0].Within = 3 * time.Second
	p.Pools[0].Count, p.Pools[0].Most, p.Pools[0].Reserved = 1, 1, nil
	p.Pools[0].Capacity[corev1.ResourceCPU] = resource.MustParse("2")
	p.Workloads[0].Backlog = 256 // as servers are set by default: who is answered at its end has left long ago
	p.Workloads[0].Steps["submit"] = scenarios.Work{CPU: scenarios.Distribution{Fixed: new(60 * time.Millisecond)}, Accepts: true}
	return w
}

// fireOn fires the storm at a platform. A run in which the generator or the lab was the limit says nothing: it is fired
// again, and in the end the test is skipped with the reason.
func fireOn(t *testing.T, a *app, w *world, on *scenarios.Platform, name string) *record.Record {
	t.Helper()
	dir := t.TempDir()
	// What is judged here are failures after a patience of 4 s: a tenth of a second on the wall does not decide them.
	s := w.scenario.Clone()
	s.SLOs[0].Within = 10 * time.Second
	var why []scenarios.Text
	for range tries {
		rec, err := a.fire(t.Context(), a.progress(), firing{
			scenario: s, platform: on, speed: topSpeed, purpose: "surge", dir: freshDir(filepath.Join(dir, name)), title: name,
		})
		if err != nil {
			t.Fatal(err)
		}
		if rec.Run.Validity.Valid {
			return rec
		}
		why = rec.Run.Validity.Reasons
		t.Logf("%s says nothing, fired again: %q", name, why)
	}
	t.Skipf("%s: this machine is too busy to fire it: %q", name, why)
	return nil
}

// failing is the share of the shots due between two moments that failed.
func failing(t *testing.T, rec *record.Record, from, to time.Duration) float64 {
	t.Helper()
	windows, err := rec.Windows(func(k record.Key, _ time.Duration) bool { return k.Measure == record.Response && k.Tenant == "" })
	if err != nil {
		t.Fatal(err)
	}
	all, failed := 0.0, 0.0
	for _, w := range windows {
		if w.Start < from || w.Start >= to {
			continue
		}
		all += float64(w.Histogram.Count())
		if w.Outcome != record.OK {
			failed += float64(w.Histogram.Count())
		}
	}
	if all == 0 {
		t.Fatalf("no shot is due between %v and %v", from, to)
	}
	return failed / all
}

// The second story, fired: a retry storm keeps the platform down long after the surge, until a waiting room is put up with
// the rate that the plan names for that. With the rate that it recommends from the start the same platform serves
// everybody, and there is no storm.
func TestRetryStormFiredAndEndedByTheRecommendedRate(t *testing.T) {
	if testing.Short() {
		t.Skip("fires for 40 seconds")
	}
	program := os.Args[0]
	os.Args[0] = "ansturm" // the lab is this binary under that name
	defer func() { os.Args[0] = program }()
	w, a := stormy(t), &app{stderr: t.Output(), quiet: true}
	plan, err := planner.Search(t.Context(), nil, w.scenario, w.platform, planner.Options{Delta: 0.05, Worlds: 64, LoseNodes: new(0)})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Admission == nil || plan.Admission.Recovery <= 0 {
		t.Fatalf("mendable %v, limit %+v: the waiting room is %+v, want one with a rate to recover", plan.Mendable, plan.LimitBy, plan.Admission)
	}
	t.Log(plan.Admission.Says["en"])
	const calm, put, end = 45 * time.Second, 100 * time.Second, 3 * time.Minute // the surge is over by 40 s
	late := *plan.Platform
	late.Admission = &scenarios.Admission{Rate: plan.Admission.Recovery, From: put}
	storm := fireOn(t, a, w, &late, "storm")
	down, ended := failing(t, storm, calm, put), failing(t, storm, end-20*time.Second, end)
	if down < 0.5 {
		t.Errorf("without a waiting room %.3f of the shots fail after the surge: no storm", down)
	}
	if ended > 0.05 {
		t.Errorf("the waiting room is put up at %v, and at the end %.3f of the shots fail still", put, ended)
	}
	kept := fireOn(t, a, w, plan.Platform, "kept")
	failed := failing(t, kept, 0, end)
	if failed > 0.05 {
		t.Errorf("behind the waiting room %.3f of the shots fail", failed)
	}
	account, err := kept.Account()
	if err != nil {
		t.Fatal(err)
	}
	d := account.Door
	if len(account.Problems) > 0 || d == nil || d.Waited == 0 || d.LetIn < account.Ledger.Total {
		t.Fatalf("problems %q, waiting room %+v, ledger %+v", account.Problems, d, account.Ledger)
	}
	if l := account.Ledger; float64(l.Completed) < 0.98*float64(l.Total) {
		t.Errorf("%d of %d persons got through", l.Completed, l.Total)
	}
	compared, err := planner.Compare(plan, kept)
	if err != nil {
		t.Fatal(err)
	}
	wait := compared[len(compared)-1]
	if wait.Unit != "s" || wait.Measured < 0.7*wait.Predicted || wait.Measured > 1.3*wait.Predicted+2 {
		t.Errorf("%s: predicted %.1f s, measured %.1f s", wait.Figure["en"], wait.Predicted, wait.Measured)
	}
	t.Logf("after the surge %.3f fail; with %.3g/s put up at %v %.4f at the end; with %.3g/s from the start %.4f, %d waited, longest %v (planned %.0f s)",
		down, plan.Admission.Recovery, put, ended, plan.Admission.Rate, failed, d.Waited, d.Longest, plan.Admission.Longest.Value)
}
