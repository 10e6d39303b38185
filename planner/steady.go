package planner

import (
	"context"
	"math"
	"slices"
)

// Where worlds are long, an attempt at a certificate costs more than some pods do. What breaks there is one small tenant at a
// time, whose pods happened to stand on the node that was lost: who broke in the worlds met says little of who will in the others.
// How near all of them came to breaking says it. So a candidate is looked at in some worlds first, and those that come nearest get
// pods before they break.

// long says whether worlds are that dear.
func (s *search) long() bool { return s.oneTrial() > 3*effort }

const (
	// looked is in how many worlds, a fair sample, a candidate is looked at before it is tried in all.
	looked = 64
	// Pods are given until no more breaks than calmly are expected in all worlds, and again before a candidate is tried any further
	// of which more than uneasy are.
	calmly, uneasy = 0.4, 0.8
	// atOnce is how many pods a tenant is given at the most before it is looked at again: what little was seen says more who than how many.
	atOnce = 3
	// scalable is how many pods beyond those always there a tenant may at least have that was given some.
	scalable = 4
	// podCuts is by what a pod more divides a small tenant's chance to break: over 177 worlds of 150 tenants, windows of those that
	// were given one with more than a sixteenth of what is allowed fell from 66 to 17, with more than a fifth from 17 to 5.
	podCuts = 3
	// kindred is by how much, of itself, the load of tenants may differ that are taken to break as often.
	kindred = 0.05
)

// nearness is how near each tenant came to breaking in the worlds met so far.
type nearness struct {
	worlds int
	seen   [][]glimpse // by tenant
}

// glimpse is what a tenant's worst windows, all with so many pods always there, say of its chance to break, summed over worlds.
type glimpse struct {
	least  int32
	chance float64
}

// learn takes in what came of a candidate in all but some worlds. By Markov's inequality a share of slow shots X is above what is
// allowed, a, with P(X ≥ a) ≤ E[(X/a)³].
func (n *nearness) learn(list []setting, o *outcome, but map[int]bool, allowed float64) {
	if n.seen == nil {
		n.seen = make([][]glimpse, len(list))
	}
	for w, r := range o.results {
		if r == nil || but[o.worlds[w].Index] {
			continue
		}
		n.worlds++
		for i, slow := range r.TenantSlow {
			n.add(i, glimpse{list[i].least, math.Pow(math.Min(slow/allowed, 1), 3)})
		}
	}
}

func (n *nearness) add(tenant int, g glimpse) {
	seen := n.seen[tenant]
	if last := len(seen) - 1; last >= 0 && seen[last].least == g.least {
		seen[last].chance += g.chance
		return
	}
	n.seen[tenant] = append(seen, g)
}

// breaks is how often each tenant is expected to break in so many worlds: the mean of those whose load is like its own, with as
// many pods as it has. So of two that are alike the one with fewer pods is given some first.
func (n *nearness) breaks(list []setting, worlds int) []float64 {
	out := make([]float64, len(list))
	for i, x := range list {
		sum, kin := 0.0, 0
		for k := range n.seen {
			if math.Abs(x.peak-list[k].peak) > kindred*x.peak {
				continue
			}
			kin++
			for _, g := range n.seen[k] {
				sum += g.chance * math.Pow(podCuts, float64(g.least-x.least))
			}
		}
		out[i] = sum / float64(max(1, kin)) * float64(worlds) / float64(max(1, n.worlds))
	}
	return out
}

// steadied has more of their pods always there for the tenants that are likeliest to break, until few breaks are expected. The
// most they may have grows no more than it must: where the load is largest all those are there, and for more there is no room.
// False where nobody was given any.
func (s *search) steadied(c candidate, near *nearness) (candidate, bool) {
	list, given, share := slices.Clone(c.list), false, calmly/float64(len(c.list))
	for expected := near.breaks(list, s.opts.Worlds); summed(expected) > calmly; given = true {
		at := -1
		for i, x := range expected {
			if x > share && list[i].least < c.list[i].least+atOnce && (at < 0 || x > expected[at]) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		list[at].least++
		list[at].most = max(list[at].most, list[at].least+scalable)
		expected[at] /= podCuts
	}
	c.list, c.platform = list, planned(c.platform, list)
	return c, given
}

// certifyLong is [search.certify] where worlds are long. What broke is mended in those alone that it broke to: all others do
// again as they did in the worlds that were met. Pods are given anew only where too many breaks are expected in those that were not.
func (s *search) certifyLong(ctx context.Context, c candidate, attempts int) (candidate, *outcome, error) {
	l := &lasting{s: s, crew: s.crew.in(s.worlds.thinned(1)), worst: map[int]bool{}, left: attempts}
	for _, w := range l.crew.worlds.worlds[:min(fewWorlds, s.opts.Worlds)] {
		l.worst[w.Index] = true
	}
	l.line(&outcome{})
	for l.left > 0 {
		all, holds, err := l.everywhere(ctx, c)
		if err != nil || holds {
			return c, all, err
		}
		next, any, err := l.next(ctx, c, all)
		if err != nil || !any {
			return c, nil, err
		}
		c = next
	}
	return c, nil, nil
}

// lasting is a certificate in the making.
type lasting struct {
	s     *search
	crew  *crew
	near  nearness
	worst map[int]bool // worlds, by their index
	front int          // how many worlds come first, whatever else
	// How often it was mended for those in front and, on the same nodes, for all others; how many attempts are left.
	inFront, again, left int
}

// strict says whether none of the worlds in front may break: it is cheap to mend there, and what may break is better spent on
// worlds not met.
func (l *lasting) strict() bool { return l.inFront < certificates }

// next is the candidate to try after one that did not hold; false where there is none.
func (l *lasting) next(ctx context.Context, c candidate, all *outcome) (candidate, bool, error) {
	s := l.s
	s.worlds.harden(all.broke())
	hurt, front, expected := s.brokeTo(all), l.strict() && all.done <= l.front, 0.0
	if front {
		l.inFront++
	} else if expected = summed(l.near.breaks(c.list, s.opts.Worlds-all.done)); all.broken > 0 {
		l.again, l.left = l.again+1, l.left-1
	}
	l.line(all)
	switch {
	case front && hurt == nil && all.broken <= mostBroken(s.opts.Worlds, s.opts.Delta): // nobody to mend, and it may break
		l.inFront = certificates
		return c, true, nil
	case all.broken > 0 && (hurt == nil || l.again > mends && c.nodes < c.roomy):
		l.again, l.inFront = 0, 0
		return s.on(c, c.nodes+1), c.nodes < c.roomy, nil
	}
	if expected > uneasy {
		c, _ = s.steadied(c, &l.near)
	}
	c, err := l.cure(ctx, c, hurt, all.broken)
	return c, true, err
}

// line brings the worlds into an order: those that a candidate broke in and the worst in front, then those it did not meet, then
// those in which it held; each part as they were drawn, so that any first part of it is a fair sample.
func (l *lasting) line(o *outcome) {
	broke, met, u := o.broke(), map[int]bool{}, l.crew.worlds
	for _, w := range o.worlds[:o.done] {
		met[w.Index] = true
	}
	n := len(u.worlds)
	l.front = 0
	for _, w := range u.worlds {
		if broke[w.Index] || l.worst[w.Index] {
			l.front++
		}
	}
	u.rank(func(i int) int {
		k := u.worlds[i].Index
		switch {
		case broke[k]:
			return k
		case l.worst[k]:
			return n + k
		case met[k]:
			return 3*n + k
		}
		return 2*n + k
	})
}

// everywhere tries a candidate in all worlds, and gives it up once more break than may. The first to get past those in front is
// given up too when too many breaks are expected of it, and pods can be given.
func (l *lasting) everywhere(ctx context.Context, c candidate) (*outcome, bool, error) {
	s := l.s
	worlds, most := s.opts.Worlds, mostBroken(s.opts.Worlds, s.opts.Delta)
	t := trial{platform: c.platform, mayLose: max(1, c.nodes-1)}
	tick := s.opts.ticks(StageCertify, worlds)
	all := &outcome{}
	for _, leg := range []struct{ to, most int }{{l.front, 0}, {l.front + looked, most}, {worlds, most}} {
		if !l.strict() {
			leg.most = most
		}
		more, err := l.crew.try(ctx, t, all.done, max(all.done, min(leg.to, worlds)), leg.most-all.broken, tick)
		if err != nil {
			return nil, false, err
		}
		all.join(more)
		first := l.near.worlds < looked
		l.near.learn(c.list, more, l.worst, s.allowed())
		if all.broken > leg.most {
			break
		}
		if first && l.near.worlds >= looked && summed(l.near.breaks(c.list, worlds)) > uneasy {
			if _, given := s.steadied(c, &l.near); given {
				break
			}
		}
	}
	return all, all.done == worlds && all.broken <= most, nil
}

// cure gives a pod to those that a promise was broken to, and one more where that was too few, until they hold in the first worlds
// of a crew: those that broke it.
func (l *lasting) cure(ctx context.Context, c candidate, hurt []bool, broke int) (candidate, error) {
	s := l.s
	for again := 0; again < repairs && hurt != nil; again++ {
		var some []int
		for i, b := range hurt {
			if b {
				some = append(some, i)
			}
		}
		c = s.mended(c, some)
		t := trial{platform: c.platform, mayLose: max(1, c.nodes-1)}
		out, err := l.crew.try(ctx, t, 0, broke, broke, s.opts.ticks(StageCertify, broke))
		if err != nil {
			return c, err
		}
		hurt = s.brokeTo(out)
	}
	return c, nil
}
