package chain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
)

// second is a whole second's stamp: the truth cut off.
func second(t time.Duration) time.Duration { return t.Truncate(time.Second) }

// seenAs is an event of a cluster as the observer writes it: what happened at truth, stamped with a whole second, arrived
// after delay.
func seenAs(e record.Event, truth, delay time.Duration) record.Event {
	e.Source, e.Evidence = "watch", record.EvidenceArrival
	e.At = min(truth+delay, second(truth)+time.Second)
	e.Within = &record.Span{From: second(truth), To: e.At}
	return e
}

// cluster is a timeline made up of truths.
type cluster struct {
	events []record.Event
	truth  map[string]time.Duration // by pod/stage
	ups    int
}

// scale lets tenant t1's web go up at a moment, pods coming up with the given lengths of their stages.
func (c *cluster) scale(t *rapid.T, at time.Duration, from, to int32, delay func(string) time.Duration) (end time.Duration) {
	w := record.Event{Tenant: "t1", Workload: "web"}
	e := w
	e.Kind, e.From, e.Desired, e.Message = record.KindScale, from, to, "kube-controller-manager/scale"
	c.events = append(c.events, seenAs(e, at, delay("scale")))
	for i := from; i < to; i++ {
		name := fmt.Sprintf("web-%d-%d", c.ups, i)
		now := at
		for _, stage := range PodStages[:6] {
			now += time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(5*time.Second)).Draw(t, stage))
			e := w
			e.Kind, e.Object, e.Phase, e.Node = record.KindPod, name, stage, "vm-1"
			c.events = append(c.events, seenAs(e, now, delay(stage)))
			c.truth[name+"/"+stage] = now
		}
		end = max(end, now)
	}
	c.ups++
	return end
}

// answer lets some of the pods answer: each has its first request soon after it came into rotation.
func (c *cluster) answer(t *rapid.T) {
	apart := func(what string) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, what))
	}
	for _, e := range slices.Clone(c.events) {
		if e.Phase != record.PhaseRotation {
			continue
		}
		truth, answers := c.truth[e.Object+"/"+e.Phase]+apart("first request"), rapid.IntRange(0, 3).Draw(t, "answers")
		for range answers {
			from := max(0, truth-apart("sent"))
			c.truth[e.Object+"/"+record.PhaseServing] = truth
			c.events = append(c.events, record.Event{
				At: from, Within: &record.Span{From: from, To: truth + apart("answered")}, Evidence: record.EvidenceAnswer, Source: "generator",
				Kind: record.KindPod, Tenant: "t1", Object: e.Object, Phase: record.PhaseServing,
			})
		}
	}
}

func (c *cluster) sample(at time.Duration, used float64) {
	c.events = append(c.events, record.Event{
		At: second(at), Within: &record.Span{From: second(at), To: second(at) + time.Second}, Source: "metrics", Kind: record.KindMetrics,
		Tenant: "t1", Workload: "web", Values: map[string]float64{"utilisation_percent": used, "window_seconds": 15},
	})
}

// made is a cluster whose load rises in the fifth minute, with up to three scale-ups.
func made(t *rapid.T) *cluster {
	c := &cluster{truth: map[string]time.Duration{}}
	c.events = append(c.events, record.Event{
		Source: "watch", Kind: record.KindAutoscaler, Tenant: "t1", Workload: "web", Values: map[string]float64{"target_percent": 60},
	}, record.Event{Source: "watch", Kind: record.KindPod, Tenant: "t1", Workload: "web", Object: "web-0", Phase: record.PhaseReady, Message: "initial"})
	for at := 10 * time.Second; at < 20*time.Minute; at += 15 * time.Second {
		used := 30.0
		if at > 4*time.Minute {
			used = 90
		}
		c.sample(at, used)
	}
	delay := func(what string) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(200*time.Millisecond)).Draw(t, what+"'s delay"))
	}
	from, at := int32(1), 4*time.Minute+30*time.Second
	for range rapid.IntRange(1, 3).Draw(t, "scale-ups") {
		to := from + rapid.Int32Range(1, 4).Draw(t, "pods")
		at = max(at+15*time.Second, c.scale(t, at, from, to, delay)-time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "overlap")))
		from = to
	}
	return c
}

// Whatever the delays, every chain is attributed, in the order of its stages, and the truth is within the bounds.
func TestWholeChains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := made(t)
		c.answer(t)
		chains, answered := Of(c.events, nil), 0
		sum := chains.Summary()
		if sum.ScaleUps != c.ups || sum.Attributed != c.ups || sum.Strays != 0 || len(sum.Reasons) != 0 {
			t.Fatalf("%+v of %d scale-ups", sum, c.ups)
		}
		for i, up := range chains.ScaleUps {
			if load := up.Stage(Load); load.From > 4*time.Minute || load.To < 4*time.Minute {
				t.Fatalf("the load rose at 4m0s, not within %v to %v", load.From, load.To)
			}
			if sample, decision := up.Stage(Sample), up.Stage(Decision); sample.At > decision.To || decision.At-sample.At > 20*time.Second {
				t.Fatalf("decided at %v by a sample of %v", decision.At, sample.At)
			}
			for _, p := range up.Pods {
				var series int
				if _, err := fmt.Sscanf(p.Name, "web-%d-", &series); err != nil || series != i && len(chains.ScaleUps) == 1 {
					t.Fatalf("pod %s belongs to scale-up %d", p.Name, i)
				}
				for _, m := range p.Stages {
					if m.Stage == record.PhaseServing {
						answered++
					}
					if truth := c.truth[p.Name+"/"+m.Stage]; truth < m.From || truth > m.To || m.At < m.From || m.At > m.To {
						t.Fatalf("%s %s at %v, not within %v to %v (estimate %v)", p.Name, m.Stage, truth, m.From, m.To, m.At)
					}
				}
			}
		}
		for what := range c.truth {
			if strings.HasSuffix(what, record.PhaseServing) {
				answered--
			}
		}
		if answered != 0 {
			t.Fatalf("%d pods more have served than have answered", answered)
		}
	})
}

// An event that is missing is named as missing, at its place and nowhere else, and what its neighbours leave open holds the truth.
func TestMissingIsNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := made(t)
		var pods []int
		for i, e := range c.events {
			if e.Kind == record.KindPod && e.Message != "initial" && e.Phase != record.PhaseCreated {
				pods = append(pods, i)
			}
		}
		i := rapid.SampledFrom(pods).Draw(t, "missing")
		lost := c.events[i]
		chains := Of(slices.Delete(slices.Clone(c.events), i, i+1), nil)
		sum := chains.Summary()
		if got := sum.Attributed + sum.Partly + sum.Unfinished; got != c.ups || sum.Attributed != c.ups-1 {
			t.Fatalf("%+v of %d scale-ups, one event missing", sum, c.ups)
		}
		want := NotSeen
		if lost.Phase == record.PhaseRotation {
			want = EndOfRecord
		}
		if len(sum.Reasons) != 1 || sum.Reasons[want] != 1 {
			t.Fatalf("reasons %v, want one %s", sum.Reasons, want)
		}
		for _, up := range chains.ScaleUps {
			for _, p := range up.Pods {
				for _, m := range p.Stages {
					if m.Known() {
						continue
					}
					truth := c.truth[p.Name+"/"+m.Stage]
					if p.Name != lost.Object || m.Stage != lost.Phase || truth < m.From || truth > m.To {
						t.Fatalf("missing is %s %s within %v to %v, lost was %s %s at %v", p.Name, m.Stage, m.From, m.To, lost.Object, lost.Phase, truth)
					}
				}
			}
		}
	})
}

func podAt(name, phase string, at time.Duration) record.Event {
	return record.Event{At: at, Kind: record.KindPod, Tenant: "t1", Workload: "web", Object: name, Phase: phase, Source: "watch"}
}

func scaleAt(from, to int32, at time.Duration) record.Event {
	return record.Event{At: at, Kind: record.KindScale, Tenant: "t1", Workload: "web", From: from, Desired: to, Source: "watch"}
}

func TestReasons(t *testing.T) {
	const m = time.Minute
	end := record.Event{At: 10 * m, Kind: record.KindGenerator}
	target := record.Event{Kind: record.KindAutoscaler, Tenant: "t1", Workload: "web", Values: map[string]float64{"target_percent": 60}}
	low := record.Event{At: m, Kind: record.KindMetrics, Tenant: "t1", Workload: "web", Values: map[string]float64{"utilisation_percent": 20}}
	for name, c := range map[string]struct {
		events []record.Event
		want   map[Reason]int
	}{
		"no samples":           {[]record.Event{scaleAt(1, 2, m), end}, map[Reason]int{NoSamples: 2, NoPod: 1}},
		"no target":            {[]record.Event{low, scaleAt(1, 2, m), end}, map[Reason]int{NoTarget: 2, NoPod: 1}},
		"scaled by hand":       {[]record.Event{target, low, scaleAt(1, 3, m), end}, map[Reason]int{NotAbove: 2, NoPod: 2}},
		"taken back":           {[]record.Event{target, low, scaleAt(1, 2, m), scaleAt(2, 1, m+time.Second), end}, map[Reason]int{NotAbove: 2, TakenBack: 1}},
		"at the record's end":  {[]record.Event{target, low, scaleAt(1, 2, 10*m-time.Second), end}, map[Reason]int{NotAbove: 2, EndOfRecord: 1}},
		"no room":              {[]record.Event{target, low, scaleAt(1, 2, m), podAt("a", "created", m), podAt("a", "pending", m), end}, map[Reason]int{NotAbove: 2, NoRoom: 5}},
		"removed":              {[]record.Event{target, low, scaleAt(1, 2, m), podAt("a", "created", m), podAt("a", "deleted", m+time.Second), end}, map[Reason]int{NotAbove: 2, PodGone: 5}},
		"a replacement is not": {[]record.Event{podAt("a", "created", m), end}, map[Reason]int{}},
		"long after is not":    {[]record.Event{target, low, scaleAt(1, 2, m), podAt("a", "created", 5*m), end}, map[Reason]int{NotAbove: 2, NoPod: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			sum := Of(c.events, nil).Summary()
			for r, n := range c.want {
				if sum.Reasons[r] != n {
					t.Errorf("%d × %s, want %d", sum.Reasons[r], r, n)
				}
				if r.Text()["de"] == "" || r.Text()["en"] == "" {
					t.Errorf("no words for %s", r)
				}
			}
			if len(sum.Reasons) != len(c.want) {
				t.Errorf("reasons %v, want %v", sum.Reasons, c.want)
			}
		})
	}
}

// A decision that is seen after its pod was made before it; a pod made long before it is none of its.
func TestDecisionSeenLate(t *testing.T) {
	for created, want := range map[time.Duration]int{59500 * time.Millisecond: 1, 58 * time.Second: 0} {
		chains := Of([]record.Event{podAt("a", record.PhaseCreated, created), scaleAt(1, 2, time.Minute)}, nil)
		up := chains.ScaleUps[0]
		if len(up.Pods) != want || len(chains.Strays) != 1-want {
			t.Fatalf("a pod of %v: %+v, strays %+v", created, up, chains.Strays)
		}
		if d := up.Stage(Decision); want == 1 && (d.At != created || d.From != created || d.To != created) {
			t.Errorf("decided at %+v, its pod was made at %v", d, created)
		}
	}
}

// An Event with microseconds bounds the truth from above, and is the better estimate where it came before the watch's word.
func TestNoticesAreSharper(t *testing.T) {
	rough := podAt("a", record.PhaseScheduled, 61500*time.Millisecond)
	rough.Within = &record.Span{From: 61 * time.Second, To: 61500 * time.Millisecond}
	for at, want := range map[time.Duration]Moment{
		61234567 * time.Microsecond: {At: 61234567 * time.Microsecond, From: 61 * time.Second, To: 61234567 * time.Microsecond},
		61600 * time.Millisecond:    {At: 61500 * time.Millisecond, From: 61 * time.Second, To: 61500 * time.Millisecond},
		50 * time.Second:            {At: 61500 * time.Millisecond, From: 61 * time.Second, To: 61500 * time.Millisecond},
	} {
		exact := record.Event{At: at, Kind: record.KindNotice, Tenant: "t1", Object: "a", Phase: "Scheduled", Evidence: record.EvidenceExact}
		chains := Of([]record.Event{scaleAt(1, 2, time.Minute), podAt("a", record.PhaseCreated, 61*time.Second), exact, rough}, nil)
		if got := chains.ScaleUps[0].Pods[0].Stage(record.PhaseScheduled); got.At != want.At || got.From != want.From || got.To != want.To {
			t.Errorf("with an event of %v scheduled at %+v, want %+v", at, got, want)
		}
	}
}
