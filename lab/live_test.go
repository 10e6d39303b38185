package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// startLab serves until the test ends and waits until it has.
func startLab(t testing.TB, cfg Config) Endpoints {
	t.Helper()
	return serveUntilEnd(t, func(ctx context.Context, ready func(Endpoints)) error { return Serve(ctx, cfg, ready) })
}

func serveUntilEnd(t testing.TB, serve func(context.Context, func(Endpoints)) error) Endpoints {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan Endpoints, 1), make(chan error, 1)
	go func() { down <- serve(ctx, func(e Endpoints) { up <- e }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-down; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	select {
	case e := <-up:
		return e
	case err := <-down:
		down <- nil
		t.Fatalf("Serve: %v", err)
	}
	return Endpoints{}
}

func TestLabOverRealSockets(t *testing.T) {
	p, s := smallWorld(3)
	e := startLab(t, Config{Platform: p, Scenario: s, Speed: 10, Seed: 3})
	client := Dial(e.Control)
	ctx := t.Context()

	status := func(url, key string) int {
		var q fasthttp.Request
		var a fasthttp.Response
		q.SetRequestURI(url)
		q.Header.SetMethod("POST")
		q.Header.Set("Idempotency-Key", key)
		if err := fasthttp.Do(&q, &a); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		return a.StatusCode()
	}
	if got := status(e.Steps["submit"], "1"); got != 503 {
		t.Errorf("before the beginning: status %d, want 503", got)
	}
	if err := client.Begin(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := client.Begin(ctx, time.Now()); err == nil {
		t.Error("a second beginning was taken")
	}
	streamed := make(chan []record.Event, 1)
	go func() {
		var events []record.Event
		if err := client.Timeline(ctx, func(e record.Event) { events = append(events, e) }); err != nil {
			t.Errorf("timeline: %v", err)
		}
		streamed <- events
	}()

	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			for k := range 20 {
				url := fmt.Sprintf("http://%s/submit/x", e.Tenants[fmt.Sprintf("t%d", i+1)])
				if got := status(url, fmt.Sprint(i*20+k)); got != 201 {
					t.Errorf("submit: status %d, want 201", got)
				}
			}
		})
	}
	group.Wait()
	if got := status(e.Steps["form"], ""); got != 200 {
		t.Errorf("form: status %d, want 200", got)
	}
	if got := status(e.Steps["submit"], "5"); got != 201 {
		t.Errorf("duplicate: status %d, want 201", got)
	}
	if got := status("http://"+e.Tenants["t1"]+"/nonsense", ""); got != 404 {
		t.Errorf("unknown step: status %d, want 404", got)
	}
	stats, err := client.Stats(ctx)
	if err != nil || stats.Served != 62 || stats.Ready != 6 || stats.Nodes != 3 {
		t.Errorf("stats %+v, %v: want 62 served, 6 pods ready, 3 nodes", stats, err)
	}
	account, err := client.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := account.Accepted.GetCardinality(); n != 60 || account.Duplicates != 1 || account.Refused != 1 {
		t.Errorf("%d accepted, %d duplicates, %d refused; want 60, 1, 1", n, account.Duplicates, account.Refused)
	}
	checkTimeline(t, <-streamed)
}

func checkTimeline(t *testing.T, events []record.Event) {
	t.Helper()
	kinds := map[string]int{}
	for i, e := range events {
		kinds[e.Kind]++
		if e.Source != "lab" || e.Wall.IsZero() {
			t.Errorf("event %d has source %q and wall %v", i, e.Source, e.Wall)
		}
		if i > 0 && e.At < events[i-1].At {
			t.Errorf("event %d at %v comes after one at %v", i, e.At, events[i-1].At)
		}
	}
	if kinds[record.KindNode] != 3 || kinds[record.KindReplicas] != 3 || kinds[record.KindMetrics] < 3 {
		t.Errorf("kinds %v: want 3 nodes, 3 replica counts, at least 3 metrics", kinds)
	}
}

// raw opens a connection of its own and sends one request to it.
func raw(t *testing.T, address, step string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: lab\r\n\r\n", step); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestLostNodeResetsConnections(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Replicas = 1
	p.Workloads[0].Steps["form"] = scenarios.Work{CPU: *fixed(time.Hour)}
	p.Disruptions = []scenarios.Disruption{{At: time.Second, LoseNode: "vm-1"}}
	e := startLab(t, Config{Platform: p, Scenario: s, Speed: 10})
	if err := Dial(e.Control).Begin(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(raw(t, e.Tenants["t1"], "form"))
	if !errors.Is(err, syscall.ECONNRESET) || len(answer) > 0 {
		t.Errorf("answer %q, %v: want nothing and a reset", answer, err)
	}
}

func TestConnectionsBeyondTheMostAreRefused(t *testing.T) {
	p, s := smallWorld(1)
	e := startLab(t, Config{Platform: p, Scenario: s, Speed: 10, MaxConnections: 2})
	client := Dial(e.Control)
	if err := client.Begin(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{200, 200, 503} {
		response, err := http.ReadResponse(bufio.NewReader(raw(t, e.Tenants["t1"], "form")), nil)
		if err != nil || response.StatusCode != want {
			t.Fatalf("connection %d: %v, %v; want status %d", i+1, response, err, want)
		}
		if want == 503 && (response.Header.Get("Retry-After") == "" || !response.Close) {
			t.Errorf("refused with header %v and without closing", response.Header)
		}
	}
	if a, err := client.Finish(t.Context()); err != nil || a.Refused != 1 {
		t.Errorf("%d refused, %v; want 1", a.Refused, err)
	}
}

func TestFinishAnswersWhatIsInside(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Steps["form"] = scenarios.Work{CPU: *fixed(time.Hour)}
	e := startLab(t, Config{Platform: p, Scenario: s, Speed: 10})
	client := Dial(e.Control)
	if err := client.Begin(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	conn := raw(t, e.Tenants["t1"], "form")
	for inside := 0; inside == 0; {
		stats, err := client.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		inside = stats.InFlight
	}
	if _, err := client.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 503 {
		t.Errorf("%v, %v; want status 503", response, err)
	}
	if err := client.Timeline(t.Context(), func(record.Event) {}); err != nil {
		t.Errorf("the timeline after the end: %v", err)
	}
}

func TestLimitsLeaveDescriptors(t *testing.T) {
	for _, c := range []struct{ most, descriptors, answered, shut int64 }{
		{8_000, 20_000, 8_000, 16_000},   // the default on a machine with 20,000
		{15_000, 20_000, 15_000, 19_500}, // as many as are left
		{8_000, 4_596, 3_686, 4_096},     // fewer than asked for: nine tenths answered
		{2, 1_024, 2, 4},
	} {
		if answered, shut := limits(c.most, c.descriptors); answered != c.answered || shut != c.shut {
			t.Errorf("%d connections of %d descriptors: answered to %d, shut from %d; want %d and %d",
				c.most, c.descriptors, answered, shut, c.answered, c.shut)
		}
	}
}
