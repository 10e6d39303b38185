package fit

import (
	"slices"
)

// slot is one scrape interval of all tenants of one workload together: what the demand regression has for a row.
type slot struct {
	run      int
	from, to float64   // seconds
	cores    float64   // used, mean
	pods     float64   // mean
	room     float64   // cores the pods may use, mean
	rate     []float64 // good answers/s by step
	bad      float64   // share of other answers
	strained bool      // back ends were past what they do well
	fresh    []float64 // share of the load on pods younger than each of warmUps
	press    []float64 // what other workloads use of the nodes it is on, by pool (see neighbours.go)
	dearer   float64   // by what share requests cost more because of that
}

// warmUps are the lengths of a warm-up tried, in seconds after Ready.
var warmUps = []float64{5, 10, 15, 20, 30, 40, 50, 60, 75, 90, 105, 120, 150, 180}

// slots lays one grid of scrape times over all tenants of a workload. Scrapes of several tenants are seldom taken at the
// same moment, so every cumulative counter is interpolated to the times of the tenant that was scraped most often.
func (r *run) slots(index int, workload string, steps, pools []string) []slot {
	in := r.scraped(func(name string) bool { return name == workload })
	others := r.scraped(func(name string) bool { return name != workload })
	answers, ages := r.answers(in, steps), ages(in)
	grid := commonGrid(in)
	var out []slot
	for i := 1; i < len(grid); i++ {
		s := slot{run: index, from: grid[i-1], to: grid[i]}
		if s.take(in) {
			s.strained = r.strainedIn(s.from, s.to)
			s.load(r, in, steps, answers)
			s.young(r, in, ages)
			s.press = r.press(in, others, pools, s.from, s.to)
			out = append(out, s)
		}
	}
	return out
}

// scraped are the tenants of some workloads whose CPU was read at least twice.
func (r *run) scraped(of func(workload string) bool) []*tenant {
	var out []*tenant
	for _, t := range r.tenants {
		if of(t.workload) && len(t.cpu.t) >= 2 {
			out = append(out, t)
		}
	}
	return out
}

// answers are the cumulative good answers by step as they would have been counted by the tenants' scrapes: taken at
// each tenant's scrape times, interpolated between them, and weighted by the tenant's part of the load.
//
// Those that were given up are among them, when they were sent: their work was done all the same.
//
// The counters of CPU are interpolated, which smears a step of the load over a scrape interval. Held against exact
// rates that would bias the demand low, as any error in a regressor does; so the rates are smeared the same way.
func (r *run) answers(in []*tenant, steps []string) []smeared {
	weights := r.weights(in)
	out := make([]smeared, len(steps))
	for k, step := range steps {
		total := []float64{0}
		for s := range max(len(r.ok[step]), len(r.givenUp[step])) {
			total = append(total, total[len(total)-1]+second(r.ok[step], s)+second(r.givenUp[step], s))
		}
		for i, t := range in {
			c := counter{t: t.cpu.t, v: make([]float64, len(t.cpu.t))}
			for j, at := range t.cpu.t {
				c.v[j] = upTo(total, at)
			}
			out[k] = append(out[k], weighted{c, weights[i]})
		}
	}
	return out
}

// second is a series' value in a second, 0 after its end.
func second(v []float64, s int) float64 {
	if s < len(v) {
		return v[s]
	}
	return 0
}

// weights are the tenants' parts of the good answers, summing to 1.
func (r *run) weights(in []*tenant) []float64 {
	w, all := make([]float64, len(in)), 0.0
	good := map[string]float64{}
	for key, m := range r.minutes {
		good[key.tenant] += m.good
	}
	for i, t := range in {
		w[i] = good[t.name]
		all += w[i]
	}
	for i := range w {
		if all > 0 {
			w[i] /= all
		} else {
			w[i] = 1 / float64(len(in))
		}
	}
	return w
}

// weighted is one tenant's view of a counter, smeared all of theirs.
type (
	weighted struct {
		counter
		weight float64
	}
	smeared []weighted
)

// between is what was counted from one time to another.
func (s smeared) between(from, to float64) float64 {
	var n float64
	for _, w := range s {
		a, _ := w.at(from)
		b, _ := w.at(to)
		n += w.weight * (b - a)
	}
	return n
}

// upTo is a cumulative count a second, read at t.
func upTo(total []float64, t float64) float64 {
	i := int(t)
	switch {
	case t <= 0:
		return 0
	case i >= len(total)-1:
		return total[len(total)-1]
	}
	return total[i] + (t-float64(i))*(total[i+1]-total[i])
}

// commonGrid are the scrape times of the tenant with most of them, from when all are measured to when the first ends.
func commonGrid(in []*tenant) []float64 {
	if len(in) == 0 {
		return nil
	}
	from, to, most := in[0].cpu.t[0], in[0].cpu.t[len(in[0].cpu.t)-1], in[0]
	for _, t := range in {
		from, to = max(from, t.cpu.t[0]), min(to, t.cpu.t[len(t.cpu.t)-1])
		if len(t.cpu.t) > len(most.cpu.t) {
			most = t
		}
	}
	return slices.DeleteFunc(slices.Clone(most.cpu.t), func(t float64) bool { return t < from || t > to })
}

// take sums the tenants' CPU and pods; false where a counter ran backwards (a restart), which makes the slot worthless.
func (s *slot) take(in []*tenant) bool {
	for _, t := range in {
		a, _ := t.cpu.at(s.from)
		b, _ := t.cpu.at(s.to)
		if b < a {
			return false
		}
		s.cores += (b - a) / (s.to - s.from)
		p, _ := t.pods.at(s.from)
		q, _ := t.pods.at(s.to)
		s.pods += (p + q) / 2
		s.room += t.limit * (t.replicas(s.from) + t.replicas(s.to)) / 2
	}
	return true
}

// load takes the throughput by step. The windows a second hold all workloads; where there are several, each gets its
// part by the tenants' minutes.
func (s *slot) load(r *run, in []*tenant, steps []string, answers []smeared) {
	var good float64
	s.rate = make([]float64, len(steps))
	for k, step := range steps {
		n := answers[k].between(s.from, s.to)
		good += n
		s.rate[k] = n / (s.to - s.from) * r.part(in, step, int((s.from+s.to)/2/60))
	}
	if bad := between(r.bad, s.from, s.to); good+bad > 0 {
		s.bad = bad / (good + bad)
	}
}

// part is a workload's share of a step's good answers in a minute; 1 where it is alone.
func (r *run) part(in []*tenant, step string, minute int) float64 {
	if len(in) == len(r.tenants) {
		return 1
	}
	var ours, all float64
	for _, t := range r.tenants {
		if m := r.minutes[minuteKey{t.name, minute}]; m != nil {
			all += m.ok[step]
			if slices.Contains(in, t) {
				ours += m.ok[step]
			}
		}
	}
	if all == 0 {
		return 0
	}
	return ours / all
}

// ages are, for each tenant and each of warmUps, the seconds that its average pod has been young, read at the tenant's own
// scrapes for the same reason as the answers.
func ages(in []*tenant) [][]counter {
	out := make([][]counter, len(in))
	for i, t := range in {
		out[i] = make([]counter, len(warmUps))
		for k, age := range warmUps {
			c := counter{t: t.cpu.t, v: make([]float64, len(t.cpu.t))}
			for j := 1; j < len(c.t); j++ {
				c.v[j] = c.v[j-1] + t.youth(c.t[j-1], c.t[j], age)
			}
			out[i][k] = c
		}
	}
	return out
}

// youth is for how long the average pod was younger than age between two times.
func (t *tenant) youth(from, to, age float64) float64 {
	pods := t.ready.over(from, to)
	if pods <= 0 {
		pods = (t.replicas(from) + t.replicas(to)) / 2
	}
	if pods <= 0 {
		return 0
	}
	seconds := 0.0
	for _, ready := range t.fresh {
		seconds += max(0, min(to, ready+age)-max(from, ready))
	}
	return min(to-from, seconds/pods)
}

// young is the share of the load that fell on pods of each age, taking each tenant's load as spread evenly on its pods.
func (s *slot) young(r *run, in []*tenant, ages [][]counter) {
	s.fresh = make([]float64, len(warmUps))
	var load float64
	for i, t := range in {
		m := r.minutes[minuteKey{t.name, int((s.from + s.to) / 2 / 60)}]
		if m == nil {
			continue
		}
		load += m.good
		if len(t.fresh) == 0 {
			continue
		}
		for k := range warmUps {
			a, _ := ages[i][k].at(s.from)
			b, _ := ages[i][k].at(s.to)
			s.fresh[k] += m.good * (b - a) / (s.to - s.from)
		}
	}
	for i := range s.fresh {
		if load > 0 {
			s.fresh[i] /= load
		}
	}
}
