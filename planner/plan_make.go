package planner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// plan writes the result of a search down.
func (s *search) plan(ctx context.Context, stands gate.Result, limit *limit, chosen candidate, all *outcome) (*Plan, error) {
	p := &Plan{
		Format: PlanFormat, Scenario: s.sc, Before: s.pf, Platform: chosen.platform,
		Stands: stands, Mendable: limit == nil,
		Risk: riskOf(s.opts.Delta, all.done, all.broken), Model: s.model,
	}
	if limit != nil {
		p.Limit, p.LimitBy = limit.says, &limit.Limit
	}
	if s.model != nil {
		p.Evidence, p.Warnings = s.model.Runs, append(p.Warnings, s.model.Warnings...)
	}
	p.Warnings = append(p.Warnings, contradictions(s.sc)...)
	p.Pools = s.pools(chosen)
	p.Tenants = s.tenants(chosen, all)
	p.Constraints = s.constraints(chosen, limit)
	var err error
	if p.Prediction, err = s.predict(ctx, chosen.platform); err != nil {
		return nil, err
	}
	if limit == nil {
		if p.Notch, err = s.notch(ctx, chosen, all); err != nil {
			return nil, err
		}
	}
	if limit == nil || chosen.platform.Admission != nil {
		if p.Sensitivity, err = s.sensitivity(ctx, chosen, all); err != nil {
			return nil, err
		}
	}
	if p.Frontier, err = s.frontierAround(ctx, chosen, all); err != nil {
		return nil, err
	}
	return p, nil
}

func (s *search) pools(chosen candidate) []PoolPlan {
	var out []PoolPlan
	for i, pool := range s.pf.Pools {
		planned := chosen.platform.Pools[i].Count
		pp := PoolPlan{Pool: pool.Name, Now: pool.Count, Planned: planned, LeadTime: pool.LeadTime}
		if i == s.ladder.primary() {
			// What the other pools give as planned, this one need not.
			pp.LowerBound = max(0, s.bound.nodes-(chosen.nodes-planned))
			pp.BoundBy = s.bound.why
		}
		if planned > pool.Count && !s.sc.On.IsZero() {
			pp.OrderBy = s.sc.On.Add(-pool.LeadTime)
		}
		out = append(out, pp)
	}
	return out
}

func (s *search) tenants(chosen candidate, all *outcome) []TenantPlan {
	of := servers(s.pf)
	out := make([]TenantPlan, len(chosen.list))
	for i, set := range chosen.list {
		var peaks []float64
		for _, r := range all.results {
			if r != nil {
				peaks = append(peaks, float64(r.Peak[i]))
			}
		}
		w := of(set.tenant)
		out[i] = TenantPlan{
			Tenant: set.tenant, Workload: w.Name, Before: w.HPA, HPA: *set.spec(),
			Target: set.target, Min: set.least, Max: set.most,
			Peak: estimateOf(peaks, "replicas"), Clairvoyant: s.bound.clairvoyant[i],
		}
	}
	return out
}

// constraints are the three that bind most, in plain words.
func (s *search) constraints(chosen candidate, limit *limit) []scenarios.Text {
	if limit != nil {
		return []scenarios.Text{limit.says}
	}
	var pods, fast int64
	for _, set := range chosen.list {
		pods += int64(set.most)
		fast += int64(set.least)
	}
	reaction := time.Duration(reactionTime(s.expected)) * time.Second
	var out []scenarios.Text
	if have := room(chosen.platform, s.list, s.lose); s.lose > 0 && have.pods > 0 && s.sumOf(chosen) > have.cpu {
		out = append(out, scenarios.Text{
			"de": fmt.Sprintf("Fällt ein Knoten aus, finden nicht mehr alle %d Pods der Spitze Platz; mit %d Knoten hält die Zusage dennoch", pods, chosen.nodes),
			"en": fmt.Sprintf("When a node fails, not all %d pods of the peak find room any more; with %d nodes the promise holds all the same", pods, chosen.nodes),
		})
	} else if s.lose > 0 {
		out = append(out, scenarios.Text{
			"de": fmt.Sprintf("Fällt ein Knoten aus, müssen alle %d Pods der Spitze auf den übrigen %d Knoten Platz haben", pods, chosen.nodes-1),
			"en": fmt.Sprintf("When a node fails, all %d pods of the peak must fit on the other %d nodes", pods, chosen.nodes-1),
		})
	} else {
		out = append(out, scenarios.Text{
			"de": fmt.Sprintf("Die %d Pods der Spitze müssen auf %d Knoten Platz haben", pods, chosen.nodes),
			"en": fmt.Sprintf("The %d pods of the peak must fit on %d nodes", pods, chosen.nodes),
		})
	}
	out = append(out, scenarios.Text{
		"de": fmt.Sprintf("Neue Pods nehmen frühestens nach etwa %.0f Sekunden Anfragen an: Was vorher kommt, tragen die %d Pods der Mindestzahl", reaction.Seconds(), fast),
		"en": fmt.Sprintf("New pods take requests after about %.0f seconds at the earliest: what comes before is carried by the %d pods of the minimum", reaction.Seconds(), fast),
	})
	lead := chosen.platform.Pools[s.ladder.primary()].LeadTime
	if lead > 0 {
		out = append(out, scenarios.Text{
			"de": fmt.Sprintf("Ein Knoten braucht von der Bestellung bis zum Betrieb %s: Während des Ansturms kommt keiner hinzu", scenarios.Span(lead, "de")),
			"en": fmt.Sprintf("A node takes %s from order to service: none joins during the rush", scenarios.Span(lead, "en")),
		})
	} else {
		out = append(out, scenarios.Text{
			"de": fmt.Sprintf("Jede Gemeinde für sich muss die Zusage halten, auch die kleinste: %d Mandanten haben deshalb wenigstens %d Pods", len(chosen.list), minimum(chosen.list)),
			"en": fmt.Sprintf("The promise holds for each tenant by itself, the smallest too: each of the %d has at least %d pods", len(chosen.list), minimum(chosen.list)),
		})
	}
	return out
}

// sumOf is what the peak's pods request, in millicores.
func (s *search) sumOf(c candidate) int64 {
	sum := int64(0)
	for _, set := range c.list {
		sum += int64(set.most) * set.request
	}
	return sum
}

func minimum(list []setting) int32 {
	least := list[0].least
	for _, s := range list {
		least = min(least, s.least)
	}
	return least
}

// frontierAround shows cost against risk: some nodes fewer and more under the same autoscaling, in a fair sample
// of the worlds; and the chosen one as certified.
func (s *search) frontierAround(ctx context.Context, chosen candidate, all *outcome) ([]Candidate, error) {
	fair := s.crew.in(s.worlds.thinned(max(1, s.opts.Worlds/s.shown(24))))
	n := len(fair.worlds.worlds)
	tick := s.opts.ticks(StageFrontier, 4*n)
	var out []Candidate
	for nodes := max(1, chosen.nodes-2); nodes <= min(s.ladder.top(), chosen.nodes+2); nodes++ {
		c := s.on(chosen, nodes)
		res := all
		if nodes != chosen.nodes {
			var err error
			res, err = fair.try(ctx, trial{platform: c.platform, mayLose: max(1, nodes-1)}, 0, n, n, tick)
			if err != nil {
				return nil, err
			}
		}
		out = append(out, s.point(c, res, nodes == chosen.nodes))
	}
	slices.SortStableFunc(out, func(a, b Candidate) int { return a.Nodes - b.Nodes })
	return out, nil
}

func (s *search) point(c candidate, res *outcome, chosen bool) Candidate {
	hours, done := 0.0, 0
	for _, r := range res.results {
		if r != nil {
			hours += r.ReplicaSeconds / 3600
			done++
		}
	}
	risk := riskOf(s.opts.Delta, res.done, res.broken)
	cost := 0.0
	for _, pool := range c.platform.Pools {
		each := pool.Cost
		if each == 0 {
			each = 1
		}
		cost += each * float64(pool.Count)
	}
	return Candidate{
		Nodes: c.nodes, Target: c.target, ReplicaHours: hours / float64(max(1, done)), Cost: cost,
		Risk: res.share(), RiskUpper: risk.Upper, Chosen: chosen,
	}
}

// Decided is the plan's number of nodes, all pools.
func (p *Plan) Decided() int {
	sum := 0
	for _, pool := range p.Pools {
		sum += pool.Planned
	}
	return sum
}
