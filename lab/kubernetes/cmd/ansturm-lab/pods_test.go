package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ansturmlab "github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/observe"
	"github.com/ansturm/ansturm/loadgen/record"
)

// Two tenants: adorf's pods are virtual, ofen's are processes that burn.
const servingPlatform = `
name: serving
kubernetes: "1.35"
autoscaling: {syncPeriod: 2s, metricResolution: 2s, housekeeping: 1s, metricLag: 100ms, endpointDelay: 200ms}
pools: [{name: vm, count: 2, capacity: {cpu: 8, memory: 32Gi}}]
workloads:
  - name: antrag
    tenants: [adorf]
    resources: {requests: {cpu: 500m, memory: 256Mi}, limits: {cpu: 500m, memory: 256Mi}}
    replicas: 2
    hpa:
      minReplicas: 1
      maxReplicas: 6
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
      behavior: {scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 1, periodSeconds: 15}]}}
    start: {pull: {fixed: 300ms}, start: {fixed: 100ms}, ready: {fixed: 200ms}}
    steps: {submit: {cpu: {fixed: 20ms}, accepts: true}}
  - name: brenner
    tenants: [ofen]
    resources: {requests: {cpu: 200m, memory: 64Mi}, limits: {cpu: 200m, memory: 64Mi}}
    replicas: 1
    hpa:
      minReplicas: 1
      maxReplicas: 2
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
    start: {}
    steps: {submit: {cpu: {fixed: 20ms}, accepts: true}}
`

// TestPodsServeAndScale is the whole way: real requests load pods that the real scheduler placed, their usage goes through
// the metrics API to the real autoscaler, and the pods that it asks for serve.
func TestPodsServeAndScale(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	dir := t.TempDir()
	file, journal := filepath.Join(dir, "serving.platform.yaml"), filepath.Join(dir, "pods.jsonl")
	if err := os.WriteFile(file, []byte(servingPlatform), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, file, "--state", dir, "--journal", journal, "--process", "brenner="+self(t))
	client := p.client(t, controlplane.Context)
	desk := ansturmlab.Dial(strings.TrimPrefix(p.Desk, "http://"))
	if err := desk.Begin(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	watched := watch(t, p)
	t.Run("nothing listens off loopback", func(t *testing.T) { onlyLoopback(t, p) })
	shots := &shots{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var firing sync.WaitGroup
	firing.Go(func() { shots.fire(ctx, p.Targets["adorf"], 25*time.Millisecond) }) // 0.8 of 1 core: 4 pods
	firing.Go(func() { shots.fire(ctx, p.Targets["ofen"], 100*time.Millisecond) }) // 0.2 of 0.2 cores
	defer firing.Wait()
	defer cancel()

	eventually(t, "a third pod of adorf serves", func(context.Context) error {
		if n := shots.pods("antrag"); n < 3 {
			return fmt.Errorf("%d pods of adorf have served; %s", n, shots)
		}
		return nil
	})
	scaled := func(ctx context.Context, tenant, name string, least int32) error {
		d, err := client.AppsV1().Deployments(tenant).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if d.Status.ReadyReplicas < least {
			return fmt.Errorf("%d ready replicas, wanted %d", d.Status.ReadyReplicas, least)
		}
		return nil
	}
	eventually(t, "adorf scales", func(ctx context.Context) error { return scaled(ctx, "adorf", "antrag", 3) })
	if quotas(t, journal) {
		eventually(t, "ofen scales", func(ctx context.Context) error { return scaled(ctx, "ofen", "brenner", 2) })
		eventually(t, "its throttling is told", func(context.Context) error {
			if !slices.ContainsFunc(read(t, journal), func(e nodeagent.Entry) bool {
				return e.Namespace == "ofen" && e.Stage == nodeagent.StageThrottled
			}) {
				return errors.New("no line of it in the journal")
			}
			return nil
		})
		eventually(t, "the pod that came is seen to be throttled", func(context.Context) error { return watched.throttled(2) })
	}
	before := shots.refused.Load() + shots.lost.Load()
	if err := syscall.Kill(p.ServerPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server comes back", func(ctx context.Context) error { return scaled(ctx, "adorf", "antrag", 3) })
	if now := shots.refused.Load() + shots.lost.Load(); now != before {
		t.Errorf("%d requests were lost while the API server was away; pods do not need it", now-before)
	}
	cancel()
	firing.Wait()
	account, err := desk.Finish(t.Context())
	if err != nil || int64(account.Accepted.GetCardinality()) < shots.accepted.Load() || account.Duplicates != 0 {
		t.Errorf("the lab accepted %d, the answers say %d, %d twice, %v", account.Accepted.GetCardinality(), shots.accepted.Load(), account.Duplicates, err)
	}
	everyStageInOrder(t, read(t, journal))
	t.Log(shots)
	if code := p.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d, wanted 0", code)
	}
}

// timeline is what a run that watched the lab would have in its record.
type timeline struct {
	mu     sync.Mutex
	events []record.Event
}

// watch watches as a run does that may only look, and reads the containers' counters.
func watch(t *testing.T, p *process) *timeline {
	t.Helper()
	client, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: p.Kubeconfig, Context: controlplane.ObserverContext})
	if err != nil {
		t.Fatal(err)
	}
	o, err := observe.Start(t.Context(), observe.Config{
		Client: client, Tenants: []string{"adorf", "ofen"}, Scrapes: []observe.Scrape{{URL: p.Counters}}, SeriesEvery: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Stop() })
	l := &timeline{}
	o.Attach(time.Now(), func(e record.Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events = append(l.events, e)
	})
	return l
}

// throttled objects unless the quotas of so many of brenner's pods are seen to have held them back, and nobody else's: virtual
// pods have none.
func (l *timeline) throttled(pods int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range l.events {
		switch {
		case e.Kind != record.KindThrottling:
		case e.Tenant != "ofen" || e.Workload != "brenner" || e.Node == "" || !(e.Values["throttled_periods"] > 0) || e.Values["throttled_periods"] > e.Values["periods"]:
			return fmt.Errorf("told as %+v", e)
		default:
			seen[e.Object] = true
		}
	}
	if len(seen) < pods {
		return fmt.Errorf("%d pods, wanted %d", len(seen), pods)
	}
	return nil
}

func self(t *testing.T) string {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// shots are applications handed in at an even rate, whatever becomes of them.
type shots struct {
	keys, accepted, refused, lost atomic.Int64

	mu     sync.Mutex
	served map[string]int // by pod
}

func (s *shots) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d accepted, %d refused, %d lost, by pod %v", s.accepted.Load(), s.refused.Load(), s.lost.Load(), s.served)
}

// fireEvery fires at each of the addresses until the returned function is called.
func fireEvery(t *testing.T, period time.Duration, urls ...string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var firing sync.WaitGroup
	for _, url := range urls {
		firing.Go(func() { (&shots{}).fire(ctx, url, period) })
	}
	return func() {
		cancel()
		firing.Wait()
	}
}

func (s *shots) fire(ctx context.Context, url string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			under.Go(func() { s.shoot(context.WithoutCancel(ctx), url) })
		}
	}
}

func (s *shots) shoot(ctx context.Context, url string) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/submit", http.NoBody)
	if err != nil {
		return
	}
	q.Header.Set("Idempotency-Key", fmt.Sprint(s.keys.Add(1)))
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		s.lost.Add(1)
		return
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, a.Body)
	if a.StatusCode != http.StatusCreated {
		s.refused.Add(1)
		return
	}
	s.accepted.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served == nil {
		s.served = map[string]int{}
	}
	s.served[a.Header.Get("Ansturm-Pod")]++
}

// pods is how many pods of a workload have served.
func (s *shots) pods(workload string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.served {
		if strings.HasPrefix(name, workload+"-") {
			n++
		}
	}
	return n
}

// quotas says whether ofen's process runs: where no quota can be set it is refused.
func quotas(t *testing.T, journal string) bool {
	for _, e := range read(t, journal) {
		if e.Namespace == "ofen" && e.Stage == nodeagent.StageError {
			t.Logf("without process pods: %s", e.Message)
			return false
		}
	}
	return true
}

func read(t *testing.T, path string) (entries []nodeagent.Entry) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e nodeagent.Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil { // the last line may be half written
			entries = append(entries, e)
		}
	}
	return entries
}

// everyStageInOrder checks of every pod that serves that the stages on its way came one after another.
func everyStageInOrder(t *testing.T, entries []nodeagent.Entry) {
	t.Helper()
	way := []string{
		nodeagent.StageBound, nodeagent.StagePulled, nodeagent.StageStarted, nodeagent.StageReady, nodeagent.StageEndpoint,
		nodeagent.StageRotation, nodeagent.StageServing,
	}
	at := map[string]map[string]int64{}
	for _, e := range entries {
		if e.Pod != "" {
			if at[e.Pod] == nil {
				at[e.Pod] = map[string]int64{}
			}
			at[e.Pod][e.Stage] = e.At
		}
	}
	served := 0
	for pod, stages := range at {
		if stages[nodeagent.StageServing] == 0 {
			continue
		}
		served++
		for i := 1; i < len(way); i++ {
			if before, after := stages[way[i-1]], stages[way[i]]; before == 0 || after < before {
				t.Errorf("%s: %s at %d, %s at %d", pod, way[i-1], before, way[i], after)
			}
		}
	}
	t.Logf("%d pods have served; from ready to the status's being written: at most %v", served, slowest(entries))
	if served < 3 {
		t.Errorf("%d pods have served, by the journal", served)
	}
}

// slowest is the longest time from a pod's being ready to the API server's having its status, of pods that came during the
// run: no claim, the machine may be busy.
func slowest(entries []nodeagent.Entry) (longest time.Duration) {
	ready := map[string]int64{}
	for _, e := range entries {
		switch {
		case e.Stage == nodeagent.StageReady:
			ready[e.UID] = e.At
		case e.Stage == nodeagent.StageStatus && strings.HasSuffix(e.Message, "ready true") && ready[e.UID] != 0:
			longest = max(longest, time.Duration(e.At-ready[e.UID]))
			delete(ready, e.UID)
		}
	}
	return longest
}
