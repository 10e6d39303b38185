package arrivals

import (
	"errors"
	"iter"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// Schedule is a scenario's arrivals. It holds no arrival: each block is made when asked for. Safe for concurrent use.
type Schedule struct{}

// New makes the schedule of a scenario.
func New(s *scenarios.Scenario) (*Schedule, error) {
	return nil, errors.New("arrivals: not built yet")
}

// Total is the number of arrivals.
func (s *Schedule) Total() int64 { return 0 }

// Blocks is the number of blocks.
func (s *Schedule) Blocks() int { return 0 }

// Block appends the share's arrivals of block b to buf, in order of Due, then Seq. Blocks follow one another in time.
func (s *Schedule) Block(b int, share Share, buf []Arrival) []Arrival { return buf }

// All gives the share's arrivals in order of Due.
func (s *Schedule) All(share Share) iter.Seq[Arrival] { return func(func(Arrival) bool) {} }

// CountBefore is the number of arrivals, of all shares, due before t.
func (s *Schedule) CountBefore(t time.Duration) int64 { return 0 }

// FirstBlock is the first block that may hold an arrival due at t or later.
func (s *Schedule) FirstBlock(t time.Duration) int { return 0 }

// Person is what the arrival seq will do. Any seq below Total has one.
func (s *Schedule) Person(seq uint32) Person { return Person{} }

// Person is one arrival's behaviour: pure draws from (seed, seq), so that engine and simulator see the same one.
// A step is an index into the scenario's AllSteps; a try counts from 0.
type Person struct{}

// Journey indexes Scenario.Journeys.
func (p Person) Journey() int { return 0 }

// Steps are the first step of the person's journey and the one after its last, as indices into AllSteps.
func (p Person) Steps() (first, end int) { return 0, 0 }

// Takes says whether the person takes the step.
func (p Person) Takes(step int) bool { return false }

// Think is the time before the step, after the answer of the one before.
func (p Person) Think(step int) time.Duration { return 0 }

// Patience is how long the person waits for the answer of that try; 0 means without end.
func (p Person) Patience(step, try int) time.Duration { return 0 }

// React is what the person does when that try was in vain, and the pause of one who comes back.
func (p Person) React(step, try int) (Reaction, time.Duration) { return GiveUp, 0 }

// Work is a uniform draw from (0, 1) for the platform's work of that try.
func (p Person) Work(step, try int) float64 { return 0.5 }
