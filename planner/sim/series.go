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
		s.AtDoor = append(s.AtDoor, r.door.waiting/r.door.perPerson)
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
	tenants := make([]followed, len(r.tenants))
	for i := range tenants {
		tenants[i] = newFollowed(r, i)
	}
	counts := make([][bins]float32, min(length, stretchOfTime))
	for from := 0; from < length; from += stretchOfTime {
		clear(counts)
		for i := range tenants {
			s.follow(r, &tenants[i], from, counts)
		}
		for sec := range min(stretchOfTime, length-from) {
			sums := summed(&counts[sec])
			s.P50 = append(s.P50, quantile(&sums, 0.50))
			s.P95 = append(s.P95, quantile(&sums, 0.95))
			s.P99 = append(s.P99, quantile(&sums, 0.99))
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

// stretchOfTime is how many seconds' response times are counted at a time.
const stretchOfTime = 1 << 10

// followed are a tenant's requests, an eighth of each step's for one work, as far as they were followed.
type followed struct {
	tenant int
	next   int // of the tenant's busy seconds
	works  []followedWork
}

// followedWork is one work of one step.
type followedWork struct {
	step         int
	work, behind float64 // CPU seconds; seconds in back ends that are not busy
	done         int     // the beat until which the one before took
}

func newFollowed(r *Runner, tenant int) followed {
	f := followed{tenant: tenant}
	for k, w := range r.p.Workloads[r.p.Tenants[tenant].Workload].Work {
		behind := 0.0
		for _, x := range w.Backends {
			behind += x
		}
		for _, u := range w.Tail.eighths {
			f.works = append(f.works, followedWork{step: k, work: u * w.Mean, behind: behind})
		}
	}
	return f
}

// follow finds the response times of those who came from second from on, with one pass of two pointers for each work.
func (s *series) follow(r *Runner, f *followed, from int, counts [][bins]float32) {
	busy := s.busy[f.tenant]
	for ; f.next < len(busy) && int(busy[f.next]) < from+len(counts); f.next++ {
		sec := int(busy[f.next])
		came, second, at := s.came[f.tenant][sec], &counts[sec-from], min(sec, len(r.shape)-1)
		for k := range f.works {
			w := &f.works[k]
			var response float64
			response, w.done = s.inPods(f.tenant, sec, w.work, w.done)
			second[bin(response+w.behind)] += came * float32(r.frac[w.step][at]) / 8
		}
	}
}

// bin is where a response time is counted: it goes by the logarithm, which is taken as the same for all numbers of the same
// first nine binary digits, 0.002 or a sixteenth of a bin off at most.
func bin(seconds float64) int {
	if seconds <= 1e-3 {
		return 0
	}
	digits := int(math.Float64bits(seconds*1000)>>44) - 1023<<8
	return int(binOf[max(0, min(digits, len(binOf)-1))])
}

// binOf has the bins of the numbers from 1 on by their first digits.
var binOf = func() (of [24 << 8]uint16) {
	for digits := range of {
		ln := float64(digits>>8)*math.Ln2 + math.Log1p((float64(digits&255)+0.5)/256)
		of[digits] = uint16(min(bins-1, int(ln*binsPerE)))
	}
	return of
}()

func percentile(counts *[bins]float32, q float64) float64 {
	sums := summed(counts)
	return quantile(&sums, q)
}

// summed is how many there are up to each bin.
func summed(counts *[bins]float32) (sums [bins]float32) {
	var sum float32
	for b, c := range counts {
		sum += c
		sums[b] = sum
	}
	return sums
}

// quantile is the response time in seconds that the share q does not exceed; 0 of nobody.
func quantile(sums *[bins]float32, q float64) float64 {
	total := float64(sums[bins-1])
	if total == 0 {
		return 0
	}
	for b, sum := range sums {
		if float64(sum) >= q*total {
			return middle(b)
		}
	}
	return 60
}
