package nodeagent

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

// submit posts one application at t1's address; status 0 is no answer.
func (w *world) submit(key string) (status int, pod string) {
	w.t.Helper()
	q, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.Targets()["t1"]+"/submit", http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	q.Header.Set("Idempotency-Key", key)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, ""
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, a.Body)
	return a.StatusCode, a.Header.Get("Ansturm-Pod")
}

func (w *world) untilServed(pod string) {
	w.t.Helper()
	w.until(pod+" serves", func() bool { status, by := w.submit("1"); return status == 201 && by == pod })
}

func TestPodFromBoundToDeleted(t *testing.T) {
	w := newWorld(t, platform())
	w.bind("a", "vm-1", nil)
	p := w.untilReady("a")
	s := p.Status
	if s.Phase != corev1.PodRunning || !strings.HasPrefix(s.PodIP, "198.18.") || s.HostIP != hostIP || s.StartTime == nil {
		t.Errorf("status %+v: want it running, with a name of 198.18.0.0/15 and a start", s)
	}
	if c := s.ContainerStatuses[0]; c.State.Running == nil || c.State.Waiting != nil || !c.Ready || c.State.Running.StartedAt.IsZero() {
		t.Errorf("container %+v: want it running and ready, with its start", c)
	}
	scheduled := func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue
	}
	if !slices.ContainsFunc(s.Conditions, scheduled) || len(s.Conditions) != 5 {
		t.Errorf("conditions %v: the scheduler's must stay", s.Conditions)
	}
	if status, _ := w.submit("7"); status != 503 {
		t.Errorf("status %d before any slice holds the pod, want 503", status)
	}
	w.hold([]string{"a"}, nil)
	w.untilServed("a")
	w.until("its use of CPU shows", func() bool {
		u := w.used()
		return len(u) == 1 && u[0].Pod == "a" && u[0].Node == "vm-1" && u[0].Container == "antrag" && u[0].CPU >= 20*time.Millisecond &&
			!u[0].Started.IsZero() && u[0].At.After(u[0].Started)
	})
	w.remove("a", 30)
	w.until("the pod hears of it", func() bool { return len(stages(w.log.of(t, "a"))) == 8 })
	w.hold(nil, []string{"a"})
	w.untilGone("a")

	want := []string{
		StageBound, StagePulled, StageStarted, StageReady, StageEndpoint, StageRotation, StageServing, StageTerminating,
		StageWithdrawn, StageStopped, StageDeleted,
	}
	entries := w.log.of(t, "a")
	if got := stages(entries); !reflect.DeepEqual(got, want) {
		t.Errorf("stages %v, want %v", got, want)
	}
	at := map[string]time.Duration{}
	for _, e := range entries {
		at[e.Stage] = time.Duration(e.At)
	}
	for _, c := range []struct {
		from, to string
		delay    time.Duration
	}{{StageBound, StagePulled, 30}, {StagePulled, StageStarted, 20}, {StageStarted, StageReady, 10}} {
		if got := at[c.to] - at[c.from]; got < c.delay*time.Millisecond-time.Microsecond {
			t.Errorf("%s came %v after %s, want the platform's %d ms at least", c.to, got, c.from, c.delay)
		}
	}
	w.eventsAre("a", "Pulling", "Pulled", "Created", "Started", "Killing")
}

// eventsAre checks a pod's events; they may come late and in any order.
func (w *world) eventsAre(pod string, reasons ...string) {
	w.t.Helper()
	var last []corev1.Event
	w.until("its events are there", func() bool {
		list, err := w.client.CoreV1().Events("t1").List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			return false
		}
		last = last[:0]
		for _, e := range list.Items {
			if e.InvolvedObject.Name == pod {
				last = append(last, e)
			}
		}
		return len(last) >= len(reasons)
	})
	got := map[string]int{}
	for _, e := range last {
		got[e.Reason]++
		if e.EventTime.IsZero() || e.ReportingInstance == "" || e.Source.Component != "kubelet" {
			w.t.Errorf("event %+v: want it as a kubelet's, with its microseconds", e)
		}
		if e.Reason == "Pulled" && !strings.Contains(e.Message, "(30ms including waiting)") {
			w.t.Errorf("pulled: %q, want the duration", e.Message)
		}
	}
	for _, r := range reasons {
		if got[r] != 1 {
			w.t.Errorf("event %s came %d times, want once; all: %v", r, got[r], got)
		}
	}
}

func TestImageIsPulledOnceANode(t *testing.T) {
	w := newWorld(t, platform())
	w.bind("a", "vm-1", nil)
	w.untilReady("a")
	w.bind("b", "vm-1", nil)
	w.untilReady("b")
	w.until("the second's event", func() bool {
		list, err := w.client.CoreV1().Events("t1").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.InvolvedObject.Name == "b" && e.Reason == "Pulled" {
				return strings.Contains(e.Message, "already present")
			}
		}
		return false
	})
}

func TestSetUpPodsAreReadyAtOnce(t *testing.T) {
	p := platform()
	p.Workloads[0].Start.Pull = fixed(time.Hour)
	w := newWorld(t, p)
	w.begun.Store(false)
	w.bind("a", "vm-1", nil)
	w.untilReady("a")
	w.Begin()
	w.bind("b", "vm-1", nil) // its image came with the set-up
	w.untilReady("b")
	w.bind("c", "vm-2", nil)
	w.until("c waits", func() bool {
		c := w.get("c").Status
		return len(c.ContainerStatuses) == 1 && c.ContainerStatuses[0].State.Waiting != nil &&
			c.ContainerStatuses[0].State.Waiting.Reason == "ContainerCreating"
	})
}

func TestLostNode(t *testing.T) {
	w := newWorld(t, platform())
	w.bind("a", "vm-1", nil)
	w.bind("b", "vm-2", nil)
	w.untilReady("a")
	w.untilReady("b")
	w.hold([]string{"a", "b"}, nil)
	w.untilServed("a")
	w.untilServed("b")
	lease := func(node string) *metav1.MicroTime {
		l, err := w.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(t.Context(), node, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return l.Spec.RenewTime
	}
	first := lease("vm-1")
	w.until("the lease is renewed", func() bool { return lease("vm-1").After(first.Time) })

	n, err := w.client.CoreV1().Nodes().Get(t.Context(), "vm-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.Annotations = map[string]string{objects.AnnotationLost: "now"}
	if _, err := w.client.CoreV1().Nodes().Update(t.Context(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("a has stopped", func() bool {
		e := w.log.of(t, "a")
		return e[len(e)-1].Stage == StageStopped && e[len(e)-1].Message == "node lost"
	})
	for i := range 6 {
		if status, by := w.submit("2"); status != 201 || by != "b" {
			t.Errorf("request %d after the loss: status %d by %q, want b's", i, status, by)
		}
	}
	last, other := lease("vm-1"), lease("vm-2")
	w.until("the other node lives", func() bool { return lease("vm-2").After(other.Time.Add(100 * time.Millisecond)) })
	if now := lease("vm-1"); now.After(last.Time.Add(50 * time.Millisecond)) { // one renewal may have been under way
		t.Errorf("the lost node's lease was renewed at %v, after %v", now, last)
	}
	if !w.ready("a") {
		t.Error("somebody wrote the status of a pod whose node is gone")
	}
	w.remove("a", 0)
	w.remove("b", 30)
	w.hold(nil, []string{"b"})
	w.untilGone("b")
	if w.get("a") == nil {
		t.Error("the dead node's kubelet has taken its pod's object away")
	}

	// The node comes back: its pods are what the API server says.
	n.Annotations = nil
	if _, err := w.client.CoreV1().Nodes().Update(t.Context(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("a is cleared away", func() bool { return w.get("a") == nil })
}

func TestNodeThatWasGivenUpSaysItLives(t *testing.T) {
	w := newWorld(t, platform())
	n, err := w.client.CoreV1().Nodes().Get(t.Context(), "vm-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n.Status.Conditions {
		n.Status.Conditions[i].Status = corev1.ConditionUnknown
	}
	if _, err := w.client.CoreV1().Nodes().UpdateStatus(t.Context(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("it is ready again", func() bool {
		n, err := w.client.CoreV1().Nodes().Get(t.Context(), "vm-1", metav1.GetOptions{})
		return err == nil && isTrue(n.Status.Conditions, corev1.NodeReady)
	})
}

func TestAPIServerAwayDelaysOnlyTheNews(t *testing.T) {
	w := newWorld(t, platform())
	var away atomic.Bool
	away.Store(true)
	w.client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return away.Load(), nil, errors.New("connection refused")
	})
	w.bind("a", "vm-1", nil)
	w.until("it runs", func() bool { return len(w.Usage()) == 1 })
	away.Store(false)
	p := w.untilReady("a")
	for _, e := range w.log.of(t, "a") {
		if e.Stage == StageStarted && p.Status.ContainerStatuses[0].State.Running.StartedAt.Unix() != time.Unix(0, e.At).Unix() {
			t.Errorf("started at %v by the status, %v by the journal: the news must say when it was", p.Status.ContainerStatuses[0].State.Running, time.Unix(0, e.At))
		}
	}
}

func TestPodsOfNobodyRunIdle(t *testing.T) {
	w := newWorld(t, platform())
	w.bind("visitor", "vm-1", func(p *corev1.Pod) { p.Labels = nil })
	w.untilReady("visitor")
	if u := w.Usage(); len(u) != 1 || u[0].CPU != 0 {
		t.Errorf("usage %+v, want one pod that uses nothing", u)
	}
	w.remove("visitor", 30)
	w.untilGone("visitor")
}

func TestPodsElsewhereAreNotOurs(t *testing.T) {
	w := newWorld(t, platform())
	w.bind("foreign", "another", nil)
	w.bind("free", "", nil)
	w.bind("a", "vm-1", nil)
	w.untilReady("a")
	if len(w.log.of(t, "foreign"))+len(w.log.of(t, "free")) > 0 {
		t.Error("a pod that is not on our nodes was run")
	}
	// It becomes ours when its node does.
	w.addNode(scenarios.NodeRef{Name: "another", Pool: &scenarios.NodePool{Name: "new", Capacity: list("2", "4Gi")}})
	w.untilReady("foreign")
}

func TestRotationSurvivesAMoveBetweenSlices(t *testing.T) {
	w := newWorld(t, platform())
	w.bind("a", "vm-1", nil)
	w.untilReady("a")
	w.hold([]string{"a"}, nil)
	w.untilServed("a")
	list, err := w.client.DiscoveryV1().EndpointSlices("t1").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second := list.Items[0].DeepCopy()
	second.Name = "antrag-2"
	if _, err := w.client.DiscoveryV1().EndpointSlices("t1").Create(t.Context(), second, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("both are seen", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.slices) == 2 })
	if err := w.client.DiscoveryV1().EndpointSlices("t1").Delete(t.Context(), "antrag-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("one is left", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.slices) == 1 })
	if status, _ := w.submit("3"); status != 201 {
		t.Errorf("status %d after the pod moved to another slice, want 201", status)
	}
}

func TestAddressesAreNamesInTheTestBlock(t *testing.T) {
	var a addresses
	seen := map[string]bool{}
	for range 70_000 {
		ip := a.next()
		if seen[ip] || !strings.HasPrefix(ip, "198.18.") && !strings.HasPrefix(ip, "198.19.") || strings.HasSuffix(ip, ".0") {
			t.Fatalf("address %s", ip)
		}
		seen[ip] = true
	}
	if got := loopback("198.19.3.4"); got != "127.19.3.4" {
		t.Errorf("loopback %s", got)
	}
}
