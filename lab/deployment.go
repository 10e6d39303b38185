package lab

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/pack"
	"github.com/ansturm/ansturm/scenarios"
)

// deployment is one tenant's workload: its pods, its way into the balancer, its autoscaler.
type deployment struct {
	c        *core
	index    int
	tenant   string
	workload *scenarios.Workload
	works    []*work // by step; nil: the workload does not know it

	limit, weight    float64 // cores
	request          float64 // cores
	claim            pack.Pod
	threads, backlog int

	desired int32
	// pods are those the control plane counts, oldest first; leaving are finishing their requests.
	pods, leaving []*pod
	number        uint64
	// rotation is what the balancer knows, turn where its next round begins.
	rotation []*pod
	turn     int

	scaler *scaler
	// processes: some of its pods are real ones, which know steps of their own.
	processes atomic.Bool

	unkeyed  uint32
	served   int64
	usedGone float64 // CPU seconds of pods that are gone
	shown    [3]int32
}

// deploy makes every tenant's deployment.
func (c *core) deploy(s *scenarios.Scenario) error {
	works := map[*scenarios.Workload][]*work{}
	for i, t := range s.Tenants.List {
		w := c.platform.WorkloadOf(t.Name)
		if w == nil {
			return fmt.Errorf("no workload of platform %q serves tenant %q", c.platform.Name, t.Name)
		}
		if works[w] == nil {
			works[w] = c.compile(w)
		}
		c.tenants = append(c.tenants, newDeployment(c, i, t.Name, w, works[w]))
	}
	if len(c.tenants) == 0 {
		return fmt.Errorf("scenario %q has no tenants", s.Name)
	}
	return nil
}

// leastWeight is the kernel's least share of a CPU.
const leastWeight = 0.002

func newDeployment(c *core, index int, tenant string, w *scenarios.Workload, works []*work) *deployment {
	d := &deployment{
		c: c, index: index, tenant: tenant, workload: w, works: works,
		threads: cmp.Or(w.Threads, 16), backlog: cmp.Or(w.Backlog, 32),
		limit: w.CPULimit(), weight: w.CPURequest(),
	}
	d.claim = pack.Pod{CPU: int64(math.Round(d.weight * 1000)), Memory: w.MemoryRequest(), Group: w.Name + "/" + tenant}
	d.request = d.weight
	d.weight = max(d.weight, leastWeight)
	if d.limit == 0 {
		d.limit = math.Inf(1)
	}
	return d
}

func (c *core) compile(w *scenarios.Workload) []*work {
	works := make([]*work, len(c.steps))
	for i, name := range c.steps {
		spec, known := w.Steps[name]
		if !known {
			continue
		}
		works[i] = &work{cpu: spec.CPU, accepts: spec.Accepts, backends: make([]float64, len(c.backends))}
		for k, b := range c.backends {
			works[i].backends[k] = spec.Backends[b.spec.Name].Seconds()
		}
	}
	return works
}

func (d *deployment) podName(number uint64) string {
	hash := mix(d.c.seed, uint64(d.index)) & 0xffff
	return fmt.Sprintf("%s-%s-%04x-%d", d.workload.Name, d.tenant, hash, number)
}

// choose is the balancer: the known pod with the fewest open requests, ties in turn; nil where none is known.
func (d *deployment) choose() *pod {
	var best *pod
	n := len(d.rotation)
	if n == 0 {
		return nil
	}
	start := d.turn % n
	for i := range n {
		p := d.rotation[(start+i)%n]
		if best == nil || p.open < best.open {
			best = p
			if p.open == 0 {
				break
			}
		}
	}
	d.turn = start + 1
	return best
}

// resize is the Deployment controller: pods are made or removed until there are n.
func (d *deployment) resize(n int32) {
	d.desired = n
	for len(d.pods) < int(n) {
		d.number++
		p := newPod(d, d.number, d.podName(d.number))
		d.pods = append(d.pods, p)
		p.phase(record.PhaseCreated, "")
		d.c.waiting = append(d.c.waiting, p)
		d.c.kick(d.c.now + d.c.auto.SchedulingDelay)
	}
	if excess := len(d.pods) - int(n); excess > 0 {
		for _, p := range d.victims()[:excess] {
			p.remove()
		}
	}
	d.report()
}

// victims orders the pods as the ReplicaSet controller removes them: without a node, then not ready, then youngest.
func (d *deployment) victims() []*pod {
	rank := func(p *pod) int {
		switch {
		case p.node == nil:
			return 0
		case !p.ready:
			return 1
		}
		return 2
	}
	list := slices.Clone(d.pods)
	slices.SortStableFunc(list, func(a, b *pod) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.number, a.number))
	})
	return list
}

// report says the counts when they changed.
func (d *deployment) report() {
	now := [3]int32{d.desired, int32(len(d.pods)), d.readyCount()}
	if now == d.shown {
		return
	}
	d.shown = now
	d.c.say(record.Event{
		Kind: record.KindReplicas, Tenant: d.tenant, Workload: d.workload.Name,
		Desired: now[0], Current: now[1], Ready: now[2],
	})
}

func (d *deployment) readyCount() (n int32) {
	for _, p := range d.pods {
		if p.ready && !p.dead {
			n++
		}
	}
	return n
}

// used is the CPU time of all pods there ever were, in seconds.
func (d *deployment) used() float64 {
	sum := d.usedGone
	for _, p := range d.pods {
		p.refresh()
		sum += p.used
	}
	for _, p := range d.leaving {
		p.refresh()
		sum += p.used
	}
	return sum
}

func (d *deployment) inFlight() (n int) {
	for _, p := range d.pods {
		n += p.open
	}
	for _, p := range d.leaving {
		n += p.open
	}
	return n
}

// say puts an event on the timeline, now; what is so before the surge is so at its start.
func (c *core) say(e record.Event) {
	e.At, e.Source = max(0, c.now), "lab"
	c.emit(e)
}

func without(pods []*pod, p *pod) []*pod {
	return slices.DeleteFunc(pods, func(other *pod) bool { return other == p })
}

// drawn gives a pod's own draw of d; kind keeps its draws apart. A warm pod waits for nothing.
func (p *pod) drawn(d *scenarios.Distribution, kind uint64) time.Duration {
	if p.warmed {
		return 0
	}
	return delay(d, unit(mix(p.c.seed, uint64(p.d.index), p.number, kind, 0x706f64)))
}
