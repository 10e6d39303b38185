package sim

import "math"

// Result is what came of one world.
type Result struct {
	World World
	// Broken says whether any promise was broken in any window.
	Broken   bool
	Ended    bool // before its time, because a promise was clearly broken
	Promises []PromiseResult
	// Slow is the largest share of slow or failed shots in a window over all promises, relative shares: 0 to 1.
	Slow float64
	// Strain is the largest share of a window over what its promise allows, slow or failed: above 1 a promise is broken.
	Strain float64
	// Peak is each tenant's largest count of replicas, TenantSlow its worst window's share, TenantBroken whether a
	// promise to it was broken.
	Peak         []int
	TenantSlow   []float64
	TenantBroken []bool
	// TenantFirst is the minute of each tenant's first broken window, −1 where none is; TenantMinutes are all of theirs.
	TenantFirst, TenantMinutes []int
	// TenantCPU is the core-seconds that each tenant's pods used; nil without Detail.
	TenantCPU []float64
	// ReplicaSeconds, all tenants. Scalings counts changes of a count.
	ReplicaSeconds float64
	Scalings       int
	// Pending is how many pods had no node at the end, MostPending at the worst time after a while, BackendPeak the most requests in service at each back end.
	Pending     int
	MostPending int // at any time
	BackendPeak []float64
	Flow        Flow
	// Waiting is what the door cost; nil without one.
	Waiting *Waiting
	Series  *Series
}

// Flow accounts for the shots: Arrived = Served + Refused + Lost + what is still open.
type Flow struct {
	Arrived, Served, Refused, Lost, Open float64
	// Left in impatience or timed out; their work is still in Served.
	Left float64
}

// PromiseResult is one promise (Params.Promises) in one world.
type PromiseResult struct {
	Judged, Broken int
	Worst          Window
}

// Window is one judged window.
type Window struct {
	Tenant              int // −1: all together
	Minute, Minutes     int
	Shots, Slow, Failed float64
}

// Share of slow or failed shots.
func (w Window) Share() float64 {
	if w.Shots <= 0 {
		return 0
	}
	return w.Slow / w.Shots
}

func (r *Runner) result() *Result {
	p := r.p
	out := &Result{
		World: r.w, ReplicaSeconds: r.hours, Scalings: r.scalings, Pending: len(r.waiting), MostPending: r.mostPending,
		Peak: make([]int, len(p.Tenants)), TenantSlow: make([]float64, len(p.Tenants)), TenantBroken: make([]bool, len(p.Tenants)),
		TenantFirst: make([]int, len(p.Tenants)), TenantMinutes: make([]int, len(p.Tenants)),
		Promises: make([]PromiseResult, len(p.Promises)),
		Flow:     Flow{Arrived: r.arrived, Served: r.served, Refused: r.refused + r.refusedBehind, Lost: r.lost, Left: r.left},
	}
	for i := range r.tenants {
		out.TenantFirst[i] = -1
		out.Peak[i] = r.tenants[i].peak
		if r.Detail {
			out.TenantCPU = append(out.TenantCPU, r.tenants[i].cpu+r.detail.rested[i])
		}
		out.Flow.Open += r.tenants[i].n + r.tenants[i].held
	}
	for i := range r.backends {
		out.BackendPeak = append(out.BackendPeak, r.backends[i].peak)
	}
	for q := range p.Promises {
		r.judge(q, out)
	}
	if r.p.Door != nil {
		out.Waiting = r.door.result()
	}
	if r.Detail {
		out.Series = r.detail.finish(r)
	}
	return out
}

// judge holds one promise against its windows, as package gate does against a record's.
func (r *Runner) judge(q int, out *Result) {
	switch who := r.p.Promises[q].Who; who {
	case AllTenants:
		r.judgeGroup(q, -1, out)
	case EachTenant:
		for i := range r.tenants {
			r.judgeGroup(q, i, out)
		}
	default:
		r.judgeGroup(q, who, out)
	}
}

// judgeGroup joins minutes to windows and windows to such with enough shots.
func (r *Runner) judgeGroup(q, tenant int, out *Result) {
	promise := &r.p.Promises[q]
	length := promise.Window
	if length <= 0 {
		length = r.minutes
	}
	noise := hashed(r.w.Seed, uint64(tenant+1), uint64(q), 5)
	var open, last Window
	open.Minute, last.Minutes = -1, -1
	for from := 0; from < r.minutes; from += length {
		w := r.window(q, tenant, from, min(length, r.minutes-from), &noise)
		if w.Shots < 0.5 {
			continue
		}
		if open.Minute < 0 {
			open = Window{Tenant: tenant, Minute: from}
		}
		open.join(w)
		if open.Shots >= promise.Least {
			if last.Minutes > 0 {
				out.weigh(q, promise, last)
			}
			last, open = open, Window{Minute: -1}
		}
	}
	if last.Minutes > 0 {
		if open.Minute >= 0 {
			last.join(open)
		}
		out.weigh(q, promise, last)
	}
}

func (w *Window) join(o Window) {
	w.Minutes = o.Minute + o.Minutes - w.Minute
	w.Shots += o.Shots
	w.Slow += o.Slow
	w.Failed += o.Failed
}

// window sums minutes. The slow shots are an expectation given the queues; which of the requests are the large ones is
// drawn here, once a window.
func (r *Runner) window(q, tenant, from, length int, noise *source) Window {
	w := Window{Tenant: tenant, Minute: from, Minutes: length}
	first, end := tenant, tenant+1
	if tenant < 0 {
		first, end = 0, len(r.tenants)
	}
	steps, promises := len(r.p.Steps), len(r.p.Promises)
	k := r.p.Promises[q].Step
	slow, beside := 0.0, 0.0
	for i := first; i < end; i++ {
		for m := from; m < from+length; m++ {
			at := (m*len(r.tenants)+i)*steps + k
			w.Shots += float64(r.shots[at])
			slow += float64(r.slow[(m*len(r.tenants)+i)*promises+q])
			w.Failed += float64(r.failed[at])
			beside += float64(r.early[at])
		}
	}
	w.Failed = math.Min(w.Failed, w.Shots)
	slow = math.Min(slow, w.Shots)
	if share := slow / math.Max(w.Shots, 1); slow > 0 {
		slow = clamp(slow+math.Sqrt(slow*(1-share))*float64(normals[noise.next()>>drawShift]), 0, w.Shots)
	}
	// Those who left are among the slow, unless their patience was shorter than the promise.
	w.Slow = math.Min(w.Shots, math.Max(slow+beside, w.Failed))
	return w
}

func clamp(x, low, high float64) float64 { return math.Max(low, math.Min(high, x)) }

// weigh counts a window in.
func (out *Result) weigh(q int, promise *Promise, w Window) {
	res := &out.Promises[q]
	res.Judged++
	slow := math.Round(w.Slow) > w.Shots*(promise.Slow+1e-9)
	failed := math.Round(w.Failed) > w.Shots*(promise.Errors+1e-9)
	if slow || failed {
		res.Broken++
		out.Broken = true
	}
	share := w.Share()
	if res.Judged == 1 || share > res.Worst.Share() {
		res.Worst = w
	}
	out.Slow = math.Max(out.Slow, share)
	// A shot that fails where none may is a strain of 1 and more.
	out.Strain = math.Max(out.Strain, math.Round(w.Slow)/math.Max(w.Shots*promise.Slow, 0.5))
	out.Strain = math.Max(out.Strain, math.Round(w.Failed)/math.Max(w.Shots*promise.Errors, 0.5))
	if w.Tenant >= 0 {
		out.TenantSlow[w.Tenant] = math.Max(out.TenantSlow[w.Tenant], share)
		out.TenantBroken[w.Tenant] = out.TenantBroken[w.Tenant] || slow || failed
		if slow || failed {
			if first := &out.TenantFirst[w.Tenant]; *first < 0 || w.Minute < *first {
				*first = w.Minute
			}
			out.TenantMinutes[w.Tenant] += w.Minutes
		}
	}
}

// clearlyBroken looks at the windows that were over a minute ago: is one of them, whatever the draws, broken?
func (r *Runner) clearlyBroken(minute int) bool {
	steps, promises := len(r.p.Steps), len(r.p.Promises)
	for q := range r.p.Promises {
		promise := &r.p.Promises[q]
		if promise.Window <= 0 || minute <= promise.Window || (minute-1)%promise.Window != 0 || promise.Who == AllTenants {
			continue
		}
		for i := range r.tenants {
			var shots, slow, failed float32
			for m := minute - 1 - promise.Window; m < minute-1; m++ {
				at := (m*len(r.tenants)+i)*steps + promise.Step
				shots += r.shots[at]
				slow += r.slow[(m*len(r.tenants)+i)*promises+q] + r.early[at]
				failed += r.failed[at]
			}
			n := float64(shots)
			if promise.Who >= 0 && promise.Who != i || n < promise.Least {
				continue
			}
			if surely(float64(slow), n*promise.Slow) || surely(float64(failed), n*promise.Errors) {
				return true
			}
		}
	}
	return false
}

// surely says whether x is above the bound by more than chance, five standard deviations and a shot.
func surely(x, bound float64) bool { return x > bound+5*math.Sqrt(x)+1 }
