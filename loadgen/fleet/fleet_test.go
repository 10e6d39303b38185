package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// surge is a small scenario: one step, a connection a person, so that a run's windows do not hang on who fires whom.
func surge() *scenarios.Scenario {
	return &scenarios.Scenario{
		Name:     "surge",
		Arrivals: scenarios.Arrivals{Total: 3000, Over: 20 * time.Second, Seed: 11},
		Tenants: scenarios.Tenants{List: []scenarios.Tenant{
			{Name: "adorf", Weight: 3}, {Name: "behausen", Weight: 2}, {Name: "cestadt", Weight: 1},
		}},
		Journeys: []scenarios.Journey{{Name: "apply", Weight: 1, Connections: "session", Steps: []scenarios.Step{{
			Name: "submit", Method: "GET", URL: "/{{seq}}", Checks: []scenarios.Check{{Status: []int{200}}}, Timeout: 30 * time.Second,
		}}}},
	}
}

// world is a fleet in one bubble of fake time.
type world struct {
	t      *testing.T
	cfg    Config
	bus    *memBus
	target *target
	root   string
	ahead  map[string]time.Duration // of workers' clocks
	all    sync.WaitGroup
}

func newWorld(t *testing.T, seed uint64, workers int) *world {
	scenario := surge()
	schedule, err := arrivals.New(scenario)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, bus: newMemBus(seed), target: newTarget(), root: t.TempDir()}
	w.cfg = Config{
		Dir:     filepath.Join(w.root, "run"),
		Run:     record.Run{ID: "r1", Purpose: "surge", Scenario: scenario, Target: "127.0.0.1:1"},
		Engine:  loadgen.Config{Scenario: scenario, Schedule: schedule, Speed: 2, Address: func(int) string { return "127.0.0.1:1" }},
		Workers: workers, Key: []byte("key"),
	}
	return w
}

// hand is a worker of the world.
type hand struct {
	side
	cancel context.CancelFunc
	err    error
	freeze atomic.Pointer[func()] // called before each sample
}

// hire starts a worker; what it leaves behind is in a directory of that name.
func (w *world) hire(name string) *hand {
	ctx, cancel := context.WithCancel(context.Background())
	h := &hand{side: side{memBus: w.bus}, cancel: cancel}
	w.all.Go(func() {
		h.err = Work(ctx, WorkerConfig{
			ahead: w.ahead[name], shared: true,
			Join: h.join, Build: "test", Name: name, State: filepath.Join(w.root, name),
			Engine:  func(c *loadgen.Config) { c.Transport, c.Shards = w.target, 2 },
			samples: func(s loadgen.Samples) loadgen.Samples { return freezing{s, h} },
			Say:     func(line string) { w.t.Logf("%s: %s", name, line) },
		})
		cancel()
		w.t.Logf("%s ended: %v", name, h.err)
	})
	return h
}

func (w *world) hireAll(n int) (all []*hand) {
	for i := range n {
		all = append(all, w.hire(fmt.Sprintf("w%d", i+1)))
	}
	return all
}

// kill ends a worker without a word.
func (h *hand) kill() {
	h.dead.Store(true)
	h.cancel()
}

// stand makes a worker stand still: its engine from the next sample on, and what it says.
func (h *hand) stand(d time.Duration) {
	wake := time.Now().Add(d)
	freeze := func() { time.Sleep(time.Until(wake)) }
	h.cut(d)
	h.freeze.Store(&freeze)
}

type freezing struct {
	loadgen.Samples
	h *hand
}

func (f freezing) Sample(s record.Sample) {
	if freeze := f.h.freeze.Load(); freeze != nil {
		(*freeze)()
	}
	f.Samples.Sample(s)
}

// lead is a coordinator of the world; it may be killed by its side.
type lead struct {
	side
	*Coordinator
	run *record.Run
	err error
	end chan struct{}
}

func (w *world) coordinate(ctx context.Context) *lead {
	l := &lead{side: side{memBus: w.bus}, end: make(chan struct{})}
	cfg := w.cfg
	cfg.Store = &l.side
	cfg.Say = func(line string) { w.t.Logf("coordinator: %s", line) }
	var err error
	if l.Coordinator, err = New(cfg); err != nil {
		w.t.Fatal(err)
	}
	w.all.Go(func() {
		l.run, l.err = l.Run(ctx)
		close(l.end)
	})
	return l
}

// finish waits for all, and checks the account of the record: every arrival has one fate, and that is what happened to it.
func (w *world) finish(last *lead) *record.Record {
	w.t.Helper()
	<-last.end
	w.bus.gone.Store(true)
	w.all.Wait()
	if last.err != nil {
		w.t.Fatal(last.err)
	}
	r, err := record.Open(w.cfg.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	account, err := r.Account()
	if err != nil {
		w.t.Fatal(err)
	}
	if len(account.Problems) > 0 || !account.Complete {
		w.t.Errorf("problems %q", account.Problems)
	}
	w.checkFates(r)
	l := account.Ledger
	if l.Total != 3000 || l.Completed+l.Failed+l.Indeterminate+l.Unsent != l.Total {
		w.t.Errorf("account %+v", l)
	}
	w.t.Logf("%+v", l)
	return r
}

func (w *world) checkFates(r *record.Record) {
	w.t.Helper()
	ledger, err := r.Ledger()
	if err != nil {
		w.t.Fatal(err)
	}
	w.target.mu.Lock()
	defer w.target.mu.Unlock()
	for seq := range uint32(ledger.Total) {
		begun := w.target.begun[seq]
		_, ok := took(seq)
		switch is := ledger.Sets; {
		case begun > 1:
			w.t.Errorf("arrival %d began %d times", seq, begun)
		case begun == 0 && (is[record.Completed].Contains(seq) || is[record.FailedArrival].Contains(seq)):
			w.t.Errorf("arrival %d ended and never began", seq)
		case begun == 1 && is[record.Unsent].Contains(seq):
			w.t.Errorf("arrival %d is unsent, and began", seq)
		case is[record.Completed].Contains(seq) && !ok, is[record.FailedArrival].Contains(seq) && ok:
			w.t.Errorf("arrival %d has the other's fate", seq)
		}
	}
}

// files are all files of a directory, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// what is the same in all runs of a surge, whoever fires it: windows and fates.
func essence(t *testing.T, r *record.Record) map[string]string {
	t.Helper()
	same := map[string]string{}
	windows, err := r.Windows(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range windows {
		counts := fmt.Sprintf("%d:", w.Histogram.Count())
		w.Histogram.Each(func(value time.Duration, n int64) { counts += fmt.Sprintf(" %d×%s", n, value) })
		same[fmt.Sprintf("%s %s %s %s %s %s", w.Measure, w.Step, w.Tenant, w.Outcome, w.Start, w.Length)] = counts
	}
	ledger, err := r.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	for f, set := range ledger.Sets {
		same[record.Fate(f).String()] = set.String()
	}
	return same
}

// alone is the run that one process fires, without a fleet.
func (w *world) alone() *record.Record {
	w.t.Helper()
	writer, err := record.Create(w.cfg.Dir, w.cfg.Run)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := w.cfg.Engine
	cfg.RunID, cfg.Transport, cfg.Shards, cfg.Recorder = "r1", w.target, 2, writer
	cfg.Samples = func(int) loadgen.Samples { return writer.Shard() }
	engine, err := loadgen.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := engine.Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if err := writer.Close(time.Now(), nil); err != nil {
		w.t.Fatal(err)
	}
	r, err := record.Open(w.cfg.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// Whoever fires a schedule, and however many, it is the same run: the same arrivals with the same fates, and the same histograms.
func TestSameRun(t *testing.T) {
	var want map[string]string
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, 0)
		w.cfg.Run.Speed = w.cfg.Engine.Speed
		want = essence(t, w.alone())
	})
	for _, n := range []int{1, 2, 4, 8} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, uint64(n), n)
			w.bus.slowest = 2 * time.Millisecond
			w.hireAll(n)
			got := essence(t, w.finish(w.coordinate(t.Context())))
			for key := range got {
				if got[key] != want[key] {
					t.Errorf("%d workers: %s: %.200s, want %.200s", n, key, got[key], want[key])
				}
			}
			if len(got) != len(want) || len(got) < 100 {
				t.Errorf("%d workers: %d windows, want %d", n, len(got), len(want))
			}
		})
	}
}
