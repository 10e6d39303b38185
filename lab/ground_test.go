package lab

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// newGroundWorld is a ground in virtual time with the platform's nodes.
func newGroundWorld(t testing.TB, p *scenarios.Platform, s *scenarios.Scenario) *world {
	t.Helper()
	c, err := newGround(p, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := watched(t, c)
	c.begin(0)
	for _, ref := range p.Nodes() {
		if err := c.arrive(ref); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// run places a pod of the first tenant, and gives the moments of its phases.
func (w *world) run(s PodSpec) (*pod, map[string]time.Duration) {
	w.t.Helper()
	at := map[string]time.Duration{}
	s.Tenant, s.Image, s.Limit, s.Request = w.tenants[0].tenant, "antrag", 0.5, 0.5
	p, err := w.place(s, nil, func(_ *pod, phase, _ string) { at[phase] = w.now })
	if err != nil {
		w.t.Fatal(err)
	}
	return p, at
}

func TestGroundPodsGoThePlatformsWay(t *testing.T) {
	p, s := smallWorld(1)
	w := newGroundWorld(t, p, s)
	first, at := w.run(PodSpec{Name: "a", Node: "vm-1"})
	second, behind := w.run(PodSpec{Name: "b", Node: "vm-1"})
	_, warm := w.run(PodSpec{Name: "c", Node: "vm-2", Warm: true})
	w.advance(time.Minute)
	want := map[string]time.Duration{
		record.PhaseScheduled: 0, record.PhasePulled: 8 * time.Second, record.PhaseStarted: 10 * time.Second, record.PhaseReady: 15 * time.Second,
	}
	if !reflect.DeepEqual(at, want) || !reflect.DeepEqual(behind, want) {
		t.Errorf("phases at %v and %v, want %v", at, behind, want)
	}
	if want := (Pull{Took: 8 * time.Second, Waited: 8 * time.Second}); first.fetched != want {
		t.Errorf("the first pull is %+v, want %+v", first.fetched, want)
	}
	if want := (Pull{Waited: 8 * time.Second}); second.fetched != want {
		t.Errorf("the second pull is %+v, want %+v: it waits for the first's", second.fetched, want)
	}
	for phase, moment := range warm {
		if moment != 0 {
			t.Errorf("the warm pod entered %s at %v, want at once", phase, moment)
		}
	}
	if r := w.send(w.now, 0, "form", 1); r.outcome != unavailable {
		t.Errorf("a request ended as %d, though nobody has put a pod into the balancer", r.outcome)
	}
	first.rotate(true)
	if r := w.send(w.now, 0, "form", 2); r.pod != first {
		t.Errorf("served by %q, want the pod in rotation", r.podName)
	}
}

// The same requests end at the same moments on a platform that is governed from inside and on one whose pods came from
// outside: there is one physics.
func TestGroundServesAsTheEmbeddedPlatform(t *testing.T) {
	build := func() (*scenarios.Platform, *scenarios.Scenario) {
		p, s := smallWorld(1)
		p.Pools[0].Count = 1
		p.Pools[0].Capacity = quantities("1", "16Gi") // two pods of 500m, and they want more at times
		p.Workloads[0].Resources.Limits = quantities("900m", "512Mi")
		p.Workloads[0].Steps["submit"] = scenarios.Work{
			CPU: *fixed(150 * time.Millisecond), Accepts: true, Backends: map[string]time.Duration{"db": 50 * time.Millisecond},
		}
		p.Backends = []scenarios.Backend{{Name: "db", Cores: 1, Contention: 0.1}}
		return p, s
	}
	inside := newWorld(t, first(build()), second(build()))
	outside := newGroundWorld(t, first(build()), second(build()))
	for i := range 2 {
		spec := PodSpec{Name: inside.tenants[0].podName(uint64(i + 1)), Tenant: "t1", Image: "antrag", Node: "vm-1", Limit: 0.9, Request: 0.5, Warm: true}
		p, err := outside.place(spec, nil, func(*pod, string, string) {})
		if err != nil {
			t.Fatal(err)
		}
		outside.advance(0)
		p.rotate(true)
	}
	a, b := inside.stream(0, time.Minute, 7, 0, "submit", 0), outside.stream(0, time.Minute, 7, 0, "submit", 0)
	inside.advance(2 * time.Minute)
	outside.advance(2 * time.Minute)
	for i := range a {
		if a[i].outcome != b[i].outcome || a[i].doneAt != b[i].doneAt || a[i].podName != b[i].podName {
			t.Fatalf("request %d: outcome %d at %v by %s inside, %d at %v by %s outside", i,
				a[i].outcome, a[i].doneAt, a[i].podName, b[i].outcome, b[i].doneAt, b[i].podName)
		}
	}
	near(t, "CPU", outside.tenants[0].used(), inside.tenants[0].used(), 1e-9)
	if outside.counts.served != 420 || !outside.accepted.Equals(inside.accepted) {
		t.Errorf("%d served outside, accepted the same: %v", outside.counts.served, outside.accepted.Equals(inside.accepted))
	}
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

func TestGroundPodsEndWithGrace(t *testing.T) {
	p, s := smallWorld(1)
	w := newGroundWorld(t, p, s)
	kind, ends := w.run(PodSpec{Name: "kind", Node: "vm-1", Warm: true})
	w.advance(0)
	kind.rotate(true)
	w.send(time.Second, 0, "submit", 1)
	kind.terminate(30 * time.Second)
	// The balancer has not heard yet.
	if r := w.send(1100*time.Millisecond, 0, "submit", 2); r.pod != kind {
		t.Error("a terminating pod that the balancer still knows turned a request away")
	}
	w.advance(1200 * time.Millisecond)
	kind.rotate(false)
	w.advance(time.Minute)
	// 150 ms on half a core, the first 100 ms alone: 0.05 done; then two share: 0.1 left each.
	near(t, "ended", ends[record.PhaseDeleted].Seconds(), 1+0.6, 1e-6)
	if w.counts.served != 2 || w.counts.cut != 0 {
		t.Errorf("%+v: want both served", w.counts)
	}

	hasty, ends := w.run(PodSpec{Name: "hasty", Node: "vm-1", Warm: true})
	w.advance(w.now)
	hasty.rotate(true)
	for i := range 20 {
		w.send(w.now, 0, "submit", uint32(10+i))
	}
	hasty.terminate(30 * time.Second)
	hasty.terminate(time.Second) // a second deletion may only hasten it
	hasty.terminate(time.Hour)
	w.advance(2 * time.Minute)
	near(t, "killed", ends[record.PhaseDeleted].Seconds(), 61, 1e-6)
	if w.counts.cut == 0 || len(w.tenants[0].rotation) != 0 {
		t.Errorf("%+v with %d in rotation: want the rest cut and none known", w.counts, len(w.tenants[0].rotation))
	}
	early, ends := w.run(PodSpec{Name: "early", Node: "vm-2"})
	w.advance(w.now + time.Second)
	early.terminate(30 * time.Second)
	w.advance(w.now + time.Minute)
	if ends[record.PhaseDeleted] != 121*time.Second || ends[record.PhaseReady] != 0 {
		t.Errorf("phases at %v: a pod that is still pulling goes at once", ends)
	}
}

func TestGroundNodesComeAndGo(t *testing.T) {
	p, s := smallWorld(1)
	w := newGroundWorld(t, p, s)
	a, _ := w.run(PodSpec{Name: "a", Node: "vm-1", Warm: true})
	b, _ := w.run(PodSpec{Name: "b", Node: "vm-2", Warm: true})
	w.advance(0)
	a.rotate(true)
	b.rotate(true)
	lost, kept := w.send(time.Second, 0, "submit", 1), w.send(time.Second, 0, "submit", 2)
	w.lose("vm-1")
	w.advance(2 * time.Second)
	if lost.outcome != cut || kept.outcome != served {
		t.Errorf("outcomes %d on the lost node and %d on the other, want cut and served", lost.outcome, kept.outcome)
	}
	a.rotate(true) // the news of its death has not come to the control plane
	if r := w.send(3*time.Second, 0, "form", 3); r.pod != b {
		t.Errorf("sent to %q", r.podName)
	}
	if err := w.arrive(p.Nodes()[1]); err == nil {
		t.Error("a second vm-2 was taken")
	}
	if err := w.arrive(p.Nodes()[0]); err != nil {
		t.Errorf("vm-1 may not come back: %v", err)
	}
	if _, err := w.place(PodSpec{Name: "c", Node: "vm-9", Tenant: "t1"}, nil, nil); err == nil {
		t.Error("a pod was put on a node that is not there")
	}
	if _, err := w.place(PodSpec{Name: "c", Node: "vm-1", Tenant: "t9"}, nil, nil); err == nil {
		t.Error("a pod of an unknown tenant was taken")
	}
	var counted []int32
	for _, e := range w.of(record.KindReplicas) {
		counted = append(counted, e.Ready)
	}
	if want, counted := []int32{0, 1, 2, 1}, slices.Compact(counted); !reflect.DeepEqual(counted, want) {
		t.Errorf("ready counts %v, want %v", counted, want)
	}
}

func startGround(t *testing.T, p *scenarios.Platform, s *scenarios.Scenario, begun func(time.Time)) (*Ground, Endpoints) {
	t.Helper()
	g, err := NewGround(Config{Platform: p, Scenario: s, Speed: 10}, begun)
	if err != nil {
		t.Fatal(err)
	}
	e := serveUntilEnd(t, g.Serve)
	for _, ref := range p.Nodes() {
		if err := g.AddNode(ref); err != nil {
			t.Fatal(err)
		}
	}
	return g, e
}

// run runs a warm pod and returns when it is ready and in rotation.
func (g *Ground) runReady(t *testing.T, spec PodSpec) *Pod {
	t.Helper()
	ready := make(chan struct{})
	spec.Warm, spec.Notice = true, func(n Notice) {
		if n.Phase == record.PhaseReady {
			close(ready)
		}
	}
	p, err := g.RunPod(spec)
	if err != nil {
		t.Fatal(err)
	}
	if spec.Process != "" {
		p.Started()
		p.Ready(true)
	}
	<-ready
	p.InRotation(true)
	return p
}

func post(t *testing.T, url, key string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("x=1"))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Idempotency-Key", key)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, a.Header.Get("Ansturm-Pod") + " " + string(body)
}

func TestGroundOutlivesItsRuns(t *testing.T) {
	p, s := smallWorld(1)
	begun := make(chan time.Time, 2)
	g, e := startGround(t, p, s, func(start time.Time) { begun <- start })
	g.runReady(t, PodSpec{Name: "a", Tenant: "t1", Node: "vm-1", Image: "antrag"})
	if status, _ := post(t, e.Steps["submit"], "7"); status != 201 {
		t.Errorf("status %d before a run, want 201: the pods serve whoever comes", status)
	}
	client := Dial(e.Control)
	for run := range 2 {
		start := time.Now()
		if err := client.Begin(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		if got := <-begun; !got.Equal(start) {
			t.Errorf("begun at %v, want %v", got, start)
		}
		for i := range 3 {
			if status, _ := post(t, e.Steps["submit"], fmt.Sprint(i)); status != 201 {
				t.Errorf("status %d, want 201", status)
			}
		}
		account, err := client.Finish(t.Context())
		if err != nil || account.Accepted.GetCardinality() != 3 || account.Duplicates != 0 {
			t.Errorf("run %d: %v accepted, %d duplicates, %v; want the 3 of this run", run, account.Accepted, account.Duplicates, err)
		}
		var kinds []string
		if err := client.Timeline(t.Context(), func(e record.Event) {
			if e.At < 0 || e.At > time.Minute {
				t.Errorf("%s at %v, not of this run", e.Kind, e.At)
			}
			kinds = append(kinds, e.Kind)
		}); err != nil || len(kinds) < 5 || kinds[0] != record.KindNode {
			t.Errorf("timeline %v, %v; want it to begin with the nodes that are there", kinds, err)
		}
	}
	usage := g.Usage(nil)
	if len(usage) != 1 || usage[0].CPU < 7*150*time.Millisecond || time.Since(usage[0].At) > time.Minute {
		t.Errorf("usage %+v: want one pod with 7 × 150 ms", usage)
	}
	if read := g.Readings(nil); len(read) != 1 || read[0].CPU > usage[0].CPU || read[0].At.After(usage[0].At.Add(time.Minute)) {
		t.Errorf("read %+v: want the pod as it was at some time before", read)
	}
}

func TestRequestsReachProcesses(t *testing.T) {
	seen := make(chan *http.Request, 10)
	process := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		switch r.URL.Path {
		case "/wrong":
			w.WriteHeader(http.StatusBadRequest)
		case "/broken":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, "burnt")
		}
	}))
	defer process.Close()
	p, s := smallWorld(1)
	g, e := startGround(t, p, s, nil)
	pod := g.runReady(t, PodSpec{
		Name: "real", Tenant: "t1", Node: "vm-1", Image: "burner", Process: strings.TrimPrefix(process.URL, "http://"),
	})
	client := Dial(e.Control)
	if err := client.Begin(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	base := "http://" + e.Tenants["t1"]
	if status, body := post(t, base+"/submit/x?a=b", "11"); status != 201 || body != "real burnt" {
		t.Errorf("%d %q, want the process's own answer", status, body)
	}
	if r := <-seen; r.URL.String() != "/submit/x?a=b" || r.Header.Get("Idempotency-Key") != "11" || r.ContentLength != 3 {
		t.Errorf("the process got %s %v, %d bytes", r.URL, r.Header, r.ContentLength)
	}
	if status, _ := post(t, base+"/wrong", "12"); status != 400 {
		t.Errorf("status %d, want the process's 400, for a step that only it knows", status)
	}
	q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/broken", http.NoBody)
	if a, err := http.DefaultClient.Do(q); err == nil {
		t.Errorf("status %d from a process that broke off, want a reset", a.StatusCode)
		_ = a.Body.Close()
	}
	process.Close()
	if status, _ := post(t, base+"/submit", "13"); status != 503 {
		t.Errorf("status %d from a process that does not listen, want 503", status)
	}
	account, err := client.Finish(t.Context())
	if err != nil || !reflect.DeepEqual(account.Accepted.ToArray(), []uint32{11}) || account.Refused != 1 {
		t.Errorf("accepted %v, %d refused, %v; want 11 alone and 1", account.Accepted, account.Refused, err)
	}
	pod.InRotation(false)
	if status, _ := post(t, base+"/anything", ""); status != 503 {
		t.Errorf("status %d without a pod in rotation, want 503", status)
	}
}
