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
	// StepP99 is, by step, the 99th percentile of the response time in seconds of all who were answered before they left or
	// timed out, in the whole run; 0 where nobody was; nil without Runner.Tails.
	StepP99 []float64
}

// series collects what Series needs while a world runs.
type series struct {
	Series
	work            [][]float32 // so far, tenant × beat
	wait, came      [][]float32 // seconds in the backlog, requests taken in: tenant × second
	busy            [][]int32   // by tenant: the seconds in which requests were taken in
	cores, idle     float64     // so far; idle of those burnt without a request
	arrived, served float64
	// behind is every second of every kind of workload's step in back ends, in seconds.
	behind [][]float32
	rested []float64 // by tenant: core-seconds burnt without a request
}

func (s *series) reset(r *Runner) {
	*s = series{}
	if !r.Detail {
		return
	}
	n := len(r.p.Tenants)
	s.work, s.wait, s.came, s.busy = make([][]float32, n), make([][]float32, n), make([][]float32, n), make([][]int32, n)
	s.TenantDesired, s.TenantReady = make([][]int16, n), make([][]int16, n)
	s.BackendBusy, s.behind, s.rested = make([][]float64, len(r.p.Backends)), make([][]float32, len(r.busyTime)), make([]float64, n)
	for i := range n {
		s.work[i] = make([]float32, 0, r.end*beats)
		s.wait[i], s.came[i] = make([]float32, 0, r.end), make([]float32, 0, r.end)
		s.TenantDesired[i], s.TenantReady[i] = make([]int16, 0, r.end), make([]int16, 0, r.end)
	}
}

// beats notes what a tenant's second brought. While it is asleep the work stands still, which is nobody's.
func (s *series) beats(r *Runner, i, sec int) {
	came, wait := 0.0, 0.0
	for q := range beats {
		if r.tenants[i].asleep {
			s.work[i] = append(s.work[i], float32(r.tenants[i].v))
			continue
		}
		slot := r.slot(i, sec*beats+q)
		s.work[i] = append(s.work[i], float32(r.v[slot]))
		came, wait = came+r.came[slot], r.waits[slot]
	}
	s.wait[i], s.came[i] = append(s.wait[i], float32(wait)), append(s.came[i], float32(came))
	if came > 0 {
		s.busy[i] = append(s.busy[i], int32(sec))
	}
}

func (s *series) second(r *Runner, sec int) {
	var desired, ready, waiting, cores float64
	for i := range r.tenants {
		t := &r.tenants[i]
		s.beats(r, i, sec)
		s.idle += t.idle * float64(t.inRotation)
		s.rested[i] += t.idle * float64(t.inRotation)
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
	cores += s.idle
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
	if r.Tails {
		for k, x := range r.busyTime {
			s.behind[k] = append(s.behind[k], float32(x))
		}
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
	var all []followed
	for i := range s.work {
		w := &r.p.Workloads[r.p.Tenants[i].Workload]
		for k := range w.Work {
			for _, u := range w.Work[k].Tail.eighths {
				all = append(all, followed{tenant: i, step: k, work: u * w.Work[k].Mean, behind: r.behindTime(w, k)})
			}
		}
	}
	counts := make([][bins]float32, min(length, stretchOfTime))
	for from := 0; from < length; from += stretchOfTime {
		clear(counts)
		for i := range all {
			s.follow(r, &all[i], from, counts)
		}
		for sec := range min(stretchOfTime, length-from) {
			s.P50 = append(s.P50, percentile(&counts[sec], 0.50))
			s.P95 = append(s.P95, percentile(&counts[sec], 0.95))
			s.P99 = append(s.P99, percentile(&counts[sec], 0.99))
		}
	}
	for m := range length / 60 {
		var shots, failed float64
		for row := range len(r.tenants) * len(r.p.Steps) {
			shots += float64(r.shots[m*len(r.tenants)*len(r.p.Steps)+row])
			failed += float64(r.failed[m*len(r.tenants)*len(r.p.Steps)+row])
		}
		s.Failed = append(s.Failed, failed/math.Max(shots, 1))
	}
	if r.Tails {
		s.answers(r)
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

// stretchOfTime is how many seconds' response times are counted at a time.
const stretchOfTime = 1 << 10

// followed are requests of one tenant, step and work, as far as they were followed.
type followed struct {
	tenant, step int
	work, behind float64 // CPU seconds; seconds in back ends
	next         int     // of the tenant's busy seconds
	done         int     // the beat until which the one before took
}

// follow finds the response times of those who came from second from on, with one pass of two pointers.
func (s *series) follow(r *Runner, f *followed, from int, counts [][bins]float32) {
	busy := s.busy[f.tenant]
	for ; f.next < len(busy) && int(busy[f.next]) < from+len(counts); f.next++ {
		sec := int(busy[f.next])
		var response float64
		response, f.done = s.inPods(f.tenant, sec, f.work, f.done)
		weight := s.came[f.tenant][sec] * float32(r.frac[f.step][min(sec, len(r.shape)-1)]) / 8
		counts[sec-from][bin(response+f.behind)] += weight
	}
}

// bin is where a response time is counted.
func bin(seconds float64) int {
	return max(0, min(bins-1, int(ln(math.Max(seconds, 1e-3)*1000)*binsPerE)))
}

// logs are the logarithms of 256 numbers from 1 to 2.
var logs = func() (logs [256]float64) {
	for i := range logs {
		logs[i] = math.Log1p((float64(i) + 0.5) / 256)
	}
	return logs
}()

// ln is the natural logarithm of a positive number to 0.002, a sixteenth of a bin.
func ln(x float64) float64 {
	b := math.Float64bits(x)
	return float64(int(b>>52)-1023)*math.Ln2 + logs[b>>44&255]
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
			return middle(b)
		}
	}
	return 60
}
