package planner

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// need is what a tenant asks for, in pods kept busy: offered load over a pod's limit.
type need struct {
	tenant   string
	workload *scenarios.Workload
	pod      float64 // cores a pod can use
	request  int64   // millicores
	memory   int64
	peak     float64 // busiest ten seconds
	start    float64 // busiest ten seconds before anything the autoscaler does can help
	minute   float64 // mean over the busiest minute
}

// needs works out every tenant's at a demand factor.
func needs(p *sim.Params, pf *scenarios.Platform, demand, reaction float64) []need {
	cores := make([][]float64, len(p.Workloads)) // of all tenants, by second
	let, door := make([][]float64, len(p.Steps)), behindDoor(p, demand)
	for k := range p.Steps {
		let[k] = times(p.Shape[k], door)
	}
	for i := range p.Workloads {
		cores[i] = make([]float64, len(p.Shape[0]))
		for k := range p.Steps {
			for s, x := range let[k] {
				cores[i][s] += x * p.Workloads[i].Work[k].Mean * demand
			}
		}
	}
	peak, start, minute := make([]float64, len(cores)), make([]float64, len(cores)), make([]float64, len(cores))
	for i := range cores {
		peak[i] = busiest(cores[i], 10, len(cores[i]))
		start[i] = busiest(cores[i], 10, int(reaction))
		minute[i] = busiest(cores[i], 60, len(cores[i]))
	}
	out := make([]need, len(p.Tenants))
	of := servers(pf)
	for i, t := range p.Tenants {
		w := &p.Workloads[t.Workload]
		pod := w.Limit
		if pod <= 0 {
			pod = math.Max(w.Request, 0.1)
		}
		out[i] = need{
			tenant: t.Name, workload: of(t.Name), pod: pod, request: int64(math.Round(w.Request * 1000)), memory: w.Memory,
			peak: peak[t.Workload] * t.Weight / pod, start: start[t.Workload] * t.Weight / pod,
			minute: minute[t.Workload] * t.Weight / pod,
		}
	}
	return out
}

// behindDoor is the share of each second's shots that a door lets in at once; nil where there is none. Those who wait come
// later, when the door is full anyhow: what counts for a peak is that it is never more than full.
func behindDoor(p *sim.Params, demand float64) []float64 {
	if p.Door == nil {
		return nil
	}
	out, most := make([]float64, len(p.Shape[0])), p.Shots()
	for s := range out {
		sum := 0.0
		for k := range p.Shape {
			sum += p.Shape[k][s] * demand
		}
		out[s] = 1
		if sum > most {
			out[s] = most / sum
		}
	}
	return out
}

// busiest is the largest mean over length seconds that begin before until.
func busiest(x []float64, length, until int) float64 {
	length = max(1, min(length, len(x)))
	var sum, most float64
	for s := range x {
		sum += x[s]
		if s >= length {
			sum -= x[s-length]
		}
		if s >= length-1 && s-length+1 < max(1, until) {
			most = math.Max(most, sum/float64(length))
		}
	}
	return most
}

// reactionTime is how long after a rise of the load the first new pod takes requests, in seconds: the upper quantile of
// the whole chain.
func reactionTime(p *sim.Params) float64 {
	slowest := 0.0
	for i := range p.Workloads {
		w := &p.Workloads[i]
		slowest = math.Max(slowest, w.Pull[60]+w.Start[60]+w.Ready[60]+w.WarmFor)
	}
	c := &p.Control
	return c.Scrape + c.Lag + c.Sync + c.SchedulingDelay + slowest + c.EndpointDelay
}

// staff is square-root staffing: a pods kept busy need a + β√a, so that tenants of all sizes wait alike (Halfin and Whitt
// 1981), and on top what goes with a lost node: one pod, or the tenant's part of the nodes.
func staff(a, beta float64, spare int32) int32 {
	return max(1, int32(math.Ceil(a+beta*math.Sqrt(a)-1e-9))) + spare
}

// spare is how many of its pods a tenant loses with one of the nodes.
func spare(a float64, nodes, lose int) int32 {
	if lose == 0 {
		return 0
	}
	return max(1, int32(math.Ceil(a/float64(max(1, nodes))-1e-9)))
}

// mostBeta bounds the slack where there is room for more.
const mostBeta = 3

// few is the number of pods up to which scaling is too coarse to help, since a pod lost on the way up is a third of those
// there and is replaced later than the promise allows: such a tenant has its peak's pods all the time.
const few = 6

// spread finds the largest β with which the tenants' peaks take at most the room there is, in millicores, bytes and
// pods. Near −2 it means that there is no room even for the work itself.
func spread(list []need, extra []int32, room capacity, nodes, lose int) float64 {
	low, high := -2.0, float64(mostBeta)
	if fits(list, extra, room, nodes, lose, high) {
		return high
	}
	for range 40 {
		mid := (low + high) / 2
		if fits(list, extra, room, nodes, lose, mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func fits(list []need, extra []int32, room capacity, nodes, lose int, beta float64) bool {
	var used capacity
	for i := range list {
		n := int64(staff(list[i].peak, beta, spare(list[i].peak, nodes, lose)+extra[i]))
		used.cpu += n * list[i].request
		used.memory += n * list[i].memory
		used.pods += n
	}
	return used.cpu <= room.cpu && used.memory <= room.memory && used.pods <= room.pods
}

// capacity in millicores, bytes and pods.
type capacity struct{ cpu, memory, pods int64 }

// room is what a platform's nodes hold of pods of the given request, less the largest node where one may be lost. A
// node's rest that holds no whole pod does not count.
func room(pf *scenarios.Platform, list []need, lose int) capacity {
	smallest := int64(math.MaxInt64)
	for i := range list {
		smallest = min(smallest, max(1, list[i].request))
	}
	var sum, largest capacity
	for _, n := range pf.Nodes() {
		cores, memory, pods := n.Pool.Allocatable()
		cpu := int64(math.Round(cores*1000)) / smallest * smallest
		c := capacity{cpu, memory, int64(pods)}
		sum.cpu, sum.memory, sum.pods = sum.cpu+c.cpu, sum.memory+c.memory, sum.pods+c.pods
		if c.cpu > largest.cpu {
			largest = c
		}
	}
	if lose > 0 {
		sum.cpu, sum.memory, sum.pods = sum.cpu-largest.cpu, sum.memory-largest.memory, sum.pods-largest.pods
	}
	return sum
}

// setting is one tenant's autoscaling.
type setting struct {
	need
	target, least, most int32
}

// settings gives every tenant its min, max and target on a platform: max takes its share of the room on the nodes that
// are left when one is lost, min is what must be there before the autoscaler can have reacted.
func settings(list []need, extra []int32, pf *scenarios.Platform, target int32, lose int) []setting {
	nodes := len(pf.Nodes())
	beta := spread(list, extra, room(pf, list, lose), nodes, lose)
	out := make([]setting, len(list))
	for i, n := range list {
		more := spare(n.peak, nodes, lose) + extra[i]
		most := staff(n.peak, beta, more)
		least := min(most, staff(n.start, beta, more))
		if most <= few {
			least = most
		}
		out[i] = setting{need: n, target: target, most: most, least: least}
	}
	return out
}

// spec writes an autoscaler out: every default said, so that it does the same on every cluster. Up at once, doubling or
// four pods in 15 s, whichever is more; down after five quiet minutes, at most a tenth a minute or two pods.
func (s setting) spec() *autoscalingv2.HorizontalPodAutoscalerSpec {
	most := autoscalingv2.MaxChangePolicySelect
	return &autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: s.workload.Name},
		MinReplicas:    &s.least, MaxReplicas: s.most,
		Metrics: []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &s.target},
			},
		}},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: new(int32(0)), SelectPolicy: &most,
				Policies: []autoscalingv2.HPAScalingPolicy{
					{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
					{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
				},
			},
			ScaleDown: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: new(int32(300)), SelectPolicy: &most,
				Policies: []autoscalingv2.HPAScalingPolicy{
					{Type: autoscalingv2.PercentScalingPolicy, Value: 10, PeriodSeconds: 60},
					{Type: autoscalingv2.PodsScalingPolicy, Value: 2, PeriodSeconds: 60},
				},
			},
		},
	}
}

// planned is the platform with the settings: one workload entry for each group of tenants that are set alike, under
// the workload's own name.
func planned(pf *scenarios.Platform, list []setting) *scenarios.Platform {
	out := ownPools(pf)
	out.Workloads = nil
	out.Disruptions = nil
	type like struct {
		w                   *scenarios.Workload
		target, least, most int32
	}
	index := map[like]int{}
	for _, s := range list {
		key := like{s.workload, s.target, s.least, s.most}
		i, known := index[key]
		if !known {
			w := *s.workload
			w.Tenants, w.Replicas, w.HPA = nil, s.least, s.spec()
			i = len(out.Workloads)
			index[key] = i
			out.Workloads = append(out.Workloads, w)
		}
		out.Workloads[i].Tenants = append(out.Workloads[i].Tenants, s.tenant)
	}
	return out
}

// ownPools is the platform with pools of its own, to be changed; all else is shared.
func ownPools(pf *scenarios.Platform) *scenarios.Platform {
	out := *pf
	out.Pools = slices.Clone(pf.Pools)
	return &out
}

// withNodes is the platform with other node counts, by pool.
func withNodes(pf *scenarios.Platform, counts []int) *scenarios.Platform {
	out := ownPools(pf)
	for i := range out.Pools {
		out.Pools[i].Count = counts[i]
	}
	return out
}

// ladder says which pools a total number of nodes is made of: the pools that are dearer for a core keep what they have,
// the cheapest gives the rest up to its most, then the next.
type ladder struct {
	counts []int // as they are
	order  []int // pools, cheapest core first
	most   []int
}

func newLadder(pf *scenarios.Platform) (ladder, error) {
	l := ladder{}
	price := make([]float64, len(pf.Pools))
	for i, p := range pf.Pools {
		cores, _, _ := p.Allocatable()
		cost := p.Cost
		if cost == 0 {
			cost = 1
		}
		price[i] = cost / math.Max(cores, 1e-9)
		l.counts = append(l.counts, p.Count)
		most := p.Most
		if most == 0 {
			most = math.MaxInt32
		}
		l.most = append(l.most, max(most, p.Count))
		if cores > 0 {
			l.order = append(l.order, i)
		}
	}
	if len(l.order) == 0 {
		return l, fmt.Errorf("plan: platform %q has no node pool with CPU to give", pf.Name)
	}
	slices.SortStableFunc(l.order, func(a, b int) int { return cmp.Compare(price[a], price[b]) })
	return l, nil
}

// top is the largest total.
func (l ladder) top() int {
	sum := 0
	for i, n := range l.counts {
		if slices.Contains(l.order, i) {
			sum = min(math.MaxInt32, sum+l.most[i])
		} else {
			sum += n
		}
	}
	return sum
}

// of splits a total into counts: dearer pools' present nodes are given up last.
func (l ladder) of(total int) []int {
	counts := make([]int, len(l.counts))
	left := total
	for _, i := range slices.Backward(l.order[1:]) { // what is there stays
		counts[i] = min(l.counts[i], left)
		left -= counts[i]
	}
	for _, i := range l.order {
		more := min(left, l.most[i]-counts[i])
		counts[i] += more
		left -= more
	}
	return counts
}

// primary is the pool the search changes first.
func (l ladder) primary() int { return l.order[0] }

func estimateOf(values []float64, unit string) fit.Estimate {
	v := slices.Clone(values)
	slices.Sort(v)
	if len(v) == 0 {
		return fit.Estimate{Unit: unit}
	}
	q := func(p float64) float64 { return v[min(len(v)-1, int(p*float64(len(v))))] }
	return fit.Estimate{Value: q(0.5), Low: q(0.05), High: q(0.95), Unit: unit}
}
