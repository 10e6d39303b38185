package sim

import (
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Rollout replaces the pods of a workload's tenants by pods of a new image, as the Deployment controller does. Where one is
// on already, it begins anew, and the pods so far are the old ones; the controller keeps the old generations apart, which
// matters only for the order in which they go.
type Rollout struct {
	At       float64
	Workload int
	// Update is the Deployment's strategy; nil, or a field that is nil, means 25 %.
	Update *appsv1.RollingUpdateDeployment
}

// sets are the sizes (spec.replicas) of a Deployment's ReplicaSets: old is empty but for the time of a rollout. They follow
// pkg/controller/deployment of Kubernetes 1.35, where a ReplicaSet's status is taken to be that of its pods at once.
type sets struct{ old, fresh int }

// fences are the most pods above the replicas and below (util/deployment_util.go: ResolveFenceposts, MaxUnavailable).
func fences(u *appsv1.RollingUpdateDeployment, replicas int) (surge, unavailable int, err error) {
	quarter := intstr.FromString("25%")
	most, least := &quarter, &quarter
	if u != nil && u.MaxSurge != nil {
		most = u.MaxSurge
	}
	if u != nil && u.MaxUnavailable != nil {
		least = u.MaxUnavailable
	}
	if surge, err = intstr.GetScaledValueFromIntOrPercent(most, replicas, true); err != nil {
		return 0, 0, fmt.Errorf("maxSurge: %w", err)
	}
	if unavailable, err = intstr.GetScaledValueFromIntOrPercent(least, replicas, false); err != nil {
		return 0, 0, fmt.Errorf("maxUnavailable: %w", err)
	}
	if surge < 0 || unavailable < 0 {
		return 0, 0, fmt.Errorf("maxSurge is %v, maxUnavailable %v, want at least 0", most, least)
	}
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, replicas), nil
}

// step is one sync of the controller during a rollout (rolling.go): more new pods where there is room for them, else fewer
// old ones, first those that are not ready, as far as enough pods stay ready. It says whether anything changed.
func (s sets) step(replicas, surge, unavailable, oldReady, freshReady int) (sets, bool) {
	before := s
	switch room := replicas + surge - s.old - s.fresh; {
	case s.fresh > replicas:
		s.fresh = replicas
	case s.fresh < replicas && room > 0:
		s.fresh += min(room, replicas-s.fresh)
	}
	if s != before || s.old == 0 {
		return s, s != before
	}
	least := replicas - unavailable
	most := s.old + s.fresh - least - (s.fresh - freshReady)
	if most <= 0 {
		return s, false
	}
	s.old -= min(most, max(0, s.old-oldReady))
	s.old -= min(s.old, max(0, oldReady+freshReady-least))
	return s, s != before
}

// scaled is a change of the replicas (sync.go: scale): all of it for the one set that has pods, else to each its share, from
// the larger to the smaller, and what is left over to the larger. before and after are the most pods there may be.
func (s sets) scaled(replicas, before, after int) sets {
	switch {
	case s.old == 0:
		return sets{fresh: replicas}
	case s.fresh == 0:
		return sets{old: replicas}
	case replicas == 0:
		return sets{}
	}
	add := after - s.old - s.fresh
	share := func(size, allowed int) int {
		part := int(math.Round(float64(size*after)/float64(before))) - size
		if add > 0 {
			return min(part, allowed)
		}
		return max(part, allowed)
	}
	large, small := &s.fresh, &s.old
	if s.old > s.fresh || s.old == s.fresh && add < 0 {
		large, small = small, large
	}
	if add != 0 {
		first := share(*large, add)
		if first != add {
			second := share(*small, add-first)
			*small += second
			add -= second
		}
		*large = max(0, *large+add)
	}
	return s
}

// rollOut begins the rollouts whose moment has come, and has all go on.
func (r *Runner) rollOut(now float64) {
	for r.rollouts < len(r.p.Rollouts) && r.p.Rollouts[r.rollouts].At <= now {
		r.beginRollout(r.rollouts)
		r.rollouts++
	}
	if r.rollouts == 0 {
		return
	}
	for i := range r.tenants {
		if r.tenants[i].rolling != nil {
			r.rollTenant(i, now)
		}
	}
}

func (r *Runner) beginRollout(number int) {
	ro := &r.p.Rollouts[number]
	for i := range r.tenants {
		if r.p.Tenants[i].Workload != ro.Workload {
			continue
		}
		t := &r.tenants[i]
		t.rolling, t.sets = ro, sets{old: t.sets.old + t.sets.fresh}
		t.oldImage, t.image = t.image, r.images-len(r.p.Rollouts)+number
		for _, id := range t.pods {
			r.pods[id].old = true
		}
	}
}

// rollTenant has the controller act until it waits for pods.
func (r *Runner) rollTenant(i int, now float64) {
	t := &r.tenants[i]
	surge, unavailable, _ := fences(t.rolling.Update, t.desired)
	for changed := true; changed; {
		oldReady, freshReady := 0, 0
		for _, id := range t.pods {
			switch p := &r.pods[id]; {
			case p.ready > now:
			case p.old:
				oldReady++
			default:
				freshReady++
			}
		}
		t.sets, changed = t.sets.step(t.desired, surge, unavailable, oldReady, freshReady)
		r.fill(i, now)
	}
	if t.sets.old == 0 && t.sets.fresh == t.desired {
		t.rolling = nil
	}
}

// resizeTo is a new count of replicas.
func (r *Runner) resizeTo(i, count int, now float64) {
	t := &r.tenants[i]
	before, after := t.desired, count
	if t.rolling != nil {
		surge, _, _ := fences(t.rolling.Update, before)
		before += surge
		surge, _, _ = fences(t.rolling.Update, after)
		after += surge
	}
	t.sets = t.sets.scaled(count, before, after)
	r.desired += count - t.desired
	t.desired = count
	t.peak = max(t.peak, count)
	r.fill(i, now)
}

// fill is the ReplicaSet controller: it makes or removes pods until each set has its size.
func (r *Runner) fill(i int, now float64) {
	t := &r.tenants[i]
	r.fillSet(i, true, t.sets.old, now)
	r.fillSet(i, false, t.sets.fresh, now)
	t.change = math.Min(t.change, now)
}

func (r *Runner) fillSet(i int, old bool, size int, now float64) {
	t := &r.tenants[i]
	has := 0
	for _, id := range t.pods {
		if r.pods[id].old == old {
			has++
		}
	}
	for ; has < size; has++ {
		id := r.newPod(i, now)
		r.pods[id].old = old
		r.waiting = append(r.waiting, id)
		r.kick = true
	}
	for ; has > size; has-- {
		r.removePod(t, r.victim(t, old, now))
	}
}

// victim is the place of the set's pod that goes first: one on no node, then one that is not ready, then the youngest.
func (r *Runner) victim(t *tenant, old bool, now float64) int {
	at, best := -1, -1
	for k := len(t.pods) - 1; k >= 0; k-- {
		if r.pods[t.pods[k]].old != old {
			continue
		}
		if rank := r.victimRank(t.pods[k], now); rank > best {
			at, best = k, rank
		}
	}
	return at
}
