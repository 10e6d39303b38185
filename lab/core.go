package lab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/pack"
	"github.com/ansturm/ansturm/scenarios"
)

// outcome is what became of a request handed in.
type outcome uint8

const (
	served      outcome = iota + 1 // the work is done
	overloaded                     // the pod's threads and backlog, or a back end, are full
	unavailable                    // the balancer knows no ready pod
	cut                            // the pod died under it: the client sees its connection break
	closing                        // the lab was finished
	unknown                        // a virtual pod was asked for a step its workload does not know
	forwarded                      // a real process behind its address is to answer it
)

// request is one request in the platform. Who hands it in sets tenant, step and key; the rest is the core's.
type request struct {
	tenant, step int
	key          uint32
	keyed        bool
	// foreign: the workload knows no such step; only a process may answer.
	foreign bool

	outcome outcome
	// doneAt is the platform time at which outcome came about.
	doneAt time.Duration
	// podName is the pod that served it, empty when none did.
	podName string

	pod  *pod
	work *work
	// stage is the next back end to go to.
	stage int
	next  *request // behind it in a backlog
	// orphaned: its pod is gone, but a back end still works on it.
	orphaned bool

	// ready tells the waiting connection; live use only.
	ready chan struct{}
	// told gets the answer; virtual use only.
	told func(record.Outcome)
}

// work is what one request of a step costs in one workload.
type work struct {
	cpu scenarios.Distribution
	// backends is the work in seconds at each of the platform's back ends, in its order; zero means none.
	backends []float64
	accepts  bool
}

// core is the platform as a deterministic machine: it is given requests and moments, and moves from event to event.
// It is not safe for concurrent use; live runs guard it by a lock.
type core struct {
	platform *scenarios.Platform
	seed     uint64
	now      time.Duration
	queue    queue
	// house are the kubelets' readings. Nobody outside feels them, so nobody is woken for them: they are caught up on, each at
	// its own moment, when something else happens or somebody looks.
	house queue

	steps    []string
	tenants  []*deployment
	nodes    []*node
	backends []*backend
	// waiting are pods that no node had room for, or that the scheduler has not looked at yet, oldest first.
	waiting []*pod
	cluster *pack.Cluster
	kicked  event

	auto scenarios.Autoscaling

	// answered is called once for every request handed in, when its outcome is known.
	answered func(*request)
	// opened, announced and freed are the control plane's: time begins, a pod is ready, a pod's place on its node is
	// free again. The embedded one is put in by govern; a [Ground] is governed from outside, and they do nothing.
	opened           func()
	announced, freed func(*pod)
	// emit takes an event of the timeline; At is set, Wall is not.
	emit func(record.Event)

	closed   bool
	counts   counts
	accepted *roaring.Bitmap
	// duplicates are applications kept again, unkeyed those without a numeric key.
	duplicates, unkeyed int64
}

// counts say what became of the requests: handed = served + refused + cut + those still inside.
type counts struct{ handed, served, refused, cut int64 }

// newCore builds the platform with its nodes and the embedded control plane over them.
func newCore(p *scenarios.Platform, s *scenarios.Scenario, seed uint64) (*core, error) {
	c, err := newGround(p, s, seed)
	if err != nil {
		return nil, err
	}
	if err := c.govern(); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	return c, nil
}

// newGround builds what serves requests and nothing that decides: tenants without pods, back ends, no node.
func newGround(p *scenarios.Platform, s *scenarios.Scenario, seed uint64) (*core, error) {
	c := &core{
		platform: p, seed: seed, auto: p.Autoscaling.WithDefaults(), accepted: roaring.New(),
		answered: func(*request) {}, emit: func(record.Event) {},
		opened: func() {}, announced: func(*pod) {}, freed: func(*pod) {},
	}
	if c.auto.SyncPeriod < 0 || c.auto.MetricResolution < 0 || c.auto.Housekeeping < 0 {
		return nil, errors.New("lab: the autoscaling's syncPeriod, metricResolution and housekeeping must be more than 0")
	}
	if p.Admission != nil {
		return nil, fmt.Errorf("lab: platform %q has a waiting room (admission), which can only be simulated so far", p.Name)
	}
	for _, ref := range s.AllSteps() {
		if !slices.Contains(c.steps, ref.Step.Name) {
			c.steps = append(c.steps, ref.Step.Name)
		}
	}
	for i := range p.Backends {
		if b := &p.Backends[i]; !(b.Cores > 0 && b.Contention >= 0 && b.Coherency >= 0) {
			return nil, fmt.Errorf("lab: back end %q: cores must be more than 0, contention and coherency not negative", b.Name)
		}
		c.backends = append(c.backends, newBackend(c, &p.Backends[i]))
	}
	if err := c.deploy(s); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	return c, nil
}

// govern puts the embedded control plane over the platform: its nodes, scheduler, autoscalers and mishaps.
func (c *core) govern() error {
	var nodes []pack.Node
	for _, ref := range c.platform.Nodes() {
		n := newNode(ref)
		c.nodes = append(c.nodes, n)
		nodes = append(nodes, n.spec)
	}
	c.cluster = pack.NewCluster(nodes)
	for _, d := range c.tenants {
		d.desired = d.workload.Replicas
		var err error
		if d.scaler, err = newScaler(d); err != nil {
			return err
		}
	}
	c.kicked.fire = c.schedule
	c.opened, c.announced, c.freed = c.open, c.announce, c.free
	for _, d := range c.platform.Disruptions {
		if !slices.ContainsFunc(c.nodes, func(n *node) bool { return n.name == d.LoseNode }) {
			return fmt.Errorf("disruption at %v: platform %q has no node %q", d.At, c.platform.Name, d.LoseNode)
		}
	}
	return nil
}

// open starts the embedded control plane: nodes and initial replicas are ready, their images there, the loops set.
func (c *core) open() {
	c.warm()
	c.control()
	for _, d := range c.platform.Disruptions {
		c.at(max(c.now, d.At), func() { c.loseNode(d.LoseNode) })
	}
}

// begin lets the platform's time start at moment at (at most 0).
func (c *core) begin(at time.Duration) {
	c.now = min(at, 0)
	c.opened()
	for _, b := range c.backends {
		b.report()
	}
}

// at sets fire for moment t.
func (c *core) at(t time.Duration, fire func()) { c.queue.set(&event{fire: fire}, t) }

// advance lets everything happen that is due until then.
func (c *core) advance(until time.Duration) {
	for e := c.take(until); e != nil; e = c.take(until) {
		c.now = max(c.now, e.at)
		e.fire()
	}
	c.now = max(c.now, until)
}

// take takes out the next event that is due until then, nil where there is none.
func (c *core) take(until time.Duration) *event {
	q := &c.queue
	if h := c.house.first(); h != nil && (q.first() == nil || h.at < q.first().at) {
		q = &c.house
	}
	e := q.first()
	if e == nil || e.at > until {
		return nil
	}
	q.drop(e)
	return e
}

// submit hands a request in, now.
func (c *core) submit(r *request) {
	c.counts.handed++
	if c.closed {
		c.end(r, closing)
		return
	}
	d := c.tenants[r.tenant]
	if !r.foreign {
		r.work = d.works[r.step]
	}
	p := d.choose()
	if p == nil {
		c.end(r, unavailable)
		return
	}
	if r.foreign && p.process == "" {
		c.end(r, unknown)
		return
	}
	if !r.keyed {
		d.unkeyed++
		r.key = d.unkeyed
	}
	p.take(r)
}

// end gives a request its outcome and tells whoever waits for it.
func (c *core) end(r *request, o outcome) {
	c.count(r, o)
	c.answered(r)
}

// count gives a request its outcome and, if it is an application that was worked off, keeps it.
func (c *core) count(r *request, o outcome) {
	r.outcome, r.doneAt = o, c.now
	switch o {
	case served:
		c.counts.served++
		c.tenants[r.tenant].served++
		c.keep(r)
	case cut:
		c.counts.cut++
	default:
		c.counts.refused++
	}
}

// keep marks an application as accepted: before its answer is written, as a real platform commits first.
func (c *core) keep(r *request) {
	switch {
	case r.work == nil || !r.work.accepts:
	case !r.keyed:
		c.unkeyed++
	case !c.accepted.CheckedAdd(r.key):
		c.duplicates++
	}
}

// close ends everything that is still inside.
func (c *core) close() {
	c.closed = true
	for _, d := range c.tenants {
		for _, p := range append(append([]*pod(nil), d.pods...), d.leaving...) {
			p.abort(closing)
		}
	}
}
