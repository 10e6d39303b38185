package sim

import "math"

// Series is a world second by second, for reports.
type Series struct {
	Offered, Served, Desired, Ready []float64
	// P50, P95 and P99 of the response time in seconds of those who came in that second, all tenants and steps.
	P50, P95, P99 []float64
	// Cores used by the pods, Waiting requests before or in the CPU phase.
	Cores, Waiting []float64
	// TenantDesired and TenantReady are replicas, tenant × second.
	TenantDesired, TenantReady [][]int16
	// Failed is the share of each minute's shots that failed: refused, lost, or left in vain.
	Failed []float64
	// AtDoor are the persons who wait before the door; empty without one.
	AtDoor []float64
	// BackendBusy is the number of requests in service at each back end.
	BackendBusy [][]float64
}

// series collects what Series needs while a world runs.
type series struct {
	Series
	// work, wait and came hold every beat of every tenant.
	work, wait, came [][]float32
	cores            float64
	arrived, served  float64
}

func (s *series) reset(r *Runner) {
	*s = series{}
	if !r.Detail {
		return
	}
	n := len(r.p.Tenants)
	s.work, s.wait, s.came = make([][]float32, n), make([][]float32, n), make([][]float32, n)
	s.TenantDesired, s.TenantReady = make([][]int16, n), make([][]int16, n)
	s.BackendBusy = make([][]float64, len(r.p.Backends))
	for i := range n {
		for _, to := range []*[]float32{&s.work[i], &s.wait[i], &s.came[i]} {
			*to = make([]float32, 0, r.end*beats)
		}
	}
}

func (s *series) beat(r *Runner, i, j int) {
	slot := r.slot(i, j)
	s.work[i] = append(s.work[i], float32(r.v[slot]))
	s.wait[i] = append(s.wait[i], float32(r.waits[slot]))
	s.came[i] = append(s.came[i], float32(r.came[slot]))
}

func (s *series) second(r *Runner, _ int) {
	var desired, ready, waiting, cores float64
	for i := range r.tenants {
		t := &r.tenants[i]
		desired += float64(t.desired)
		ready += float64(t.inRotation)
		waiting += t.n
		cores += t.cpu
		s.TenantDesired[i] = append(s.TenantDesired[i], int16(t.desired))
		s.TenantReady[i] = append(s.TenantReady[i], int16(t.inRotation))
	}
	s.Desired = append(s.Desired, desired)
	s.Ready = append(s.Ready, ready)
	s.Waiting = append(s.Waiting, waiting)
	s.Cores = append(s.Cores, cores-s.cores)
	s.Offered = append(s.Offered, r.arrived-s.arrived)
	s.Served = append(s.Served, r.served-s.served)
	if r.p.Door != nil {
		s.AtDoor = append(s.AtDoor, r.door.waiting/r.p.perPerson())
	}
	s.cores, s.arrived, s.served = cores, r.arrived, r.served
	for b := range r.backends {
		s.BackendBusy[b] = append(s.BackendBusy[b], r.backends[b].n)
	}
}

const (
	binsPerE = 32  // bins of the response time are 1/32 of an e-fold wide
	bins     = 512 // from 1 ms up
)

// finish works out the percentiles: a request of work x that entered at beat j is done in the first beat in
// which the work so far has grown by x.
func (s *series) finish(r *Runner) *Series {
	length := len(s.Offered)
	counts := make([][bins]float32, length)
	for i := range s.work {
		w := &r.p.Workloads[r.p.Tenants[i].Workload]
		for k := range w.Work {
			for _, u := range w.Work[k].Tail.eighths {
				s.follow(r, i, k, u*w.Work[k].Mean, r.behindTime(w, k), counts)
			}
		}
	}
	for sec := range counts {
		s.P50 = append(s.P50, percentile(&counts[sec], 0.50))
		s.P95 = append(s.P95, percentile(&counts[sec], 0.95))
		s.P99 = append(s.P99, percentile(&counts[sec], 0.99))
	}
	for m := range length / 60 {
		var shots, failed float64
		for row := range len(r.tenants) * len(r.p.Steps) {
			shots += float64(r.shots[m*len(r.tenants)*len(r.p.Steps)+row])
			failed += float64(r.failed[m*len(r.tenants)*len(r.p.Steps)+row])
		}
		s.Failed = append(s.Failed, failed/math.Max(shots, 1))
	}
	out := s.Series
	return &out
}

// behindTime is the work of a step at back ends that are not busy.
func (r *Runner) behindTime(w *Workload, k int) float64 {
	sum := 0.0
	for _, x := range w.Work[k].Backends {
		sum += x
	}
	return sum
}

// follow finds the response times of requests of work x of step k at tenant i, with one pass of two pointers.
func (s *series) follow(r *Runner, i, k int, x, behind float64, counts [][bins]float32) {
	work, done := s.work[i], 0
	for sec := range len(work) / beats {
		var came float32
		for _, x := range s.came[i][sec*beats : (sec+1)*beats] {
			came += x
		}
		if came == 0 {
			continue
		}
		j := sec*beats + 1
		wait := float64(s.wait[i][j])
		in := min(len(work)-1, j+int(wait/beat+0.5))
		goal := float64(work[in]) + x
		done = max(done, in)
		for done < len(work) && float64(work[done]) < goal {
			done++
		}
		response := 60.0
		switch {
		case done >= len(work):
		case done > in:
			before := float64(work[done-1])
			part := (goal - before) / math.Max(1e-12, float64(work[done])-before)
			response = wait + (float64(done-1-in)+part)*beat
		}
		weight := came * float32(r.frac[k][min(sec, len(r.shape)-1)]) / 8
		counts[sec][bin(response+behind)] += weight
	}
}

func bin(seconds float64) int {
	return max(0, min(bins-1, int(math.Log(math.Max(seconds, 1e-3)*1000)*binsPerE)))
}

func percentile(counts *[bins]float32, q float64) float64 {
	var total float32
	for _, c := range counts {
		total += c
	}
	if total == 0 {
		return 0
	}
	var sum float32
	for b, c := range counts {
		if sum += c; float64(sum) >= q*float64(total) {
			return math.Exp((float64(b)+0.5)/binsPerE) / 1000
		}
	}
	return 60
}
