package metricsapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/clientset/versioned/scheme"
)

// newServer knows two running pods and a finished one on one node, all with a rate of 200 m.
func newServer(t *testing.T) http.Handler {
	t.Helper()
	pods := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	nodes := cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil)
	store := NewStore(15 * time.Second)
	var first, second []Usage
	for name, phase := range map[string]corev1.PodPhase{"a": corev1.PodRunning, "b": corev1.PodRunning, "done": corev1.PodSucceeded} {
		object := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, Labels: map[string]string{"pod": name}},
			Status:     corev1.PodStatus{Phase: phase},
		}
		if err := pods.Add(object); err != nil {
			t.Fatal(err)
		}
		u, v := at(0, -100, 0), at(15, -100, 3000)
		u.Pod, v.Pod = name, name
		first, second = append(first, u), append(second, v)
	}
	if err := nodes.Add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "vm-1"}}); err != nil {
		t.Fatal(err)
	}
	store.Put(first)
	store.Put(second)
	return (&Server{Store: store, Pods: corelisters.NewPodLister(pods), Nodes: corelisters.NewNodeLister(nodes)}).Handler()
}

func get(t *testing.T, h http.Handler, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const root = "/apis/metrics.k8s.io/v1beta1"

func TestListsSelect(t *testing.T) {
	h := newServer(t)
	for path, want := range map[string][]string{
		"/pods":                                    {"a", "b"},
		"/namespaces/n/pods":                       {"a", "b"},
		"/namespaces/other/pods":                   {},
		"/pods?labelSelector=pod%3Db":              {"b"},
		"/pods?fieldSelector=metadata.name%3Da":    {"a"},
		"/pods?fieldSelector=metadata.name%21%3Da": {"b"},
	} {
		w := get(t, h, root+path, "application/json")
		var list metricsv1beta1.PodMetricsList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %v\n%s", path, w.Code, err, w.Body)
		}
		if list.Kind != "PodMetricsList" || len(list.Items) != len(want) {
			t.Fatalf("%s: %s of %d, wanted %d", path, list.Kind, len(list.Items), len(want))
		}
		for i, m := range list.Items {
			cpu := m.Containers[0].Usage.Cpu()
			if m.Name != want[i] || cpu.MilliValue() != 200 || m.Window.Duration != 15*time.Second || !m.Timestamp.Time.Equal(t0.Add(15*time.Second)) {
				t.Errorf("%s: pod %s uses %s over %s until %s", path, m.Name, cpu, m.Window.Duration, m.Timestamp)
			}
		}
	}
}

func TestAnswersInTheFormAskedFor(t *testing.T) {
	h := newServer(t)
	for accept, want := range map[string]string{
		"": runtime.ContentTypeJSON, "*/*": runtime.ContentTypeJSON, "application/json": runtime.ContentTypeJSON,
		"application/vnd.kubernetes.protobuf,application/json":          runtime.ContentTypeProtobuf,
		"application/json;as=Table;v=v1;g=meta.k8s.io,application/json": runtime.ContentTypeJSON,
	} {
		w := get(t, h, root+"/namespaces/n/pods/a", accept)
		if got := w.Header().Get("Content-Type"); got != want || w.Code != http.StatusOK {
			t.Errorf("%q: %d %s, wanted %s", accept, w.Code, got, want)
		}
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(w.Body.Bytes(), nil, nil)
		if err != nil {
			t.Fatalf("%q: %v", accept, err)
		}
		if m, ok := object.(*metricsv1beta1.PodMetrics); !ok || m.Name != "a" || m.Containers[0].Usage.Cpu().MilliValue() != 200 {
			t.Errorf("%q: got %+v", accept, object)
		}
	}
}

func TestRefuses(t *testing.T) {
	h := newServer(t)
	for path, want := range map[string]int{
		"/namespaces/n/pods/none": http.StatusNotFound, "/namespaces/n/pods/done": http.StatusNotFound,
		"/nodes/none": http.StatusNotFound, "/pods?watch=true": http.StatusMethodNotAllowed,
		"/pods?labelSelector=%21%21": http.StatusBadRequest, "/pods?fieldSelector=%21": http.StatusBadRequest,
	} {
		w := get(t, h, root+path, "application/json")
		var status metav1.Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || w.Code != want || status.Kind != "Status" || int(status.Code) != want {
			t.Errorf("%s: %d with %+v (%v), wanted %d", path, w.Code, status, err, want)
		}
	}
}

func TestNodesAndDiscovery(t *testing.T) {
	h := newServer(t)
	var list metricsv1beta1.NodeMetricsList
	if err := json.Unmarshal(get(t, h, root+"/nodes", "").Body.Bytes(), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("nodes: %+v %v", list, err)
	}
	if cpu := list.Items[0].Usage.Cpu(); cpu.MilliValue() != 600 {
		t.Errorf("the node uses %s, wanted three times 200 m", cpu)
	}
	var node metricsv1beta1.NodeMetrics
	if err := json.Unmarshal(get(t, h, root+"/nodes/vm-1", "").Body.Bytes(), &node); err != nil || node.Name != "vm-1" {
		t.Errorf("node: %+v %v", node, err)
	}
	var resources metav1.APIResourceList
	if err := json.Unmarshal(get(t, h, root, "").Body.Bytes(), &resources); err != nil || len(resources.APIResources) != 2 {
		t.Errorf("discovery: %+v %v", resources, err)
	}
}
