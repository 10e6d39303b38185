package fleet

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
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
	scenario := surge()
	scenario.Arrivals.Total, scenario.Arrivals.Over = 300, 2*time.Second
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
		Store: store, Dir: filepath.Join(root, "run"), Workers: 2, Lead: 500 * time.Millisecond,
		Run: record.Run{ID: "r1", Scenario: scenario, Target: server.URL},
		Engine: loadgen.Config{
			Scenario: scenario, Schedule: schedule, Address: func(int) string { return strings.TrimPrefix(server.URL, "http://") },
		},
		Say: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	for n := range 2 {
		workers.Go(func() {
			err := Work(t.Context(), WorkerConfig{
				Name: strconv.Itoa(n), State: filepath.Join(root, strconv.Itoa(n)), Join: joinOver(store), Say: func(line string) { t.Log(line) },
			})
			if err != nil {
				t.Errorf("worker %d: %v", n, err)
			}
		})
	}
	run, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	workers.Wait()
	r, err := record.Open(c.cfg.Dir)
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
