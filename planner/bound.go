package planner

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/ansturm/ansturm/planner/pack"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// bound is a number of nodes that no setting can go below.
type bound struct {
	nodes int
	// likely is how many nodes the clairvoyant pods need if all are there at once: no bound, a size.
	likely      int
	why         scenarios.Text
	clairvoyant []int32 // pods by tenant
}

// lowerBound is what a scaler that knows the future would need, in so many of the worlds that no plan with fewer nodes can
// be certified: the risk is counted in these very worlds.
//
// In the busiest of the windows that promises are judged by, each tenant's requests but the share that may be late must be
// done by the window's end and the promised time, and those that may be late are the dearest. That is work over time: so
// many pods in the mean. Pods of a tenant may come and go, but at each moment what is there fits, so their mean fits too,
// and the configuration LP's dual says how many nodes that takes ([pack.Certificate]). It is asked for the mean that the
// mildest of the worlds needs that would have to hold; once for the worlds with the most work, once, with a node less, for
// those that have lost one before the window.
func (s *search) lowerBound() (bound, error) {
	out := bound{nodes: 1, clairvoyant: s.clairvoyant(demandAt(s.model, 1-s.opts.Delta))}
	out.likely = s.nodesFor(s.allAtOnce(out.clairvoyant), s.lose)
	w := s.hardest()
	loads, err := s.mustDo(w)
	if err != nil {
		return out, err
	}
	broken := mostBroken(s.opts.Worlds, s.opts.Delta) + 1
	slices.SortStableFunc(loads, func(a, b must) int { return cmp.Compare(b.volume, a.volume) })
	lost := slices.DeleteFunc(slices.Clone(loads), func(m must) bool { return !m.lost })
	for lose, all := range [][]must{loads, lost} {
		if broken <= 0 || len(all) < broken || lose > s.lose {
			continue
		}
		least := mildest(all[:broken])
		if n := s.nodesFor(least, lose); n > out.nodes {
			out.nodes = n
		}
		if lose == 0 {
			out.why = because(least, broken)
		}
	}
	return out, nil
}

// allAtOnce is what whole pods of all tenants ask for.
func (s *search) allAtOnce(pods []int32) must {
	var m must
	for i, n := range pods {
		k := m.kind(s.list[i].request, s.list[i].memory)
		m.pods[k] += float64(n)
	}
	return m
}

func because(m must, worlds int) scenarios.Text {
	pods := 0.0
	for _, x := range m.pods {
		pods += x
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Auch mit Kenntnis der Zukunft braucht die stärkste Zeit im Mittel %.1f Pods, in wenigstens %d der Welten; auf weniger Knoten passen sie nicht", pods, worlds),
		"en": fmt.Sprintf("Even with the future known the busiest time needs %.1f pods in the mean, in at least %d of the worlds; on fewer nodes they do not fit", pods, worlds),
	}
}

// window is a stretch of time by which promises are judged, in seconds, and when its last request must be done.
type window struct{ from, to, done int }

// hardest is the judged window with the most work.
func (s *search) hardest() window {
	p := s.expected
	seconds := len(p.Shape[0])
	best, most := window{0, seconds, seconds}, -1.0
	for _, q := range p.Promises {
		length := 60 * q.Window
		if length <= 0 {
			length = seconds
		}
		for from := 0; from < seconds; from += length {
			to, work := min(from+length, seconds), 0.0
			for k, share := range s.shares(from, to) {
				if share > 0 {
					work += total(p.Shape[k], from, to) * p.Workloads[0].Work[k].Mean * share
				}
			}
			if density := work / float64(length); density > most {
				best, most = window{from: from, to: from + length}, density
			}
		}
	}
	within := 0.0
	for _, q := range p.Promises {
		within = math.Max(within, q.Within)
	}
	best.done = best.to + int(math.Ceil(within)) + 1 // a second for the simulation's beats
	return best
}

// shares are, by step, the share of the requests from..to that must be in time, as far as whole judged windows of a
// promise to each tenant make up that stretch; 0 where nothing is promised.
func (s *search) shares(from, to int) []float64 {
	out := make([]float64, len(s.expected.Steps))
	for _, q := range s.expected.Promises {
		length := 60 * q.Window
		if length <= 0 {
			length = len(s.expected.Shape[0])
		}
		if q.Who == sim.EachTenant && from%length == 0 && (to-from)%length == 0 {
			out[q.Step] = math.Max(out[q.Step], 1-q.Slow)
		}
	}
	return out
}

func total(x []float64, from, to int) float64 {
	sum := 0.0
	for _, v := range x[min(from, len(x)):min(to, len(x))] {
		sum += v
	}
	return sum
}

// must is what one world asks for: pods in the mean over the window, by kind of pod, and cores.
type must struct {
	kinds         []pack.Demand // CPU and memory
	pods          []float64
	cores, volume float64
	lost          bool // a node, before the window
}

// chance is how many standard deviations a world may have had fewer requests than expected, or been luckier with them.
const chance = 5

// mustDo is the mean of every world.
func (s *search) mustDo(w window) ([]must, error) {
	prepared, err := s.crew.prepare(s.pf)
	if err != nil {
		return nil, err
	}
	room := slices.MaxFunc(s.expected.Nodes, func(a, b sim.Node) int { return int(1000*a.Cores) - int(1000*b.Cores) }).Cores
	share := s.shares(w.from, w.to)
	var out []must
	for i, world := range s.worlds.worlds {
		p, err := prepared(world.Draw)
		if err != nil {
			return nil, fmt.Errorf("plan: bound: %w", err)
		}
		m := demanded(p, w, share, world.Demand, room)
		m.lost = s.worlds.node[i] >= 0 && math.Ceil(s.worlds.at[i]) <= float64(w.from)
		out = append(out, m)
	}
	return out, nil
}

// demanded is the mean that parameters ask for at a demand.
func demanded(p *sim.Params, w window, share []float64, demand, room float64) must {
	shots, work := make([]float64, len(share)), make([][]float64, len(p.Workloads))
	door := behindDoor(p, demand) // those who had to wait before only add to it
	for k := range share {
		if share[k] > 0 {
			shots[k] = total(times(p.Shape[k], door), w.from, w.to) * demand
		}
	}
	for i := range p.Workloads {
		work[i] = make([]float64, len(share))
		for k := range share {
			work[i][k] = p.Workloads[i].Work[k].Least(share[k])
		}
	}
	var m must
	var noise []float64 // variance of pods
	time, scatter := float64(w.done-w.from), 0.0
	for _, t := range p.Tenants {
		load, variance := ofTenant(p, t, shots, share, work[t.Workload])
		wl := &p.Workloads[t.Workload]
		pod := wl.Limit
		if pod <= 0 || pod > room {
			pod = room
		}
		k := m.kind(int64(math.Round(wl.Request*1000)), wl.Memory)
		if k == len(noise) {
			noise = append(noise, 0)
		}
		m.pods[k] += load / time / pod
		noise[k] += variance / (time * pod) / (time * pod)
		m.cores += load / time
		scatter += variance / time / time
	}
	for k := range m.pods {
		m.pods[k] = math.Max(0, m.pods[k]-chance*math.Sqrt(noise[k]))
		m.volume += m.pods[k] * float64(max(1, m.kinds[k].CPU))
	}
	m.cores = math.Max(0, m.cores-chance*math.Sqrt(scatter))
	return m
}

// ofTenant is the CPU time a tenant's requests in the window must get, in seconds, and its variance: requests come and are
// done at random, and which of them are slow is drawn. A tenant with so few that its windows may be judged together with
// others counts for nothing.
func ofTenant(p *sim.Params, t sim.Tenant, shots, share, work []float64) (load, variance float64) {
	least, late := 0.0, 0.0
	for _, q := range p.Promises {
		least, late = math.Max(least, q.Least), math.Max(late, q.Slow)
	}
	for k := range share {
		n := shots[k] * t.Weight
		if share[k] <= 0 || n < least+chance*math.Sqrt(least)+chance {
			continue
		}
		each := p.Workloads[t.Workload].Work[k].Mean
		// A request may be rounded away, and small windows beside this one bring their own share of late ones.
		load += math.Max(0, n*work[k]-(1+2*late*least)*each)
		variance += (2*n + n*(1-share[k])) * each * each
	}
	return load, variance
}

func (m *must) kind(cpu, memory int64) int {
	at := slices.IndexFunc(m.kinds, func(d pack.Demand) bool { return d.CPU == cpu && d.Memory == memory })
	if at < 0 {
		at = len(m.kinds)
		m.kinds, m.pods = append(m.kinds, pack.Demand{CPU: cpu, Memory: memory}), append(m.pods, 0)
	}
	return at
}

// mildest needs no more than any of them.
func mildest(all []must) must {
	out := all[0]
	out.pods = slices.Clone(out.pods)
	for _, m := range all[1:] {
		out.cores = math.Min(out.cores, m.cores)
		for k := range out.pods {
			out.pods[k] = math.Min(out.pods[k], m.pods[k])
		}
	}
	return out
}

// nodesFor is the least number of nodes of which it is not proved that they are too few. A loss is the one that hurts
// least: which node goes is not for the plan to choose, but each world chooses another.
func (s *search) nodesFor(m must, lose int) int {
	demand := slices.Clone(m.kinds)
	for k := range demand {
		demand[k].Count = exact(m.pods[k])
	}
	// Pods may use more than they request: the cores themselves bound too.
	cores := []pack.Demand{{CPU: 1, Count: exact(1000 * m.cores)}}
	top, out := min(s.ladder.top(), 10_000), 1+lose
	for slots, d := range map[int][]pack.Demand{0: demand, math.MaxInt32: cores} {
		least := top + 1
		for pool := range s.pf.Pools {
			n, _ := pack.NodesFor(d, 1+lose, top, func(n int) []pack.Supply { return s.supply(n, pool, lose, slots) })
			least = min(least, n)
			if lose == 0 {
				break
			}
		}
		out = max(out, least)
	}
	return out
}

// supply is what a number of nodes leaves when a pool loses some; nothing where that pool has none to lose. slots are the
// pods a node takes at least.
func (s *search) supply(nodes, pool, lose, slots int) []pack.Supply {
	counts := s.ladder.of(nodes)
	out := make([]pack.Supply, len(counts))
	for i := range counts {
		out[i] = pack.Supply{Node: poolNode(&s.pf.Pools[i]), Count: counts[i]}
		out[i].Node.Pods = max(out[i].Node.Pods, slots)
		if lose > 0 && counts[pool] < lose {
			out[i].Count = 0
		}
	}
	out[pool].Count = max(0, out[pool].Count-lose)
	return out
}

// clairvoyant is the least peak of each tenant's replicas.
func (s *search) clairvoyant(demand float64) []int32 {
	p := s.expected
	out := make([]int32, len(p.Tenants))
	door := behindDoor(p, demand)
	for i, t := range p.Tenants {
		w := &p.Workloads[t.Workload]
		pod := w.Limit
		if pod <= 0 {
			pod = math.Inf(1)
		}
		out[i] = 1
		for _, q := range p.Promises {
			if q.Who >= 0 && q.Who != i {
				continue
			}
			if q.Who < -1 { // a promise to all together says nothing about one tenant
				continue
			}
			length := max(60, 60*q.Window)
			if q.Window == 0 {
				length = len(p.Shape[q.Step])
			}
			length = min(length, len(p.Shape[q.Step]))
			work := busiest(times(p.Shape[q.Step], door), length, len(p.Shape[q.Step])) * float64(length) * t.Weight * demand * w.Work[q.Step].Mean
			done := pod * (float64(length) + q.Within)
			out[i] = max(out[i], int32(math.Ceil((1-q.Slow)*work/done-1e-9)))
		}
	}
	return out
}

// times multiplies two series; where there is no second one it is the first.
func times(a, b []float64) []float64 {
	if b == nil {
		return a
	}
	out := make([]float64, len(a))
	for i := range out {
		out[i] = a[i] * b[i]
	}
	return out
}

func poolNode(p *scenarios.NodePool) pack.Node {
	cores, memory, pods := p.Allocatable()
	return pack.Node{Name: p.Name, Pool: p.Name, Site: p.Site, CPU: int64(math.Round(cores * 1000)), Memory: memory, Pods: pods}
}

// exact is a float as a fraction, less what its making may have got wrong.
func exact(x float64) *big.Rat {
	out := new(big.Rat).SetFloat64(x * (1 - 1e-9))
	if out == nil {
		return new(big.Rat)
	}
	return out
}
