package objects

import (
	"reflect"
	"testing"

	"github.com/ansturm/ansturm/scenarios"
)

// TestLibrary makes the objects of every platform that ships, and holds them against the platform.
func TestLibrary(t *testing.T) {
	for _, entry := range scenarios.Library() {
		t.Run(entry.Name, func(t *testing.T) {
			p, err := entry.Platform()
			if err != nil {
				t.Fatal(err)
			}
			s, err := entry.Scenario()
			if err != nil {
				t.Fatal(err)
			}
			tenants := Names(p, s)
			set, err := Make(p, tenants, map[string]string{tenants[0]: "http://127.0.0.1:1"})
			if err != nil {
				t.Fatal(err)
			}
			checkNodes(t, set, p)
			if len(set.Tenants) != len(s.Tenants.List) {
				t.Fatalf("%d tenants, wanted %d", len(set.Tenants), len(s.Tenants.List))
			}
			for _, tenant := range set.Tenants {
				checkTenant(t, tenant, p.WorkloadOf(tenant.Name))
			}
			if url := set.Tenants[0].Service.Annotations[AnnotationURL]; url != "http://127.0.0.1:1" {
				t.Errorf("the first tenant's address is %q", url)
			}
			if len(set.Tenants) > 1 && set.Tenants[1].Service.Annotations != nil {
				t.Error("a tenant without address has one")
			}
		})
	}
}

func checkNodes(t *testing.T, set *Set, p *scenarios.Platform) {
	t.Helper()
	refs := p.Nodes()
	if len(set.Nodes) != len(refs) {
		t.Fatalf("%d nodes, wanted %d", len(set.Nodes), len(refs))
	}
	for i, node := range set.Nodes {
		cores, memory, pods := refs[i].Pool.Allocatable()
		free := node.Status.Allocatable
		if node.Name != refs[i].Name || node.Labels[LabelPool] != refs[i].Pool.Name ||
			free.Cpu().AsApproximateFloat64() != cores || free.Memory().Value() != memory || int(free.Pods().Value()) != pods {
			t.Errorf("node %s has %v, the platform says %g cores, %d bytes, %d pods", node.Name, free, cores, memory, pods)
		}
	}
}

func checkTenant(t *testing.T, tenant Tenant, w *scenarios.Workload) {
	t.Helper()
	d, template := tenant.Deployment, tenant.Deployment.Spec.Template
	if d.Namespace != tenant.Name || d.Name != w.Name || *d.Spec.Replicas != w.Replicas ||
		!reflect.DeepEqual(template.Spec.Containers[0].Resources, w.Resources) {
		t.Errorf("deployment of %s is not the workload", tenant.Name)
	}
	for name, labels := range map[string]map[string]string{
		"namespace": tenant.Namespace.Labels, "deployment": d.Labels, "pod": template.Labels, "service": tenant.Service.Labels,
	} {
		if labels[LabelTenant] != tenant.Name {
			t.Errorf("%s of %s is not marked with its tenant: %v", name, tenant.Name, labels)
		}
	}
	for _, selector := range []map[string]string{d.Spec.Selector.MatchLabels, tenant.Service.Spec.Selector} {
		for label, value := range selector {
			if template.Labels[label] != value {
				t.Errorf("%s: a selector wants %s=%s, the pods have %v", tenant.Name, label, value, template.Labels)
			}
		}
	}
	if (tenant.HPA == nil) != (w.HPA == nil) {
		t.Fatalf("%s: autoscaler is %v", tenant.Name, tenant.HPA)
	}
	if w.HPA == nil {
		return
	}
	said := *tenant.HPA.Spec.DeepCopy()
	if said.ScaleTargetRef.Kind != "Deployment" || said.ScaleTargetRef.Name != d.Name {
		t.Errorf("%s: the autoscaler aims at %+v", tenant.Name, said.ScaleTargetRef)
	}
	if said.ScaleTargetRef = w.HPA.ScaleTargetRef; !reflect.DeepEqual(said, *w.HPA) {
		t.Errorf("%s: the autoscaler's spec is not verbatim", tenant.Name)
	}
}

func TestMakeRefusesATenantThatNobodyServes(t *testing.T) {
	p := &scenarios.Platform{Name: "p", Workloads: []scenarios.Workload{{Name: "w", Tenants: []string{"a"}}}}
	if _, err := Make(p, []string{"a", "b"}, nil); err == nil {
		t.Error("no error for a tenant without workload")
	}
	if names := Names(p, nil); !reflect.DeepEqual(names, []string{"a"}) {
		t.Errorf("without a scenario the tenants are %v, wanted those of the workloads", names)
	}
}
