package planner

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// WhatIf is the answer to a question that differs from what was fired: who loses, when, and what it would take.
type WhatIf struct {
	// Growth multiplies the number of persons; zero or 1 means no growth. Forecast names another scenario.
	Growth   float64 `json:"growth,omitempty"`
	Forecast string  `json:"forecast,omitempty"`
	// LostSite is out of service: in the losers' case from the surge's peak on, in the plan from the start.
	LostSite   string `json:"lostSite,omitempty"`
	NoNewNodes bool   `json:"noNewNodes,omitempty"`
	// Losers are the tenants to whom a promise is broken in the surge as expected, the first to be hit first: on the
	// platform as it is, or, without new nodes, with the best settings there are.
	Losers  []Loser `json:"losers"`
	Tenants int     `json:"tenants"`
	// Nodes is what the promise would take in all, all pools; zero where no number of them is enough.
	Nodes int `json:"nodes"`
	// Says is the question, who loses and when, and what it would take, a sentence each.
	Says []scenarios.Text `json:"says"`
}

// Loser is a tenant to whom a promise is broken.
type Loser struct {
	Tenant string `json:"tenant"`
	// First is when its first broken window begins; Broken how long its broken windows are together.
	First  time.Duration `json:"first"`
	Broken time.Duration `json:"broken"`
	// Worst is the share of slow or failed shots in its worst window, 0 to 1.
	Worst float64 `json:"worst"`
}

// question is what is asked: the world to plan for, and the platform there would be.
type question struct {
	WhatIf
	asked  *scenarios.Scenario
	before *scenarios.Platform // with everything that is there
	pf     *scenarios.Platform // without what is lost, and with no more nodes than may be ordered
}

// ask makes a question of the options; nil where nothing is asked but what is.
func ask(sc *scenarios.Scenario, pf *scenarios.Platform, opts Options) (*question, error) {
	q := &question{
		WhatIf: WhatIf{Growth: opts.Growth, LostSite: opts.LoseSite, NoNewNodes: opts.NoNewNodes, Tenants: len(sc.Tenants.List)},
		asked:  sc, before: pf, pf: ownPools(pf),
	}
	if opts.Forecast != nil {
		q.Forecast = opts.Forecast.Name
	}
	if (q.Growth == 0 || q.Growth == 1) && q.Forecast == "" && q.LostSite == "" && !q.NoNewNodes {
		return nil, nil
	}
	if q.Growth != 0 {
		grown := *sc
		total := math.Round(float64(sc.Arrivals.Total) * q.Growth)
		if !(q.Growth > 0) || total < 1 || total > math.MaxUint32 {
			return nil, fmt.Errorf("plan: growth %v makes %.0f persons of %d, must be 1 to %d", q.Growth, total, sc.Arrivals.Total, uint32(math.MaxUint32))
		}
		grown.Arrivals.Total = int64(total)
		q.asked = &grown
	}
	if q.LostSite != "" {
		if err := q.loseSite(); err != nil {
			return nil, err
		}
	}
	if q.NoNewNodes {
		for i := range q.pf.Pools {
			q.pf.Pools[i].Most = q.pf.Pools[i].Count
		}
	}
	return q, nil
}

// loseSite takes the site's pools out of the platform.
func (q *question) loseSite() error {
	var sites []string
	q.pf.Pools = slices.DeleteFunc(q.pf.Pools, func(p scenarios.NodePool) bool {
		if p.Site != "" && !slices.Contains(sites, p.Site) {
			sites = append(sites, p.Site)
		}
		return p.Site == q.LostSite
	})
	switch {
	case len(sites) == 0:
		return fmt.Errorf("plan: site %q cannot be lost: no node pool of platform %q names its site", q.LostSite, q.before.Name)
	case !slices.Contains(sites, q.LostSite):
		return fmt.Errorf("plan: platform %q has no site %q; it has %s", q.before.Name, q.LostSite, strings.Join(sites, ", "))
	case len(q.pf.Pools) == 0:
		return fmt.Errorf("plan: all nodes of platform %q are at site %q: with it everything is lost", q.before.Name, q.LostSite)
	}
	return nil
}

// answer completes a plan with the answer, and gives it the pools back that the search did without.
func (q *question) answer(ctx context.Context, s *search, p *Plan) error {
	if err := q.findLosers(ctx, s, p); err != nil {
		return err
	}
	q.restore(p)
	if p.Mendable {
		q.Nodes = p.Decided()
	} else if q.NoNewNodes && p.LimitBy.Kind == "pools" {
		var err error
		if q.Nodes, err = q.needed(ctx, s); err != nil {
			return err
		}
	}
	q.Says = q.says(p)
	p.Explanation = s.explained(p)
	p.WhatIf = &q.WhatIf
	return nil
}

// restore puts the lost site's pools back, as they are.
func (q *question) restore(p *Plan) {
	p.Before = q.before
	p.Platform = q.whole(p.Platform)
	p.Notch.Platform = q.whole(p.Notch.Platform)
	var pools []PoolPlan
	for _, pool := range q.before.Pools {
		i := slices.IndexFunc(p.Pools, func(x PoolPlan) bool { return x.Pool == pool.Name })
		if i < 0 {
			pools = append(pools, PoolPlan{Pool: pool.Name, Now: pool.Count, Planned: pool.Count, LeadTime: pool.LeadTime})
			continue
		}
		pools = append(pools, p.Pools[i])
	}
	p.Pools = pools
}

func (q *question) whole(pf *scenarios.Platform) *scenarios.Platform {
	if pf == nil {
		return nil
	}
	out := *pf
	out.Pools = slices.Clone(q.before.Pools)
	for i := range out.Pools {
		for _, planned := range pf.Pools {
			if planned.Name == out.Pools[i].Name {
				out.Pools[i].Count = planned.Count
			}
		}
	}
	return &out
}

// needed is how many nodes would keep the promise if they could be had; zero where none would.
func (q *question) needed(ctx context.Context, s *search) (int, error) {
	free := *q
	free.pf = ownPools(q.pf)
	for i := range free.pf.Pools {
		k := slices.IndexFunc(q.before.Pools, func(p scenarios.NodePool) bool { return p.Name == free.pf.Pools[i].Name })
		free.pf.Pools[i].Most = q.before.Pools[k].Most
	}
	other, err := newSearch(s.model, q.asked, free.pf, s.opts)
	if err != nil {
		return 0, err
	}
	if other.bound, err = other.lowerBound(); err != nil {
		return 0, err
	}
	c, certified, err := other.descend(ctx)
	if err != nil || certified == nil {
		return 0, err
	}
	return c.nodes + len(q.before.Nodes()) - len(q.pf.Nodes()), nil
}

// losing is in how many courses of the surge as expected, each with other chance, it is looked who loses: those who do
// in most of them.
const losing = 5

func (q *question) findLosers(ctx context.Context, s *search, p *Plan) error {
	pf := *q.before
	if q.NoNewNodes {
		pf = *q.whole(p.Platform)
		pf.Admission = nil
	}
	params, err := s.f.params(&pf, -1)
	if err != nil {
		return err
	}
	runner := &sim.Runner{}
	var courses []*sim.Result
	for seed := range uint64(losing) {
		w := sim.World{Seed: s.opts.Seed + 300 + seed, Demand: demandAt(s.model, 0.5)}
		if q.LostSite != "" {
			w.Site, w.At = q.LostSite, math.Floor(s.f.peakAt)
		}
		r, err := runner.Run(ctx, params, w)
		if err != nil {
			return fmt.Errorf("plan: simulate who loses: %w", err)
		}
		courses = append(courses, r)
		s.opts.Progress(StageWhatIf, int64(len(courses)), losing)
	}
	for i, t := range params.Tenants {
		if l, loses := loserOf(t.Name, i, courses); loses {
			q.Losers = append(q.Losers, l)
		}
	}
	slices.SortStableFunc(q.Losers, func(a, b Loser) int { return int(a.First - b.First) })
	return nil
}

// loserOf takes the middle one of the courses in which a tenant loses.
func loserOf(name string, i int, courses []*sim.Result) (Loser, bool) {
	var first, minutes []int
	var worst []float64
	for _, r := range courses {
		if r.TenantBroken[i] {
			first, minutes, worst = append(first, r.TenantFirst[i]), append(minutes, r.TenantMinutes[i]), append(worst, r.TenantSlow[i])
		}
	}
	if 2*len(first) <= len(courses) {
		return Loser{}, false
	}
	slices.Sort(first)
	slices.Sort(minutes)
	slices.Sort(worst)
	k := len(first) / 2
	return Loser{name, time.Duration(first[k]) * time.Minute, time.Duration(minutes[k]) * time.Minute, worst[k]}, true
}

func (q *question) says(p *Plan) []scenarios.Text {
	return []scenarios.Text{q.question(), q.who(), q.takes(p)}
}

// question words what is asked.
func (q *question) question() scenarios.Text {
	var de, en []string
	if q.Forecast != "" {
		de, en = append(de, fmt.Sprintf("der Ansturm „%s“ kommt", q.Forecast)), append(en, fmt.Sprintf("the rush %q comes", q.Forecast))
	}
	if q.Growth != 0 && q.Growth != 1 {
		de = append(de, fmt.Sprintf("%s-mal so viele Personen kommen (%d)", scenarios.Decimal(fmt.Sprintf("%.4g", q.Growth), "de"), q.asked.Arrivals.Total))
		en = append(en, fmt.Sprintf("%.4g times as many persons come (%d)", q.Growth, q.asked.Arrivals.Total))
	}
	if q.LostSite != "" {
		de, en = append(de, fmt.Sprintf("Standort „%s“ in der Spitze ausfällt", q.LostSite)), append(en, fmt.Sprintf("site %q is lost at the peak", q.LostSite))
	}
	if q.NoNewNodes {
		de, en = append(de, "keine neuen Knoten kommen"), append(en, "there are no new nodes")
	}
	return scenarios.Text{"de": "Was, wenn " + strings.Join(de, " und ") + "?", "en": "What if " + strings.Join(en, " and ") + "?"}
}

// who says who loses and when.
func (q *question) who() scenarios.Text {
	onDe, onEn := "auf der Plattform, wie sie ist,", "on the platform as it is"
	if q.NoNewNodes {
		onDe, onEn = "auf den vorhandenen Knoten bei bester Einstellung", "on the present nodes with the best settings"
	}
	if len(q.Losers) == 0 {
		return scenarios.Text{
			"de": fmt.Sprintf("Im erwarteten Verlauf verliert %s niemand: Die Zusage hält für alle %d Mandanten", onDe, q.Tenants),
			"en": fmt.Sprintf("In the course expected nobody loses %s: the promise holds for all %d tenants", onEn, q.Tenants),
		}
	}
	first, worst := q.Losers[0], q.Losers[0]
	for _, l := range q.Losers {
		if l.Worst > worst.Worst {
			worst = l
		}
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Im erwarteten Verlauf wird die Zusage %s bei %d von %d Mandanten gebrochen: zuerst bei „%s“ ab Minute %d, am stärksten bei „%s“ (%.0f %% zu langsam oder fehlgeschlagen)",
			onDe, len(q.Losers), q.Tenants, first.Tenant, int(first.First.Minutes()), worst.Tenant, 100*worst.Worst),
		"en": fmt.Sprintf("In the course expected the promise is broken %s for %d of %d tenants: first for %q from minute %d on, worst for %q (%.0f %% slow or failed)",
			onEn, len(q.Losers), q.Tenants, first.Tenant, int(first.First.Minutes()), worst.Tenant, 100*worst.Worst),
	}
}

// takes says what it would take.
func (q *question) takes(p *Plan) scenarios.Text {
	now := len(q.before.Nodes())
	switch {
	case p.Mendable && p.Decided() > now:
		return scenarios.Text{
			"de": fmt.Sprintf("Nötig wären %s statt %d und die Einstellungen dieses Plans", nodes(p.Decided(), "de"), now),
			"en": fmt.Sprintf("It would take %s instead of %d, and the settings of this plan", nodes(p.Decided(), "en"), now),
		}
	case p.Mendable:
		return scenarios.Text{
			"de": fmt.Sprintf("Die vorhandenen Knoten (%d) reichen mit den Einstellungen dieses Plans", now),
			"en": fmt.Sprintf("The present nodes (%d) are enough with the settings of this plan", now),
		}
	case q.Nodes > 0:
		return scenarios.Text{
			"de": fmt.Sprintf("Nötig wären %s statt %d%s", nodes(q.Nodes, "de"), now, orDoor(p, "de")),
			"en": fmt.Sprintf("It would take %s instead of %d%s", nodes(q.Nodes, "en"), now, orDoor(p, "en")),
		}
	}
	return scenarios.Text{"de": p.Limit["de"] + orDoor(p, "de"), "en": p.Limit["en"] + orDoor(p, "en")}
}

// orDoor names the waiting room as the other way.
func orDoor(p *Plan, lang string) string {
	a := p.Admission
	switch {
	case a == nil:
		return ""
	case lang == "de":
		return fmt.Sprintf("; oder ein Warteraum mit höchstens %s Personen je Sekunde", plainNumber(a.Rate, lang))
	}
	return fmt.Sprintf("; or a waiting room with at most %s persons a second", plainNumber(a.Rate, lang))
}
