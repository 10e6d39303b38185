package lab

import (
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

func quantities(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}
}

func fixed(d time.Duration) *scenarios.Distribution { return &scenarios.Distribution{Fixed: &d} }

// smallWorld is one tenant's workload on nodes of 4 cores: submit takes 150 ms of CPU, form 60 ms.
func smallWorld(tenants int) (*scenarios.Platform, *scenarios.Scenario) {
	p := &scenarios.Platform{
		Name:  "small",
		Pools: []scenarios.NodePool{{Name: "vm", Count: 3, Capacity: quantities("4", "16Gi")}},
		Workloads: []scenarios.Workload{{
			Name: "antrag", Replicas: 2,
			Resources: corev1.ResourceRequirements{Requests: quantities("500m", "512Mi"), Limits: quantities("500m", "512Mi")},
			Start: scenarios.Start{
				Pull: fixed(8 * time.Second), Start: fixed(2 * time.Second), Ready: fixed(5 * time.Second),
			},
			Steps: map[string]scenarios.Work{
				"submit": {CPU: *fixed(150 * time.Millisecond), Accepts: true},
				"form":   {CPU: *fixed(60 * time.Millisecond)},
			},
		}},
	}
	s := &scenarios.Scenario{
		Name:     "small",
		Journeys: []scenarios.Journey{{Name: "j", Steps: []scenarios.Step{{Name: "form"}, {Name: "submit"}}}},
	}
	for i := range tenants {
		s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{Name: fmt.Sprintf("t%d", i+1)})
	}
	return p, s
}

func autoscale(w *scenarios.Workload, target, least, most int32) {
	w.HPA = &autoscalingv2.HorizontalPodAutoscalerSpec{
		MinReplicas: &least, MaxReplicas: most,
		Metrics: []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target},
			},
		}},
	}
}

// world is a core in virtual time with its timeline and answers kept.
type world struct {
	*core
	t        testing.TB
	events   []record.Event
	outcomes map[*request]outcome
}

func newWorld(t testing.TB, p *scenarios.Platform, s *scenarios.Scenario) *world {
	t.Helper()
	c, err := newCore(p, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := watched(t, c)
	c.begin(0)
	return w
}

// watched keeps what a core says.
func watched(t testing.TB, c *core) *world {
	w := &world{core: c, t: t, outcomes: map[*request]outcome{}}
	c.emit = func(e record.Event) { w.events = append(w.events, e) }
	c.answered = func(r *request) {
		if o, twice := w.outcomes[r]; twice {
			t.Errorf("request %d answered twice: %d, then %d", r.key, o, r.outcome)
		}
		w.outcomes[r] = r.outcome
	}
	return w
}

// send hands in one request at moment at.
func (w *world) send(at time.Duration, tenant int, step string, key uint32) *request {
	w.advance(at)
	r := &request{tenant: tenant, key: key, keyed: true}
	for i, name := range w.steps {
		if name == step {
			r.step = i
		}
	}
	w.submit(r)
	return r
}

// stream sends requests evenly at rate per second from one moment to another.
func (w *world) stream(from, to time.Duration, rate float64, tenant int, step string, key uint32) (sent []*request) {
	for i := 0; ; i++ {
		at := from + time.Duration(float64(i)/rate*1e9)
		if at >= to {
			return sent
		}
		sent = append(sent, w.send(at, tenant, step, key+uint32(i)))
	}
}

func (w *world) of(kind string) (list []record.Event) {
	for _, e := range w.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if d := got - want; !(d <= within && d >= -within) {
		t.Errorf("%s is %.6g, want %.6g ± %.2g", what, got, want, within)
	}
}
