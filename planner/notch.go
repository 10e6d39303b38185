package planner

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// notch tries one notch less than the plan in the plan's own worlds: one node fewer with the same autoscaling; and where
// that holds, the same nodes with the target one step higher.
func (s *search) notch(ctx context.Context, chosen candidate, all *outcome) (Notch, error) {
	var best *notched
	var err error
	if chosen.nodes > 1 {
		if best, err = s.tryNotch(ctx, "node", s.on(chosen, chosen.nodes-1), chosen); err != nil {
			return Notch{}, err
		}
	}
	if (best == nil || best.Share <= s.opts.Delta) && chosen.target+targetStep <= 100 {
		list := slices.Clone(chosen.list)
		for i := range list {
			list[i].target += targetStep
		}
		dearer, err := s.tryNotch(ctx, "target", s.made(chosen.nodes, list), chosen)
		if err != nil {
			return Notch{}, err
		}
		if best == nil || dearer.Share > best.Share {
			best = dearer
		}
	}
	if best == nil {
		return Notch{}, nil
	}
	return s.shownBest(ctx, best, chosen, all)
}

// In how many of the worst worlds the notch is tried, and in how many of all others.
const worstShown, sampled = first / 2, 85

// notched is what came of one notch less: in all of the worst worlds, which break it if any do, and in a fair sample of the
// others, which stands for them. Where worlds are long and none of the worst breaks it, the sample is empty.
type notched struct {
	Notch
	less          candidate
	worst, sample *outcome
}

// tryNotch estimates how many worlds break the notch.
func (s *search) tryNotch(ctx context.Context, kind string, less, chosen candidate) (*notched, error) {
	out := &notched{Notch: Notch{Kind: kind, Platform: less.platform, What: s.what(kind, less, chosen)}, less: less, sample: &outcome{}}
	t := trial{platform: less.platform, mayLose: max(1, chosen.nodes-1), whole: true}
	worse := min(s.shown(worstShown), s.opts.Worlds)
	others := s.opts.Worlds - worse
	fair := s.crew.in(s.worlds.from(worse).thinned(max(1, others/s.shown(sampled))))
	n := len(fair.worlds.worlds)
	var err error
	if out.worst, err = s.crew.try(ctx, t, 0, worse, worse, s.opts.ticks(StageNotch, worse)); err != nil {
		return nil, err
	}
	if out.worst.broken > 0 || !s.long() {
		if out.sample, err = fair.try(ctx, t, 0, n, n, s.opts.ticks(StageNotch, n)); err != nil {
			return nil, err
		}
	}
	out.Tried = out.worst.done + out.sample.done
	out.Share = (float64(out.worst.broken) + out.sample.share()*float64(others)) / float64(s.opts.Worlds)
	return out, nil
}

// shownBest is the notch with the world that shows it best.
func (s *search) shownBest(ctx context.Context, n *notched, chosen candidate, all *outcome) (Notch, error) {
	out := n.Notch
	byIndex := map[int]*sim.Result{}
	for i, r := range all.results {
		if r != nil {
			byIndex[all.worlds[i].Index] = r
		}
	}
	var shown []showing
	for _, o := range []*outcome{n.sample, n.worst} {
		for i, r := range o.results {
			plan := byIndex[o.worlds[i].Index]
			if r == nil || plan == nil || plan.Broken || !r.Broken {
				continue
			}
			shown = append(shown, showing{o.worlds[i], plan, r, clearness(plan, r), 0})
		}
	}
	best, err := s.surest(ctx, shown, n.less, chosen, s.opts.ticks(StageNotch, s.looks()))
	if err != nil || best == nil {
		return out, err
	}
	out.World, out.PlanSlow, out.NotchSlow = best.world, best.plan.Slow, best.notch.Slow
	out.Breaks = breaks(s.expected, best.world, best.notch)
	return out, nil
}

// showing is a world that tells plan and notch apart, and how clearly.
type showing struct {
	world       World
	plan, notch *sim.Result
	clear       float64
	score       float64 // over the worlds like it
}

const (
	shownFirst = 12 // of the clearest worlds are looked at again,
	glances    = 2  // each that often in all, the first time as it was found, else with other chance,
	shownLast  = 4  // and the best of them
	reseeded   = 6  // that often
)

// looks is how many worlds that takes.
func (s *search) looks() int {
	return 2 * (s.shown(shownFirst)*(glances-1) + s.shown(shownLast)*(reseeded-glances))
}

// surest is the world that tells plan and notch apart by its demand and its loss, not by luck: the one in which, with other
// random numbers, the plan holds and the notch breaks most often.
func (s *search) surest(ctx context.Context, shown []showing, less, chosen candidate, tick func()) (*showing, error) {
	slices.SortStableFunc(shown, func(a, b showing) int { return cmp.Compare(b.clear, a.clear) })
	for i := range shown {
		shown[i].score = shown[i].clear/1000 + shown[i].clear/100 + 1 // as it was found, the plan held and the notch broke
	}
	from := 1
	for _, round := range [][2]int{{s.shown(shownFirst), glances}, {s.shown(shownLast), reseeded}} {
		shown = shown[:min(len(shown), round[0])]
		for i := range shown {
			if err := s.again(ctx, &shown[i], less, chosen, from, round[1], tick); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(shown, func(a, b showing) int { return cmp.Compare(b.score, a.score) })
		from = round[1]
	}
	if len(shown) == 0 {
		return nil, nil
	}
	return &shown[0], nil
}

// again adds to a world's score how plan and notch do in the worlds from..to that are like it.
func (s *search) again(ctx context.Context, x *showing, less, chosen candidate, from, to int, tick func()) error {
	like := s.likes(x.world)
	both := [2]*outcome{}
	for i, pf := range []*scenarios.Platform{chosen.platform, less.platform} {
		var err error
		both[i], err = like.try(ctx, trial{platform: pf, mayLose: max(1, chosen.nodes-1), whole: true}, from, to, reseeded, tick)
		if err != nil {
			return err
		}
	}
	plan, notch := both[0], both[1]
	x.score += float64(notch.broken - 2*plan.broken)
	for k := range plan.results {
		x.score += clearness(plan.results[k], notch.results[k]) / 100
	}
	return nil
}

// likes are futures like one world: its demand and its loss, with other chance.
func (s *search) likes(w World) *crew {
	i := slices.IndexFunc(s.worlds.worlds, func(x World) bool { return x.Index == w.Index })
	out := &futures{}
	for k := range reseeded {
		like := w
		like.Seed += uint64(k) * 7919
		out.worlds = append(out.worlds, like)
		out.node, out.at = append(out.node, s.worlds.node[i]), append(out.at, s.worlds.at[i])
	}
	return s.crew.in(out)
}

// clearness says how well a world tells plan and notch apart when it is fired for real: the plan well within its
// promise, the notch far beyond it.
func clearness(plan, notch *sim.Result) float64 {
	beyond := math.Min(notch.Strain, 20)
	if !notch.Broken {
		beyond = 0
	}
	tenants := 0
	for _, b := range notch.TenantBroken {
		if b {
			tenants++
		}
	}
	return beyond/2 + math.Min(float64(tenants), 20)/2 - 10*math.Max(0, plan.Strain-0.5)
}

func (s *search) what(kind string, less, chosen candidate) scenarios.Text {
	if kind == "node" {
		return scenarios.Text{
			"de": fmt.Sprintf("Ein Knoten weniger: %d statt %d", less.nodes, chosen.nodes),
			"en": fmt.Sprintf("One node fewer: %d instead of %d", less.nodes, chosen.nodes),
		}
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Zielauslastung eine Stufe höher: %d %% statt %d %%", less.target, chosen.target),
		"en": fmt.Sprintf("Target utilisation one step higher: %d %% instead of %d %%", less.target, chosen.target),
	}
}

// breaks says in plain words what breaks in a world.
func breaks(p *sim.Params, w World, r *sim.Result) scenarios.Text {
	var names []string
	count, worst, slow := 0, 0, -1.0
	for i, b := range r.TenantBroken {
		if b {
			count++
			if r.TenantSlow[i] > slow {
				worst, slow = i, r.TenantSlow[i]
			}
		}
	}
	names = append(names, p.Tenants[worst].Name)
	lostDE, lostEN := "ohne Knotenausfall", "without the loss of a node"
	if w.Lost != "" {
		lostDE = fmt.Sprintf("Knoten %s fällt nach %s aus", w.Lost, scenarios.Clock(w.At))
		lostEN = fmt.Sprintf("node %s is lost at %s", w.Lost, scenarios.Clock(w.At))
	}
	if count == 0 {
		return scenarios.Text{
			"de": fmt.Sprintf("Nachfrage %.0f %% der Erwartung, %s: die Zusage hält", 100*w.Demand, lostDE),
			"en": fmt.Sprintf("Demand at %.0f %% of the expected, %s: the promise holds", 100*w.Demand, lostEN),
		}
	}
	whose := "one tenant"
	if count > 1 {
		whose = fmt.Sprintf("%d tenants", count)
	}
	pendDE, pendEN := "", ""
	if r.MostPending > 0 {
		pendDE = fmt.Sprintf(" Bis zu %d Pods finden keinen Platz.", r.MostPending)
		pendEN = fmt.Sprintf(" Up to %d pods find no room.", r.MostPending)
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Nachfrage %.0f %% der Erwartung, %s.%s Bei %d Mandanten wird die Zusage gebrochen, am stärksten bei %s: %.0f %% zu langsam oder fehlgeschlagen",
			100*w.Demand, lostDE, pendDE, count, strings.Join(names, ", "), 100*slow),
		"en": fmt.Sprintf("Demand at %.0f %% of the expected, %s.%s The promise is broken for %s, worst for %s: %.0f %% slow or failed",
			100*w.Demand, lostEN, pendEN, whose, strings.Join(names, ", "), 100*slow),
	}
}
