package planner

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/ansturm/ansturm/planner/hpa"
	"github.com/ansturm/ansturm/scenarios"
)

// smallPlan is a plan of the quick scenario without a search.
func smallPlan(t *testing.T) *Plan {
	t.Helper()
	sc, pf := shipped(t, "quick")
	s, err := newSearch(nil, sc, pf, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.bound, err = s.lowerBound(); err != nil {
		t.Fatal(err)
	}
	c := s.candidate(3, 60)
	p := &Plan{Format: PlanFormat, Scenario: sc, Before: pf, Platform: c.platform, Mendable: true, Pools: s.pools(c)}
	p.Tenants = s.tenants(c, &outcome{})
	p.Notch = Notch{Kind: "node", Platform: withNodes(c.platform, []int{2})}
	return p
}

func TestPlanIsWrittenAndReadBack(t *testing.T) {
	p := smallPlan(t)
	dir := filepath.Join(t.TempDir(), "plan")
	if err := p.Write(dir); err != nil {
		t.Fatal(err)
	}
	back, err := LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Tenants, p.Tenants) || !reflect.DeepEqual(back.Pools, p.Pools) {
		t.Errorf("tenants and pools read back differ from those written")
	}
	for name, want := range map[string]int{"platform.yaml": 3, "notch.platform.yaml": 2} {
		pf, err := scenarios.LoadPlatform(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("%s does not load: %v", name, err)
		}
		if pf.Pools[0].Count != want {
			t.Errorf("%s has %d nodes, want %d", name, pf.Pools[0].Count, want)
		}
		for _, tenant := range p.Scenario.Tenants.List {
			if pf.WorkloadOf(tenant.Name) == nil {
				t.Errorf("%s: nobody serves %s", name, tenant.Name)
			}
		}
	}
}

// Each manifest must be what kubectl apply takes, and the autoscaler's rules must accept it.
func TestManifestsAreAutoscalers(t *testing.T) {
	p := smallPlan(t)
	dir := t.TempDir()
	if err := p.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range p.Tenants {
		data, err := os.ReadFile(filepath.Join(dir, "hpa", tenant.Tenant+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := yaml.UnmarshalStrict(data, &h); err != nil {
			t.Fatalf("%s: %v\n%s", tenant.Tenant, err, data)
		}
		if h.Kind != "HorizontalPodAutoscaler" || h.APIVersion != "autoscaling/v2" || h.Namespace != tenant.Tenant {
			t.Errorf("manifest of %s is a %s %s in namespace %s", tenant.Tenant, h.APIVersion, h.Kind, h.Namespace)
		}
		if h.Spec.ScaleTargetRef.Name != tenant.Workload || h.Spec.Behavior == nil || h.Spec.Behavior.ScaleDown.StabilizationWindowSeconds == nil {
			t.Errorf("manifest of %s lacks its target or written-out behavior:\n%s", tenant.Tenant, data)
		}
		if _, err := hpa.New(&h.Spec, hpa.Default()); err != nil {
			t.Errorf("manifest of %s: %v", tenant.Tenant, err)
		}
	}
}

func TestVerificationIsWrittenAndReadBack(t *testing.T) {
	dir := t.TempDir()
	v := &Verification{Format: PlanFormat, Plan: filepath.Join(dir, "plan.json"), Run: filepath.Join(dir, "runs/x"), Notch: &NotchFired{World: World{Lost: "vm-2", At: time.Minute}}}
	if err := SaveVerification(dir, v); err != nil {
		t.Fatal(err)
	}
	back, err := LoadVerification(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(v, back) {
		t.Errorf("read back %+v, written %+v", back, v)
	}
	if _, err := LoadVerification(t.TempDir()); err == nil {
		t.Error("a missing verify.json was read")
	}
	if _, err := LoadPlan(filepath.Join(dir, "verify.json")); err == nil {
		t.Error("a verification was read as a plan")
	}
}
