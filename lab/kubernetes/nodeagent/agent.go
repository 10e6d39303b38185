package nodeagent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/scenarios"
)

// Config says whose nodes and pods are run, and how.
type Config struct {
	// Client should have no rate limit of its own: a kubelet has one a node.
	Client   kubernetes.Interface
	Platform *scenarios.Platform
	// Scenario names tenants and steps; nil: those of the platform's workloads.
	Scenario *scenarios.Scenario
	Seed     uint64
	// Log gets the journal, an [Entry] a line as JSON; nil: nobody reads it.
	Log io.Writer
	// Say tells a person what should not be missed; nil: nobody listens.
	Say func(format string, args ...any)
	// Processes is the folder of the programs that [objects.AnnotationProcess] calls by their bare names. Empty means that of
	// this process's own program.
	Processes string
	// Images are programs by the images that they stand for: pods of these are real processes, too.
	Images map[string]string
	// Volumes is a folder for the pods' volumes. Empty: a process pod that has any waits for ever, and says so.
	Volumes string
	// RenewEvery is the time between two renewals of a node's lease. Zero means a quarter of the platform's
	// NodeLossDetection, but at most a kubelet's 10 s.
	RenewEvery time.Duration
}

// Agent runs all nodes.
type Agent struct {
	config  Config
	auto    scenarios.Autoscaling
	ground  *lab.Ground
	tenants map[string]bool
	// desk, metrics and targets are where the ground and the counters are served.
	desk, metrics string
	targets       map[string]string
	journal       *journal
	cgroups       *cgroups
	starter       *starter

	workers *workers // what pods do
	writers *workers // what the API server is told of them
	tellers *workers // events, which may come late
	begun   atomic.Bool
	done    sync.WaitGroup
	store   cache.Store // the pods as watched

	mu        sync.Mutex
	nodes     map[string]*node
	pods      map[types.UID]*pod
	bodies    map[*lab.Pod]*pod
	rotation  map[types.UID]int // by how many slices a pod is held as ready
	slices    map[string]map[types.UID]bool
	addresses addresses
	seen      uint64 // pods
}

// Start runs nodes and pods until ctx ends. It returns once the balancer's addresses are known and everything there was
// has been seen; [Agent.Wait] returns when all has ended.
func Start(ctx context.Context, c Config) (*Agent, error) {
	if c.Client == nil || c.Platform == nil {
		return nil, errors.New("nodeagent: a client and a platform are wanted")
	}
	if c.Scenario == nil {
		c.Scenario = scenarioOf(c.Platform)
	}
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	a := &Agent{
		config: c, auto: c.Platform.Autoscaling.WithDefaults(), journal: newJournal(c.Log), tenants: map[string]bool{},
		nodes: map[string]*node{}, pods: map[types.UID]*pod{}, bodies: map[*lab.Pod]*pod{},
		rotation: map[types.UID]int{}, slices: map[string]map[types.UID]bool{},
	}
	a.config.RenewEvery = cmp.Or(c.RenewEvery, max(time.Second, min(10*time.Second, a.auto.NodeLossDetection/4)))
	for _, t := range c.Scenario.Tenants.List {
		a.tenants[t.Name] = true
	}
	ctx, cancel := context.WithCancel(ctx)
	if err := a.start(ctx); err != nil {
		cancel()
		a.Wait()
		return nil, fmt.Errorf("nodeagent: %w", err)
	}
	context.AfterFunc(ctx, cancel)
	return a, nil
}

func (a *Agent) start(ctx context.Context) (err error) {
	if a.ground, err = lab.NewGround(lab.Config{Platform: a.config.Platform, Scenario: a.config.Scenario, Seed: a.config.Seed}, nil); err != nil {
		return err
	}
	a.claimAddresses(ctx)
	a.cgroups = findCgroups()
	a.starter = newStarter(a.cgroups)
	a.done.Go(func() { a.starter.run(ctx) })
	a.done.Go(func() { a.endProcesses(ctx) })
	a.workers, a.writers, a.tellers = newWorkers(ctx, &a.done, 4), newWorkers(ctx, &a.done, 16), newWorkers(ctx, &a.done, 4)
	if err := a.serveGround(ctx); err != nil {
		return err
	}
	if err := a.serveCounters(ctx); err != nil {
		return err
	}
	if err := a.watch(ctx); err != nil {
		return err
	}
	a.done.Go(func() { a.renewLeases(ctx) })
	a.done.Go(func() { a.watchThrottling(ctx) })
	return nil
}

// serveGround serves the tenants, and returns when their addresses are known.
func (a *Agent) serveGround(ctx context.Context) error {
	up, down := make(chan lab.Endpoints, 1), make(chan error, 1)
	a.done.Go(func() {
		err := a.ground.Serve(ctx, func(e lab.Endpoints) { up <- e })
		if err != nil {
			a.config.Say("the balancer has ended: %v", err)
		}
		down <- err
	})
	select {
	case e := <-up:
		a.desk, a.targets = "http://"+e.Control, map[string]string{}
		for tenant, address := range e.Tenants {
			a.targets[tenant] = "http://" + address
		}
		return nil
	case err := <-down:
		return cmp.Or(err, ctx.Err())
	}
}

// endProcesses ends all processes once ctx has ended, and removes their groups.
func (a *Agent) endProcesses(ctx context.Context) {
	<-ctx.Done()
	<-a.starter.over
	a.mu.Lock()
	var left []*process
	for _, p := range a.pods {
		if l := p.life.Load(); l != nil && l.process != nil {
			left = append(left, l.process)
		}
	}
	a.mu.Unlock()
	for _, p := range left {
		p.kill()
		<-p.over
		p.group.remove()
	}
	a.cgroups.close()
}

// Begin ends the set-up, during which pods are ready as soon as they are bound, their images there: the initial replicas
// have been running for long when a run begins.
func (a *Agent) Begin() { a.begun.Store(true) }

// AwaitRotation returns when every tenant's pod that is ready gets requests, at the latest when ctx ends: the controller of
// the EndpointSlices may be behind.
func (a *Agent) AwaitRotation(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !a.allRotate() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) allRotate() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pods {
		if !p.idle && !p.dead.Load() && !p.turn.done() {
			return false
		}
	}
	return true
}

// Wait returns when everything has ended, which it does after Start's context.
func (a *Agent) Wait() { a.done.Wait() }

// Targets are the tenants' base URLs on loopback, by tenant.
func (a *Agent) Targets() map[string]string { return a.targets }

// Desk is the base URL of the ground's account: [lab.Dial] takes it without its scheme.
func (a *Agent) Desk() string { return a.desk }

// Counters is the URL of the containers' counters in Prometheus' text format, under cAdvisor's names.
func (a *Agent) Counters() string { return a.metrics }

// Quotas says how processes get their CPU quota, or why they cannot have one.
func (a *Agent) Quotas() string { return a.cgroups.String() }

// Usage is what a scrape of the nodes finds: what the kubelets read last of every running container.
func (a *Agent) Usage() []metricsapi.Usage {
	return a.list(a.ground.Readings(nil), func(p *process) *reading { return p.read.Load() })
}

// used is what every running container has used by now.
func (a *Agent) used() []metricsapi.Usage {
	return a.list(a.ground.Usage(nil), func(p *process) *reading {
		cpu, memory := p.usage()
		return &reading{time.Now(), cpu, memory}
	})
}

// list is the usage of virtual pods and of processes; of those of which nothing is known yet there is none.
func (a *Agent) list(used []lab.Usage, of func(*process) *reading) []metricsapi.Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]metricsapi.Usage, 0, len(used))
	for _, u := range used {
		if p := a.bodies[u.Pod]; p != nil {
			list = p.appendUsage(list, u.At, u.CPU, u.Memory)
		}
	}
	for _, p := range a.pods {
		switch life := p.life.Load(); {
		case life == nil || life.started.IsZero() || life.ended:
		case life.process != nil:
			if r := of(life.process); r != nil {
				list = p.appendUsage(list, r.at, r.cpu, r.memory)
			}
		case p.idle:
			list = p.appendUsage(list, time.Now(), 0, 0)
		}
	}
	return list
}

// scenarioOf makes the scenario that names a platform's tenants and steps.
func scenarioOf(p *scenarios.Platform) *scenarios.Scenario {
	s := &scenarios.Scenario{Name: p.Name, Journeys: []scenarios.Journey{{Name: p.Name}}}
	known := map[string]bool{}
	for _, w := range p.Workloads {
		for _, tenant := range w.Tenants {
			s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{Name: tenant})
		}
		for step := range w.Steps {
			if !known[step] {
				known[step] = true
				s.Journeys[0].Steps = append(s.Journeys[0].Steps, scenarios.Step{Name: step})
			}
		}
	}
	return s
}
