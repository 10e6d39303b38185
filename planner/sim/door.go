package sim

import (
	"cmp"
	"math"
	"slices"
)

// Door is a waiting room in front of the platform: from second From on it lets in at most Rate persons/s, the others
// wait in the order they came, and nobody who waits goes away. It remembers nobody: who reloads or comes back takes the
// last place. So what lies behind it is safe from a storm of retries, and one that is raging ends when it is put up.
type Door struct{ Rate, From float64 }

// Shots is how many shots/s a door lets in: persons come with all the shots of their journey.
func (p *Params) Shots() float64 {
	if p.Door == nil {
		return math.Inf(1)
	}
	return p.Door.Rate * p.perPerson()
}

// perPerson is the mean number of shots of a person who has no need to come again.
func (p *Params) perPerson() float64 {
	if !(p.Persons > 0) {
		return 1
	}
	sum := 0.0
	for _, shape := range p.Shape {
		for _, x := range shape {
			sum += x
		}
	}
	return sum / p.Persons
}

// Waiting is what a door cost. Times are seconds, from the moment somebody comes to the door.
type Waiting struct {
	Mean, P95, Most float64
	// Waited is the share of those who came who had to wait, 0 to 1; Queue the most persons who waited at a time.
	Waited, Queue float64
	// Until is when the last one was let in, seconds from the start; Left persons had not been by the end.
	Until, Left float64
}

// doorState is the queue before the door, a fluid of shots. All tenants and all tries are let in at the same share: with
// everybody alike that gives the counts of first come, first served, and the wait is that of the order.
type doorState struct {
	rate    float64 // shots/s
	queue   [][mostRetries + 1]float64
	steps   []float64 // of those who wait, by step
	waiting float64
	let     []float64 // this second, by tenant
	came    []float64 // by second
	wait    []float64 // of those who came in that second
	most    float64
	until   int

	perPerson float64 // shots
	tries     int     // the most that anybody comes again
}

func (r *Runner) resetDoor() {
	d := &r.door
	n := len(r.p.Tenants)
	d.rate, d.waiting, d.most, d.until = r.p.Shots(), 0, 0, 0
	d.queue, d.steps, d.let = zeroed(d.queue, n), zeroed(d.steps, len(r.p.Steps)), zeroed(d.let, n)
	d.came, d.wait = d.came[:0], d.wait[:0]
	d.perPerson, d.tries = r.p.perPerson(), 0
	if r.p.Impatience != nil {
		d.tries = max(0, min(r.p.Impatience.Most, mostRetries))
	}
}

// drain is how much longer than the surge a door may take, in seconds.
func (r *Runner) drain() int {
	if r.p.Door == nil {
		return 0
	}
	sum := 0.0
	for _, x := range r.shape {
		sum += x
	}
	return int(math.Min(2*sum*r.w.Demand/r.p.Shots(), 24*3600))
}

// letIn takes those who come in this second to the door and lets in as many as it does.
func (r *Runner) letIn(sec int) {
	d := &r.door
	came := 0.0
	for i := range r.tenants {
		x := r.shape[sec] * r.p.Tenants[i].Weight * r.w.Demand
		d.queue[i][0] += x
		came += x + r.queueAgain(i, sec)
	}
	for k := range d.steps {
		d.steps[k] += came * r.frac[k][sec]
	}
	d.waiting += came
	out := d.waiting
	if float64(sec) >= r.p.Door.From {
		out = math.Min(out, d.rate)
	}
	share := 0.0
	if d.waiting > 0 {
		share = out / d.waiting
		for k := range d.steps {
			r.frac[k][sec] = d.steps[k] / d.waiting
			d.steps[k] *= 1 - share
		}
	}
	for i := range r.tenants {
		d.release(&r.tenants[i], i, share)
	}
	d.waiting -= out
	d.came, d.wait = append(d.came, came), append(d.wait, d.waiting/d.rate)
	if d.most = math.Max(d.most, d.waiting); d.waiting > 0.5 {
		d.until = sec + 1
	}
}

// queueAgain puts a tenant's persons who come again in this second at the end of the queue.
func (r *Runner) queueAgain(i, sec int) float64 {
	t, sum, at := &r.tenants[i], 0.0, sec&(r.ahead-1)
	for g := 1; g <= r.door.tries; g++ {
		if t.retries[g] == nil {
			continue
		}
		if x := t.retries[g][at]; x != 0 {
			t.retries[g][at] = 0
			t.coming -= x
			r.door.queue[i][g] += x
			sum += x
		}
	}
	return sum
}

// release lets the same share of all in.
func (d *doorState) release(t *tenant, i int, share float64) {
	queue, tries, total := d.queue[i][:d.tries+1], t.tries[:d.tries+1], 0.0
	for _, x := range queue {
		total += x
	}
	d.let[i] = total * share
	for g, x := range queue {
		if x == 0 { // most have not come again
			tries[g] = 0
			continue
		}
		tries[g] = x / total
		queue[g] = x * (1 - share)
	}
}

// result sums the waits up, in persons.
func (d *doorState) result() *Waiting {
	out := &Waiting{Queue: d.most / d.perPerson, Until: float64(d.until), Left: d.waiting / d.perPerson}
	order := make([]int, len(d.wait))
	total := 0.0
	for s, x := range d.came {
		order[s] = s
		total += x
		out.Mean += x * d.wait[s]
		if d.wait[s] >= 1 {
			out.Waited += x
		}
		if x > 0 {
			out.Most = math.Max(out.Most, d.wait[s])
		}
	}
	if total <= 0 {
		return out
	}
	out.Mean /= total
	out.Waited /= total
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(d.wait[a], d.wait[b]) })
	sum := 0.0
	for _, s := range order {
		if sum += d.came[s]; sum >= 0.95*total {
			out.P95 = d.wait[s]
			break
		}
	}
	return out
}
