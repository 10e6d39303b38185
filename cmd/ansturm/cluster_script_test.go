package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/cluster/clustertest"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// apiservers are those that scripts have started, by their working directory.
var apiservers sync.Map

// scriptT lets a script's server end with the script.
type scriptT struct {
	testing.TB
	ts *testscript.TestScript
}

func (t scriptT) Helper()                           {}
func (t scriptT) Cleanup(f func())                  { t.ts.Defer(f) }
func (t scriptT) Fatalf(format string, args ...any) { t.ts.Fatalf(format, args...) }

// apiserver starts a small API server and writes the file kubeconfig with its context test: apiserver.
func apiserver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: apiserver")
	}
	s := clustertest.Start(scriptT{ts: ts})
	ts.Check(os.WriteFile(ts.MkAbs("kubeconfig"), []byte(s.Kubeconfig("test", "")), 0o600))
	apiservers.Store(ts.Getenv("WORK"), s)
}

func apiserverOf(ts *testscript.TestScript) *clustertest.Server {
	s, ok := apiservers.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("usage: apiserver first")
	}
	return s.(*clustertest.Server)
}

// agree lets a namespace agree to be fired at: agree NAME. refuse lets it be there and not agree.
func agree(ts *testscript.TestScript, _ bool, args []string) {
	putNamespace(ts, args, map[string]string{cluster.ConsentLabel: cluster.ConsentValue})
}

func refuse(ts *testscript.TestScript, _ bool, args []string) { putNamespace(ts, args, nil) }

// recants lets a namespace that agrees do so no longer, as soon as an autoscaler is applied: recants NAME.
func recants(ts *testscript.TestScript, _ bool, args []string) {
	apiserverOf(ts).Hook(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/horizontalpodautoscalers/") && r.URL.Query().Get("dryRun") == "" {
			putNamespace(ts, args, nil)
		}
	})
}

func putNamespace(ts *testscript.TestScript, args []string, labels map[string]string) {
	if len(args) != 1 {
		ts.Fatalf("usage: agree NAME, refuse NAME")
	}
	apiserverOf(ts).Put("namespaces", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: args[0], Labels: labels}})
}

// platform serves a scenario's tenants by a pod each, called web-TENANT, on the platform's first node: platform SCENARIO
// PLATFORM. Their addresses are in URL_TENANT, that of the desk is in DESK.
func platform(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: platform SCENARIO PLATFORM")
	}
	s, err := scenarios.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	p, err := scenarios.LoadPlatform(ts.MkAbs(args[1]))
	ts.Check(err)
	ground, err := lab.NewGround(lab.Config{Scenario: s, Platform: p}, nil)
	ts.Check(err)
	node := p.Nodes()[0]
	ts.Check(ground.AddNode(node))
	for _, t := range s.Tenants.List {
		pod, err := ground.RunPod(lab.PodSpec{Name: "web-" + t.Name, Tenant: t.Name, Node: node.Name, Request: 1, Warm: true})
		ts.Check(err)
		pod.InRotation(true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan lab.Endpoints, 1), make(chan error, 1)
	go func() { down <- ground.Serve(ctx, func(e lab.Endpoints) { up <- e }) }()
	select {
	case e := <-up:
		ts.Setenv("DESK", "http://"+e.Control)
		for tenant, address := range e.Tenants {
			ts.Setenv("URL_"+tenant, "http://"+address)
		}
		ts.Defer(func() {
			cancel()
			ts.Check(<-down)
		})
	case err := <-down:
		cancel()
		ts.Fatalf("the platform does not start: %v", err)
	}
}

// serves lets a tenant have a Deployment web of 3, and a Service that says where it is, and perhaps where the platform's own
// account is to be had: serves NAME URL [DESK].
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: serves NAME URL [DESK]")
	}
	meta := metav1.ObjectMeta{Namespace: args[0], Name: "web", Annotations: map[string]string{cluster.URLAnnotation: args[1]}}
	if len(args) == 3 {
		meta.Annotations[cluster.DeskAnnotation] = args[2]
	}
	replicas := int32(3)
	d := &appsv1.Deployment{ObjectMeta: meta}
	d.Spec.Replicas, d.Spec.Template.Labels, d.Status.ReadyReplicas = &replicas, map[string]string{"app": "web"}, replicas
	apiserverOf(ts).Put("deployments", d)
	service := &corev1.Service{ObjectMeta: meta}
	service.Spec.Selector = map[string]string{"app": "web"}
	apiserverOf(ts).Put("services", service)
}

// scales lets a tenant's Deployment web have an autoscaler: scales NAME MIN MAX.
func scales(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: scales NAME MIN MAX")
	}
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: args[0], Name: "web"}}
	h.Spec.MinReplicas, h.Spec.MaxReplicas = new(count(ts, args[1])), count(ts, args[2])
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	apiserverOf(ts).Put("horizontalpodautoscalers", h)
}

func count(ts *testscript.TestScript, text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	ts.Check(err)
	return int32(n)
}

// scaled says that a tenant's autoscaler is as scales has made it, with 3 replicas; without MIN and MAX, that there is
// none; negated, that it is another: scaled NAME [MIN MAX].
func scaled(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: scaled NAME [MIN MAX]")
	}
	s, want, is := apiserverOf(ts), "none", "none"
	if len(args) == 3 {
		want = args[1] + "–" + args[2] + " by test, 3 replicas"
	}
	if h, ok := s.Get("horizontalpodautoscalers", args[0], "web").(*autoscalingv2.HorizontalPodAutoscaler); ok {
		managers := []string{}
		for _, m := range h.ManagedFields {
			managers = append(managers, m.Manager)
		}
		d := s.Get("deployments", args[0], "web").(*appsv1.Deployment)
		is = fmt.Sprintf("%d–%d by %s, %d replicas", *h.Spec.MinReplicas, h.Spec.MaxReplicas, strings.Join(managers, ", "), *d.Spec.Replicas)
	}
	if (is == want) == neg {
		ts.Fatalf("the autoscaler of %s: %s", args[0], is)
	}
}

// planned makes a plan: planned SCENARIO PLATFORM DIR.
func planned(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: planned SCENARIO PLATFORM DIR")
	}
	s, err := scenarios.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	p, err := scenarios.LoadPlatform(ts.MkAbs(args[1]))
	ts.Check(err)
	plan, err := planner.Search(context.Background(), nil, s, p, planner.Options{Delta: 0.2, Worlds: 16, LoseNodes: new(0)})
	ts.Check(err)
	ts.Check(plan.Write(ts.MkAbs(args[2])))
}
