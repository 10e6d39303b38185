package lab

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/ansturm/ansturm/loadgen/record"
)

// startLab serves until the test ends and waits until it has.
func startLab(t testing.TB, cfg Config) Endpoints {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan Endpoints, 1), make(chan error, 1)
	go func() { down <- Serve(ctx, cfg, func(e Endpoints) { up <- e }) }()
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
