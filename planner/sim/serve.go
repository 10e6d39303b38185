package sim

import "math"

// serve lets a second of the surge happen at every tenant.
func (r *Runner) serve(sec int) {
	if r.p.Door != nil {
		r.letIn(sec)
	}
	r.blend(sec)
	r.hours += float64(r.desired)
	x := 0.0
	if sec < len(r.shape) {
		x = r.shape[sec] * r.w.Demand * beat
	}
	before, after := r.counters(sec), r.counters(sec+1)
	for i := range r.tenants {
		if r.p.Door != nil {
			r.serveTenant(i, sec, r.door.let[i]*beat, before, after)
		} else {
			r.serveTenant(i, sec, x*r.tenants[i].weight, before, after)
		}
	}
	if r.Detail {
		r.detail.second(r, sec)
	}
}

// blend works out the average request of each kind of workload and how much of each promise back ends leave.
func (r *Runner) blend(sec int) {
	p := r.p
	r.leastStretch = 1
	at := min(sec, len(r.shape)-1)
	next := 0
	for i := range p.Workloads {
		if r.kinds[i] != next { // seen before
			continue
		}
		w, m, kind := &p.Workloads[i], &r.mixes[next], next
		next++
		m.visits = zeroed(m.visits, len(p.Backends))
		m.mean, m.behind, m.most, m.cpuOnly = 0, 0, 0, true
		for k := range w.Work {
			f := r.frac[k][at]
			work := &w.Work[k]
			m.mean += f * work.Mean
			m.most = max(m.most, work.Mean*work.Tail.most)
			behind := 0.0
			for b, x := range work.Backends {
				if x > 0 {
					behind += x / r.backends[b].speed
					m.visits[b] += f * x
					m.cpuOnly = false
				}
			}
			r.busyTime[kind*len(p.Steps)+k] = behind
			m.behind += f * behind
		}
		if differs(m.behind, m.stayFor) {
			m.stayFor, m.beat = m.behind, stayOf(m.behind, beat)
			m.second = stayOf(m.behind, 1)
		}
		for j, q := range p.Promises {
			left := q.Within - r.busyTime[kind*len(p.Steps)+q.Step]
			r.stretch[kind*len(p.Promises)+j] = max(1e-9, left/(float64(r.lags[j])*beat))
			r.leastStretch = min(r.leastStretch, r.stretch[kind*len(p.Promises)+j])
		}
	}
}

// differs says whether a figure has moved by more than a thousandth since something dear was computed from it.
func differs(x, before float64) bool { return math.Abs(x-before) > 1e-3*x }

// serveTenant lets a second happen at one tenant, in which x shots a beat are expected, and moves its pods' counter on.
func (r *Runner) serveTenant(i, sec int, x float64, before, after []float64) {
	t := &r.tenants[i]
	if t.change <= float64(sec) {
		r.refresh(i, float64(sec))
	}
	if t.n == 0 && t.held == 0 && t.coming <= 1e-9 && t.arrive.quiet(x*beats) {
		r.passTime(i, sec)
		after[i] = before[i] + t.idle
		return
	}
	t.asleep = false
	if t.coming > 1e-9 && r.p.Door == nil {
		x = beat * r.returning(t, sec, x/beat)
	}
	m := &r.mixes[t.kind]
	if differs(m.mean, t.decayFor) {
		t.tune(m.mean)
	}
	began := t.cpu
	came := r.serveSecond(i, sec, x, m)
	after[i] = before[i] + t.idle
	if t.inRotation > 0 {
		after[i] += (t.cpu - began) / float64(t.inRotation)
	}
	if came > 0 {
		r.arrived += came
		r.count(r.shots, i, sec*beats, came)
		t.last = sec*beats + beats - 1
	}
	r.judgeSecond(i, sec, m)
}

// serveSecond moves a tenant's server on by a second, in which x shots a beat are expected, and says how many came.
func (r *Runner) serveSecond(i, sec int, x float64, m *mix) float64 {
	t, dice := &r.tenants[i], r.tenants[i].chances.dice(sec)
	var came [beats]float64
	if x > 0 {
		came[0], came[1] = t.arrive.events(x, dice%draws), t.arrive.events(x, dice>>(2*drawBits)%draws)
	}
	if t.parallel >= wide && t.waited < sec*beats && !r.beatwise && r.serveWhole(i, sec, came, dice>>drawBits%draws, m) {
		return came[0] + came[1]
	}
	for q, a := range came {
		j := sec*beats + q
		slot := r.slot(i, j)
		if a == 0 && t.n == 0 && t.held == 0 {
			r.came[slot] = 0
			r.v[slot] = t.v + t.speed*(beat/2)
			t.v += t.speed * beat
		} else {
			r.step(i, j, slot, a, dice>>drawBits%draws, m)
		}
		dice >>= 2 * drawBits
	}
	return came[0] + came[1]
}

// wide is how many requests must run at full speed side by side for a second to be one step, as long as no more are in service:
// who comes and goes within it cancels out.
const wide = 8

// serveWhole is step over a second, in whose beats came requests come; it does nothing and says so where some would share or
// wait. u is the draw of who departs.
func (r *Runner) serveWhole(i, sec int, came [beats]float64, u uint64, m *mix) bool {
	t, a := &r.tenants[i], came[0]+came[1]
	even := 1 - unevenness*t.uneven(t.n+a/4) // who was there and half of those who come in a beat, as in step
	mean := (t.n*(1-t.second.decay) + a*t.second.young) * even
	if mean > beats*t.most || t.n+(a-mean)/2+tagged > t.parallel || t.n+a > t.threads-t.held {
		return false
	}
	gone := min(t.depart.events(mean, u), t.n+a)
	t.cpu += gone * t.burns
	first, last, gain := r.slot(i, sec*beats), r.slot(i, sec*beats+1), beat*t.speed*even
	r.came[first], r.came[last] = came[0], came[1]
	r.v[first], r.v[last] = t.v+gain/2, t.v+gain*3/2
	t.v += 2 * gain
	t.n += a - gone
	if m.cpuOnly {
		r.served += gone
	} else {
		t.held = r.behind(i, sec*beats, gone, t.held, m.second, m)
	}
	return true
}

// passTime lets a second pass at an empty server to which nobody comes. Once it has been empty for as long as anybody's fate
// is looked up, not even that.
func (r *Runner) passTime(i, sec int) {
	t := &r.tenants[i]
	if t.asleep {
		return
	}
	for q := range beats {
		slot := r.slot(i, sec*beats+q)
		r.came[slot], r.v[slot] = 0, t.v+t.speed*(beat/2)
		t.v += t.speed * beat
	}
	r.judgeSecond(i, sec, &r.mixes[t.kind])
	t.asleep = sec*beats-t.last > r.ring
}

// tune works out what a server's speed makes of requests of that mean work.
func (t *tenant) tune(mean float64) {
	t.decayFor = mean
	t.beat, t.second = paceOf(t.speed*beat/mean), paceOf(t.speed/mean)
	t.most, t.burns = t.capacity*beat/mean, 0
	if t.capacity > 0 {
		t.burns = mean / t.capacity * t.burn
	}
}

// pace is what becomes of requests at full speed in a stretch of time, in shares: of those who are there at its beginning decay
// are at its end; of those who come in the course of it young are done.
type pace struct{ decay, young float64 }

// paceOf is the pace of a stretch in which a request at full speed gets theta times the mean work.
func paceOf(theta float64) pace {
	p := pace{decay: math.Exp(-theta)}
	if theta > 0 {
		p.young = 1 - (1-p.decay)/theta
	}
	return p
}

// slot is where the ring has a tenant's beat.
func (r *Runner) slot(i, j int) int { return (j&(r.ring-1))*len(r.tenants) + i }

// step moves one tenant's server on by beat j, in which a requests come; u is the draw of who departs.
//
// Departures have the mean n(1−e^−θ) + a(1 − (1−e^−θ)/θ) while every request has full speed (exact for a server
// without limit, with a arrivals spread over the beat), and at most what the capacity gives.
func (r *Runner) step(i, j, slot int, a float64, u uint64, m *mix) {
	t := &r.tenants[i]
	taken := a
	if open := t.n + t.held; open+a > t.room { // no thread and no place in the backlog, or no pod at all
		taken = min(a, max(0, t.room-open))
		r.refused += a - taken
		r.failEarly(i, j, j, a-taken)
	}
	r.came[slot] = taken
	if t.waited >= j {
		r.waits[slot] = 0
	}
	if t.capacity <= 0 {
		r.v[slot] = t.v
		t.n += taken
		return
	}
	threads := max(0, t.threads-t.held)
	even := 1 - unevenness*t.uneven(t.n+taken/2)
	busy := t.n // what seldom goes the other way is a branch: cheaper here than min
	if busy > threads {
		busy = threads
	}
	mean := (busy*(1-t.beat.decay) + taken*t.beat.young) * even
	saturated := mean > t.most
	if saturated {
		mean = t.most
	}
	if free := threads + t.held*(1-m.beat.old); mean > free && !m.cpuOnly { // who goes to a back end takes the thread along
		if room := max(free, beat*t.turnover(m)); mean > room {
			mean, saturated = room, false
		}
	}
	gone := min(t.depart.events(mean, u), t.n+taken)
	if saturated { // the count of departures scatters, the cores in use cannot
		t.cpu += beat * t.burn
	} else {
		t.cpu += gone * t.burns
	}
	if t.n+taken > threads {
		r.backlogged(t, j, slot, taken, threads, m)
	}
	gain := beat * t.speed * even
	if middle := t.n + 0.5*(taken-gone) + tagged; middle > t.parallel {
		gain *= t.parallel / min(middle, max(threads, t.parallel))
	}
	r.v[slot] = t.v + gain/2
	t.v += gain
	t.n += taken - gone
	if m.cpuOnly {
		r.served += gone
	} else {
		t.held = r.behind(i, j, gone, t.held, m.beat, m)
	}
}

// unevenness is how much of the speed is lost when there are about as many requests as pods, because a request stays
// in its pod: one pod stands idle while another has two. Measured against the one-by-one reference in the tests.
const unevenness = 0.08

// tagged is added to the number of requests that a slow one shares with: the birth-death chain may let "it" depart
// while the one in question is still there.
const tagged = 0.8

// uneven is the shape of that loss over the requests per pod: none in a single pod, most at one request a pod.
func (t *tenant) uneven(n float64) float64 {
	x := n * t.perPod
	if x > 1 {
		x = 1 / x
	}
	return x * x * t.apart
}

// backlogged notes how long those who came have to wait for a thread.
func (r *Runner) backlogged(t *tenant, j, slot int, taken, threads float64, m *mix) {
	over := t.n + taken/2 - threads
	if over <= 0 {
		return
	}
	r.waits[slot] = over / min(t.capacity/m.mean, t.turnover(m))
	t.waited = j + r.ring
}

// turnover is how many requests a second the threads can carry through pods and back ends.
func (t *tenant) turnover(m *mix) float64 { return t.threads / (m.mean/t.speed + m.behind) }

// count adds x shots of beat j to their minute, by step.
func (r *Runner) count(to []float32, i, j int, x float64) {
	steps := len(r.p.Steps)
	sec := j / beats
	at := min(sec, len(r.shape)-1)
	minute := to[(sec/60*len(r.tenants)+i)*steps:]
	for k := range steps {
		minute[k] += float32(x * r.frac[k][at])
	}
}

// worked is how much work each request in service has had by beat j since one that came in beat from entered
// service; negative when it has not entered yet.
func (r *Runner) worked(i, j, from int) float64 {
	if r.tenants[i].waited > from {
		if wait := r.waits[r.slot(i, from)]; wait > 0 {
			from += int(wait/beat + 0.5)
			if from >= j {
				return -1
			}
		}
	}
	return r.v[r.slot(i, j)] - r.v[r.slot(i, from)]
}

// judgeSecond looks back from each beat of the second: of those who came a promise's bound ago, how many are still
// waiting; and of those whose patience ends now. Most seconds of most tenants need only one look: if even in the
// shortest of those times a request got the work of the largest, nobody is waiting.
func (r *Runner) judgeSecond(i, sec int, m *mix) {
	least, waited := m.most/r.leastStretch, r.tenants[i].waited
	for q := range beats {
		j := sec*beats + q
		if j < r.leastLag {
			continue
		}
		if waited <= j-r.ring && r.v[r.slot(i, j)]-r.v[r.slot(i, j-r.leastLag)] >= least {
			continue
		}
		r.judgeBeat(i, j, r.p.Tenants[i].Workload)
	}
}

func (r *Runner) judgeBeat(i, j, workload int) {
	p := r.p
	w := &p.Workloads[workload]
	kind := r.kinds[workload]
	most := r.mixes[kind].most
	for q := range p.Promises {
		from := j - r.lags[q]
		if from < 0 || p.Promises[q].Who >= 0 && p.Promises[q].Who != i {
			continue
		}
		came := r.came[r.slot(i, from)]
		if came == 0 {
			continue
		}
		k := p.Promises[q].Step
		work := &w.Work[k]
		worked := r.worked(i, j, from) * r.stretch[kind*len(p.Promises)+q]
		if worked >= work.Mean*work.Tail.most {
			continue
		}
		share := 1.0
		if worked >= 0 {
			share = work.Tail.above(worked / work.Mean)
		}
		sec := from / beats
		slow := came * share * r.frac[k][min(sec, len(r.shape)-1)]
		r.slow[(sec/60*len(r.tenants)+i)*len(p.Promises)+q] += float32(slow)
	}
	for _, lag := range r.patience {
		from := j - lag
		if from < 0 {
			continue
		}
		came := r.came[r.slot(i, from)]
		if came == 0 {
			continue
		}
		if worked := r.worked(i, j, from); worked < most {
			r.leave(i, j, from, came/float64(len(r.patience)), worked, w)
		}
	}
}
