package fit

import (
	"math"
	"time"
)

// filling is one scrape of one tenant: bytes and requests in flight of its average pod, and the most in flight so far.
type filling struct {
	at          time.Duration
	run         int
	id, tenant  string
	pods        float64
	bytes, open float64
	most        float64
}

// fillings are a workload's scrapes in stretches of a fixed number of pods: a new pod has no past. Where requests in flight
// were not scraped they are the minute's arrivals times their mean time (Little 1961), and the memory is the minute's mean.
func (r *run) fillings(index int, workload string) []filling {
	var out []filling
	for _, t := range r.tenants {
		if t.workload != workload || len(t.memory.t) == 0 {
			continue
		}
		before := len(out)
		if len(t.open.t) > 0 {
			out = append(out, t.atScrapes()...)
		} else {
			out = append(out, t.byMinute(r)...)
		}
		most := 0.0
		for i := before; i < len(out); i++ {
			most = math.Max(most, out[i].open)
			out[i].most, out[i].run, out[i].id, out[i].tenant = most, index, r.Run.ID, t.name
		}
	}
	return out
}

// atScrapes are a tenant's scrapes for as long as its pods are those of the first one.
func (t *tenant) atScrapes() []filling {
	var out []filling
	first, _ := t.pods.last(t.memory.t[0])
	for i, at := range t.memory.t {
		n, known := t.pods.last(at)
		open, had := t.open.last(at)
		if !known || !had || n != first || n < 1 {
			break
		}
		out = append(out, filling{at: seconds(at), pods: n, bytes: t.memory.v[i] / n, open: open / n})
	}
	return out
}

func (t *tenant) byMinute(r *run) []filling {
	var out []filling
	first := t.replicas(t.memory.t[0])
	for m := range int(t.memory.t[len(t.memory.t)-1]/60) + 1 {
		var bytes, count float64
		for i, at := range t.memory.t {
			if int(at/60) == m {
				bytes, count = bytes+t.memory.v[i], count+1
			}
		}
		n := t.replicas(float64(m*60 + 30))
		if n != first || n < 1 {
			break
		}
		if count == 0 {
			continue
		}
		f := filling{at: time.Duration(m) * time.Minute, pods: n, bytes: bytes / count / n}
		if seen := r.minutes[minuteKey{t.name, m}]; seen != nil {
			f.open = seen.waited / 60 / n
		}
		out = append(out, f)
	}
	return out
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
