package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/cluster/clustertest"
)

const hpas = "horizontalpodautoscalers"

func manifest(ns, name, deployment string, least, most int) []byte {
	return fmt.Appendf(nil, `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {namespace: %s, name: %s}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}, minReplicas: %d, maxReplicas: %d}
`, ns, name, deployment, least, most)
}

func autoscaler(ns, name, deployment string, least, most int32) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	h.Spec.MinReplicas, h.Spec.MaxReplicas = &least, most
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment}
	return h
}

func putWorkload(s *clustertest.Server, ns string, replicas, ready int32) {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	d.Spec.Replicas, d.Status.ReadyReplicas = &replicas, ready
	s.Put("deployments", d)
}

// standing is a cluster with an autoscaled workload in a, and one without an autoscaler in b.
func standing(t *testing.T) (*clustertest.Server, *cluster.Client, [][]byte) {
	s := clustertest.Start(t)
	putWorkload(s, "a", 3, 3)
	putWorkload(s, "b", 2, 2)
	s.Put(hpas, autoscaler("a", "web", "web", 1, 4))
	return s, connect(t, s), [][]byte{manifest("a", "web", "web", 5, 9), manifest("b", "web", "web", 2, 6)}
}

func specOf(s *clustertest.Server, ns string) string {
	h, ok := s.Get(hpas, ns, "web").(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return "none"
	}
	managers := ""
	for _, m := range h.ManagedFields {
		managers += " " + m.Manager
	}
	return fmt.Sprintf("%d–%d%s", *h.Spec.MinReplicas, h.Spec.MaxReplicas, managers)
}

func replicasOf(s *clustertest.Server, ns string) int32 {
	return *s.Get("deployments", ns, "web").(*appsv1.Deployment).Spec.Replicas
}

// A plan is prepared without a change, applied, and everything put back: specs, managers, replicas, and what was not there.
func TestApplyAndRestore(t *testing.T) {
	s, c, plan := standing(t)
	now := time.Unix(1_700_000_000, 0)
	saved, err := c.Prepare(t.Context(), plan, now)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := specOf(s, "a"), specOf(s, "b"); a != "1–4 test" || b != "none" {
		t.Fatalf("preparing changed something: %s, %s", a, b)
	}
	if !saved.At.Equal(now) || saved.Autoscalers[0].Replicas != 3 || saved.Autoscalers[1].Before != nil || saved.Autoscalers[0].Applied.MaxReplicas != 9 {
		t.Errorf("%+v", saved)
	}
	if err := c.Apply(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	if a, b := specOf(s, "a"), specOf(s, "b"); a != "5–9 test "+cluster.FieldManager || b != "2–6 "+cluster.FieldManager {
		t.Errorf("applied: %s, %s", a, b)
	}
	if _, err := c.Prepare(t.Context(), plan, now); !errors.Is(err, cluster.ErrLeft) {
		t.Errorf("what an earlier verification has left is taken for what was there before: %v", err)
	}
	if ok, waiting, err := c.Settled(t.Context(), saved); ok || err != nil || !strings.Contains(waiting, "a/web has 3 of 5") {
		t.Errorf("settled %v, %q, %v", ok, waiting, err)
	}
	putWorkload(s, "a", 7, 6)
	putWorkload(s, "b", 5, 5)
	if ok, waiting, err := c.Settled(t.Context(), saved); !ok || err != nil {
		t.Errorf("settled %v, %q, %v", ok, waiting, err)
	}
	for range 2 { // restoring again changes nothing
		if err := c.Restore(t.Context(), saved); err != nil {
			t.Fatal(err)
		}
		if a, b := specOf(s, "a"), specOf(s, "b"); a != "1–4 test" || b != "none" || replicasOf(s, "a") != 3 || replicasOf(s, "b") != 2 {
			t.Errorf("restored: %s and %d replicas, %s and %d", a, replicasOf(s, "a"), b, replicasOf(s, "b"))
		}
	}
}

// Whatever part of an application was done when its program was killed, what is saved brings everything back.
func TestRestoreAfterEveryWrite(t *testing.T) {
	for writes := range 3 {
		s, c, plan := standing(t)
		saved, err := c.Prepare(t.Context(), plan, time.Unix(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		done, ctx, kill := 0, t.Context(), func() {}
		ctx, kill = context.WithCancel(ctx)
		s.Hook(func(r *http.Request) {
			if r.Method == http.MethodPatch {
				if done++; done > writes {
					kill()
				}
			}
		})
		_ = c.Apply(ctx, saved)
		s.Hook(nil)
		kill()
		if err := c.Restore(t.Context(), saved); err != nil {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		if a, b := specOf(s, "a"), specOf(s, "b"); a != "1–4 test" || b != "none" || replicasOf(s, "a") != 3 {
			t.Errorf("after %d writes: %s, %s", writes, a, b)
		}
	}
}

// A restoration that is itself cut off, or overtaken by others' writes, is gone on with.
func TestRestoreIsTakenUpAgain(t *testing.T) {
	s, c, plan := standing(t)
	saved, err := c.Prepare(t.Context(), plan, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	puts := 0
	s.Hook(func(r *http.Request) {
		if r.Method != http.MethodPut {
			return
		}
		switch puts++; puts {
		case 1: // a status comes in between
			h := s.Get(hpas, "a", "web").(*autoscalingv2.HorizontalPodAutoscaler)
			h.Status.DesiredReplicas = 8
			s.Replace(hpas, h)
		case 3: // the spec is back, who set it is not
			cut()
		}
	})
	if err := c.Restore(ctx, saved); err == nil {
		t.Error("a restoration that was cut off says that all is well")
	}
	s.Hook(nil)
	if err := c.Restore(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	if a, b := specOf(s, "a"), specOf(s, "b"); a != "1–4 test" || b != "none" {
		t.Errorf("%s, %s", a, b)
	}
}

// What cannot be applied is said before anything is written, and what somebody else has changed is left alone.
func TestWhatIsNotApplied(t *testing.T) {
	for name, c := range map[string]struct {
		manifest []byte
		prepare  func(*clustertest.Server)
		want     string
	}{
		"refused":           {manifest("a", "web", "web", 9, 3), nil, "a/web: the API server does not take it: .*minReplicas"},
		"unknown field":     {append(manifest("a", "web", "web", 1, 3), "most: 3\n"...), nil, "most"},
		"no workload":       {manifest("a", "web", "other", 1, 3), nil, "deployment other"},
		"another scales it": {manifest("a", "mine", "web", 1, 3), nil, "web scales deployment web already"},
		"no rights":         {manifest("a", "web", "web", 1, 3), func(s *clustertest.Server) { s.Deny("patch " + hpas) }, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			s, client, _ := standing(t)
			if c.prepare != nil {
				c.prepare(s)
			}
			if _, err := client.Prepare(t.Context(), [][]byte{c.manifest}, time.Unix(1, 0)); err == nil || !matches(c.want, err.Error()) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if a := specOf(s, "a"); a != "1–4 test" {
				t.Errorf("it is %s now", a)
			}
		})
	}
	s, client, plan := standing(t)
	saved, err := client.Prepare(t.Context(), plan, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	s.Put(hpas, autoscaler("a", "web", "web", 2, 8))
	if err := client.Apply(t.Context(), saved); !errors.Is(err, cluster.ErrChanged) {
		t.Errorf("applied over another's change: %v", err)
	}
	if err := client.Restore(t.Context(), saved); !errors.Is(err, cluster.ErrChanged) || specOf(s, "a") != "2–8 test" {
		t.Errorf("restored over another's change: %v, %s", err, specOf(s, "a"))
	}
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }
