package fleet

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// Over the embedded bus, on sockets and at life's own time: two workers fire a schedule, and each arrival once.
func TestOverNATS(t *testing.T) {
	var mu sync.Mutex
	begun := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		begun[r.URL.Path]++
	}))
	defer server.Close()
	run, dir := overNATS(t, server.URL, 2, 300, 2*time.Second, func(w *WorkerConfig) {})
	r, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if l := account(t, r); l.Completed != 300 || len(begun) != 300 || run.Workers != 2 {
		t.Errorf("%+v, %d begun, %d workers", l, len(begun), run.Workers)
	}
	for path, n := range begun {
		if n != 1 {
			t.Errorf("%s began %d times", path, n)
		}
	}
	t.Logf("%+v", run.Validity)
}

// overNATS fires a run of so many arrivals at the target by workers over the embedded bus, each as change makes it; dir is its record's.
func overNATS(t *testing.T, target string, workers int, total int64, over time.Duration, change func(*WorkerConfig)) (run *record.Run, dir string) {
	t.Helper()
	scenario := surge()
	scenario.Arrivals.Total, scenario.Arrivals.Over = total, over
	schedule, err := arrivals.New(scenario)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	store, err := bus.Start(t.Context(), bus.Options{Run: "r1", Dir: filepath.Join(root, "bus")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // of a test
	c, err := New(Config{
		Store: store, Dir: filepath.Join(root, "run"), Workers: workers, Lead: 500 * time.Millisecond,
		Run: record.Run{ID: "r1", Scenario: scenario, Target: target},
		Engine: loadgen.Config{
			Scenario: scenario, Schedule: schedule, Address: func(int) string { return strings.TrimPrefix(target, "http://") },
		},
		Say: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel() // of a run that broke off
	for n := range workers {
		w := WorkerConfig{Name: fmt.Sprintf("w%d", n+1), Join: joinOver(store), Say: func(line string) { t.Log(line) }}
		w.State = filepath.Join(root, w.Name)
		change(&w)
		all.Go(func() {
			if err := Work(ctx, w); err != nil {
				t.Errorf("worker %s: %v", w.Name, err)
			}
		})
	}
	if run, err = c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	return run, c.cfg.Dir
}

// joinOver joins a bus of this process.
func joinOver(s *bus.Server) func(context.Context, []byte) (bus.Link, []byte, error) {
	return func(ctx context.Context, hello []byte) (bus.Link, []byte, error) {
		seat, err := bus.Join(ctx, s.Token(), bus.Abroad{URL: s.URL()}, hello)
		if err != nil {
			return nil, nil, err
		}
		return seat.Link, seat.Welcome, nil
	}
}
