package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// The exit codes, as ansturm's.
const (
	exitUsage    = 2
	exitInternal = 5
)

// run is the whole program: the exit code is its result. A lab that was stopped ends with 0.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, errHelp) {
		return 0
	}
	var w *world
	if err == nil {
		w, err = s.load()
	}
	if err != nil {
		fmt.Fprintf(stderr, "ansturm-lab: %v\n", err)
		return exitUsage
	}
	hurry()
	l := &lab{settings: s, world: w, stdout: stdout, stderr: stderr, begun: time.Now()}
	if err := l.serve(ctx); err != nil {
		fmt.Fprintf(stderr, "ansturm-lab: %v\n", err)
		return exitInternal
	}
	return 0
}

// lab is one run of the program.
type lab struct {
	*settings
	*world
	stdout, stderr io.Writer
	begun          time.Time
	saying         sync.Mutex

	state      *controlplane.State
	plane      *controlplane.Plane
	agent      *nodeagent.Agent
	set        *objects.Set
	background sync.WaitGroup
}

func (l *lab) say(format string, args ...any) {
	l.saying.Lock()
	defer l.saying.Unlock()
	fmt.Fprintf(l.stderr, "%6.1f s  %s\n", time.Since(l.begun).Seconds(), fmt.Sprintf(format, args...))
}

// serve goes from nothing to a standing platform, stays until ctx ends, and goes back to nothing.
func (l *lab) serve(ctx context.Context) (err error) {
	if err := l.claimKubeconfig(); err != nil {
		return err
	}
	state, removed, err := controlplane.NewState(l.settings.state)
	if err != nil {
		return err
	}
	for _, dir := range removed {
		l.say("removed %s, left behind by a lab that was killed", dir)
	}
	l.state = state
	defer func() { err = errors.Join(err, state.Close()) }()

	inner, cancel := context.WithCancel(ctx)
	auto := l.world.platform.Autoscaling
	l.plane, err = controlplane.Start(inner, controlplane.Config{
		State: state, HPASync: auto.SyncPeriod, NodeGrace: auto.NodeLossDetection, Say: l.say,
	})
	defer func() {
		cancel()
		l.background.Wait()
		l.plane.Stop()
		if ctx.Err() != nil { // stopped while it started
			err = nil
		}
	}()
	if err != nil {
		return err
	}
	if err := l.furnish(inner); err != nil {
		return err
	}
	defer l.removeKubeconfig()
	if err := l.ready(); err != nil {
		return err
	}
	l.background.Go(func() { l.disrupt(inner) })
	<-ctx.Done()
	l.say("stopping")
	return nil
}

// furnish brings the platform in: agent, metrics, objects; and waits until it stands.
func (l *lab) furnish(ctx context.Context) (err error) {
	client, err := l.plane.Client(controlplane.Agent)
	if err != nil {
		return err
	}
	if err := l.startAgent(ctx, client); err != nil {
		return err
	}
	if l.set, err = objects.Make(l.world.platform, l.tenants, l.agent.Targets()); err != nil {
		return err
	}
	if err := l.wish(); err != nil {
		return err
	}
	admin, err := l.plane.Client(controlplane.Admin)
	if err != nil {
		return err
	}
	l.say("%d nodes, %d tenants and %d pods are brought in", len(l.set.Nodes), len(l.tenants), l.set.Replicas())
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.set.Create(groupCtx, admin) })
	group.Go(func() error { return l.plane.AllowObserver(groupCtx) })
	group.Go(func() error { return l.plane.AllowFleet(groupCtx) })
	group.Go(func() error { return l.serveMetrics(ctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	if err := l.plane.Follow(); err != nil {
		return err
	}
	l.awaitRotation(ctx)
	l.agent.Begin()
	l.plane.Settled()
	rest()
	if l.await {
		return l.awaitAutoscalers(ctx, admin)
	}
	return nil
}

// serveMetrics scrapes the agent and serves what it says; ctx is the lab's.
func (l *lab) serveMetrics(ctx context.Context) error {
	auto := l.world.platform.Autoscaling
	store := metricsapi.NewStore(auto.MetricResolution)
	l.background.Go(func() { store.Scrape(ctx, l.agent.Usage, auto.MetricLag) })
	core := l.plane.Informers().Core().V1()
	server := &metricsapi.Server{Store: store, Pods: core.Pods().Lister(), Nodes: core.Nodes().Lister()}
	if err := l.plane.ServeMetrics(ctx, server.Handler()); err != nil {
		return err
	}
	return l.plane.AwaitMetrics(ctx)
}

// claimKubeconfig refuses to write over a kubeconfig that is not a lab's.
func (l *lab) claimKubeconfig() error {
	if l.kubeconfig == "" {
		return nil
	}
	old, err := clientcmd.LoadFromFile(l.kubeconfig)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil || len(old.Clusters) != 1 || old.Clusters[controlplane.Context] == nil {
		return fmt.Errorf("--kubeconfig: %s exists and is not a lab's; name a file that does not exist", l.kubeconfig)
	}
	return nil
}

func (l *lab) removeKubeconfig() { _ = os.Remove(l.kubeconfig) } // of the state folder it goes anyway

// readiness is the product: where to find the lab.
type readiness struct {
	Server     string   `json:"server"`
	Kubeconfig string   `json:"kubeconfig"`
	Contexts   []string `json:"contexts"`
	Audit      string   `json:"audit"`
	State      string   `json:"state"`
	Nodes      int      `json:"nodes"`
	Tenants    int      `json:"tenants"`
	Pods       int      `json:"pods"`
	PID        int      `json:"pid"`
	ServerPID  int      `json:"serverPid"`
	Seconds    float64  `json:"seconds"`
	// Targets are the tenants' addresses on loopback. Desk gives the account of a run, Counters the containers' counters as
	// Prometheus reads them; Journal is the file with every stage of every pod.
	Targets  map[string]string `json:"targets"`
	Desk     string            `json:"desk"`
	Counters string            `json:"counters"`
	Journal  string            `json:"journal"`
}

// ready writes the kubeconfig and the ready line.
func (l *lab) ready() error {
	path := l.kubeconfig
	if path == "" {
		path = l.state.Path("kubeconfig")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	l.kubeconfig = path
	if err := l.plane.WriteKubeconfig(path); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	r := readiness{
		Server: l.plane.Address(), Kubeconfig: path, Contexts: []string{controlplane.Context, controlplane.FleetContext, controlplane.ObserverContext},
		Audit: l.plane.AuditLog(), State: l.state.Dir, Nodes: len(l.set.Nodes), Tenants: len(l.tenants), Pods: l.set.Replicas(),
		PID: os.Getpid(), ServerPID: l.plane.ServerPID(), Seconds: time.Since(l.begun).Seconds(), Targets: l.agent.Targets(),
		Desk: l.agent.Desk(), Counters: l.agent.Counters(), Journal: l.journal,
	}
	if l.json {
		return json.NewEncoder(l.stdout).Encode(r)
	}
	l.say("audit of every write of spec.replicas: %s", r.Audit)
	if r.Counters != "" {
		l.say("counters of the containers, for ansturm run --scrape: %s", r.Counters)
	}
	_, err = fmt.Fprintf(l.stdout, "ready after %.1f s: %d nodes, %d tenants, %d pods at %s; export KUBECONFIG=%s\n",
		r.Seconds, r.Nodes, r.Tenants, r.Pods, r.Server, path)
	return err
}
