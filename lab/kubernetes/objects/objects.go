// Package objects makes Kubernetes objects of a Platform: node pools become Nodes, every tenant becomes a Namespace with a
// Deployment, a Service and, where the platform has one, a HorizontalPodAutoscaler with the verbatim spec.
//
// Make is a pure function; Create writes its result, as fast as the API server takes it.
package objects

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/scenarios"
)

// What the objects are marked with.
const (
	// LabelTenant is on every object of a tenant, with its name.
	LabelTenant = "ansturm.dev/tenant"
	// LabelPool is on every node, with its pool's name.
	LabelPool = "ansturm.dev/pool"
	// LabelConsent is on the tenants' namespaces: their owner agrees to a load test.
	LabelConsent = "ansturm.dev/load-test"
	// ConsentAllowed is the value of LabelConsent that agrees.
	ConsentAllowed = "allowed"
	// LabelApp selects a workload's pods within its namespace.
	LabelApp = "app"
	// AnnotationURL is on every Service, with the address on loopback where the tenant is served.
	AnnotationURL = "ansturm.dev/url"
	// AnnotationLost on a node ends it as if its power had failed: its pods die, its lease is renewed no more.
	AnnotationLost = "ansturm.dev/lost"
)

// Tenant is one tenant's share of the platform.
type Tenant struct {
	Name       string
	Namespace  *corev1.Namespace
	Account    *corev1.ServiceAccount
	Deployment *appsv1.Deployment
	Service    *corev1.Service
	// HPA is nil where the replicas stay as they are.
	HPA *autoscalingv2.HorizontalPodAutoscaler
}

// Set is a platform as objects.
type Set struct {
	Nodes   []*corev1.Node
	Tenants []Tenant
}

// Make makes the objects of a platform for these tenants. urls are the tenants' addresses for [AnnotationURL]; nil for none.
func Make(p *scenarios.Platform, tenants []string, urls map[string]string) (*Set, error) {
	set := &Set{}
	for _, n := range p.Nodes() {
		set.Nodes = append(set.Nodes, Node(n))
	}
	for _, name := range tenants {
		w := p.WorkloadOf(name)
		if w == nil {
			return nil, fmt.Errorf("no workload of platform %q serves tenant %q", p.Name, name)
		}
		set.Tenants = append(set.Tenants, tenant(name, w, urls[name]))
	}
	return set, nil
}

// Replicas is how many pods the Deployments begin with.
func (s *Set) Replicas() int {
	n := 0
	for _, t := range s.Tenants {
		n += int(*t.Deployment.Spec.Replicas)
	}
	return n
}

// Names lists a scenario's tenants; without a scenario (nil) those that the platform's workloads name.
func Names(p *scenarios.Platform, s *scenarios.Scenario) []string {
	var names []string
	if s != nil {
		for _, t := range s.Tenants.List {
			names = append(names, t.Name)
		}
		return names
	}
	for _, w := range p.Workloads {
		names = append(names, w.Tenants...)
	}
	return names
}
