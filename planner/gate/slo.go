package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// defaultLeast is the least number of shots a window is judged on, where the SLO names none.
const defaultLeast = 20

// group is one tenant's ("" for all together) one step.
type group struct{ tenant, step string }

// sloJudged is an SLO's result with what the reasons need besides.
type sloJudged struct {
	SLOResult
	// thin are groups with too few shots in the whole run.
	thin []group
}

// judgeSLO holds the cells against one promise. span is the run's length, used where the promise has no window.
func judgeSLO(slo scenarios.SLO, cells []cell, span time.Duration) (sloJudged, error) {
	out := sloJudged{SLOResult: SLOResult{SLO: slo, Result: Inconclusive}}
	groups, err := gather(slo, cells, span)
	if err != nil {
		return out, err
	}
	least := int64(slo.Least)
	if least <= 0 {
		least = defaultLeast
	}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.step, b.step))
	})
	var worst *bucket
	var worstOf group
	tenants := map[string]*tenantTally{}
	for _, key := range keys {
		windows := joined(slices.Collect(maps.Values(groups[key])), least)
		if len(windows) == 0 {
			out.thin = append(out.thin, key)
			continue
		}
		tally := tenants[key.tenant]
		if tally == nil {
			tally = &tenantTally{}
			tenants[key.tenant] = tally
		}
		for _, w := range windows {
			tally.add(slo, key, w)
			if worse(slo, w, worst) {
				worst, worstOf = w, key
			}
		}
	}
	out.total(slo, tenants)
	if worst != nil {
		judged := describe(slo, worstOf, worst)
		out.Worst = &judged
	}
	return out, nil
}

// gather sorts the cells a promise covers by group and window.
func gather(slo scenarios.SLO, cells []cell, span time.Duration) (map[group]map[time.Duration]*bucket, error) {
	groups := map[group]map[time.Duration]*bucket{}
	for _, c := range cells {
		if !covers(slo, c) {
			continue
		}
		start, end := time.Duration(0), max(span, c.start+c.length)
		if slo.Window > 0 {
			if c.length <= 0 || slo.Window%c.length != 0 {
				return nil, fmt.Errorf("judge %q: window %s is not a multiple of the %s the record keeps; use whole minutes",
					label(slo, "en"), slo.Window, c.length)
			}
			start = c.start - c.start%slo.Window
			end = start + slo.Window
		}
		key := group{c.tenant, c.step}
		if groups[key] == nil {
			groups[key] = map[time.Duration]*bucket{}
		}
		b := groups[key][start]
		if b == nil {
			b = &bucket{start: start}
			groups[key][start] = b
		}
		b.end = max(b.end, end)
		b.add(c, slo.Within)
	}
	return groups, nil
}

// covers says whether a promise is about a cell.
func covers(slo scenarios.SLO, c cell) bool {
	if slo.Step != "" && slo.Step != c.step {
		return false
	}
	switch slo.Tenant {
	case "", "each":
		return c.tenant != ""
	case "all":
		return c.tenant == ""
	default:
		return c.tenant == slo.Tenant
	}
}

// rounding keeps a share that equals its bound from breaking it by the last bit of a float64.
const rounding = 1e-9

// broken holds one window against a promise: too many slow or failed shots, or too many failed ones.
func broken(slo scenarios.SLO, b *bucket) bool {
	n := float64(b.shots)
	return float64(b.slow) > n*(1-slo.Percentile/100+rounding) || float64(b.failed) > n*(slo.Errors+rounding)
}

// worse orders windows: a broken one above one that holds, then by the share of slow or failed shots.
func worse(slo scenarios.SLO, a, b *bucket) bool {
	if b == nil {
		return true
	}
	if x, y := broken(slo, a), broken(slo, b); x != y {
		return x
	}
	return float64(a.slow)*float64(b.shots) > float64(b.slow)*float64(a.shots)
}

// tenantTally collects one tenant's windows.
type tenantTally struct {
	judged, broken int
	first          time.Duration
	worst          *bucket
	of             group
}

func (t *tenantTally) add(slo scenarios.SLO, key group, b *bucket) {
	t.judged++
	if broken(slo, b) {
		if t.broken == 0 || b.start < t.first {
			t.first = b.start
		}
		t.broken++
	}
	if worse(slo, b, t.worst) {
		t.worst, t.of = b, key
	}
}

// total adds the tenants up, those with a broken promise worst first.
func (out *sloJudged) total(slo scenarios.SLO, tenants map[string]*tenantTally) {
	for _, name := range slices.Sorted(maps.Keys(tenants)) {
		t := tenants[name]
		out.Judged += t.judged
		out.Broken += t.broken
		if t.broken > 0 && (out.FirstBreak == nil || t.first < *out.FirstBreak) {
			first := t.first
			out.FirstBreak = &first
		}
		if name == "" {
			continue
		}
		out.Tenants++
		if t.broken > 0 {
			out.BrokenTenants = append(out.BrokenTenants, TenantBreak{
				Tenant: name, Broken: t.broken, Judged: t.judged, First: t.first, Worst: describe(slo, t.of, t.worst),
			})
		}
	}
	slices.SortStableFunc(out.BrokenTenants, func(a, b TenantBreak) int {
		return cmp.Compare(share(b.Worst.Slow, b.Worst.Shots), share(a.Worst.Slow, a.Worst.Shots))
	})
	switch {
	case out.Broken > 0:
		out.Result = Fail
	case out.Judged > 0:
		out.Result = Pass
	}
}

// describe is a window as the verdict shows it.
func describe(slo scenarios.SLO, key group, b *bucket) WindowJudged {
	return WindowJudged{
		Tenant: key.tenant, Step: key.step, Start: b.start, Length: b.end - b.start,
		Shots: b.shots, Slow: b.slow, Failed: b.failed,
		Percentile: quantile(b.cells, slo.Percentile/100),
	}
}

// share is part of whole, 0 where there is nothing.
func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
