package planner

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/scenarios"
)

// A pod that is larger than any node is refused at once, with what would be right: nodes never mend it.
func TestATenantThatFitsOnNoNode(t *testing.T) {
	for name, c := range map[string]struct {
		change func(pf *scenarios.Platform)
		want   string
	}{
		"cores": {func(pf *scenarios.Platform) {
			pf.Workloads[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("5")
			pf.Workloads[0].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("5")
		}, "requests 5 cores and 512 MiB, and no node has that: the largest give 4 cores"},
		"memory": {func(pf *scenarios.Platform) {
			pf.Workloads[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("20Gi")
			pf.Workloads[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("20Gi")
		}, "20480 MiB, and no node has that"},
		"cores here, memory there": {func(pf *scenarios.Platform) {
			pf.Workloads[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("20Gi")
			pf.Workloads[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("20Gi")
			big := pf.Pools[0]
			big.Name, big.Capacity = "big", corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Gi")}
			pf.Pools = append(pf.Pools, big)
		}, "no node has that"},
	} {
		sc, pf := little(t, 3000)
		c.change(pf)
		if _, err := Search(context.Background(), nil, sc, pf, Options{}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "adorf") {
			t.Errorf("%s: plan: %v, want %q", name, err, c.want)
		}
		if _, err := Simulate(context.Background(), sc, pf, nil, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: simulate: %v, want %q", name, err, c.want)
		}
	}
}

func TestPromisesThatContradict(t *testing.T) {
	slo := func(name string, percentile float64, within time.Duration, errors float64) scenarios.SLO {
		return scenarios.SLO{Name: name, Step: "submit", Percentile: percentile, Within: within, Errors: errors}
	}
	other := slo("b", 95, 5*time.Second, 0.01)
	other.Tenant = "all"
	for name, c := range map[string]struct {
		slos []scenarios.SLO
		want []string
	}{
		"as usual":                      {[]scenarios.SLO{slo("a", 95, 5*time.Second, 0.01)}, nil},
		"a stricter tail":               {[]scenarios.SLO{slo("a", 95, 2*time.Second, 0.01), slo("b", 99, 5*time.Second, 0.01)}, nil},
		"other tenants":                 {[]scenarios.SLO{slo("a", 99, 2*time.Second, 0.01), other}, nil},
		"more may fail than be slow":    {[]scenarios.SLO{slo("a", 99, 5*time.Second, 0.05)}, []string{"5 % may fail, but only 1 %"}},
		"longer than anybody waits":     {[]scenarios.SLO{slo("a", 95, 30*time.Second, 0.01)}, []string{"“a” allows 30 s, but step"}},
		"one that never counts":         {[]scenarios.SLO{slo("a", 95, 5*time.Second, 0.01), slo("b", 99, 2*time.Second, 0.01)}, []string{"“a” (95 % within 5 s) contradicts “b”"}},
		"the same step under two names": {[]scenarios.SLO{slo("a", 95, 5*time.Second, 0.01), slo("b", 95, 5*time.Second, 0.01)}, nil},
	} {
		sc, _ := shipped(t, "quick")
		sc.SLOs = c.slos
		got := contradictions(sc)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i].Text["en"], want) || got[i].Text["de"] == "" || got[i].Code != "slo-contradiction" {
				t.Errorf("%s: %q, want %q", name, got[i].Text, want)
			}
		}
	}
}

// What contradicts reaches the plan and the simulation.
func TestContradictionsReachThePlan(t *testing.T) {
	sc, pf := little(t, 2000)
	sc.SLOs[0].Errors = 0.2
	p, err := Search(context.Background(), nil, sc, pf, Options{Delta: 0.05, Worlds: 64})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Simulate(context.Background(), sc, pf, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, w := range append(p.Warnings, s.Warnings...) {
		codes = append(codes, w.Code)
	}
	if !slices.Equal(codes, []string{"slo-contradiction", "slo-contradiction"}) {
		t.Errorf("warnings %v", codes)
	}
}
