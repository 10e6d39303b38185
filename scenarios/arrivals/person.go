package arrivals

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// people is what the persons of a scenario have in common.
type people struct {
	journeys alias
	first    []int // the first step of each journey, and the number of steps at the end
	steps    []scenarios.StepRef
	moods    []*scenarios.Impatience // by journey
}

func newPeople(s *scenarios.Scenario) (people, error) {
	p := people{first: []int{0}, steps: s.AllSteps()}
	weights := make([]float64, len(s.Journeys))
	for i, j := range s.Journeys {
		weights[i] = j.Weight
		p.first = append(p.first, p.first[i]+len(j.Steps))
		p.moods = append(p.moods, j.Impatience)
	}
	journeys, err := newAlias(weights)
	if err != nil {
		return people{}, fmt.Errorf("journeys: %w", err)
	}
	p.journeys = journeys
	return p, nil
}

// Person is one arrival's behaviour: pure draws from (seed, Seq), so that engine and simulator see the same one.
// A step is an index into the scenario's AllSteps and must be one of it; a try counts from 0.
type Person struct {
	schedule *Schedule
	seq      uint32
}

// Person is the person of the arrival seq.
func (s *Schedule) Person(seq uint32) Person { return Person{s, seq} }

// Uniform is a draw from (0, 1) of the person's own, the same for the same purpose, whatever else was drawn.
// Purposes of other packages' own count from 0.
func (p Person) Uniform(purposeOfCaller uint16, step, try int) float64 {
	return open(p.word(forCaller+purpose(purposeOfCaller), step, try))
}

// forCaller is the first purpose of Uniform.
const forCaller purpose = 1 << 16

func (p Person) word(why purpose, step, try int) uint64 {
	which := uint64(p.seq) | uint64(uint16(step))<<32 | uint64(uint16(try))<<48
	return key(p.schedule.seed, why, which)
}

// Journey indexes Scenario.Journeys.
func (p Person) Journey() int { return int(p.schedule.people.journeys.draw(p.word(forJourney, 0, 0))) }

// Steps are the first step of the person's journey and the one after its last, as indices into AllSteps.
func (p Person) Steps() (first, end int) {
	j := p.Journey()
	return p.schedule.people.first[j], p.schedule.people.first[j+1]
}

// Takes says whether the person takes the step, which belongs to their journey.
func (p Person) Takes(step int) bool {
	share := p.schedule.people.steps[step].Share
	return share == nil || open(p.word(forShare, step, 0)) < *share
}

// Think is the time before the step, after the answer of the one before.
func (p Person) Think(step int) time.Duration {
	think := p.schedule.people.steps[step].Think
	if think == nil {
		return 0
	}
	return think.Quantile(open(p.word(forThink, step, 0)))
}

// Patience is how long the person waits for the answer of that try; 0 means without end.
func (p Person) Patience(step, try int) time.Duration {
	mood := p.mood(step)
	if mood == nil {
		return 0
	}
	return max(1, mood.Patience.Quantile(open(p.word(forPatience, step, try))))
}

// React is what the person does when that try was in vain, and the pause of one who comes back. Without impatience,
// and once the most retries of a step are used, a person gives up.
func (p Person) React(step, try int) (Reaction, time.Duration) {
	mood := p.mood(step)
	if mood == nil {
		return GiveUp, 0
	}
	most := mood.Most
	if most == 0 {
		most = scenarios.DefaultMostRetries
	}
	if try >= most {
		return GiveUp, 0
	}
	switch u := open(p.word(forReaction, step, try)); {
	case u < mood.Reload:
		return Reload, 0
	case u < mood.Reload+mood.ComeBack:
		if mood.After == nil {
			return ComeBack, 0
		}
		return ComeBack, mood.After.Quantile(open(p.word(forPause, step, try)))
	}
	return GiveUp, 0
}

// mood is the impatience of the step's journey.
func (p Person) mood(step int) *scenarios.Impatience {
	return p.schedule.people.moods[p.schedule.people.steps[step].Journey]
}

// Work is a uniform draw from (0, 1) for the platform's work of that try.
func (p Person) Work(step, try int) float64 { return open(p.word(forWork, step, try)) }
