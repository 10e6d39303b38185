package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/scenarios"
)

// poolLabels are those by which nodes are told apart, the first that a node has.
var poolLabels = []string{
	PoolLabel, "cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup", "karpenter.sh/nodepool",
	"kubernetes.azure.com/agentpool", "node.kubernetes.io/instance-type",
}

// PoolLabel names a node's pool.
const PoolLabel = "ansturm.dev/pool"

// PoolOf is the name of a node's pool by its labels.
func PoolOf(labels map[string]string) string {
	for _, label := range poolLabels {
		if v := labels[label]; v != "" {
			return dnsLabel(v)
		}
	}
	return "nodes"
}

const zoneLabel = "topology.kubernetes.io/zone"

// describe makes the Platform.
func (f *Found) describe(name string, nodes []corev1.Node, version string) {
	f.Platform = &scenarios.Platform{Name: dnsLabel(name), Pools: poolsOf(nodes)}
	if v := minorVersion.FindStringSubmatch(version); v != nil {
		f.Platform.Kubernetes = v[1]
	}
	if len(nodes) == 0 {
		f.warn("nodes-unknown", "Die Knoten des Clusters konnten nicht gelesen werden; die Beschreibung der Plattform nennt keine.",
			"The cluster's nodes could not be read; the description of the platform names none.")
	}
	f.describeWorkloads()
	f.warn("platform-partly-known",
		"Vom Cluster gelesen sind Knoten, Anforderungen, Replikate und HPA; die Einstellungen der Steuerungsebene (Takt der Autoskalierung, Auflösung der Metriken) sind als üblich angenommen.",
		"Nodes, requests, replicas and HPAs were read from the cluster; the control plane's own settings (the autoscaler's period, the metrics' resolution) are taken to be the usual ones.")
}

// poolsOf groups like nodes of one pool.
func poolsOf(nodes []corev1.Node) []scenarios.NodePool {
	pools := map[string]*scenarios.NodePool{}
	zones := map[string]map[string]bool{}
	for _, n := range nodes {
		pool := scenarios.NodePool{Name: PoolOf(n.Labels), Capacity: corev1.ResourceList{}}
		for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods} {
			have, said := n.Status.Capacity[resource]
			if !said {
				continue
			}
			pool.Capacity[resource] = have
			if left, said := n.Status.Allocatable[resource]; said && left.Cmp(have) < 0 {
				if pool.Reserved == nil {
					pool.Reserved = corev1.ResourceList{}
				}
				taken := have.DeepCopy()
				taken.Sub(left)
				pool.Reserved[resource] = taken
			}
		}
		key := asJSON(pool)
		if pools[key] == nil {
			pools[key], zones[key] = &pool, map[string]bool{}
		}
		pools[key].Count++
		zones[key][n.Labels[zoneLabel]] = true
	}
	var out []scenarios.NodePool
	seen := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(pools)) {
		pool := *pools[key]
		if zone := slices.Collect(maps.Keys(zones[key])); len(zone) == 1 {
			pool.Site = zone[0]
		}
		if seen[pool.Name]++; seen[pool.Name] > 1 { // one pool of unlike nodes
			pool.Name = fmt.Sprintf("%s-%d", pool.Name, seen[pool.Name])
		}
		out = append(out, pool)
	}
	slices.SortStableFunc(out, func(a, b scenarios.NodePool) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// describeWorkloads groups tenants whose Deployments are alike.
func (f *Found) describeWorkloads() {
	alike := map[string]int{}
	for _, t := range f.Tenants {
		w, ok := t.workload()
		if !ok {
			f.warn("workload-unknown", fmt.Sprintf("Zu Mandant %s fand sich kein Deployment.", t.Name),
				fmt.Sprintf("No Deployment was found for tenant %s.", t.Name))
			continue
		}
		key := asJSON(w)
		i, known := alike[key]
		if !known {
			i = len(f.Platform.Workloads)
			alike[key] = i
			f.Platform.Workloads = append(f.Platform.Workloads, w)
		}
		f.Platform.Workloads[i].Tenants = append(f.Platform.Workloads[i].Tenants, t.Name)
	}
}

// workload describes a tenant's Deployment and its HPA, as they are.
func (t *Tenant) workload() (scenarios.Workload, bool) {
	d := t.deployment
	if d == nil {
		return scenarios.Workload{}, false
	}
	w := scenarios.Workload{Name: d.Name, Replicas: 1, Resources: resourcesOf(&d.Spec.Template.Spec)}
	if d.Spec.Replicas != nil {
		w.Replicas = *d.Spec.Replicas
	}
	if t.hpa != nil {
		w.HPA = t.hpa.Spec.DeepCopy()
	}
	return w, true
}

// resourcesOf sums a pod's requests and limits, as the scheduler does: containers and restartable init containers. Where
// one container has no limit the pod has none.
func resourcesOf(pod *corev1.PodSpec) (r corev1.ResourceRequirements) {
	r.Requests, r.Limits = corev1.ResourceList{}, corev1.ResourceList{}
	containers := slices.Clone(pod.Containers)
	for _, c := range pod.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		var requests, limits resource.Quantity
		limited := len(containers) > 0
		for _, c := range containers {
			if request, said := c.Resources.Requests[name]; said {
				requests.Add(request)
			} else {
				requests.Add(c.Resources.Limits[name])
			}
			limit, said := c.Resources.Limits[name]
			limited = limited && said
			limits.Add(limit)
		}
		if !requests.IsZero() {
			r.Requests[name] = requests
		}
		if limited {
			r.Limits[name] = limits
		}
	}
	return r
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// minorVersion is a release's; one built without its number calls itself v0.0.0.
var minorVersion = regexp.MustCompile(`^v?(1\.[0-9]{1,2})`)

var notInLabels = regexp.MustCompile(`[^a-z0-9]+`)

// dnsLabel makes a name that the Platform takes: like "gke-main-pool-1".
func dnsLabel(name string) string {
	name = strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(name), "-"), "-")
	name = strings.Trim(name[:min(len(name), 63)], "-")
	return cmp.Or(name, "cluster")
}
