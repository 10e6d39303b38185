package fit

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

var servedSteps = [2]string{"submit", "form"}

// served makes records of pods that serve every request by itself: those in work share their pod's cores, each with one core
// at most, then wait for a back end. A request goes to the pod that has the fewest.
type served struct {
	seed          uint64
	work, cv      [2]float64 // CPU seconds of a submit and a form, and how they scatter (lognormal)
	backend       float64    // seconds, of every request
	limit, idle   float64    // cores
	tenants, pods int
	length        int
	rate          func(second int) [2]float64 // of one tenant, 1/s
}

// request is one in work or at the back end.
type request struct {
	step, pod    int
	left         float64 // CPU seconds
	from, leaves float64
}

// data fires the requests.
func (v served) data() *Data {
	d := &Data{Run: &record.Run{
		ID: fmt.Sprintf("served-%d", v.seed), Ansturm: "v1", Purpose: "calibration", Speed: 1, StartedAt: time.Unix(0, 0), EndedAt: time.Unix(int64(v.length), 0),
		Platform: platformOf(), Scenario: &scenarios.Scenario{}, Validity: record.Validity{Valid: true},
	}}
	windows := map[record.Key]map[time.Duration]*record.Histogram{}
	for t := range v.tenants {
		name := fmt.Sprintf("t-%d", t)
		d.Events = append(d.Events, record.Event{Kind: record.KindReplicas, Tenant: name, Workload: "app", Ready: int32(v.pods)})
		v.tenant(rand.New(rand.NewPCG(v.seed, uint64(t))), func(second int, used float64) {
			if second%15 == (4*t)%15 {
				d.Events = append(d.Events, record.Event{At: time.Duration(second) * time.Second, Kind: record.KindMetrics, Tenant: name, Workload: "app", Values: map[string]float64{
					"cpu_seconds": used, "pods": float64(v.pods),
				}})
			}
		}, func(r request) {
			took, done := seconds(r.leaves-r.from), seconds(r.leaves)
			for _, to := range []struct {
				tenant string
				length time.Duration
				digits int
			}{{"", time.Second, 3}, {name, time.Minute, 2}} {
				key := record.Key{Measure: record.Service, Step: servedSteps[r.step], Tenant: to.tenant}
				if windows[key] == nil {
					windows[key] = map[time.Duration]*record.Histogram{}
				}
				h, start := windows[key], done.Truncate(to.length)
				if h[start] == nil {
					h[start] = record.NewHistogram(to.digits)
				}
				if err := h[start].Add(took, 1); err != nil {
					panic(err)
				}
			}
		})
	}
	for key, at := range windows {
		for start, h := range at {
			length := time.Minute
			if key.Tenant == "" {
				length = time.Second
			}
			d.Windows = append(d.Windows, record.Window{Key: key, Start: start, Length: length, Histogram: h})
		}
	}
	slices.SortFunc(d.Windows, func(a, b record.Window) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Step, b.Step))
	})
	return d
}

// tenant serves one tenant's requests and tells of every second what was used so far, and of every request when it left.
func (v served) tenant(rng *rand.Rand, second func(second int, used float64), left func(request)) {
	var busy []request
	open := make([][]float64, v.pods) // when those at the back end leave, by pod
	var used float64
	for s := 0; s <= v.length; s++ {
		second(s, used+float64(s)*v.idle*float64(v.pods))
		var come []request
		for k, rate := range v.rate(s) {
			spread := math.Sqrt(math.Log1p(v.cv[k] * v.cv[k]))
			for range int(poisson(rng, rate)) {
				work := v.work[k] * math.Exp(spread*rng.NormFloat64()-spread*spread/2)
				come = append(come, request{step: k, left: work, from: float64(s) + rng.Float64()})
			}
		}
		slices.SortFunc(come, func(a, b request) int { return cmp.Compare(a.from, b.from) })
		for now := float64(s); now < float64(s+1); {
			until, shares := float64(s+1), make([]float64, v.pods)
			if len(come) > 0 {
				until = come[0].from
			}
			for _, r := range busy {
				shares[r.pod]++
			}
			for p, n := range shares {
				shares[p] = math.Min(1, v.limit/n)
			}
			for _, r := range busy {
				until = math.Min(until, now+r.left/shares[r.pod])
			}
			for i := range busy {
				part := (until - now) * shares[busy[i].pod]
				busy[i].left, used = busy[i].left-part, used+part
			}
			now = until
			busy = slices.DeleteFunc(busy, func(r request) bool {
				if r.left > 1e-12 {
					return false
				}
				r.leaves = now + v.backend
				open[r.pod] = append(open[r.pod], r.leaves)
				left(r)
				return true
			})
			if len(come) > 0 && now == come[0].from {
				come[0].pod = v.emptiest(busy, open, now)
				busy, come = append(busy, come[0]), come[1:]
			}
		}
	}
}

// emptiest is the pod with the fewest requests.
func (v served) emptiest(busy []request, open [][]float64, now float64) int {
	n := make([]int, v.pods)
	for _, r := range busy {
		n[r.pod]++
	}
	for p := range open {
		open[p] = slices.DeleteFunc(open[p], func(leaves float64) bool { return leaves <= now })
		n[p] += len(open[p])
	}
	least := 0
	for p := range n {
		if n[p] < n[least] {
			least = p
		}
	}
	return least
}

// besieged is a back end that is offered more than it can do.
type besieged struct {
	cores, work, cv float64 // cores, CPU seconds of a request, and how they scatter (lognormal)
	room            int     // requests in service at most
	offered         float64 // of what it can do
	length          int     // seconds, of which the first third is quiet
}

// events are what it tells of every second. All in service get the same share, so each leaves when the sum of the shares that
// went to everyone has grown by its work.
func (c besieged) events(rng *rand.Rand) []record.Event {
	var out []record.Event
	var leave []float64 // by that sum, ascending
	spread, sum := math.Sqrt(math.Log1p(c.cv*c.cv)), 0.0
	for s := range c.length {
		load := c.offered
		if s < c.length/3 {
			load = 0.3
		}
		rate, gone := load*c.cores/c.work, 0
		for now, next := 0.0, rng.ExpFloat64()/rate; now < 1; {
			share, until := math.Min(1, c.cores/math.Max(1, float64(len(leave)))), math.Min(1, next)
			if len(leave) > 0 && now+(leave[0]-sum)/share < until {
				now, sum, leave, gone = now+(leave[0]-sum)/share, leave[0], leave[1:], gone+1
				continue
			}
			now, sum = until, sum+(until-now)*share
			if now == next && len(leave) < c.room {
				at := sum + c.work*math.Exp(spread*rng.NormFloat64()-spread*spread/2)
				i, _ := slices.BinarySearch(leave, at)
				leave = slices.Insert(leave, i, at)
			}
			if now == next {
				next += rng.ExpFloat64() / rate
			}
		}
		out = append(out, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindBackend, Object: "registry", Values: map[string]float64{
			"in_service": float64(len(leave)), "served": float64(gone),
		}})
	}
	return out
}
