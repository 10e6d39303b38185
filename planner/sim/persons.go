package sim

import "math"

// leave lets those of beat from go whose patience ends in beat j: the part of the came persons whose request is
// not done. Its work is still worked off.
func (r *Runner) leave(i, j, from int, came, worked float64, w *Workload) {
	at := min(from/beats, len(r.shape)-1)
	share := 0.0
	for k := range w.Work {
		above := 1.0
		if worked >= 0 {
			above = w.Work[k].Tail.above(worked / w.Work[k].Mean)
		}
		share += r.frac[k][at] * above
	}
	if gone := came * share; gone > 1e-9 {
		r.left += gone
		r.inVain(i, j, from, gone)
	}
}

// cut loses the share of a tenant's requests that were in pods that died.
func (r *Runner) cut(i, sec int, share float64) {
	t := &r.tenants[i]
	// Least connections keeps the pods even, so the number lost is one of the two whole numbers around the mean.
	gone := math.Min(t.n, math.Floor(t.n*share+float64(t.podDraws.next()>>11)/(1<<53)))
	t.n -= gone
	held := t.held * share
	t.held -= held
	r.lost += gone + held
	r.failEarly(i, sec*beats, max(0, sec*beats-1), gone+held)
}

// failEarly is inVain for shots that no promise's bound will find waiting.
func (r *Runner) failEarly(i, j, due int, x float64) {
	if x > 0 {
		r.count(r.early, i, due, x)
		r.inVain(i, j, due, x)
	}
}

// inVain counts x shots due in beat due as failed at beat j, and lets the persons react: reload at once, come
// back later, or give up; who has tried often enough gives up.
func (r *Runner) inVain(i, j, due int, x float64) {
	if x <= 0 {
		return
	}
	r.count(r.failed, i, due, x)
	im := r.p.Impatience
	if im == nil {
		return
	}
	t := &r.tenants[i]
	most := min(im.Most, mostRetries)
	for g := range most {
		again := x * t.tries[g]
		if again <= 0 {
			continue
		}
		r.comeAgain(t, g+1, j/beats+1, again*im.Reload)
		if back := again * im.ComeBack; back > 0 {
			for _, e := range [...]int{5, 16, 27, 37, 48, 58} {
				r.comeAgain(t, g+1, j/beats+1+int(im.After[e]), back/6)
			}
		}
	}
}

func (r *Runner) comeAgain(t *tenant, tries, sec int, x float64) {
	if x <= 0 || sec >= r.last {
		return
	}
	if t.retries[tries] == nil {
		t.retries[tries] = make([]float64, r.ahead)
	}
	t.retries[tries][sec&(r.ahead-1)] += x
	t.coming += x
}

// returning adds the persons who come again in this second to the rate, and notes who is at which try.
func (r *Runner) returning(t *tenant, sec int, offered float64) float64 {
	most := min(r.p.Impatience.Most, mostRetries) // nobody tries more often
	again, at := 0.0, sec&(r.ahead-1)
	for g := 1; g <= most; g++ {
		if t.retries[g] != nil {
			again += t.retries[g][at]
		}
	}
	total := offered + again
	if total <= 0 {
		return 0
	}
	t.tries[0] = offered / total
	for g := 1; g <= most; g++ {
		t.tries[g] = 0
		if again > 0 && t.retries[g] != nil {
			t.tries[g] = t.retries[g][at] / total
			t.retries[g][at] = 0
		}
	}
	t.coming -= again
	return total
}
