package sim

import "math"

// answers works out StepP99. A request of work x that came in a second is done in the first beat in which the work so far
// has grown by x; then it is in the back ends for as long as they took in that second.
func (s *series) answers(r *Runner) {
	steps := make([][bins]float32, len(r.p.Steps))
	stay := r.p.staying()
	for i := range s.work {
		workload := r.p.Tenants[i].Workload
		for k, w := range r.p.Workloads[workload].Work {
			behind := s.behind[r.kinds[workload]*len(r.p.Steps)+k]
			for part, x := range w.Tail.parts {
				done := 0
				for _, sec := range s.busy[i] {
					var response float64
					response, done = s.inPods(i, int(sec), x*w.Mean, done)
					at := bin(response + float64(behind[sec]))
					steps[k][at] += s.came[i][sec] * float32(partShares[part]) * float32(r.frac[k][min(int(sec), len(r.shape)-1)]) * stay[at]
				}
			}
		}
	}
	for k := range steps {
		s.StepP99 = append(s.StepP99, percentile(&steps[k], 0.99))
	}
}

// inPods is the time that work x takes in tenant i's pods from a second on, and the beat in which it is done; none of an
// earlier second was done after beat done.
func (s *series) inPods(i, sec int, x float64, done int) (float64, int) {
	work, wait := s.work[i], float64(s.wait[i][sec])
	in := min(len(work)-1, sec*beats+1+int(wait/beat+0.5))
	goal := float64(work[in]) + x
	done = max(done, in)
	for done < len(work) && float64(work[done]) < goal {
		done++
	}
	switch {
	case done >= len(work):
		return 60, done
	case done == in:
		return 0, done
	}
	before := float64(work[done-1])
	part := (goal - before) / max(1e-12, float64(work[done])-before)
	return wait + (float64(done-1-in)+part)*beat, done
}

// staying is the share of persons who still wait after each bin's response time.
func (p *Params) staying() (share [bins]float32) {
	for b := range share {
		waited := middle(b)
		switch {
		case p.Timeout > 0 && waited > p.Timeout:
		case p.Impatience == nil:
			share[b] = 1
		default:
			for _, patience := range p.Impatience.Patience {
				if patience > waited {
					share[b] += 1 / float32(len(p.Impatience.Patience))
				}
			}
		}
	}
	return share
}

// middle is a bin's response time in seconds.
func middle(b int) float64 { return math.Exp((float64(b)+0.5)/binsPerE) / 1000 }
