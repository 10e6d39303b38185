package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// serveCounters serves the containers' counters as cAdvisor names them.
func (a *Agent) serveCounters(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a.metrics = "http://" + listener.Addr().String() + "/metrics"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		a.writeCounters(w)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	a.done.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.config.Say("the counters have ended: %v", err)
		}
	})
	a.done.Go(func() {
		<-ctx.Done()
		_ = server.Close()
	})
	return nil
}

// row is one container's counters.
type row struct {
	labels string
	cpu    time.Duration
	memory int64
	quota  *throttling
}

func (a *Agent) rows() (rows []row) {
	quotas := map[string]*throttling{}
	for _, p := range a.running() {
		if t, err := p.life.Load().process.group.stat(); err == nil {
			quotas[p.namespace+"/"+p.name] = &t
		}
	}
	for _, u := range a.used() {
		r := row{cpu: u.CPU, memory: u.Memory, quota: quotas[u.Namespace+"/"+u.Pod]}
		r.labels = fmt.Sprintf("{namespace=%q,pod=%q,container=%q,node=%q}", u.Namespace, u.Pod, u.Container, u.Node)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(x, y row) int { return strings.Compare(x.labels, y.labels) })
	return rows
}

func (a *Agent) writeCounters(w io.Writer) {
	rows := a.rows()
	family := func(name, kind string, value func(r row) (float64, bool)) {
		fmt.Fprintf(w, "# TYPE %s %s\n", name, kind)
		for _, r := range rows {
			if v, has := value(r); has {
				fmt.Fprintf(w, "%s%s %g\n", name, r.labels, v)
			}
		}
	}
	family("container_cpu_usage_seconds_total", "counter", func(r row) (float64, bool) { return r.cpu.Seconds(), true })
	family("container_memory_working_set_bytes", "gauge", func(r row) (float64, bool) { return float64(r.memory), true })
	quota := func(value func(t *throttling) float64) func(row) (float64, bool) {
		return func(r row) (float64, bool) {
			if r.quota == nil {
				return 0, false
			}
			return value(r.quota), true
		}
	}
	family("container_cpu_cfs_periods_total", "counter", quota(func(t *throttling) float64 { return float64(t.periods) }))
	family("container_cpu_cfs_throttled_periods_total", "counter", quota(func(t *throttling) float64 { return float64(t.throttled) }))
	family("container_cpu_cfs_throttled_seconds_total", "counter", quota(func(t *throttling) float64 { return t.stood.Seconds() }))
}

// running lists the pods whose process runs under a quota.
func (a *Agent) running() (list []*pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pods {
		if l := p.life.Load(); l != nil && !l.ended && l.process != nil && l.process.group != nil {
			list = append(list, p)
		}
	}
	return list
}

// watchThrottling puts a process's counters into the journal every second in which it was throttled.
func (a *Agent) watchThrottling(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	seen := map[*process]int64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, next := time.Now(), map[*process]int64{}
		for _, p := range a.running() {
			process := p.life.Load().process
			t, err := process.group.stat()
			if err != nil {
				continue
			}
			next[process] = t.throttled
			if t.throttled == seen[process] {
				continue
			}
			a.journal.write(now, Entry{
				Stage: StageThrottled, Namespace: p.namespace, Pod: p.name, UID: string(p.uid), Node: p.node,
				Values: map[string]float64{
					"periods": float64(t.periods), "throttled_periods": float64(t.throttled),
					"throttled_seconds": t.stood.Seconds(), "cpu_seconds": t.cpu.Seconds(),
				},
			})
		}
		seen = next
	}
}
