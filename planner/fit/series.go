package fit

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// counter is a series of measurements over time, in seconds from the start, ascending.
type counter struct{ t, v []float64 }

func (c *counter) add(t, v float64) {
	if n := len(c.t); n > 0 && t <= c.t[n-1] {
		return
	}
	c.t, c.v = append(c.t, t), append(c.v, v)
}

// at interpolates linearly; false outside of what was measured.
func (c *counter) at(t float64) (float64, bool) {
	n := len(c.t)
	if n == 0 || t < c.t[0] || t > c.t[n-1] {
		return 0, false
	}
	i := sort.SearchFloat64s(c.t, t)
	if c.t[i] == t {
		return c.v[i], true
	}
	share := (t - c.t[i-1]) / (c.t[i] - c.t[i-1])
	return c.v[i-1] + share*(c.v[i]-c.v[i-1]), true
}

// last is the newest value at or before t; false where there is none.
func (c *counter) last(t float64) (float64, bool) {
	i := sort.Search(len(c.t), func(i int) bool { return c.t[i] > t })
	if i == 0 {
		return 0, false
	}
	return c.v[i-1], true
}

// tenant is what a timeline says of one tenant's workload.
type tenant struct {
	name, workload         string
	limit                  float64 // cores a pod
	cpu, pods, ready, used counter // cumulative CPU seconds; pods; ready replicas; utilisation in percent of the requests
	memory, open           counter // bytes and requests in flight, of all pods
	fresh                  []float64
}

// histogram is what the fit needs of one; *record.Histogram has it.
type histogram interface {
	Count() int64
	EachMiddle(do func(value time.Duration, count int64))
}

// moment is the good answers of one step in one tenant's minute.
type moment struct {
	minuteKey
	step string
	histogram
}

// minuteKey is one tenant's minute.
type minuteKey struct {
	tenant string
	minute int
}

// tally counts the answers of a tenant's minute: good ones by step, and all; waited is how long all took, in seconds.
type tally struct {
	ok        map[string]float64
	good, all float64
	waited    float64
}

// run is one record's data, sorted for the regressions.
type run struct {
	*Data
	steps   []string
	tenants []*tenant
	// ok are good answers by step and second; bad counts all others by second, those given up also in the one they were sent in.
	ok  map[string][]float64
	bad []float64
	// givenUp are shots that were sent and not answered in time, by step and the second they were sent in.
	givenUp  map[string][]float64
	longest  float64 // seconds that anyone waited at most, answered or not
	strained []span  // back ends were past what they do well
	moments  []moment
	minutes  map[minuteKey]*tally
	homes    map[[2]string]map[string]float64 // by workload and tenant: the share of its pods in each pool
}

// arrange sorts a record's windows and events.
func arrange(d *Data) *run {
	r := &run{Data: d, ok: map[string][]float64{}, givenUp: map[string][]float64{}, minutes: map[minuteKey]*tally{}}
	for _, w := range d.Windows {
		if w.Measure != record.Service || w.Histogram == nil {
			continue
		}
		if w.Tenant == "" {
			r.second(w)
		} else {
			r.minute(w)
		}
	}
	r.steps = slices.Sorted(maps.Keys(r.ok))
	slices.SortFunc(r.moments, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.step, b.step))
	})
	r.timeline()
	r.settle()
	return r
}

func (r *run) second(w record.Window) {
	s, n := int(w.Start/time.Second), float64(w.Histogram.Count())
	if s < 0 {
		return
	}
	r.longest = math.Max(r.longest, w.Histogram.Max().Seconds())
	if w.Outcome != record.OK {
		r.bad = grown(r.bad, s)
		r.bad[s] += n
		r.abandon(w)
		return
	}
	r.ok[w.Step] = grown(r.ok[w.Step], s)
	r.ok[w.Step][s] += n
}

func (r *run) minute(w record.Window) {
	key := minuteKey{w.Tenant, int(w.Start / time.Minute)}
	t := r.minutes[key]
	if t == nil {
		t = &tally{ok: map[string]float64{}}
		r.minutes[key] = t
	}
	n := float64(w.Histogram.Count())
	t.all += n
	w.Histogram.EachMiddle(func(v time.Duration, n int64) { t.waited += v.Seconds() * float64(n) })
	if w.Outcome == record.OK {
		t.ok[w.Step] += n
		t.good += n
		r.moments = append(r.moments, moment{key, w.Step, w.Histogram})
	}
}

// timeline takes the tenants' counters and the moments at which new pods became ready.
func (r *run) timeline() {
	byName := map[[2]string]*tenant{}
	get := func(e record.Event) *tenant {
		key := [2]string{e.Workload, e.Tenant}
		t := byName[key]
		if t == nil {
			t = &tenant{name: e.Tenant, workload: e.Workload, limit: limitOf(workloadOf(r.Run.Platform, e.Workload, e.Tenant))}
			byName[key] = t
		}
		return t
	}
	created := map[string]bool{}
	for _, e := range r.Events {
		at := e.At.Seconds()
		switch e.Kind {
		case record.KindMetrics:
			t := get(e)
			if v, ok := e.Values["cpu_seconds"]; ok {
				t.cpu.add(at, v)
			}
			if v, ok := e.Values["pods"]; ok {
				t.pods.add(at, v)
			}
			if v, ok := e.Values["utilisation_percent"]; ok {
				t.used.add(at, v)
			}
			if v, ok := e.Values["memory_bytes"]; ok && v > 0 {
				t.memory.add(at, v)
			}
			if v, ok := e.Values["in_flight"]; ok {
				t.open.add(at, v)
			}
		case record.KindReplicas:
			get(e).ready.set(at, float64(e.Ready))
		case record.KindPod:
			switch e.Phase {
			case record.PhaseCreated:
				created[e.Object] = true
			case record.PhaseReady:
				if created[e.Object] {
					t := get(e)
					t.fresh = append(t.fresh, at)
				}
			}
		}
	}
	for _, t := range byName {
		r.tenants = append(r.tenants, t)
	}
	slices.SortFunc(r.tenants, func(a, b *tenant) int {
		return cmp.Or(cmp.Compare(a.workload, b.workload), cmp.Compare(a.name, b.name))
	})
}

// set adds a value, replacing one of the same moment.
func (c *counter) set(t, v float64) {
	if n := len(c.t); n > 0 && t == c.t[n-1] {
		c.v[n-1] = v
		return
	}
	c.add(t, v)
}

// grown is v with room for index i.
func grown(v []float64, i int) []float64 {
	if i < len(v) {
		return v
	}
	return append(v, make([]float64, i+1-len(v))...)
}

// between is the sum of a series a second over [from, to) seconds, parts of seconds in proportion.
func between(v []float64, from, to float64) float64 {
	var sum float64
	for s := max(0, int(from)); s < len(v) && float64(s) < to; s++ {
		part := min(to, float64(s+1)) - max(from, float64(s))
		sum += v[s] * max(0, part)
	}
	return sum
}

// replicas is how many pods a tenant had ready at t: as reported, else as scraped.
func (t *tenant) replicas(at float64) float64 {
	if v, ok := t.ready.last(at); ok {
		return v
	}
	v, _ := t.pods.at(at)
	return v
}
