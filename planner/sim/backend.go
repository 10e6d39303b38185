package sim

import "math"

// backendState is a shared back end: a fluid of requests in service.
type backendState struct {
	n, speed float64
	inflow   float64 // work of this second, in seconds at full speed
	visits   float64
	refusing float64 // share refused
	peak     float64
}

// behind moves gone requests from the CPU phase into the back ends and lets out those that are done there.
func (r *Runner) behind(i, j int, gone float64, m *mix) {
	t := &r.tenants[i]
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
	t.held += gone
	if t.held *= m.linger; t.held < 1e-6 {
		t.held = 0
	}
}

func (b *Backend) speedAt(n float64) float64 {
	if n <= 1 {
		return math.Min(1, b.Cores)
	}
	return math.Min(1, b.Cores/n) / (1 + b.Alpha*(n-1) + b.Beta*n*(n-1))
}

// backendsStep moves every back end on by one second in fiftieths: n' = visits − n·speed(n)/work. n stays at or below
// Most; the rest is refused.
func (r *Runner) backendsStep() {
	for i := range r.backends {
		b, spec := &r.backends[i], &r.p.Backends[i]
		if b.visits > 0 {
			work := b.inflow / b.visits
			const steps = 50
			refused := 0.0
			for range steps {
				before, speed := b.n, spec.speedAt(b.n)
				// Implicit in the outflow, so that a short work does not oscillate.
				b.n = (b.n + b.visits/steps) / (1 + speed/work/steps)
				if spec.Most > 0 && b.n > spec.Most {
					refused += b.n - spec.Most
					b.n = spec.Most
				} else if b.n == before { // nothing moves any more
					break
				}
			}
			b.refusing = math.Min(1, refused/b.visits)
		} else {
			b.n, b.refusing = 0, 0
		}
		b.peak = math.Max(b.peak, b.n)
		b.speed = math.Max(1e-6, spec.speedAt(b.n))
		b.inflow, b.visits = 0, 0
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
