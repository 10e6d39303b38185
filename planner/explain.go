package planner

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// explained is the plan in ten lines for who has never seen a pod: what comes, what it costs, why so many nodes, what is
// still uncertain.
func (s *search) explained(p *Plan) []scenarios.Text {
	lines := []scenarios.Text{s.whatComes(), s.howItStands(p), s.whatItCosts(), s.howManyPods(p)}
	if p.Mendable {
		lines = append(lines, s.whyNodes(p), s.whyReserve(p))
	} else {
		lines = append(lines, p.Limit, s.theDoor(p))
	}
	lines = append(lines, s.whyEarly(p), s.whenToOrder(p), howSure(p))
	if p.Notch.What != nil && p.Notch.Breaks != nil {
		lines = append(lines, scenarios.Text{
			"de": "Weniger reicht nicht. " + p.Notch.What["de"] + ", und es kommt vor: " + p.Notch.Breaks["de"],
			"en": "Less does not do. " + p.Notch.What["en"] + ", and this happens: " + p.Notch.Breaks["en"],
		})
	} else {
		lines = append(lines, scenarios.Text{
			"de": "Diese Zahlen sind gerechnet; ein Lauf gegen die echte Plattform sagt, ob sie stimmen",
			"en": "These figures are computed; a run against the real platform says whether they are right",
		})
	}
	return lines
}

func (s *search) whatComes() scenarios.Text {
	a := s.sc.Arrivals
	return scenarios.Text{
		"de": fmt.Sprintf("Erwartet werden %s Personen, verteilt über %s, in der Spitze %s je Sekunde", grouped(a.Total, "."), scenarios.Span(a.Over, "de"), plainNumber(s.peakRate(), "de")),
		"en": fmt.Sprintf("%s persons are expected within %s, %s a second at the peak", grouped(a.Total, ","), scenarios.Span(a.Over, "en"), plainNumber(s.peakRate(), "en")),
	}
}

func (s *search) howItStands(p *Plan) scenarios.Text {
	now := len(s.pf.Nodes())
	if p.Stands == gate.Pass {
		return scenarios.Text{
			"de": fmt.Sprintf("Die Plattform, wie sie ist (%s), hält das aus", nodes(now, "de")),
			"en": fmt.Sprintf("The platform as it is (%s) stands it", nodes(now, "en")),
		}
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Die Plattform, wie sie ist (%s), hält das nicht aus: Zu viele warten zu lange oder bekommen keine Antwort", nodes(now, "de")),
		"en": fmt.Sprintf("The platform as it is (%s) does not stand it: too many wait too long or get no answer", nodes(now, "en")),
	}
}

func (s *search) whatItCosts() scenarios.Text {
	cores := 0.0
	for _, n := range s.list {
		cores += n.peak * n.pod
	}
	peak := math.Max(1e-9, s.peakRate()*demandAt(s.model, 0.95))
	return scenarios.Text{
		"de": fmt.Sprintf("Jede Person kostet die Rechner im Mittel %s Millisekunden Arbeit; kommen etwas mehr als erwartet, sind das in der Spitze %s voll beschäftigte Prozessorkerne", plainNumber(1000*cores/peak, "de"), plainNumber(cores, "de")),
		"en": fmt.Sprintf("Each person costs the machines %s milliseconds of work on average; if somewhat more come than expected, that is %s fully busy processor cores at the peak", plainNumber(1000*cores/peak, "en"), plainNumber(cores, "en")),
	}
}

func (s *search) howManyPods(p *Plan) scenarios.Text {
	busy, most := 0.0, int32(0)
	for _, n := range s.list {
		busy += n.peak
	}
	for _, t := range p.Tenants {
		most += t.Max
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Die Arbeit verteilt sich auf gleiche kleine Einheiten (Pods): %.0f wären immer beschäftigt; bis zu %d dürfen es werden, damit niemand lange ansteht", math.Ceil(busy), most),
		"en": fmt.Sprintf("The work is spread over equal small units (pods): %.0f would be busy all the time; up to %d are allowed, so that nobody queues for long", math.Ceil(busy), most),
	}
}

func (s *search) whyNodes(p *Plan) scenarios.Text {
	pool := &s.pf.Pools[s.ladder.primary()]
	cores, _, slots := pool.Allocatable()
	request := int64(math.MaxInt64)
	for _, n := range s.list {
		request = min(request, max(1, n.request))
	}
	fit := min(int64(slots), int64(math.Round(cores*1000))/request)
	return scenarios.Text{
		"de": fmt.Sprintf("Auf einen Rechner (Knoten „%s“) passen %d davon. Mit weniger als %d Knoten geht es mit keiner Einstellung", pool.Name, fit, s.bound.nodes),
		"en": fmt.Sprintf("%d of them fit on one machine (node %q). With fewer than %d nodes no setting does it", fit, pool.Name, s.bound.nodes),
	}
}

func (s *search) whyReserve(p *Plan) scenarios.Text {
	if s.lose == 0 {
		return scenarios.Text{
			"de": fmt.Sprintf("Empfohlen: %s; dass einer ausfällt, ist dabei nicht vorgesehen", nodes(p.Decided(), "de")),
			"en": fmt.Sprintf("Recommended: %s; the loss of one is not provided for", nodes(p.Decided(), "en")),
		}
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Empfohlen: %s; es darf auch einer davon ausfallen, während alle kommen", nodes(p.Decided(), "de")),
		"en": fmt.Sprintf("Recommended: %s; one of them may also fail while everybody is coming", nodes(p.Decided(), "en")),
	}
}

func (s *search) theDoor(p *Plan) scenarios.Text {
	if p.Admission != nil {
		return p.Admission.Says
	}
	return scenarios.Text{
		"de": "Auch ein Warteraum, der die Personen nach und nach einlässt, hilft hier nicht",
		"en": "Not even a waiting room that lets the persons in little by little helps here",
	}
}

func (s *search) whyEarly(p *Plan) scenarios.Text {
	least := int32(0)
	for _, t := range p.Tenants {
		least += t.Min
	}
	reaction := reactionTime(s.expected)
	return scenarios.Text{
		"de": fmt.Sprintf("Neue Einheiten helfen erst nach etwa %.0f Sekunden; deshalb laufen von Anfang an %d", reaction, least),
		"en": fmt.Sprintf("New units help only after about %.0f seconds; so %d run from the start", reaction, least),
	}
}

func (s *search) whenToOrder(p *Plan) scenarios.Text {
	de, en := []string{}, []string{}
	for _, pool := range p.Pools {
		more := pool.Planned - pool.Now
		if more <= 0 {
			continue
		}
		byDe, byEn := "vor dem Ansturm", "before the rush"
		switch {
		case !pool.OrderBy.IsZero():
			at := pool.OrderBy.In(s.sc.On.Location())
			byDe, byEn = "bis "+at.Format("02.01.2006 15:04"), "by "+at.Format("2 January 2006, 15:04")
		case pool.LeadTime > 0:
			byDe, byEn = scenarios.Span(pool.LeadTime, "de")+" vorher", scenarios.Span(pool.LeadTime, "en")+" before"
		}
		de, en = append(de, fmt.Sprintf("%d mehr von „%s“, %s", more, pool.Pool, byDe)), append(en, fmt.Sprintf("%d more of %q, %s", more, pool.Pool, byEn))
	}
	if len(de) == 0 {
		return scenarios.Text{"de": "Zu bestellen ist nichts", "en": "There is nothing to order"}
	}
	return scenarios.Text{"de": "Zu bestellen: " + strings.Join(de, "; "), "en": "To order: " + strings.Join(en, "; ")}
}

func howSure(p *Plan) scenarios.Text {
	r := p.Risk
	if !p.Mendable && p.Admission == nil {
		return scenarios.Text{
			"de": fmt.Sprintf("Durchgerechnet: In %d von %d möglichen Verläufen wird die Zusage gebrochen", r.Broken, r.Worlds),
			"en": fmt.Sprintf("Computed: the promise is broken in %d of %d possible courses", r.Broken, r.Worlds),
		}
	}
	return scenarios.Text{
		"de": fmt.Sprintf("Durchgerechnet in %d möglichen Verläufen, mit mehr und weniger Andrang und mit Ausfällen: In %d davon wird die Zusage gebrochen", r.Worlds, r.Broken),
		"en": fmt.Sprintf("Computed in %d possible courses, with more and fewer persons and with failures: in %d of them the promise is broken", r.Worlds, r.Broken),
	}
}

// grouped writes a whole number with its thousands apart.
func grouped(n int64, mark string) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + mark + s[i:]
	}
	return s
}

// order is what nodes.yaml says of a pool.
type order struct {
	Pool  string `json:"pool"`
	Kind  string `json:"kind,omitempty"`
	Site  string `json:"site,omitempty"`
	Now   int    `json:"now"`
	Nodes int    `json:"nodes"`
	Order int    `json:"order"`
	// AtLeast is the lower bound that is proved; 0 where none is.
	AtLeast  int        `json:"atLeast"`
	LeadTime string     `json:"leadTime,omitempty"`
	OrderBy  *time.Time `json:"orderBy,omitempty"`
	// InService is when the surge is expected; an order that comes later comes too late.
	InService *time.Time `json:"inService,omitempty"`
}

// orders are the pools as they are to be ordered.
func (p *Plan) orders() []order {
	var out []order
	for i, pool := range p.Pools {
		o := order{Pool: pool.Pool, Now: pool.Now, Nodes: pool.Planned, Order: max(0, pool.Planned-pool.Now), AtLeast: pool.LowerBound}
		if p.Platform != nil && i < len(p.Platform.Pools) {
			o.Kind, o.Site = p.Platform.Pools[i].Kind, p.Platform.Pools[i].Site
		}
		if pool.LeadTime > 0 {
			o.LeadTime = pool.LeadTime.String()
		}
		if o.Order > 0 && !pool.OrderBy.IsZero() {
			day := p.Scenario.On
			by := pool.OrderBy.In(day.Location())
			o.OrderBy, o.InService = &by, &day
		}
		out = append(out, o)
	}
	return out
}
