package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/lab/kubernetes/audit"
	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/chain"
	"github.com/ansturm/ansturm/scenarios"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// small is a run with one scale-up, of a pod that goes its way in tenths of a second, and seen a hundredth later.
func small() *seen {
	const seen1 = 10 * time.Millisecond
	s := &seen{run: &record.Run{StartedAt: noon}, pods: map[string]audit.Pod{}}
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	write := func(version uint64, replicas int32, d time.Duration) {
		s.writes = append(s.writes, audit.Write{
			Received: at(d - time.Millisecond), At: at(d), Resource: "deployments", Namespace: "t1", Name: "web", UID: "u", ResourceVersion: version, Replicas: replicas,
		})
	}
	write(1, 1, -time.Minute) // the set-up's
	write(7, 2, time.Second)
	e := record.Event{Source: "watch", Tenant: "t1", Workload: "web"}
	e.Kind, e.At, e.From, e.Desired, e.ResourceVersion = record.KindScale, time.Second+seen1, 1, 2, "7"
	s.events = append(s.events, e)
	e = record.Event{Source: "watch", Kind: record.KindPod, Tenant: "t1", Workload: "web", Object: "web-1"}
	for i, stage := range chain.PodStages[:6] {
		truth := time.Second + time.Duration(i+1)*100*time.Millisecond
		e.Phase, e.At = stage, truth+seen1
		e.Within = &record.Span{From: time.Second, To: e.At}
		s.events = append(s.events, e)
		for word, is := range stageOf {
			if is == stage {
				s.journal = append(s.journal, nodeagent.Entry{At: at(truth).UnixNano(), Stage: word, Namespace: "t1", Pod: "web-1"})
			}
		}
	}
	s.pods["t1/web-1"] = audit.Pod{
		Created: audit.Span{From: at(1095 * time.Millisecond), To: at(1100 * time.Millisecond)},
		Bound:   audit.Span{From: at(1195 * time.Millisecond), To: at(1200 * time.Millisecond)},
		Ready:   audit.Span{From: at(1595 * time.Millisecond), To: at(1600 * time.Millisecond)},
	}
	s.events = append(s.events, record.Event{Kind: record.KindGenerator, At: time.Minute})
	return s
}

func (s *seen) stages() string {
	var text []string
	for _, e := range s.errors(chain.Of(s.events, nil)) {
		text = append(text, fmt.Sprintf("%s %d %v %d/%v", e.Stage, e.Count, e.P95ms, e.Bounded, e.Inside))
	}
	return strings.Join(text, ", ")
}

// TestAgreement: what is seen a hundredth of a second late is off by that, and within its bounds.
func TestAgreement(t *testing.T) {
	s := small()
	if audited, unlike := s.unlikeScalings(); audited != 1 || unlike != 0 {
		t.Errorf("%d scalings, %d unlike", audited, unlike)
	}
	const want = "decision 1 10 0/0, created 1 10 1/1, scheduled 1 10 1/1, pulled 1 10 1/1, started 1 10 1/1, ready 1 10 1/1, rotation 1 10 1/1"
	if got := s.stages(); got != want {
		t.Errorf("stages are %s, wanted %s", got, want)
	}
}

// TestDisagreement: each way in which the two sides may differ is noticed, and none that is not there.
func TestDisagreement(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(s *seen)
		audited, alike int
		stage          string
	}{
		"a scaling that was not seen": {func(s *seen) { s.events = slices.Delete(s.events, 0, 1) }, 1, 1, ""},
		"a scaling that nobody wrote": {func(s *seen) { s.events = append(s.events, s.events[0]); s.events[0].Desired = 3 }, 1, 1, ""},
		"another object's version":    {func(s *seen) { s.events[0].ResourceVersion = "8" }, 1, 2, ""},
		"a write after the watching":  {func(s *seen) { s.writes = append(s.writes, later(s.writes[1], 2*time.Minute)) }, 1, 0, ""},
		"a write that was not seen":   {func(s *seen) { s.writes = append(s.writes, later(s.writes[1], 5*time.Second)) }, 2, 1, ""},
		"a replica set's write":       {func(s *seen) { s.writes[1].Resource = "replicasets" }, 0, 1, ""},
		"a stage that is off":         {func(s *seen) { s.events[3].At += time.Second; s.events[3].Within = nil }, 1, 0, "pulled 1 1010 0/0"},
		"bounds that hold more":       {func(s *seen) { s.events[3].At += time.Second }, 1, 0, "pulled 1 1010 1/1"},
		"a stage nobody wrote down":   {func(s *seen) { s.journal = s.journal[1:] }, 1, 0, "pulled 0 0 0/0"},
		"a decision whose write is far": {func(s *seen) {
			s.writes[1] = later(s.writes[1], 3*time.Second)
			s.writes[1].ResourceVersion = 7
			s.writes[1].Replicas = 2
		}, 1, 0, "decision 1 2989 0/0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := small()
			c.change(s)
			if audited, unlike := s.unlikeScalings(); audited != c.audited || unlike != c.alike {
				t.Errorf("%d scalings, %d unlike, wanted %d and %d", audited, unlike, c.audited, c.alike)
			}
			if got := s.stages(); !strings.Contains(got, c.stage) {
				t.Errorf("stages are %s, wanted %s", got, c.stage)
			}
		})
	}
}

// later is a write of one more replica, after that time.
func later(w audit.Write, d time.Duration) audit.Write {
	w.Received, w.At, w.ResourceVersion, w.Replicas = w.Received.Add(d), w.At.Add(d), w.ResourceVersion+1, w.Replicas+1
	return w
}

// TestQuotasAreCompared: by pod, up to the last scrape; one that only the kernel tells of is there, too.
func TestQuotasAreCompared(t *testing.T) {
	s := &seen{run: &record.Run{StartedAt: noon}}
	for i := range 3 {
		s.events = append(s.events, record.Event{
			Kind: record.KindThrottling, At: time.Duration(i+1) * 5 * time.Second, Tenant: "ofen", Object: "p",
			Values: map[string]float64{"throttled_periods": 20, "throttled_seconds": 1.5},
		})
	}
	for second := range 20 {
		for _, pod := range []string{"p", "q"} {
			s.journal = append(s.journal, nodeagent.Entry{
				At: noon.Add(time.Duration(second) * time.Second).UnixNano(), Stage: nodeagent.StageThrottled, Namespace: "ofen", Pod: pod,
				Values: map[string]float64{"throttled_periods": 4 * float64(second), "throttled_seconds": 0.3 * float64(second)},
			})
		}
	}
	got := s.quotas()
	want := []podQuota{{"ofen/p", 60, 4.5, 60, 4.5}, {Pod: "ofen/q", KernelPeriods: 76, KernelSeconds: 5.7}}
	if fmt.Sprintf("%.3v", got) != fmt.Sprintf("%.3v", want) {
		t.Errorf("quotas %v, wanted %v", got, want)
	}
}

// TestWorldsAreRight: the cases' files are a scenario and a platform for it.
func TestWorldsAreRight(t *testing.T) {
	for _, name := range []string{"chain", "throttling"} {
		for _, tenants := range []int{1, 60, 200} {
			w, err := worldOf(name, tenants)
			if err != nil {
				t.Fatal(err)
			}
			s, err := scenarios.Parse("world.yaml", []byte(w.scenario), nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := scenarios.ParsePlatform("world.platform.yaml", []byte(w.platform))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Check(s); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := worldOf("other", 1); err == nil {
		t.Error("a case that is none")
	}
}
