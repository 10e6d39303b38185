package cluster_test

import (
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/cluster/clustertest"
)

func vpa(namespace, mode string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler",
		"metadata": map[string]any{"name": "web", "namespace": namespace},
		"spec":     map[string]any{"updatePolicy": map[string]any{"updateMode": mode}},
	}}
}

// What no model covers is found and named, with its consequence and in both languages.
func TestDiscoverWhatNoModelCovers(t *testing.T) {
	for name, c := range map[string]struct {
		is   func(s *clustertest.Server)
		want []string // code without its beginning, and a word of the text
	}{
		"nothing": {func(*clustertest.Server) {}, nil},
		"KEDA and its metric": {func(s *clustertest.Server) {
			h := tenant(s, "a", 2)
			h.Labels["scaledobject.keda.sh/name"] = "web"
			h.Spec.Metrics = append(h.Spec.Metrics, autoscalingv2.MetricSpec{Type: "External", External: &autoscalingv2.ExternalMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "s0-prometheus"},
			}})
			s.Put("horizontalpodautoscalers", h)
		}, []string{"metrics", "s0-prometheus (External)", "keda", "ScaledObject"}},
		"VPA":                   {func(s *clustertest.Server) { s.Put("verticalpodautoscalers", vpa("a", "Auto")) }, []string{"vpa", "restarts pods"}},
		"VPA that only advises": {func(s *clustertest.Server) { s.Put("verticalpodautoscalers", vpa("a", "Off")) }, nil},
		"VPA of a stranger":     {func(s *clustertest.Server) { s.Put("verticalpodautoscalers", vpa("stranger", "Auto")) }, nil},
		"VPA that may not be read": {func(s *clustertest.Server) {
			s.Put("verticalpodautoscalers", vpa("a", "Auto"))
			s.Deny("verticalpodautoscalers")
		}, []string{"vpa-unknown", "could not be read"}},
		"no VPA, nor a right to read": {func(s *clustertest.Server) { s.Deny("verticalpodautoscalers") }, nil},
		"Karpenter": {func(s *clustertest.Server) {
			n := node("n9", "main", "8")
			n.Labels["karpenter.sh/nodepool"] = "main"
			s.Put("nodes", n)
		}, []string{"cluster-autoscaler", "fixed number"}},
		"a node to be taken away": {func(s *clustertest.Server) {
			n := node("n9", "main", "8")
			n.Spec.Taints = []corev1.Taint{{Key: "ToBeDeletedByClusterAutoscaler"}}
			s.Put("nodes", n)
		}, []string{"cluster-autoscaler", "fixed number"}},
		"a cluster autoscaler's status": {func(s *clustertest.Server) {
			s.Put("configmaps", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cluster-autoscaler-status"}})
		}, []string{"cluster-autoscaler", "fixed number"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Start(t)
			tenant(s, "a", 2)
			s.Put("nodes", node("n1", "main", "8"))
			c.is(s)
			f, err := connect(t, s).Discover(t.Context(), "test", []string{"a"})
			if err != nil {
				t.Fatal(err)
			}
			said := words(f)
			for _, want := range c.want {
				if !slices.ContainsFunc(said, func(x string) bool { return strings.Contains(x, want) }) {
					t.Errorf("lacks %q: %q", want, said)
				}
			}
			if len(said) != len(c.want)/2 {
				t.Errorf("%d warnings, want %d: %q", len(said), len(c.want)/2, said)
			}
		})
	}
}

// words are the warnings about what is not covered.
func words(f *cluster.Found) []string {
	var out []string
	for _, w := range f.Warnings {
		if w.Uncovered() && w.Text["de"] != "" {
			out = append(out, w.Code+": "+w.Text["en"])
		}
	}
	return out
}
