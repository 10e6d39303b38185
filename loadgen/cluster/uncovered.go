package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/ansturm/ansturm/loadgen/record"
)

// kedaLabel is on every HPA that KEDA makes of a ScaledObject.
const kedaLabel = "scaledobject.keda.sh/name"

// verticals are where VerticalPodAutoscalers are kept; scalerStatus where a cluster autoscaler says that it is alive.
const (
	verticalGroup = "/apis/autoscaling.k8s.io"
	verticals     = "/apis/autoscaling.k8s.io/v1/verticalpodautoscalers"
	scalerStatus  = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
)

// uncovered warns of what is at work in the cluster and in no model: other metrics, KEDA, VPA, a cluster autoscaler.
func (c *Client) uncovered(ctx context.Context, f *Found, o *objects) {
	f.Warnings = append(f.Warnings, record.UncoveredMetrics(f.Platform)...)
	f.keda()
	f.vertical(ctx, c)
	f.clusterAutoscaler(ctx, c, o.nodes)
}

func (f *Found) uncovered(what, de, en string) {
	f.Warnings = append(f.Warnings, record.NotCovered(what, de, en))
}

// uncoveredAt warns of what concerns some tenants, where there are any; each text names them in its only verb.
func (f *Found) uncoveredAt(tenants []string, what, de, en string) {
	if len(tenants) == 0 {
		return
	}
	someDe, someEn := record.Some(tenants)
	f.uncovered(what, fmt.Sprintf(de, someDe), fmt.Sprintf(en, someEn))
}

// keda looks at the HPAs' labels: no right is needed that is not there already.
func (f *Found) keda() {
	var tenants []string
	for _, t := range f.Tenants {
		if t.hpa != nil && kedas(t.hpa) {
			tenants = append(tenants, t.Name)
		}
	}
	f.uncoveredAt(tenants, "keda",
		"KEDA verwaltet die Autoskalierung von %s. Es überschreibt einen HPA aus einem Plan und kann bis auf null Replikate gehen, womit kein Modell rechnet: Vor dem Anwenden das ScaledObject anhalten oder Mindest- und Höchstzahl dort eintragen.",
		"KEDA manages the autoscaling of %s. It overwrites an HPA from a plan and may go down to no replica at all, which no model reckons with: before applying, pause the ScaledObject or write minimum and maximum there.")
}

func kedas(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	return h.Labels[kedaLabel] != "" || h.Labels["app.kubernetes.io/managed-by"] == "keda-operator"
}

// vertical asks for VPAs. A cluster without them answers that it knows no such thing.
func (f *Found) vertical(ctx context.Context, c *Client) {
	raw, err := c.groups[Core].Get().AbsPath(verticals).DoRaw(ctx)
	switch {
	case apierrors.IsForbidden(err):
		if _, err := c.groups[Core].Get().AbsPath(verticalGroup).DoRaw(ctx); err != nil {
			return // which groups there are everybody may read: there are no VPAs
		}
		f.uncovered("vpa-unknown",
			"Ob ein VerticalPodAutoscaler die Anforderungen der Pods ändert, ließ sich nicht lesen (keine Berechtigung). Tut er es, gelten die Pod-Größen dieses Laufs und eines Plans nicht mehr.",
			"Whether a VerticalPodAutoscaler changes the pods' requests could not be read (no permission). If it does, the pod sizes of this run and of a plan no longer hold.")
		return
	case err != nil:
		return
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"metadata"`
			Spec struct {
				UpdatePolicy struct {
					UpdateMode string `json:"updateMode"`
				} `json:"updatePolicy"`
			} `json:"spec"`
		} `json:"items"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return
	}
	var tenants []string
	for _, v := range list.Items {
		known := slices.ContainsFunc(f.Tenants, func(t Tenant) bool { return t.Name == v.Metadata.Namespace })
		if known && v.Spec.UpdatePolicy.UpdateMode != "Off" && !slices.Contains(tenants, v.Metadata.Namespace) {
			tenants = append(tenants, v.Metadata.Namespace)
		}
	}
	f.uncoveredAt(tenants, "vpa",
		"Ein VerticalPodAutoscaler ändert die Anforderungen der Pods von %s. Modell und Plan rechnen mit den jetzigen; andere ändern, was auf einen Knoten passt und wann skaliert wird, und er startet Pods neu, auch im Ansturm: Für den Ansturm auf „Off“ oder „Initial“ stellen.",
		"A VerticalPodAutoscaler changes the requests of the pods of %s. Model and plan reckon with the present ones; others change what fits on a node and when scaling happens, and it restarts pods, in a rush too: set it to Off or Initial for the rush.")
}

// clusterAutoscaler looks for its traces on the nodes, and for its status where that may be read.
func (f *Found) clusterAutoscaler(ctx context.Context, c *Client, nodes []corev1.Node) {
	found := slices.ContainsFunc(nodes, autoscaled)
	if !found {
		_, err := c.groups[Core].Get().AbsPath(scalerStatus).DoRaw(ctx)
		found = err == nil
	}
	if !found {
		return
	}
	f.uncovered("cluster-autoscaler",
		"Ein Cluster-Autoscaler verwaltet Knoten. Das Modell rechnet mit fester Knotenzahl: Knoten, die im Ansturm hinzukommen, sind nicht mitgerechnet, und vorgehaltene kann er wieder abbauen. Die Mindestgröße der Pools vor dem Ansturm auf die Zahl des Plans setzen.",
		"A cluster autoscaler manages nodes. The model reckons with a fixed number: nodes that join during the rush are not counted on, and it may take away those kept ready. Before the rush set the pools' minimum to the plan's number.")
}

// autoscaled says whether a node bears the marks of Karpenter or the cluster autoscaler.
func autoscaled(n corev1.Node) bool {
	for _, keys := range []map[string]string{n.Labels, n.Annotations} {
		for key := range keys {
			if strings.HasPrefix(key, "karpenter.sh/") || strings.HasPrefix(key, "cluster-autoscaler.kubernetes.io/") {
				return true
			}
		}
	}
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return strings.HasSuffix(t.Key, "OfClusterAutoscaler") || strings.HasSuffix(t.Key, "ByClusterAutoscaler")
	})
}
