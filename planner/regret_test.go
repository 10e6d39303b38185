package planner

import (
	"flag"
	"testing"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// The flags of make plan-regret: a range of seeds.
var (
	regretFrom = flag.Int64("regret.from", -1, "first seed; -1: all that the proofs do not have yet")
	regretTo   = flag.Int64("regret.to", 0, "the seed after the last; -1: the proof's own goal; 0: no proof")
)

const (
	regretGoal  = 1000
	regretPiece = 20
	regretProof = "../testdata/proofs/regret.jsonl"
	mostNodes   = 8
)

// regretLine is a line of proof: plans for some small fleets beside the optimum of everything tried.
type regretLine struct {
	Date   string `json:"date"`
	Commit string `json:"commit"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	// Fleets in whose space something holds; the others (Outside) say nothing.
	Fleets  int `json:"fleets"`
	Outside int `json:"outside"`
	// Gap counts fleets by how many nodes more the plan has than the optimum: 0, 1, more. Fewer: the plan's settings are
	// outside of the space tried.
	Gap   [3]int `json:"gap"`
	Fewer int    `json:"fewer"`
	// Unplanned fleets were said to be past mending, Unheld plans do not hold in the search's own worlds, and Wrong bounds
	// are above the optimum: none may be.
	Unplanned int `json:"unplanned"`
	Unheld    int `json:"unheld"`
	Wrong     int `json:"wrong"`
	// Regret is by how much the plan's replica-hours are above the optimum's on as many nodes, the mean and the most of the
	// fleets; Above counts those above 2 %, Cheaper those below 0.
	Regret  float64 `json:"regret"`
	Most    float64 `json:"most"`
	Above   int     `json:"above"`
	Cheaper int     `json:"cheaper"`
	// Tight counts bounds that are the optimum.
	Tight int `json:"tight"`
	// Fresh counts plans tried in worlds that their search had not seen, Risky those that break in a larger share of them than
	// was asked for; Risk is the largest share.
	Fresh   int     `json:"fresh"`
	Risky   int     `json:"risky"`
	Risk    float64 `json:"risk"`
	Seconds float64 `json:"seconds"`
}

// add counts one fleet in.
func (l *regretLine) add(t testing.TB, seed int64, c compared) {
	if !c.found {
		l.Outside++
		return
	}
	l.Fleets++
	l.Fresh++
	l.Risk = max(l.Risk, c.risk)
	if c.risk > c.delta {
		l.Risky++
		t.Logf("seed %d: breaks in %.1f %% of fresh worlds", seed, 100*c.risk)
	}
	if c.bound > c.best.nodes {
		l.Wrong++
		t.Errorf("seed %d: bound %d nodes, but %+v holds: the proof is wrong", seed, c.bound, c.best)
	}
	if c.bound == c.best.nodes {
		l.Tight++
	}
	switch {
	case !c.mendable:
		l.Unplanned++
		t.Errorf("seed %d: no plan, but %+v holds", seed, c.best)
		return
	case !c.plan.holds:
		l.Unheld++
		t.Errorf("seed %d: %+v does not hold in its own worlds", seed, c.plan)
		return
	case c.plan.nodes < c.best.nodes:
		l.Fewer++
		return
	}
	l.Gap[min(2, c.plan.nodes-c.best.nodes)]++
	if c.plan.nodes > c.best.nodes {
		t.Logf("seed %d: %d nodes more than %+v", seed, c.plan.nodes-c.best.nodes, c.best)
		return
	}
	regret := c.plan.hours/c.best.hours - 1
	l.Regret += max(0, regret)
	l.Most = max(l.Most, regret)
	if regret > 0.02 {
		l.Above++
		t.Logf("seed %d: %.1f %% dearer than %+v", seed, 100*regret, c.best)
	}
	if regret < -1e-6 {
		l.Cheaper++
	}
}

func regretOf(t testing.TB, from, to int64) regretLine {
	began := time.Now()
	l := regretLine{Date: began.UTC().Format(time.DateOnly), Commit: proofs.Commit(), From: from, To: to}
	for seed := from; seed < to; seed++ {
		l.add(t, seed, compareWithBest(t, smallFleet(t, seed), mostNodes))
	}
	l.Regret /= float64(max(1, l.Gap[0]))
	l.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	return l
}

// TestPlanRegret goes through fleets piece by piece and appends a line of proof for each.
func TestPlanRegret(t *testing.T) {
	if *regretTo == 0 {
		t.Skip("make plan-regret")
	}
	lines, err := proofs.Read[regretLine](regretProof)
	if err != nil {
		t.Fatal(err)
	}
	var done []proofs.Span
	for _, l := range lines {
		done = append(done, proofs.Span{From: l.From, To: l.To})
	}
	for from, to := range proofs.Pieces(*regretFrom, *regretTo, regretGoal, regretPiece, done) {
		l := regretOf(t, from, to)
		if err := proofs.Append(regretProof, l); err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", l)
	}
}

// Some fleets every time, those with one tenant, which cost little.
func TestPlanIsNotFarFromTheBest(t *testing.T) {
	var l regretLine
	for seed := int64(0); l.Fleets < 6; seed++ {
		if f := smallFleet(t, seed); len(f.sc.Tenants.List) == 1 {
			l.add(t, seed, compareWithBest(t, f, mostNodes))
		}
	}
	if l.Gap[1] > 1 || l.Gap[2] > 0 || l.Most > 0.1 || l.Risky > 0 {
		t.Errorf("%+v", l)
	}
}
