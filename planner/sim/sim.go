// Package sim runs a platform under a surge in virtual time: persons with their patience, pods with their queues and
// the whole way from created to in rotation, the metrics pipeline, the autoscaler, rollouts, the scheduler, shared back ends
// and the loss of a node. A planner asks it thousands of times, so a world of 150 tenants and 18 minutes takes milliseconds.
//
// A tenant's ready pods with their least-connections balancer are taken as one processor-sharing server: m requests run
// at full speed, more share. The number of requests of such a server does not depend on the shape of their work, only
// on its mean (insensitivity: Cohen 1979, "The multiple phase service network with generalized processor sharing"), so
// a birth-death chain is enough, stepped in beats of half a second: arrivals and departures are unit Poisson processes run
// at the integral of their rates (Kurtz 1978). What a single request feels follows from the work v that every request in
// service has had so far: one that came at t with work x is answered when v(t+R) − v(t) = x, so the share slower than B
// is P(X > v(t+B) − v(t)). No queue discipline has to be replayed and no percentile assumed. Where many run side by side and none
// has to share, two beats are taken as one step.
//
// Tried and rejected: fluid backlog with whole seconds (hides the queue of a tenant with two pods, which is what breaks
// first), and one event a request (exact, ten times slower; it is the reference in the tests).
//
// One second of a run:
//
//	lose a node → replace, roll out, schedule, pull → read, scrape → autoscale each tenant in its own phase
//	→ let in at the door → serve every tenant in beats of half a second → shared back ends → impatient persons come again
package sim

import (
	"context"
	"math"
)

// A beat is the inner step, in seconds.
const (
	beat  = 0.5
	beats = 2
)

// World is one future. The same world makes the same persons come, whatever the platform.
type World struct {
	// Demand multiplies the arrivals; zero means 1.
	Demand float64
	Seed   uint64
	// Lost is the node lost at At (seconds), counted from 1; zero means none.
	Lost int
	At   float64
	// Site is lost with all its nodes at At; empty means none.
	Site string
}

// Runner runs worlds one after another and keeps its memory. It is not safe for concurrent use.
type Runner struct {
	// Detail keeps series for reports; about three times slower.
	Detail bool
	// Tails, with Detail, works out Series.StepP99; dear where the surge is a day.
	Tails bool
	// Hasty ends a world as soon as a promise is clearly broken in it; the rest of its result is then of the time so far.
	Hasty bool
	// Told is told now and then how many seconds of the surge are over, and of how many at the least; nil means no one listens.
	Told func(over, of int)

	// thorough leaves no sync out and shows autoscalers every pod by itself: what comes of it is the same.
	thorough bool
	// beatwise takes no two beats as one step.
	beatwise bool

	p *Params
	w World
	world
}

// Run is one world on a new Runner.
func Run(ctx context.Context, p *Params, w World) (*Result, error) {
	return (&Runner{Detail: true}).Run(ctx, p, w)
}

// Run lets the surge happen. The result holds no memory of the Runner's. Errors: parameters that cannot be, or the
// context's.
func (r *Runner) Run(ctx context.Context, p *Params, w World) (*Result, error) {
	if err := r.reset(p, w); err != nil {
		return nil, err
	}
	for sec := 0; sec < r.end; sec++ {
		if sec&63 == 0 {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if r.Told != nil {
				r.Told(sec, r.end)
			}
		}
		if r.Hasty && sec%60 == 0 && r.clearlyBroken(sec/60) {
			out := r.result()
			out.Broken, out.Ended = true, true
			return out, nil
		}
		r.control(sec)
		r.serve(sec)
		r.backendsStep()
		if sec == r.end-1 && r.end < r.last && r.unsettled() {
			r.end++
		}
	}
	return r.result(), nil
}

// control is everything but the serving in one second.
func (r *Runner) control(sec int) {
	now := float64(sec)
	r.loseNodes(now)
	r.replaceLost(now)
	r.rollOut(now)
	r.schedule(now)
	r.scrape(now)
	r.autoscale(now)
	if r.overcommitted {
		r.shareNodes()
	}
}

// unsettled says whether persons are still to come or waiting.
func (r *Runner) unsettled() bool {
	if r.door.waiting > 0.5 {
		return true
	}
	for i := range r.tenants {
		if t := &r.tenants[i]; t.n > 0.5 || t.coming > 0.5 {
			return true
		}
	}
	return false
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
