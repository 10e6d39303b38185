package planner

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	// longestDrain is how many times the surge's length it may take until everybody was let in, leastDrain how many
	// seconds more than its length it may take in any case.
	longestDrain = 3
	leastDrain   = 1800
	// admissions is how many steps of the rate are told apart from the slowest that is looked at to the surge's peak; eased by
	// how much it is lowered when all worlds show it to be too high, at most easings times.
	admissions = 64
	eased      = 0.93
	easings    = 5
)

// admissionAssumed goes with every plan that recommends a waiting room.
var admissionAssumed = record.Warning{Code: "admission-assumed", Text: scenarios.Text{
	"de": "Der Warteraum ist simuliert; ansturm verify fährt ihn. Angenommen ist: Wer dort wartet, bleibt; wer später neu lädt oder wiederkommt, stellt sich hinten an. Die Zusage gilt ab dem Einlass, die Wartezeit davor kommt hinzu.",
	"en": "The waiting room was simulated; ansturm verify fires it. It is assumed that those who wait there stay, and that those who reload or come back later wait again. The promise holds from the moment of being let in; the wait before comes on top.",
}}

// doored is a platform behind a waiting room: the search that was made for it, and what it found.
type doored struct {
	search    *search
	chosen    candidate
	certified *outcome
}

// behind is the same search with a waiting room before the platform.
func (s *search) behind(rate float64) (*search, error) {
	d := *s
	pf := *s.pf
	pf.Admission = &scenarios.Admission{Rate: rate}
	d.opts.Progress = func(_ string, done, total int64) { s.opts.Progress(StageAdmission, done, total) }
	d.pf, d.extra = &pf, make([]int32, len(s.extra))
	var err error
	if d.expected, err = s.f.params(d.pf, -1); err != nil {
		return nil, err
	}
	d.list = needs(d.expected, d.pf, demandAt(s.model, 0.95), reactionTime(d.expected))
	d.bound, err = d.lowerBound()
	return &d, err
}

// admit finds the highest rate of a waiting room with which so many nodes keep the promise to those who are let in; nil
// where none does that lets everybody in within a few times the surge's length. A guess other than zero is where to begin.
func (s *search) admit(ctx context.Context, nodes int, guess float64, certify certifier) (*doored, error) {
	low, err := s.highest(ctx, nodes, guess)
	if err != nil || low == 0 {
		return nil, err
	}
	for range easings {
		d, err := s.behind(rounded(low))
		if err != nil {
			return nil, err
		}
		found, err := certify(ctx, d, nodes)
		if err != nil || found != nil {
			return found, err
		}
		low *= eased
	}
	return nil, nil
}

// highest is the highest rate that gets through the worst worlds; zero where the slowest does not.
func (s *search) highest(ctx context.Context, nodes int, guess float64) (float64, error) {
	high, low := s.peakRate()*demandAt(s.model, 0.95), s.slowestRate()
	if low >= high {
		return 0, nil
	}
	fine := math.Pow(high/low, 1/float64(s.shown(admissions)))
	return brink(low, high, guess, fine, func(rate float64) (bool, error) { return s.admits(ctx, nodes, rate) })
}

// brink is the largest x from low to high, to a factor of fine, that holds; zero where low does not. High is taken not to. From a
// guess it goes in steps that double until one holds and one does not, then by bisection; without one it begins with low.
func brink(low, high, guess, fine float64, holds func(float64) (bool, error)) (float64, error) {
	at, step, any := low, math.Inf(1), false
	if guess > low {
		at, step = math.Min(guess, high/fine), fine
	}
	for !any || high/low > fine*(1+1e-9) {
		ok, err := holds(at)
		if err != nil || !ok && at <= low {
			return 0, err
		}
		if ok {
			low, at, any = at, at*step, true
		} else {
			high, at = at, math.Max(at/step, low)
		}
		if step *= step; any && (at <= low || at >= high) {
			at = math.Sqrt(low * high)
		}
	}
	return low, nil
}

// carriedBy is the rate at which so many nodes are asked for as much, each that is left when one is lost, as the planned ones are
// at the surge's peak.
func (s *search) carriedBy(nodes int, planned *scenarios.Platform) float64 {
	have, need := room(withNodes(s.pf, s.ladder.of(nodes)), s.list, s.lose), room(planned, s.list, s.lose)
	return s.peakRate() * demandAt(s.model, 0.95) * float64(have.cpu) / float64(max(1, need.cpu))
}

// peakRate is how many persons a second come at the surge's peak, as expected.
func (s *search) peakRate() float64 {
	curve, err := s.sc.Curve()
	if err != nil { // the forge has read it before
		return 0
	}
	_, rate := curve.Peak()
	return rate
}

// slowestRate is the least rate that is looked at: with it everybody is in within longestDrain times the surge's length
// even where more come than expected.
func (s *search) slowestRate() float64 {
	return float64(s.sc.Arrivals.Total) * demandAt(s.model, 0.95) / math.Max(longestDrain*s.f.length, s.f.length+leastDrain)
}

// rounded is a rate with three digits, rounded down.
func rounded(rate float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(rate))-2)
	return math.Floor(rate/unit+1e-9) * unit
}

func (s *search) admits(ctx context.Context, nodes int, rate float64) (bool, error) {
	d, err := s.behind(rate)
	if err != nil {
		return false, err
	}
	return d.enough(ctx, nodes, s.shown(fewWorlds))
}

// certifier chooses the autoscaling behind a waiting room and proves it; nil where it does not hold.
type certifier func(ctx context.Context, d *search, nodes int) (*doored, error)

// inAllWorlds is the proof of a plan.
func inAllWorlds(ctx context.Context, d *search, nodes int) (*doored, error) {
	c, ok, err := d.raise(ctx, nodes)
	if err != nil || !ok {
		return nil, err
	}
	c, all, err := d.certify(ctx, c, certificates)
	if err != nil || all == nil {
		return nil, err
	}
	return &doored{d, c, all}, nil
}

// glimpsed is in how many worlds a waiting room is tried that only shows another way.
const glimpsed = 64

// inSomeWorlds is a cheaper proof, in a fair sample with the most cautious target.
func inSomeWorlds(ctx context.Context, d *search, nodes int) (*doored, error) {
	if ok, err := d.enough(ctx, nodes, d.shown(first)); err != nil || !ok {
		return nil, err
	}
	c := d.candidate(nodes, lowestTarget)
	fair := d.crew.in(d.worlds.thinned(max(1, d.opts.Worlds/d.shown(glimpsed))))
	n := len(fair.worlds.worlds)
	out, err := fair.try(ctx, trial{platform: c.platform, mayLose: max(1, nodes-1)}, 0, n, 0, d.opts.ticks(StageAdmission, n))
	if err != nil || out.broken > 0 {
		return nil, err
	}
	return &doored{d, c, out}, nil
}

// admission sums the waits of all worlds up.
func (d *doored) admission(ctx context.Context, delta float64) (*Admission, error) {
	a := &Admission{Rate: d.chosen.platform.Admission.Rate, Nodes: d.chosen.nodes, Risk: riskOf(delta, d.certified.done, d.certified.broken)}
	var longest, mean, queue, until, waited []float64
	for _, r := range d.certified.results {
		if r == nil || r.Ended { // one that was ended knows only a part of its queue
			continue
		}
		w := r.Waiting
		longest, mean, queue = append(longest, w.Most), append(mean, w.Mean), append(queue, w.Queue)
		until, waited = append(until, w.Until), append(waited, w.Waited)
	}
	a.Longest, a.Mean, a.Until = estimateOf(longest, "s"), estimateOf(mean, "s"), estimateOf(until, "s")
	a.Queue, a.Waited = estimateOf(queue, "persons"), estimateOf(waited, "1")
	var err error
	a.Recovery, err = d.recovery(ctx)
	a.Says = a.says()
	return a, err
}

// recovery is the highest rate that, put up in the midst of a storm of retries, brings the platform back before the surge
// is over; zero where the platform needs no such help, and where no rate does it.
func (d *doored) recovery(ctx context.Context) (float64, error) {
	stuck, err := d.down(ctx, nil)
	if err != nil || !stuck {
		return 0, err
	}
	f := d.search.f
	from := time.Duration((f.peakAt + f.length) / 2 * float64(time.Second)).Round(time.Second)
	for rate := d.chosen.platform.Admission.Rate; rate > d.search.slowestRate()/4; rate *= eased {
		stuck, err := d.down(ctx, &scenarios.Admission{Rate: rounded(rate), From: from})
		if err != nil || !stuck {
			return rounded(rate), err
		}
	}
	return 0, nil
}

// down says whether most of the shots fail at the end of a surge that is larger than expected, in its last two minutes (of
// a short one in the last), in most of three courses.
func (d *doored) down(ctx context.Context, door *scenarios.Admission) (bool, error) {
	pf := *d.chosen.platform
	pf.Admission = door
	s := d.search
	p, err := s.f.params(&pf, -1)
	if err != nil {
		return false, err
	}
	count := 0
	runner, tick := &sim.Runner{Detail: true}, s.opts.ticks(StageAdmission, expectedSurges)
	for seed := range uint64(expectedSurges) {
		r, err := runner.Run(ctx, p, sim.World{Seed: s.opts.Seed + 200 + seed, Demand: demandAt(s.model, 0.95)})
		if err != nil {
			return false, fmt.Errorf("plan: simulate a storm: %w", err)
		}
		tick()
		end := min(len(r.Series.Failed), int(s.f.length/60))
		if last := r.Series.Failed[end-min(2, max(1, end/4)) : end]; len(last) > 0 && mean(last) > storming {
			count++
		}
	}
	return count >= 2, nil
}

// storming is the share of failing shots above which a platform is down.
const storming = 0.3

func (a *Admission) says() scenarios.Text {
	if a.Waited.High < 0.001 {
		return scenarios.Text{
			"de": fmt.Sprintf("Ein Warteraum, der höchstens %s Personen je Sekunde einlässt, schützt die Plattform; warten muss dabei fast niemand", plainNumber(a.Rate, "de")),
			"en": fmt.Sprintf("A waiting room that lets in at most %s persons a second protects the platform; hardly anybody has to wait", plainNumber(a.Rate, "en")),
		}
	}
	says := scenarios.Text{
		"de": fmt.Sprintf("Mit einem Warteraum hält die Zusage für alle, die eingelassen werden: höchstens %s Personen je Sekunde auf %s. Es warten %s %% der Personen, am längsten %s (in ungünstigen Verläufen %s); der Letzte ist %s nach Beginn eingelassen",
			plainNumber(a.Rate, "de"), nodes(a.Nodes, "de"), plainNumber(100*a.Waited.Value, "de"), wait(a.Longest.Value, "de"), wait(a.Longest.High, "de"), wait(a.Until.Value, "de")),
		"en": fmt.Sprintf("With a waiting room the promise holds for all who are let in: at most %s persons a second on %s. %s %% of the persons wait, at longest %s (in bad courses %s); the last one is in %s after the start",
			plainNumber(a.Rate, "en"), nodes(a.Nodes, "en"), plainNumber(100*a.Waited.Value, "en"), wait(a.Longest.Value, "en"), wait(a.Longest.High, "en"), wait(a.Until.Value, "en")),
	}
	if a.Recovery > 0 {
		says["de"] += fmt.Sprintf(". Ohne Warteraum bleibt die Plattform auch nach dem Ansturm überlastet, weil alle neu laden. Liegt sie schon darnieder: höchstens %s Personen je Sekunde einlassen, bis sie wieder antwortet", plainNumber(a.Recovery, "de"))
		says["en"] += fmt.Sprintf(". Without a waiting room the platform stays down after the rush too, because everybody reloads. Once it is down: let in at most %s persons a second until it answers again", plainNumber(a.Recovery, "en"))
	}
	return says
}

// nodes counts nodes in words.
func nodes(n int, lang string) string {
	if lang == "de" {
		return fmt.Sprintf("%d Knoten", n)
	}
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// plainNumber writes a figure with two digits at least below ten, else whole.
func plainNumber(x float64, lang string) string {
	s := fmt.Sprintf("%.0f", x)
	if x < 10 {
		s = fmt.Sprintf("%.2g", x)
	}
	return scenarios.Decimal(s, lang)
}

// wait words a wait: it is an estimate, to the second below two minutes, to the minute above.
func wait(seconds float64, lang string) string {
	d := time.Duration(math.Round(seconds)) * time.Second
	if d > 2*time.Minute {
		d = d.Round(time.Minute)
	}
	return scenarios.Span(d, lang)
}
