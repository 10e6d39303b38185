package main

import (
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// course is what is compared of a surge, whether it was fired or foreseen.
type course struct {
	// cpu is core-seconds by tenant.
	cpu []float64
	// p99 is the response time in seconds by step, answers how many it rests on.
	p99, answers []float64
	// ready and desired are replicas, tenant × second of the surge.
	ready, desired [][]int
	scalings       [][]scaling // by tenant
	// busiest is the most answers/s over half a minute.
	busiest float64
	// knee says that a back end had more requests in service than it does best with.
	knee bool
}

// scaling is a change of a tenant's count.
type scaling struct {
	at float64
	up bool
}

const (
	// leastAnswers is how many a step needs for its p99 to be compared: 20 of them are slower.
	leastAnswers = 2000
	// busyFor is how long the most is answered, in seconds.
	busyFor = 30
)

// fired is the course that a record holds.
func (x *subject) fired(rec *record.Record) (*course, error) {
	c := x.empty()
	windows, err := rec.Windows(func(k record.Key, _ time.Duration) bool {
		return k.Tenant == "" && k.Outcome == record.OK && (k.Measure == record.Response || k.Measure == record.Service)
	})
	if err != nil {
		return nil, err
	}
	steps := map[string]*record.Histogram{}
	var served []float64
	for _, w := range windows {
		switch h := steps[w.Step]; {
		case w.Measure == record.Service:
			sec := int(w.Start / time.Second)
			for len(served) <= sec {
				served = append(served, 0)
			}
			served[sec] += float64(w.Histogram.Count())
		case h == nil:
			steps[w.Step] = w.Histogram.Clone()
		default:
			if err := h.Merge(w.Histogram); err != nil {
				return nil, err
			}
		}
	}
	for k, ref := range x.surge.AllSteps() {
		if h := steps[ref.Name]; h != nil {
			c.p99[k], c.answers[k] = h.Quantile(0.99).Seconds(), float64(h.Count())
		}
	}
	c.busiest = busiest(served)
	events, err := rec.Timeline()
	if err != nil {
		return nil, err
	}
	c.timeline(x, events)
	return c, nil
}

func (x *subject) empty() *course {
	tenants, steps, seconds := len(x.surge.Tenants.List), len(x.surge.AllSteps()), int(x.surge.Arrivals.Over/time.Second)
	c := &course{
		cpu: make([]float64, tenants), p99: make([]float64, steps), answers: make([]float64, steps),
		ready: make([][]int, tenants), desired: make([][]int, tenants), scalings: make([][]scaling, tenants),
	}
	for i := range tenants {
		c.ready[i], c.desired[i] = make([]int, seconds), make([]int, seconds)
	}
	return c
}

func (c *course) timeline(x *subject, events []record.Event) {
	index := map[string]int{}
	for i, t := range x.surge.Tenants.List {
		index[t.Name] = i
	}
	for _, e := range events {
		i := index[e.Tenant]
		switch e.Kind {
		case record.KindMetrics:
			c.cpu[i] = e.Values["cpu_seconds"] // of pods that all began with the run
		case record.KindReplicas:
			from := int((e.At + time.Second - 1) / time.Second)
			for s := from; s < len(c.ready[i]); s++ {
				c.ready[i][s], c.desired[i][s] = int(e.Ready), int(e.Desired)
			}
		case record.KindScale:
			if e.At < x.surge.Arrivals.Over {
				c.scalings[i] = append(c.scalings[i], scaling{e.At.Seconds(), e.Desired > e.From})
			}
		case record.KindBackend:
			c.knee = c.knee || x.pastKnee(e)
		}
	}
}

// pastKnee says whether an event tells of a back end with more in service than it does best with.
func (x *subject) pastKnee(e record.Event) bool {
	return e.Kind == record.KindBackend && slices.ContainsFunc(x.platform.Backends, func(b scenarios.Backend) bool {
		at, _ := best(&b)
		return e.Object == b.Name && e.Values["in_service"] > float64(at)
	})
}

// foreseen is the middle of several worlds, figure by figure and second by second.
func (x *subject) foreseen(worlds []*sim.Result) *course {
	c := x.empty()
	middle := func(of func(*sim.Result) float64) float64 {
		var v []float64
		for _, w := range worlds {
			v = append(v, of(w))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	for k := range c.p99 {
		c.p99[k] = middle(func(r *sim.Result) float64 { return r.Series.StepP99[k] })
	}
	c.busiest = middle(func(r *sim.Result) float64 { return busiest(r.Series.Served) })
	for i := range c.cpu {
		c.cpu[i] = middle(func(r *sim.Result) float64 { return r.TenantCPU[i] })
		for s := range c.ready[i] {
			c.ready[i][s] = int(middle(func(r *sim.Result) float64 { return at(r.Series.TenantReady[i], s) }))
			c.desired[i][s] = int(middle(func(r *sim.Result) float64 { return at(r.Series.TenantDesired[i], s) }))
		}
		for s, n := range c.desired[i] {
			if before := c.desired[i][max(0, s-1)]; n != before {
				c.scalings[i] = append(c.scalings[i], scaling{float64(s), n > before})
			}
		}
	}
	return c
}

// at is a series' value at a second, its last one after its end.
func at(series []int16, s int) float64 { return float64(series[min(s, len(series)-1)]) }

// busiest is the largest mean of busyFor seconds.
func busiest(x []float64) (most float64) {
	sum := 0.0
	for s := range x {
		sum += x[s]
		if s >= busyFor {
			sum -= x[s-busyFor]
		}
		most = max(most, sum/busyFor)
	}
	return most
}

// gaps are how far one course is from the truth. Shares are signed, of the truth; counts are what they are of.
type gaps struct {
	CPU  []float64 `json:"cpu"` // by tenant
	P99  []float64 `json:"p99"` // by step with enough answers
	Knee *float64  `json:"knee,omitempty"`
	// Near of Seconds, of all tenants, have ready replicas within one.
	Near    int `json:"near"`
	Seconds int `json:"seconds"`
	// Met of Scalings, of both sides, have a partner of the same direction within a sync period.
	Met      int `json:"met"`
	Scalings int `json:"scalings"`
}

// from says how far c is from the truth.
func (c *course) from(truth *course, sync float64) (e gaps) {
	for i, want := range truth.cpu {
		if want > 0 {
			e.CPU = append(e.CPU, rounded(c.cpu[i]/want-1))
		}
		for s, n := range truth.ready[i] {
			e.Seconds++
			if d := c.ready[i][s] - n; d >= -1 && d <= 1 {
				e.Near++
			}
		}
		e.Met += 2 * partners(truth.scalings[i], c.scalings[i], sync)
		e.Scalings += len(truth.scalings[i]) + len(c.scalings[i])
	}
	for k, want := range truth.p99 {
		if truth.answers[k] >= leastAnswers {
			e.P99 = append(e.P99, rounded(c.p99[k]/want-1))
		}
	}
	if truth.knee {
		e.Knee = new(rounded(c.busiest/truth.busiest - 1))
	}
	return e
}

// partners counts pairs of one direction within so many seconds, each in one pair at most: in order, the first that fits.
func partners(a, b []scaling, within float64) (n int) {
	for _, up := range []bool{true, false} {
		k := 0
		for _, x := range a {
			if x.up != up {
				continue
			}
			for k < len(b) && (b[k].up != up || b[k].at < x.at-within) {
				k++
			}
			if k < len(b) && b[k].at <= x.at+within {
				n++
				k++
			}
		}
	}
	return n
}

func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }
