package sim

import (
	"math"
	"slices"

	"github.com/ansturm/ansturm/planner/pack"
)

// pod is one replica. Times are seconds; a stage not yet known is +Inf.
type pod struct {
	tenant, node                                    int32 // node −1: none yet
	created, scheduled, started, ready, known, warm float64
	dead                                            bool // its node is lost
	old                                             bool // of the generation that a rollout replaces
	share                                           float64
}

type nodeState struct {
	lost   bool
	pulled float64   // when the last queued pull is done
	images []float64 // from when the image is there; +Inf: never asked for
	limits float64   // sum of its pods' limits
}

func (r *Runner) resetNodes() {
	p := r.p
	if !sameNodes(r.nodesOf, p.Nodes) {
		nodes := make([]pack.Node, len(p.Nodes))
		for i, n := range p.Nodes {
			nodes[i] = pack.Node{Name: n.Name, Pool: n.Pool, CPU: int64(math.Round(n.Cores * 1000)), Memory: n.Memory, Pods: n.Pods}
		}
		r.cluster = pack.NewCluster(nodes)
		r.nodesOf = append(r.nodesOf[:0], p.Nodes...)
	}
	r.cluster.Reset()
	r.images = 1
	for i := range p.Workloads {
		r.images = max(r.images, p.Workloads[i].Image+1)
	}
	r.images += len(p.Rollouts) // each brings its own
	r.nodes = resize(r.nodes, len(p.Nodes))
	for i := range r.nodes {
		images := resize(r.nodes[i].images, r.images)
		for k := range images {
			images[k] = math.Inf(1)
		}
		r.nodes[i] = nodeState{images: images}
	}
	r.kick = false
	r.overcommitted = false
}

func sameNodes(a, b []Node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (r *Runner) claim(tenant int) pack.Pod {
	t := &r.p.Tenants[tenant]
	w := &r.p.Workloads[t.Workload]
	return pack.Pod{CPU: int64(math.Round(w.Request * 1000)), Memory: w.Memory, Group: t.Name}
}

// limit is what a pod can use at most on its node.
func (r *Runner) limit(w *Workload, node int32) float64 {
	cores := r.p.Nodes[node].Cores
	if w.Limit > 0 {
		return math.Min(w.Limit, cores)
	}
	return cores
}

func (r *Runner) newPod(tenant int, now float64) int32 {
	never := math.Inf(1)
	t := &r.tenants[tenant]
	p := pod{
		tenant: int32(tenant), node: -1, created: now, scheduled: never, started: never, ready: never, known: never,
		share: 1,
	}
	var id int32
	if n := len(r.free); n > 0 {
		id, r.free = r.free[n-1], r.free[:n-1]
		r.pods[id] = p
	} else {
		id = int32(len(r.pods))
		r.pods = append(r.pods, p)
	}
	t.pods, t.gauges = append(t.pods, id), append(t.gauges, newGauge(source(t.houses.next())))
	t.served.edits++
	return id
}

// startPods makes the replicas a run begins with: ready and warm since long ago, their images there.
func (r *Runner) startPods(tenant int) {
	t := &r.tenants[tenant]
	w := &r.p.Workloads[r.p.Tenants[tenant].Workload]
	r.desired += w.Replicas
	t.desired, t.peak, t.sets, t.image = w.Replicas, w.Replicas, sets{fresh: w.Replicas}, w.Image
	for range w.Replicas {
		id := r.newPod(tenant, -3600)
		node, ok := r.cluster.Schedule(r.claim(tenant))
		if !ok {
			r.pods[id].created = 0
			r.waiting = append(r.waiting, id)
			continue
		}
		p := &r.pods[id]
		p.scheduled, p.started, p.ready, p.known, p.warm = -3600, -3600, -3600, -3600, -3600
		r.startReading(&t.gauges[len(t.gauges)-1], p.started)
		r.bind(p, w, node)
		r.nodes[node].images[w.Image] = -3600
	}
	t.change = 0
}

func (r *Runner) bind(p *pod, w *Workload, node int) {
	p.node = int32(node)
	n := &r.nodes[node]
	n.limits += r.limit(w, p.node)
	if n.limits > r.p.Nodes[node].Cores*(1+1e-9) {
		r.overcommitted = true
	}
}

// schedule binds what waits to nodes and lays out its way to being ready: the image once a node and image, pulls one
// after another.
func (r *Runner) schedule(now float64) {
	if !r.kick || len(r.waiting) == 0 {
		r.kick = false
		return
	}
	keep := r.waiting[:0]
	early, failedOf := false, -1
	for _, id := range r.waiting {
		p := &r.pods[id]
		if p.created+r.p.Control.SchedulingDelay > now+1 {
			keep, early = append(keep, id), true
			continue
		}
		workload := r.p.Tenants[p.tenant].Workload
		if workload == failedOf { // the like of it has just found no room
			keep = append(keep, id)
			continue
		}
		node, ok := r.cluster.Schedule(r.claim(int(p.tenant)))
		if !ok {
			failedOf = workload
			keep = append(keep, id)
			continue
		}
		r.layChain(id, &r.p.Workloads[workload], node, math.Max(p.created+r.p.Control.SchedulingDelay, now))
	}
	r.waiting, r.kick = keep, early
	if !early {
		r.mostPending = max(r.mostPending, len(keep))
	}
}

func (r *Runner) layChain(id int32, w *Workload, node int, at float64) {
	p := &r.pods[id]
	r.bind(p, w, node)
	p.scheduled = at
	n := &r.nodes[node]
	t := &r.tenants[p.tenant]
	image := t.image
	if p.old {
		image = t.oldImage
	}
	there := n.images[image]
	if math.IsInf(there, 1) {
		there = math.Max(at, n.pulled) + w.Pull.draw(t.podDraws.next())
		n.images[image], n.pulled = there, there
	}
	p.started = math.Max(at, there) + w.Start.draw(t.podDraws.next())
	p.ready = p.started + w.Ready.draw(t.podDraws.next())
	p.known = p.ready + r.p.Control.EndpointDelay
	p.warm = p.ready + w.WarmFor
	r.startReading(r.gaugeOf(id), p.started)
	t.change = math.Min(t.change, p.known)
}

func (r *Runner) victimRank(id int32, now float64) int {
	switch p := &r.pods[id]; {
	case p.node < 0:
		return 2
	case p.dead || p.ready > now:
		return 1
	}
	return 0
}

func (r *Runner) removePod(t *tenant, at int) {
	id := t.pods[at]
	p := &r.pods[id]
	t.pods, t.gauges = slices.Delete(t.pods, at, at+1), slices.Delete(t.gauges, at, at+1)
	t.served.edits++
	switch {
	case p.node < 0:
		for i, other := range r.waiting {
			if other == id {
				r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
				break
			}
		}
	case !p.dead:
		r.cluster.Remove(int(p.node), r.claim(int(p.tenant)))
		w := &r.p.Workloads[r.p.Tenants[p.tenant].Workload]
		r.nodes[p.node].limits -= r.limit(w, p.node)
		r.kick = true
	}
	r.free = append(r.free, id)
}

// loseNodes kills the world's lost node, or the nodes of its lost site: their pods and the requests in them are gone at
// once.
func (r *Runner) loseNodes(now float64) {
	if r.w.At > now || r.w.Lost <= 0 && r.w.Site == "" {
		return
	}
	dying := false
	for n := range r.nodes {
		if (n == r.w.Lost-1 || r.w.Site != "" && r.p.Nodes[n].Site == r.w.Site) && !r.nodes[n].lost {
			dying, r.nodes[n].lost = true, true
			r.cluster.Lose(n)
		}
	}
	if !dying {
		return
	}
	for i := range r.tenants {
		t := &r.tenants[i]
		if t.change <= now {
			r.refresh(i, now)
		}
		gone := 0.0
		for k, id := range t.pods {
			p := &r.pods[id]
			if p.node < 0 || !r.nodes[p.node].lost || p.dead {
				continue
			}
			if p.known <= now {
				gone++
			}
			p.dead, t.gauges[k].started, t.gauges[k].settled = true, math.Inf(1), math.Inf(1)
		}
		if gone > 0 && t.inRotation > 0 {
			r.cut(i, int(now), gone/float64(t.inRotation))
		}
		t.change = now
	}
}

// replaceLost is the control plane noticing the loss.
func (r *Runner) replaceLost(now float64) {
	if r.w.Lost <= 0 && r.w.Site == "" || math.Ceil(r.w.At+r.p.Control.LossDetection) != now {
		return
	}
	for i := range r.tenants {
		t := &r.tenants[i]
		for k := len(t.pods) - 1; k >= 0; k-- {
			if r.pods[t.pods[k]].dead {
				r.removePod(t, k)
			}
		}
		r.fill(i, now)
	}
}

// refresh works out what a tenant's pods can do together from now on, and until when that stays.
func (r *Runner) refresh(tenant int, now float64) {
	t := &r.tenants[tenant]
	w := &r.p.Workloads[r.p.Tenants[tenant].Workload]
	t.capacity, t.parallel, t.burn, t.inRotation, t.change = 0, 0, 0, 0, math.Inf(1)
	for k, id := range t.pods {
		p := &r.pods[id]
		switch {
		case p.dead || p.node < 0:
			continue
		case p.known > now+0.5:
			t.change = math.Min(t.change, math.Max(now+1, math.Floor(p.known)))
			continue
		}
		limit, factor := r.limit(w, p.node)*p.share, 1.0
		if p.warm > now+0.5 {
			factor = w.WarmFactor
			t.change = math.Min(t.change, math.Max(now+1, math.Floor(p.warm)))
		}
		if g := &t.gauges[k]; math.IsInf(g.base, 1) {
			g.base = r.counter(tenant, int(now))
		}
		t.inRotation++
		t.capacity += limit / factor
		t.parallel += math.Max(1, limit)
		t.burn += limit
	}
	if r.overcommitted {
		t.change = now + 1
	}
	t.speed, t.idle = 0, 0
	if t.parallel > 0 {
		t.perPod, t.apart, t.idle = 1/t.parallel, 1-1/float64(t.inRotation), w.Idle
		t.speed = t.capacity / t.parallel
	}
	t.threads = float64(t.inRotation * w.Threads)
	t.room = float64(t.inRotation * (w.Threads + w.Backlog))
	t.decayFor = 0
}

// shareNodes pours a node's cores over its pods by request where they want more than it has, once a second.
func (r *Runner) shareNodes() {
	for n := range r.nodes {
		if r.nodes[n].limits > r.p.Nodes[n].Cores*(1+1e-9) {
			r.shareNode(int32(n))
		}
	}
}

func (r *Runner) shareNode(node int32) {
	left, wanted, weight := r.p.Nodes[node].Cores, 0.0, 0.0
	list := r.thirsty[:0]
	for i := range r.tenants {
		w := &r.p.Workloads[r.p.Tenants[i].Workload]
		for _, id := range r.tenants[i].pods {
			p := &r.pods[id]
			if p.node != node || p.dead {
				continue
			}
			p.share = 1
			if x := r.want(p, w); x > 0 {
				wanted += x
				weight += math.Max(w.Request, 0.002)
				list = append(list, thirst{id, x, math.Max(w.Request, 0.002)})
			}
		}
	}
	r.thirsty = list
	for wanted > left+1e-9 && len(list) > 0 {
		level, rest := left/weight, list[:0]
		for _, h := range list {
			if h.want > level*h.weight {
				rest = append(rest, h)
				continue
			}
			left, wanted, weight = left-h.want, wanted-h.want, weight-h.weight
		}
		if len(rest) == len(list) {
			for _, h := range rest {
				p := &r.pods[h.pod]
				p.share = math.Min(1, level*h.weight/r.limit(&r.p.Workloads[r.p.Tenants[p.tenant].Workload], node))
			}
			return
		}
		list = rest
	}
}

// thirst is a pod that wants cores of its node.
type thirst struct {
	pod          int32
	want, weight float64
}

// want is how many cores a pod would use now.
func (r *Runner) want(p *pod, w *Workload) float64 {
	t := &r.tenants[p.tenant]
	if t.inRotation == 0 || p.known > 1e18 {
		return 0
	}
	return math.Min(r.limit(w, p.node), t.n/float64(t.inRotation))
}
