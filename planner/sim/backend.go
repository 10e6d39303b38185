package sim

import "math"

// backendState is a shared back end: a fluid of requests in service.
type backendState struct {
	n, speed float64
	inflow   float64 // work of this second, in seconds at full speed
	visits   float64
	refusing float64 // share refused
	waited   float64 // seconds that all who came last wait for it together

	come, leave clockwork
	peak        float64
}

// behind moves gone requests from the CPU phase into the back ends, in which are held, and says how many are left there when
// those are let out that are done.
func (r *Runner) behind(i, j int, gone, held float64, over stay, m *mix) float64 {
	for b, x := range m.visits {
		if x <= 0 {
			continue
		}
		back := &r.backends[b]
		if back.refusing > 0 {
			no := gone * back.refusing
			r.refusedBehind += no
			r.failEarly(i, j, j, no)
			gone -= no
		}
		back.inflow += gone * x
		back.visits += gone
	}
	left := held*over.old + gone*over.young
	if left < 1e-6 {
		left = 0
	}
	r.served += held + gone - left
	return left
}

// stay is what of requests in back ends is still there after a stretch of time, in shares: of those who were there at its
// beginning, and of those who came in the course of it, as many as Little's law leaves.
type stay struct{ old, young float64 }

// stayOf is the stay of a stretch of so many seconds, where a request is in back ends for behind seconds.
func stayOf(behind, seconds float64) stay {
	old := math.Exp(-seconds / math.Max(behind, 1e-3))
	return stay{old, (1 - old) * behind / seconds}
}

func (b *Backend) speedAt(n float64) float64 {
	if n <= 1 {
		return math.Min(1, b.Cores)
	}
	return math.Min(1, b.Cores/n) / (1 + b.Alpha*(n-1) + b.Beta*n*(n-1))
}

// backendsStep looks at every back end once a second: in service there are the requests whose threads wait for it. More than
// Most are refused.
func (r *Runner) backendsStep() {
	held, waited := 0.0, 0.0
	for i := range r.tenants {
		held += r.tenants[i].held
	}
	for i := range r.backends {
		b := &r.backends[i]
		if b.inflow > 0 {
			b.waited = b.inflow / b.speed
		}
		waited += b.waited
	}
	for i := range r.backends {
		b, spec := &r.backends[i], &r.p.Backends[i]
		share := 0.0
		if waited > 0 {
			share = b.waited / waited
		}
		b.n = held * share
		speed := spec.speedAt(b.n)
		if b.n > spec.Cores*strained && b.visits > 0 {
			speed = r.fluctuate(b, spec, share)
		}
		b.refusing = 0
		if spec.Most > 0 && b.n > spec.Most {
			b.refusing = math.Min(1, (b.n-spec.Most)/math.Max(b.visits, 1))
			b.n = spec.Most
		}
		b.peak = math.Max(b.peak, b.n)
		b.speed = math.Max(1e-6, speed)
		b.inflow, b.visits = 0, 0
	}
}

// strained is the share of its cores in use from which a back end's fluctuations matter.
const strained = 0.3

// fluctuate plays a second of a back end, in which are share of the threads that wait, as a birth-death chain, and gives its
// mean speed. What is slowed by the number in service is not slowed by the mean number: one burst may take it past its
// knee, from where it does not come back.
func (r *Runner) fluctuate(b *backendState, spec *Backend, share float64) float64 {
	const steps = 50
	n, work, sum, done := math.Round(b.n), b.inflow/b.visits, 0.0, 0.0
	for range steps {
		out := math.Min(n, b.leave.drawn(n*spec.speedAt(n)/work/steps))
		n += b.come.drawn(b.visits/steps) - out
		sum, done = sum+n/steps, done+out
	}
	r.restock(b, n, share)
	if sum == 0 {
		return 1
	}
	return math.Min(1, done*work/sum)
}

// restock brings the number of requests in service to n, as far as there are threads for them.
func (r *Runner) restock(b *backendState, n, share float64) {
	grown := n/b.n - 1
	for i := range r.tenants {
		t := &r.tenants[i]
		more := math.Min(t.held*share*grown, math.Max(0, t.threads-t.held))
		t.held += more
		b.n += more
		r.served -= more
	}
}

// Best is the most work a back end can do in a second, at the best number of requests in service.
func (b *Backend) Best() float64 {
	best := 0.0
	for n := 1.0; n <= math.Max(2, 4*b.Cores); n++ {
		best = math.Max(best, n*b.speedAt(n))
	}
	return best
}
