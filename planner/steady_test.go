package planner

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/ansturm/ansturm/planner/sim"
)

// Two tenants alike and one far larger; in one of ten worlds one of the two has half of what it may.
func TestWhoComesNearestGetsPods(t *testing.T) {
	sc, pf := little(t, 3000)
	s := &search{opts: Options{Worlds: 500}, sc: sc, pf: pf}
	tenant := func(peak float64, least, most int32) setting {
		return setting{need: need{peak: peak, workload: &pf.Workloads[0]}, target: 60, least: least, most: most}
	}
	c := candidate{platform: pf, list: []setting{tenant(4, 4, 8), tenant(4.1, 4, 5), tenant(90, 60, 200)}}
	out := &outcome{worlds: make([]World, 11), results: make([]*sim.Result, 11), done: 11}
	for i := range out.results {
		out.worlds[i].Index = i
		out.results[i] = &sim.Result{TenantSlow: make([]float64, 3)}
	}
	out.results[3].TenantSlow[1] = 0.025
	out.results[7].TenantSlow[2] = 1 // in a world that is left out
	near := &nearness{}
	near.learn(c.list, out, map[int]bool{7: true}, 0.05)
	each := 500.0 / 10 * 0.125 / 2 // (½)³ in one of ten worlds, of two tenants
	if got := near.breaks(c.list, 500); math.Abs(got[0]-each) > 1e-9 || math.Abs(got[1]-each) > 1e-9 || got[2] != 0 {
		t.Errorf("expected to break %v times, want %v each and none", got, each)
	}
	steady, given := s.steadied(c, near)
	// Of 3.125 breaks each a third is left by a pod: three pods each leave less than is calm, one fewer does not.
	if want := []int32{7, 7, 60}; !given || !slices.Equal(leasts(steady), want) || !slices.Equal(leasts(c), []int32{4, 4, 60}) {
		t.Errorf("given %v: %v of %v, want %v", given, leasts(steady), leasts(c), want)
	}
	if steady.list[0].most != 7+scalable || steady.list[1].most != 7+scalable || steady.list[2].most != 200 {
		t.Errorf("at most %d, %d and %d", steady.list[0].most, steady.list[1].most, steady.list[2].most)
	}
	if again, given := s.steadied(steady, near); given || !reflect.DeepEqual(again.list, steady.list) {
		t.Errorf("given again: %v", leasts(again))
	}
	// Seen with fewer pods, each is expected to break as much less often.
	if got := near.breaks(steady.list, 500); math.Abs(got[0]-each/27) > 1e-9 || math.Abs(got[1]-each/27) > 1e-9 {
		t.Errorf("expected to break %v times", got)
	}
	// What little was seen of many breaks does not give one of them ever more pods.
	out.results[5].TenantSlow = []float64{1, 0, 0}
	near.learn(c.list, out, map[int]bool{7: true}, 0.05)
	if steady, _ = s.steadied(c, near); !slices.Equal(leasts(steady), []int32{4 + atOnce, 4 + atOnce, 60}) {
		t.Errorf("%v", leasts(steady))
	}
}

func leasts(c candidate) (out []int32) {
	for _, x := range c.list {
		out = append(out, x.least)
	}
	return out
}

// What broke and the worst come first, what was met last; each part in the worlds' own order.
func TestTheNextCandidateMeetsWhatIsNewFirst(t *testing.T) {
	u := &futures{node: make([]float64, 6), at: make([]float64, 6)}
	for _, i := range []int{5, 3, 4, 1, 0, 2} {
		u.worlds = append(u.worlds, World{Index: i})
	}
	l := &lasting{crew: &crew{worlds: u}, worst: map[int]bool{4: true}}
	met := &outcome{done: 3}
	for _, i := range []int{3, 0, 5} {
		met.worlds = append(met.worlds, World{Index: i})
		met.results = append(met.results, &sim.Result{Broken: i == 5})
	}
	l.line(met)
	var order []int
	for _, w := range l.crew.worlds.worlds {
		order = append(order, w.Index)
	}
	if want := []int{5, 4, 1, 2, 0, 3}; !slices.Equal(order, want) || l.front != 2 {
		t.Errorf("%v, %d in front, want %v and 2", order, l.front, want)
	}
}

// Where worlds are long a certificate is one all the same: one candidate in all worlds, the same every time.
func TestALongCertificateIsOfAllWorlds(t *testing.T) {
	made := func() (candidate, *outcome) {
		sc, pf := little(t, 6000)
		s, err := newSearch(modelOf(sc, pf), sc, pf, Options{Delta: 0.05, Worlds: 128})
		if err != nil {
			t.Fatal(err)
		}
		if s.bound, err = s.lowerBound(); err != nil {
			t.Fatal(err)
		}
		for nodes := s.fewestAtAll(); nodes < s.generous(); nodes++ {
			c := s.candidate(nodes, lowestTarget)
			c.roomy += 2
			if c, all, err := s.certifyLong(context.Background(), c, certificates); err != nil || all != nil {
				if err != nil {
					t.Fatal(err)
				}
				return c, all
			}
		}
		t.Fatal("nothing held")
		return candidate{}, nil
	}
	c, all := made()
	met := map[int]bool{}
	for i, w := range all.worlds {
		if all.results[i] == nil {
			t.Fatalf("no result of world %d", w.Index)
		}
		met[w.Index] = true
	}
	if len(met) != 128 || all.done != 128 || all.broken > mostBroken(128, 0.05) {
		t.Errorf("%d worlds, %d done, %d broken", len(met), all.done, all.broken)
	}
	if again, _ := made(); again.nodes != c.nodes || !reflect.DeepEqual(again.list, c.list) {
		t.Errorf("%d nodes and %v, again %d and %v", c.nodes, leasts(c), again.nodes, leasts(again))
	}
}
