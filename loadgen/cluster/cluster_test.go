package cluster_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/cluster/clustertest"
	"github.com/ansturm/ansturm/scenarios"
)

func kubeconfig(t *testing.T, s *clustertest.Server, user string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(s.Kubeconfig("test", user)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func connect(t *testing.T, s *clustertest.Server) *cluster.Client {
	t.Helper()
	c, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: kubeconfig(t, s, "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is wrong before the first request is said in words that mend it.
func TestConnectErrors(t *testing.T) {
	s := clustertest.Start(t)
	s.Token("right")
	good := kubeconfig(t, s, "token: right")
	if c, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: good, Context: "test"}); err != nil || c.Version != "v1.35.4" {
		t.Fatalf("%v, %v", c, err)
	}
	for name, c := range map[string]struct {
		config cluster.Config
		want   string
	}{
		"no such context":    {cluster.Config{Kubeconfig: good, Context: "prod"}, `no context "prod" in ` + good + "; it has test"},
		"no such file":       {cluster.Config{Kubeconfig: good + "-not"}, "no such file"},
		"wrong token":        {cluster.Config{Kubeconfig: kubeconfig(t, s, "token: wrong")}, "refuses the credentials"},
		"not a kubeconfig":   {cluster.Config{Kubeconfig: "cluster_test.go"}, "kubeconfig"},
		"none of that place": {cluster.Config{Kubeconfig: os.DevNull, Context: "prod"}, `no context "prod"`},
	} {
		if _, err := cluster.Connect(t.Context(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	s.Down()
	if _, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: good}); !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

func namespace(name, consent string) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if consent != "" {
		n.Labels = map[string]string{cluster.ConsentLabel: consent}
	}
	return n
}

// Consent is every single namespace's: by one list, or one by one where that is all one may do.
func TestConsent(t *testing.T) {
	for name, denied := range map[string][]string{"by a list": nil, "one by one": {"namespaces/"}} {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Start(t)
			s.Deny(denied...)
			s.Put("namespaces", namespace("a", "allowed"))
			s.Put("namespaces", namespace("b", "allowed"))
			s.Put("namespaces", namespace("silent", ""))
			s.Put("namespaces", namespace("no", "forbidden"))
			c := connect(t, s)
			if err := c.Consent(t.Context(), []string{"a", "b"}); err != nil {
				t.Errorf("two that agree: %v", err)
			}
			err := c.Consent(t.Context(), []string{"a", "silent", "no", "nowhere"})
			var no *cluster.NoConsentError
			if !errors.As(err, &no) || !errors.Is(err, cluster.ErrNoConsent) {
				t.Fatalf("three that do not: %v", err)
			}
			if !slices.Equal(no.Without, []string{"silent", "no"}) || !slices.Equal(no.Missing, []string{"nowhere"}) {
				t.Errorf("without %v, missing %v", no.Without, no.Missing)
			}
			if !strings.Contains(err.Error(), cluster.ConsentLabel) {
				t.Errorf("%v does not say which label", err)
			}
		})
	}
	s := clustertest.Start(t)
	s.Deny("namespaces")
	if err := connect(t, s).Consent(t.Context(), []string{"a"}); err == nil {
		t.Error("consent that cannot be read is none")
	}
}

func quantities(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// tenant puts a tenant's objects: web behind a Service with an address, and a database that nobody may mistake for it.
func tenant(s *clustertest.Server, name string, replicas int32) *autoscalingv2.HorizontalPodAutoscaler {
	meta := func(object string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: name, Name: object, Labels: map[string]string{cluster.TenantLabel: name}}
	}
	deploy := func(object string, n int32) {
		d := &appsv1.Deployment{ObjectMeta: meta(object)}
		d.Spec.Replicas = &n
		d.Spec.Template.Labels = map[string]string{"app": object, cluster.TenantLabel: name}
		d.Spec.Template.Spec.Containers = []corev1.Container{
			{Name: "web", Resources: corev1.ResourceRequirements{Requests: quantities("400m", "200Mi"), Limits: quantities("800m", "300Mi")}},
			{Name: "proxy", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}}},
		}
		s.Put("deployments", d)
	}
	deploy("db", 1)
	deploy("web", replicas)
	service := &corev1.Service{ObjectMeta: meta("web")}
	service.Annotations = map[string]string{cluster.URLAnnotation: "http://127.0.0.1:9000"}
	service.Spec.Selector = map[string]string{"app": "web"}
	s.Put("services", service)
	least, target, window := int32(2), int32(60), int32(120)
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta("web")}
	h.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"},
		MinReplicas:    &least, MaxReplicas: 9,
		Metrics: []autoscalingv2.MetricSpec{{Type: "Resource", Resource: &autoscalingv2.ResourceMetricSource{
			Name: "cpu", Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: &target},
		}}},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window}},
	}
	s.Put("horizontalpodautoscalers", h)
	return h
}

func node(name, pool, cpu string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		"cloud.google.com/gke-nodepool": pool, "topology.kubernetes.io/zone": "z1",
	}}}
	n.Status.Capacity = quantities(cpu, "16Gi")
	n.Status.Capacity[corev1.ResourcePods] = resource.MustParse("110")
	n.Status.Allocatable = n.Status.Capacity.DeepCopy()
	free := n.Status.Capacity.Cpu().DeepCopy()
	free.Sub(resource.MustParse("500m"))
	n.Status.Allocatable[corev1.ResourceCPU] = free
	return n
}

// A live cluster is described as it is: HPA specs verbatim, sums of requests, like nodes as pools, like tenants together.
func TestDiscover(t *testing.T) {
	for name, denied := range map[string][]string{
		"cluster-wide": nil, "by namespace": {"deployments/", "services/", "horizontalpodautoscalers/"},
	} {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Start(t)
			s.Deny(denied...)
			hpa := tenant(s, "a", 2)
			tenant(s, "b", 2)
			tenant(s, "c", 5)
			tenant(s, "stranger", 7)
			for _, n := range []*corev1.Node{node("n1", "Main_Pool", "8"), node("n2", "Main_Pool", "8"), node("n3", "Main_Pool", "16")} {
				s.Put("nodes", n)
			}
			f, err := connect(t, s).Discover(t.Context(), "test", []string{"a", "b", "c"})
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Tenants) != 3 || f.Tenants[0].URL != "http://127.0.0.1:9000" || f.Tenants[0].Deployment != "web" || !f.Labelled {
				t.Errorf("tenants %+v, labelled %v", f.Tenants, f.Labelled)
			}
			p := f.Platform
			if p.Kubernetes != "1.35" || len(p.Workloads) != 2 || !slices.Equal(p.Workloads[0].Tenants, []string{"a", "b"}) || p.Workloads[1].Replicas != 5 {
				t.Fatalf("described as %+v", p)
			}
			w := p.Workloads[0]
			if got := w.CPURequest(); got != 0.5 { // a container without a request has its limit as one
				t.Errorf("requests %v cores, want 0.4 + 0.1", got)
			}
			if got := w.CPULimit(); got != 0.9 {
				t.Errorf("limit %v cores, want 0.8 + 0.1", got)
			}
			if _, limited := w.Resources.Limits[corev1.ResourceMemory]; limited {
				t.Error("a memory limit, though one container has none")
			}
			if got := *w.HPA; got.String() != hpa.Spec.String() {
				t.Errorf("HPA %v, want it verbatim: %v", got, hpa.Spec)
			}
			if len(p.Pools) != 2 || p.Pools[0].Count+p.Pools[1].Count != 3 || p.Pools[0].Name == p.Pools[1].Name || p.Pools[0].Site != "z1" {
				t.Errorf("pools %+v: want two, as one pool has unlike nodes", p.Pools)
			}
			for _, pool := range p.Pools {
				if cores, _, pods := pool.Allocatable(); cores != 7.5 && cores != 15.5 || pods != 110 {
					t.Errorf("pool %s has %v cores, %d pods to give", pool.Name, cores, pods)
				}
			}
		})
	}
}

// What is not there is warned of, not made up.
func TestDiscoverLittle(t *testing.T) {
	s := clustertest.Start(t)
	s.Deny("nodes")
	f, err := connect(t, s).Discover(t.Context(), "test", []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, w := range f.Warnings {
		codes = append(codes, w.Code)
		if w.Text["de"] == "" || w.Text["en"] == "" {
			t.Errorf("no words for %s", w.Code)
		}
	}
	if !slices.Contains(codes, "nodes-unknown") || !slices.Contains(codes, "workload-unknown") || f.Labelled || f.Tenants[0].URL != "" {
		t.Errorf("warnings %v, %+v", codes, f.Tenants)
	}
}

// The description adds what a cluster cannot tell, and changes nothing that it does.
func TestOverlay(t *testing.T) {
	live := &scenarios.Platform{
		Name: "live", Pools: []scenarios.NodePool{{Name: "vm", Count: 3}},
		Workloads: []scenarios.Workload{{Name: "web", Tenants: []string{"a", "b"}, Replicas: 4}},
	}
	described := &scenarios.Platform{
		Name: "described", Pools: []scenarios.NodePool{{Name: "vm", Count: 9}}, Backends: []scenarios.Backend{{Name: "db", Cores: 2}},
		Workloads: []scenarios.Workload{
			{Name: "web", Replicas: 1, Threads: 8, Steps: map[string]scenarios.Work{"form": {}}},
			{Name: "web", Tenants: []string{"b"}, Replicas: 1, Threads: 2},
		},
	}
	got := cluster.Overlay(live, described)
	if got.Pools[0].Count != 3 || len(got.Backends) != 1 || len(got.Workloads) != 2 {
		t.Fatalf("%+v", got)
	}
	for tenant, threads := range map[string]int{"a": 8, "b": 2} {
		if w := got.WorkloadOf(tenant); w == nil || w.Threads != threads || w.Replicas != 4 {
			t.Errorf("tenant %s: %+v", tenant, w)
		}
	}
	if len(live.Workloads) != 1 || live.Workloads[0].Threads != 0 {
		t.Error("the live description was changed")
	}
	if cluster.Overlay(live, nil) != live {
		t.Error("without a description the live one is all there is")
	}
}

// The server's clock is bounded by the Date of its answers: here it is ours, so that nought is within the bounds.
func TestAhead(t *testing.T) {
	s := clustertest.Start(t)
	c := connect(t, s)
	for range 20 {
		if err := c.REST(cluster.Core).Get().AbsPath("/version").Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	low, high, known := c.Ahead()
	if !known || low > 0 || high < 0 || high-low > time.Second+time.Minute {
		t.Errorf("ahead by %v to %v (%v)", low, high, known)
	}
}

// Nothing but GET ever goes to the API server.
func TestOnlyReads(t *testing.T) {
	s := clustertest.Start(t)
	tenant(s, "a", 1)
	s.Put("namespaces", namespace("a", "allowed"))
	s.Hook(func(r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	c := connect(t, s)
	if err := c.Consent(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Discover(t.Context(), "x", []string{"a"}); err != nil {
		t.Fatal(err)
	}
}
