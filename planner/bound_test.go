package planner

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

func boundOf(t testing.TB, model *fit.Model, sc *scenarios.Scenario, pf *scenarios.Platform, opts Options) int {
	t.Helper()
	s, err := newSearch(model, sc, pf, opts)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.lowerBound()
	if err != nil {
		t.Fatal(err)
	}
	return b.nodes
}

// The main job's peak is 600,000 arrivals: work for some 17 nodes of 15 cores, and a node may be lost.
func TestBoundOfTheMainJob(t *testing.T) {
	sc, pf := shipped(t, "briefwahl")
	began := time.Now()
	with := boundOf(t, modelOf(sc, pf), sc, pf, Options{})
	t.Logf("%d nodes, in %s", with, time.Since(began))
	without := boundOf(t, modelOf(sc, pf), sc, pf, Options{LoseNodes: new(0)})
	if without < 5 || with < without || with > without+1 {
		t.Errorf("bound %d with a node lost, %d without", with, without)
	}
}

// Pools of unlike nodes: those that are there stay, and the cheaper one grows. 3 of 2 cores hold what 1.5 of 4 do.
func TestBoundCountsUnlikePoolsByWhatTheyHold(t *testing.T) {
	sc, pf := little(t, 30_000)
	alike := boundOf(t, nil, sc, pf, Options{})
	small := pf.Pools[0]
	small.Name, small.Count, small.Most = "small", 3, 3
	small.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("16Gi")}
	small.Cost = 10
	pf.Pools = append(pf.Pools, small)
	if mixed := boundOf(t, nil, sc, pf, Options{}); mixed < alike+1 || mixed > alike+2 {
		t.Errorf("with three nodes of half the size %d nodes, of one kind %d", mixed, alike)
	}
}

// A limit above the request: by requests a node holds ten times the pods that its cores can serve.
func TestBoundCountsCoresWhereLimitsExceedRequests(t *testing.T) {
	sc, pf := little(t, 30_000)
	exact := boundOf(t, nil, sc, pf, Options{})
	pf.Workloads[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("10m")
	if over := boundOf(t, nil, sc, pf, Options{}); over < exact-1 {
		t.Errorf("%d nodes where pods request little, %d where they request their limit", over, exact)
	}
}
