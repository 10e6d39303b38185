package loadgen

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// A fleet of workers that follow their leases walks at random through everything that can happen to it: workers are killed,
// stopped and started anew, coordinators die, stand still and come back beside their successors, and messages are lost, late,
// repeated and out of order. The coordinators are no more than the rules of decision 0009. Whatever happens, no arrival begins
// twice, and none begins that somebody calls unsent.

// In ticks; a tick is 50 ms on the wall, and the surge goes by ten times as fast as life.
const (
	walkTick  = 50 * time.Millisecond
	walkSpeed = 10
	walkBegin = -20
	walkTicks = 600 // of the surge
	walkEnd   = walkTicks + 20
	walkBeat  = 4
	walkLost  = 16
	walkHold  = 60
	walkLead  = 5
	walkParts = 128
)

// dueAt is the Due that a tick is at.
func dueAt(tick int) time.Duration { return time.Duration(tick) * walkTick * walkSpeed }

// epoch is one life of one worker's engine, of two shards.
type epoch struct {
	lease        *Lease
	shards       [2]*leased
	pulses       [2]pulse
	ahead        int // its clock, in ticks
	begins       int
	dead         bool
	stoppedUntil int
	cutUntil     int
}

// owned is a grant and the epoch that has it.
type owned struct {
	Grant
	epoch int
}

// letter is a beat of an epoch to a coordinator, or the reply to one.
type letter struct {
	at, epoch int
	fenced    bool
	to        *coordinator
	reply     *Holding
}

// walk is a fleet; mutant is the rule that is broken, "" none.
type walk struct {
	random   *rand.Rand
	schedule *arrivals.Schedule
	mutant   string
	calm     bool

	epochs       []*epoch
	store        shared
	coordinators []*coordinator // that live, perhaps several
	numbers      uint64
	downUntil    int
	net          []letter

	fates []int8 // by Seq: how often it began or was called unsent
	begun int
}

func newWalk(t *testing.T, schedule *arrivals.Schedule, seed uint64, mutant string, calm bool) *walk {
	w := &walk{
		random: rand.New(rand.NewPCG(seed, 1)), schedule: schedule, mutant: mutant, calm: calm,
		fates: make([]int8, schedule.Total()),
	}
	for range 3 {
		w.spawn(t)
	}
	w.coordinate(walkBegin)
	return w
}

// one of them.
func one[T any](w *walk, of ...T) T { return of[w.random.IntN(len(of))] }

func (w *walk) chance(p float64) bool { return !w.calm && w.random.Float64() < p }

func (w *walk) spawn(t *testing.T) {
	lease, err := NewLease(walkParts)
	if err != nil {
		t.Fatal(err)
	}
	e := &epoch{lease: lease, stoppedUntil: walkBegin, cutUntil: walkBegin}
	if !w.calm {
		e.ahead = w.random.IntN(3) - 1
	}
	for i := range e.shards {
		e.shards[i] = newLeased(lease, w.schedule, arrivals.Share{Index: i, Of: len(e.shards)})
	}
	w.epochs = append(w.epochs, e)
}

// run walks, and gives how many arrivals had two fates or more.
func (w *walk) run(t *testing.T) (twice int) {
	var faults []int
	for range 2 + w.random.IntN(6) {
		faults = append(faults, 20+w.random.IntN(walkTicks-170))
	}
	for tick := walkBegin; tick < walkEnd; tick++ {
		if !w.calm && slices.Contains(faults, tick) {
			w.fault(t, tick)
		}
		if len(w.coordinators) == 0 && tick >= w.downUntil {
			w.coordinate(tick)
		}
		for i, e := range w.epochs {
			if !e.dead && tick >= e.stoppedUntil {
				w.fire(e, tick)
				w.beat(i, e, tick)
			}
		}
		w.deliver(tick)
		for _, c := range slices.Clone(w.coordinators) {
			if tick >= c.frozenUntil && !w.look(c, tick) { // another one has been at work: it stops
				w.coordinators = slices.DeleteFunc(w.coordinators, func(other *coordinator) bool { return other == c })
			}
		}
	}
	for _, n := range w.fates {
		if n > 1 {
			twice++
		}
	}
	return twice
}

func (w *walk) fault(t *testing.T, tick int) {
	e := one(w, w.epochs...)
	switch w.random.IntN(7) {
	case 0:
		e.dead = true
	case 1:
		e.stoppedUntil = tick + one(w, 5, 15, 25, 60)
	case 2:
		w.coordinators, w.downUntil = nil, tick+one(w, 5, 20, 100)
	case 3, 4:
		for _, c := range w.coordinators {
			c.frozenUntil = tick + one(w, 10, 60)
		}
		if w.chance(0.5) {
			w.coordinate(tick)
		}
	case 5:
		e.cutUntil = tick + one(w, 10, 30, 120)
	case 6:
		w.spawn(t)
	}
}

// fire is an epoch's tick: what its lease lets begin begins.
func (w *walk) fire(e *epoch, tick int) {
	clock := time.Duration(tick+e.ahead) * walkTick
	for i := range e.pulses {
		if why := e.pulses[i].look(clock, clock); why != "" {
			e.lease.Fence(why)
		}
	}
	for _, l := range e.shards {
		for {
			a, r, more := l.peek(clock, walkSpeed*(clock-mostOverdue))
			if !more || r == waits || a.Due > walkSpeed*clock {
				break
			}
			l.take(a)
			w.fates[a.Seq]++
			if r == begins {
				w.begun++
				e.begins++
			}
		}
	}
}

func (w *walk) beat(i int, e *epoch, tick int) {
	if (tick+i)%walkBeat != 0 || w.chance(0.05) || tick < e.cutUntil && w.chance(0.95) {
		return
	}
	_, fenced := e.lease.Fenced()
	for _, c := range w.coordinators {
		w.net = append(w.net, letter{at: tick + w.delay(), epoch: i, fenced: fenced, to: c})
	}
}

func (w *walk) delay() int {
	if w.calm {
		return 0
	}
	return one(w, 0, 0, 0, 1, 2, 8, 30)
}

// deliver brings what has arrived, in any order, to whoever is awake.
func (w *walk) deliver(tick int) {
	w.random.Shuffle(len(w.net), func(i, k int) { w.net[i], w.net[k] = w.net[k], w.net[i] })
	arrived := w.net
	w.net = nil
	for _, m := range arrived {
		e := w.epochs[m.epoch]
		switch {
		case m.at > tick || m.reply != nil && tick < e.stoppedUntil || m.reply == nil && tick < m.to.frozenUntil:
			w.net = append(w.net, m)
		case m.reply == nil && slices.Contains(w.coordinators, m.to):
			w.reply(m, e, tick)
		case m.reply != nil && !e.dead:
			if err := e.lease.Hold(*m.reply); err != nil {
				panic(err)
			}
		}
	}
}
