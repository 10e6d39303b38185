package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/cluster/clustertest"
	"github.com/ansturm/ansturm/loadgen/record"
)

// world is a small API server with tenant t1: workload web, HPA, nodes; and an observer of it.
type world struct {
	*clustertest.Server
	t      *testing.T
	client *cluster.Client
	*Observer

	mu     sync.Mutex
	events []record.Event
	more   chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: clustertest.Start(t), t: t, more: make(chan struct{})}
	w.Put("nodes", node("vm-1", true))
	w.Put("deployments", deployment("t1", 1))
	w.Put("horizontalpodautoscalers", autoscaler("t1", 1))
	w.Put("pods", pod1("t1", "web-abc-1", corev1.ConditionTrue))
	return w
}

// connect makes the client, with the user's YAML.
func (w *world) connect(user string) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(w.Kubeconfig("test", user)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	client, err := cluster.Connect(w.t.Context(), cluster.Config{Kubeconfig: path})
	if err != nil {
		w.t.Fatal(err)
	}
	w.client = client
}

// observe starts the observer, its events collected, offset 0 now.
func (w *world) observe(change func(*Config)) {
	w.t.Helper()
	if w.client == nil {
		w.connect("")
	}
	c := Config{Client: w.client, Tenants: []string{"t1"}, MetricsEvery: -1}
	if change != nil {
		change(&c)
	}
	o, err := Start(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Observer = o
	w.t.Cleanup(func() { o.Stop() })
	o.Attach(time.Now().Add(-time.Second), w.take)
}

func (w *world) take(e record.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	close(w.more)
	w.more = make(chan struct{})
}

// all are the events so far that fulfil the condition.
func (w *world) all(is func(record.Event) bool) []record.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.events), func(e record.Event) bool { return !is(e) })
}

// await waits for an event and gives the first.
func (w *world) await(what string, is func(record.Event) bool) record.Event {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		i, more := slices.IndexFunc(w.events, is), w.more
		if i >= 0 {
			defer w.mu.Unlock()
			return w.events[i]
		}
		w.mu.Unlock()
		select {
		case <-more:
		case <-limit:
			w.t.Fatalf("no %s within 30 s; there are %s", what, w.told())
		}
	}
}

func (w *world) told() (text string) {
	for _, e := range w.all(func(record.Event) bool { return true }) {
		text += fmt.Sprintf("\n  %v %s %s/%s %s %s %d→%d late=%v %q", e.At, e.Kind, e.Tenant, e.Workload, e.Object, e.Phase, e.From, e.Desired, e.Late, e.Message)
	}
	return text
}

func phaseOf(object, phase string) func(record.Event) bool {
	return func(e record.Event) bool { return e.Kind == record.KindPod && e.Object == object && e.Phase == phase }
}

func scaledTo(n int32) func(record.Event) bool {
	return func(e record.Event) bool { return e.Kind == record.KindScale && e.Desired == n }
}

func gapOf(resource string) func(record.Event) bool {
	return func(e record.Event) bool { return e.Kind == record.KindGap && strings.Contains(e.Object, resource) }
}

// The objects.

func named1(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{cluster.TenantLabel: namespace}}
}

func node(name string, ready bool) *corev1.Node {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{cluster.PoolLabel: "vm"}},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: status, LastTransitionTime: now()},
		}},
	}
}

func deployment(tenant string, replicas int32) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: named1(tenant, "web")}
	d.Spec.Replicas = &replicas
	return d
}

func replicaSet(tenant string, replicas int32) *appsv1.ReplicaSet {
	r := &appsv1.ReplicaSet{ObjectMeta: named1(tenant, "web-abc")}
	r.OwnerReferences = []metav1.OwnerReference{{Kind: "Deployment", Name: "web"}}
	r.Spec.Replicas = &replicas
	return r
}

func autoscaler(tenant string, desired int32) *autoscalingv2.HorizontalPodAutoscaler {
	target := int32(60)
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: named1(tenant, "web")}
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}
	h.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: "Resource", Resource: &autoscalingv2.ResourceMetricSource{
		Name: "cpu", Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: &target},
	}}}
	h.Status.DesiredReplicas = desired
	return h
}

// pod1 is a pod of web: without a node if ready is empty, running if it is not, ready if it is true.
func pod1(tenant, name string, ready corev1.ConditionStatus) *corev1.Pod {
	yes := true
	p := &corev1.Pod{ObjectMeta: named1(tenant, name)}
	p.Labels["pod-template-hash"] = "abc"
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-abc", Controller: &yes}}
	p.Spec.Containers = []corev1.Container{{Name: "web", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")},
	}}}
	p.Status.Phase = corev1.PodPending
	if ready == "" {
		return p
	}
	p.Spec.NodeName = "vm-1"
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now()},
		{Type: corev1.PodReady, Status: ready, LastTransitionTime: now()},
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now()}},
	}}
	return p
}

func slice1(tenant string, pods ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: named1(tenant, "web-1")}
	for _, name := range pods {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name}})
	}
	return s
}

func notice(tenant string, object corev1.ObjectReference, reason, message string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: tenant, Name: object.Name + "." + reason},
		InvolvedObject: object, Reason: reason, Message: message, Count: 1, LastTimestamp: now(),
	}
}

func podMetrics(tenant, name string, at time.Time, cpu string) *metricsv1beta1.PodMetrics {
	return &metricsv1beta1.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name}, Timestamp: metav1.NewTime(at), Window: metav1.Duration{Duration: 15 * time.Second},
		Containers: []metricsv1beta1.ContainerMetrics{{Name: "web", Usage: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("100Mi"),
		}}},
	}
}

func now() metav1.Time { return metav1.NewTime(time.Now().Truncate(time.Second)) }
