package cluster

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	// TenantLabel marks the objects of a tenant.
	TenantLabel = "ansturm.dev/tenant"
	// URLAnnotation of a Service is the address at which it serves its tenant.
	URLAnnotation = "ansturm.dev/url"
	// DeskAnnotation of a Service is the address at which the platform itself gives account of a run (see lab.Client).
	DeskAnnotation = "ansturm.dev/desk"
)

// Tenant is what was found of one tenant. Its namespace has its name.
type Tenant struct {
	Name string
	// URL is the annotation of its Service; empty where none has one.
	URL string
	// Deployment is the one behind that Service, or the only one there is; empty where there is none.
	Deployment string

	deployment *appsv1.Deployment
	hpa        *autoscalingv2.HorizontalPodAutoscaler
}

// Found is what a live cluster says of a scenario's tenants.
type Found struct {
	Tenants []Tenant
	// Desk is the one that all tenants' Services name; empty where they name none, or not the same.
	Desk string
	// Platform is the cluster as far as it can be read: nodes, requests and limits, replicas, HPA specs verbatim. What a
	// request costs and how long a pod takes to start is left open, for a fit.
	Platform *scenarios.Platform
	// Labelled: every Deployment, its pods, its Service and its HPA carry TenantLabel, so that they can be selected by it.
	Labelled bool
	Warnings []record.Warning
}

// objects are those of the tenants' namespaces, by namespace.
type objects struct {
	services    map[string][]corev1.Service
	deployments map[string][]appsv1.Deployment
	hpas        map[string][]autoscalingv2.HorizontalPodAutoscaler
	nodes       []corev1.Node
}

// Discover reads what there is of the tenants. The cluster is asked for everything at once where that is allowed, else
// namespace by namespace.
func (c *Client) Discover(ctx context.Context, name string, tenants []string) (*Found, error) {
	var o objects
	var err error
	if o.services, err = gather(ctx, c.groups[Core], "services", tenants,
		func() *corev1.ServiceList { return &corev1.ServiceList{} },
		func(l *corev1.ServiceList) []corev1.Service { return l.Items }); err != nil {
		return nil, err
	}
	if o.deployments, err = gather(ctx, c.groups[Apps], "deployments", tenants,
		func() *appsv1.DeploymentList { return &appsv1.DeploymentList{} },
		func(l *appsv1.DeploymentList) []appsv1.Deployment { return l.Items }); err != nil {
		return nil, err
	}
	if o.hpas, err = gather(ctx, c.groups[Autoscaling], "horizontalpodautoscalers", tenants,
		func() *autoscalingv2.HorizontalPodAutoscalerList { return &autoscalingv2.HorizontalPodAutoscalerList{} },
		func(l *autoscalingv2.HorizontalPodAutoscalerList) []autoscalingv2.HorizontalPodAutoscaler {
			return l.Items
		}); err != nil {
		return nil, err
	}
	err = list(ctx, c.groups[Core], "nodes", "", "", func() *corev1.NodeList { return &corev1.NodeList{} },
		func(page *corev1.NodeList) { o.nodes = append(o.nodes, page.Items...) })
	if err != nil && !apierrors.IsForbidden(err) {
		return nil, err
	}
	f := o.found(name, tenants, c.Version)
	c.uncovered(ctx, f, &o)
	return f, nil
}

// gather lists a resource in the namespaces.
func gather[L metav1.ListInterface, T any](
	ctx context.Context, c rest.Interface, resource string, namespaces []string, into func() L, items func(L) []T,
) (map[string][]T, error) {
	out := map[string][]T{}
	keep := func(page L) {
		for _, item := range items(page) {
			ns := any(&item).(metav1.Object).GetNamespace()
			if slices.Contains(namespaces, ns) {
				out[ns] = append(out[ns], item)
			}
		}
	}
	err := list(ctx, c, resource, "", "", into, keep)
	if !apierrors.IsForbidden(err) {
		return out, err
	}
	clear(out)
	for _, ns := range namespaces {
		if err := list(ctx, c, resource, ns, "", into, keep); err != nil {
			return nil, fmt.Errorf("namespace %s: %w", ns, err)
		}
	}
	return out, nil
}

func (o *objects) found(name string, tenants []string, version string) *Found {
	f := &Found{Labelled: true}
	desks := map[string]int{}
	for _, tenant := range tenants {
		t := Tenant{Name: tenant}
		service := o.serviceOf(tenant)
		if service != nil {
			t.URL = service.Annotations[URLAnnotation]
			desks[service.Annotations[DeskAnnotation]]++
			f.Labelled = f.Labelled && labelled(service)
		}
		var others int
		t.deployment, others = o.deploymentOf(tenant, service)
		if others > 0 {
			f.warn("several-workloads", fmt.Sprintf("Mandant %s hat %d Deployments; beschrieben wird %s.", tenant, others+1, t.deployment.Name),
				fmt.Sprintf("Tenant %s has %d Deployments; %s is the one described.", tenant, others+1, t.deployment.Name))
		}
		if d := t.deployment; d != nil {
			t.Deployment = d.Name
			t.hpa = o.hpaOf(tenant, d.Name)
			f.Labelled = f.Labelled && labelled(d) && d.Spec.Template.Labels[TenantLabel] != "" && (t.hpa == nil || labelled(t.hpa))
		} else {
			f.Labelled = false
		}
		f.Tenants = append(f.Tenants, t)
	}
	f.nameDesk(desks)
	f.describe(name, o.nodes, version)
	return f
}

// nameDesk takes the desk that all Services name; counted are those that name each.
func (f *Found) nameDesk(counted map[string]int) {
	delete(counted, "")
	for desk, n := range counted {
		if n == len(f.Tenants) {
			f.Desk = desk
			return
		}
	}
	if len(counted) > 0 {
		f.warn("several-desks", "Die Services der Mandanten nennen nicht alle dieselbe Stelle (ansturm.dev/desk); keine wird gefragt, was sie angenommen hat.",
			"The tenants' Services do not all name the same desk (ansturm.dev/desk); none is asked what it has accepted.")
	}
}

func labelled(o metav1.Object) bool { return o.GetLabels()[TenantLabel] != "" }

// serviceOf is the tenant's Service that says where it is served, else the only one there is.
func (o *objects) serviceOf(tenant string) *corev1.Service {
	list := o.services[tenant]
	for i := range list {
		if list[i].Annotations[URLAnnotation] != "" {
			return &list[i]
		}
	}
	if len(list) == 1 {
		return &list[0]
	}
	return nil
}

// deploymentOf is the Deployment whose pods the Service selects, else the first that is labelled or scaled, else the
// first; others is how many it was chosen from without a Service's word.
func (o *objects) deploymentOf(tenant string, service *corev1.Service) (d *appsv1.Deployment, others int) {
	all := o.deployments[tenant]
	if service != nil && len(service.Spec.Selector) > 0 {
		selector := labels.SelectorFromSet(service.Spec.Selector)
		for i := range all {
			if selector.Matches(labels.Set(all[i].Spec.Template.Labels)) {
				return &all[i], 0
			}
		}
	}
	for i := range all {
		if labelled(&all[i]) || o.hpaOf(tenant, all[i].Name) != nil {
			return &all[i], len(all) - 1
		}
	}
	if len(all) > 0 {
		return &all[0], len(all) - 1
	}
	return nil, 0
}

func (o *objects) hpaOf(tenant, deployment string) *autoscalingv2.HorizontalPodAutoscaler {
	list := o.hpas[tenant]
	for i := range list {
		if ref := list[i].Spec.ScaleTargetRef; ref.Kind == "Deployment" && ref.Name == deployment {
			return &list[i]
		}
	}
	return nil
}

func (f *Found) warn(code, de, en string) {
	f.Warnings = append(f.Warnings, record.Warning{Code: code, Text: scenarios.Text{"de": de, "en": en}})
}
