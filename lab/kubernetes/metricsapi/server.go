package metricsapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// Server answers metrics.k8s.io/v1beta1. It trusts whom the TLS listener lets in: the API server's aggregator, which has
// asked its own authoriser about the caller.
type Server struct {
	Store *Store
	Pods  corelisters.PodLister
	Nodes corelisters.NodeLister
}

// Handler serves discovery and the two resources.
func (s *Server) Handler() http.Handler {
	const root = "/apis/metrics.k8s.io/v1beta1"
	mux := http.NewServeMux()
	discover(mux)
	mux.HandleFunc("GET "+root+"/nodes", s.listNodes)
	mux.HandleFunc("GET "+root+"/nodes/{name}", s.getNode)
	mux.HandleFunc("GET "+root+"/pods", s.listPods)
	mux.HandleFunc("GET "+root+"/namespaces/{namespace}/pods", s.listPods)
	mux.HandleFunc("GET "+root+"/namespaces/{namespace}/pods/{name}", s.getPod)
	return mux
}

func (s *Server) listPods(w http.ResponseWriter, r *http.Request) {
	matches, selector, err := selectors(r)
	if err != nil {
		fail(w, err)
		return
	}
	pods, broken := s.Pods.Pods(r.PathValue("namespace")).List(selector)
	if broken != nil {
		fail(w, apierrors.NewInternalError(broken))
		return
	}
	list := &metricsv1beta1.PodMetricsList{Items: []metricsv1beta1.PodMetrics{}}
	for _, pod := range pods {
		if m := s.podMetrics(pod); m != nil && matches(pod.Namespace, pod.Name) {
			list.Items = append(list.Items, *m)
		}
	}
	slices.SortFunc(list.Items, func(a, b metricsv1beta1.PodMetrics) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	answer(w, r, list)
}

func (s *Server) getPod(w http.ResponseWriter, r *http.Request) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	pod, err := s.Pods.Pods(namespace).Get(name)
	if err == nil {
		if m := s.podMetrics(pod); m != nil {
			answer(w, r, m)
			return
		}
	}
	fail(w, apierrors.NewNotFound(metricsv1beta1.Resource("podmetrics"), namespace+"/"+name))
}

// podMetrics is nil for a pod that does not run or has no rate yet.
func (s *Server) podMetrics(pod *corev1.Pod) *metricsv1beta1.PodMetrics {
	readings := s.Store.Pod(pod.Namespace, pod.Name)
	if pod.Status.Phase != corev1.PodRunning || len(readings) == 0 {
		return nil
	}
	m := &metricsv1beta1.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, CreationTimestamp: metav1.Now(),
		},
	}
	earliest := readings[0]
	for _, r := range readings {
		if r.At.Before(earliest.At) {
			earliest = r
		}
		m.Containers = append(m.Containers, metricsv1beta1.ContainerMetrics{Name: r.Container, Usage: r.resources()})
	}
	m.Timestamp, m.Window = metav1.NewTime(earliest.At), metav1.Duration{Duration: earliest.Window}
	return m
}

func (r Reading) resources() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(r.CPU, resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(r.Memory, resource.BinarySI),
	}
}

func (s *Server) listNodes(w http.ResponseWriter, r *http.Request) {
	matches, selector, err := selectors(r)
	if err != nil {
		fail(w, err)
		return
	}
	nodes, broken := s.Nodes.List(selector)
	if broken != nil {
		fail(w, apierrors.NewInternalError(broken))
		return
	}
	readings := s.Store.Nodes()
	list := &metricsv1beta1.NodeMetricsList{Items: []metricsv1beta1.NodeMetrics{}}
	for _, node := range nodes {
		if r, known := readings[node.Name]; known && matches("", node.Name) {
			list.Items = append(list.Items, r.node(node))
		}
	}
	slices.SortFunc(list.Items, func(a, b metricsv1beta1.NodeMetrics) int { return strings.Compare(a.Name, b.Name) })
	answer(w, r, list)
}

func (s *Server) getNode(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if node, err := s.Nodes.Get(name); err == nil {
		if reading, known := s.Store.Nodes()[name]; known {
			m := reading.node(node)
			answer(w, r, &m)
			return
		}
	}
	fail(w, apierrors.NewNotFound(metricsv1beta1.Resource("nodemetrics"), name))
}

func (r Reading) node(node *corev1.Node) metricsv1beta1.NodeMetrics {
	return metricsv1beta1.NodeMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels, CreationTimestamp: metav1.NewTime(time.Now())},
		Timestamp:  metav1.NewTime(r.At), Window: metav1.Duration{Duration: r.Window}, Usage: r.resources(),
	}
}

// selectors reads a list's two selectors; the fields are the object's name and namespace.
func selectors(r *http.Request) (func(namespace, name string) bool, labels.Selector, *apierrors.StatusError) {
	query := r.URL.Query()
	if watch := query.Get("watch"); watch == "1" || watch == "true" {
		return nil, nil, apierrors.NewMethodNotSupported(metricsv1beta1.Resource("pods"), "watch")
	}
	byLabel, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		return nil, nil, apierrors.NewBadRequest(err.Error())
	}
	byField, err := fields.ParseSelector(query.Get("fieldSelector"))
	if err != nil {
		return nil, nil, apierrors.NewBadRequest(err.Error())
	}
	return func(namespace, name string) bool {
		return byField.Matches(fields.Set{"metadata.namespace": namespace, "metadata.name": name})
	}, byLabel, nil
}
