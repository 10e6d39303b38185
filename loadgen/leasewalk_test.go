package loadgen_test

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// A fleet of workers that follow their leases walks at random through everything that can happen to it: workers are killed,
// stopped and started anew, coordinators die, stand still and come back beside their successors, and messages are lost, late,
// repeated and out of order, also those to the list of entries. The workers decide by the engine's own leases, the coordinators by the
// fleet's own Keepers. Whatever happens, no arrival begins twice, and none begins that somebody calls unsent.

// In ticks.
const (
	walkBegin = -20
	walkEnd   = loadgen.WalkTicks + 180
	walkDone  = loadgen.WalkTicks + 20 // the living say that they are done
	walkBeat  = int(lease.BeatEvery / loadgen.WalkTick)
	walkDelta = 20 // what a worker that is killed has begun in its last ticks nobody hears of
)

// epoch is one life of one worker's engine.
type epoch struct {
	*loadgen.Walker
	name         lease.Owner
	ahead        int // its clock, in ticks
	capacity     float64
	busy         float64
	begins       int
	dead         bool
	diedAt       int
	ended        bool // it has called unsent what it may
	stoppedUntil int
	cutUntil     int
	cutFrom      *coordinator // nil: from all
}

// beginning is the epoch that began an arrival, and when.
type beginning struct{ epoch, tick int }

// letter is a beat of an epoch to a coordinator, or the reply to one.
type letter struct {
	at, epoch int
	facts     lease.Facts
	to        *coordinator
	reply     *lease.Promise
}

// walk is a fleet; mutant is the rule that is broken, "" none.
type walk struct {
	t        *testing.T
	random   *rand.Rand
	schedule *arrivals.Schedule
	mutant   string
	calm     bool

	epochs       []*epoch
	list         [][]byte       // of entries
	writes       []write        // to it, under way
	coordinators []*coordinator // that live, perhaps several
	closing      lease.Closing
	downUntil    int
	net          []letter

	fates  []int8 // by Seq: how often it began or was called unsent
	began  map[uint32]beginning
	begun  int
	closed bool
}

func newWalk(t *testing.T, schedule *arrivals.Schedule, seed uint64, mutant string, calm bool) *walk {
	w := &walk{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), schedule: schedule, mutant: mutant, calm: calm,
		fates: make([]int8, schedule.Total()), began: map[uint32]beginning{},
		closing: lease.Closing{Promised: lease.Forever, Done: map[lease.Owner]bool{}},
	}
	for range 3 {
		w.spawn(walkBegin)
	}
	w.coordinate(walkBegin)
	return w
}

// one of them.
func one[T any](w *walk, of ...T) T { return of[w.random.IntN(len(of))] }

func (w *walk) chance(p float64) bool { return !w.calm && w.random.Float64() < p }

func (w *walk) spawn(tick int) {
	e := &epoch{
		Walker: loadgen.NewWalker(w.t, w.schedule), name: lease.Owner{Worker: uint32(len(w.epochs) + 1), Epoch: 1},
		stoppedUntil: walkBegin, cutUntil: walkBegin, capacity: one(w, 900., 1000., 2000.),
	}
	if !w.calm {
		e.ahead = w.random.IntN(3) - 1
	}
	for _, c := range w.coordinators {
		if err := c.Joined(e.name, e.capacity, c.now(tick)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.epochs = append(w.epochs, e)
}

// run walks, and gives how many arrivals had two fates or more.
func (w *walk) run() (twice int) {
	var faults []int
	for range 2 + w.random.IntN(6) {
		faults = append(faults, 20+w.random.IntN(loadgen.WalkTicks-170))
	}
	for tick := walkBegin; tick < walkEnd; tick++ {
		if !w.calm && slices.Contains(faults, tick) {
			w.fault(tick)
		}
		if len(w.coordinators) == 0 && tick >= w.downUntil {
			w.coordinate(tick)
		}
		for i, e := range w.epochs {
			if !e.dead && tick >= e.stoppedUntil {
				w.fire(i, e, tick)
				w.beat(i, e, tick)
			}
		}
		w.deliver(tick)
		w.arrive(tick)
		for _, c := range slices.Clone(w.coordinators) {
			if tick >= c.frozenUntil && !w.look(c, tick) { // another one has taken over: it stops
				w.coordinators = slices.DeleteFunc(w.coordinators, func(other *coordinator) bool { return other == c })
			}
		}
	}
	for _, n := range w.fates {
		if n > 1 {
			twice++
		}
	}
	return twice + w.settle()
}

func (w *walk) fault(tick int) {
	e := one(w, w.epochs...)
	switch w.random.IntN(10) {
	case 0:
		if !e.dead {
			e.dead, e.diedAt = true, tick
		}
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
		e.cutUntil, e.cutFrom = tick+one(w, 10, 30, 120), one(w, append(slices.Clone(w.coordinators), nil)...)
	case 6:
		w.spawn(tick)
	case 7:
		e.busy = 1
	case 8:
		w.coordinate(tick)
	case 9:
		for _, c := range w.coordinators {
			c.cutUntil = tick + one(w, 10, 60)
		}
	}
}

// fire is an epoch's tick: what its lease lets begin begins.
func (w *walk) fire(i int, e *epoch, tick int) {
	if tick >= walkDone {
		return
	}
	e.Fire(time.Duration(tick+e.ahead)*loadgen.WalkTick, func(seq uint32, begins bool) {
		w.fates[seq]++
		if begins {
			w.begun++
			e.begins++
			w.began[seq] = beginning{i, tick}
			if w.closed {
				w.t.Errorf("tick %d: %s begins something though the run is closed", tick, e.name)
			}
		}
	})
}

func (w *walk) beat(i int, e *epoch, tick int) {
	if (tick+i)%walkBeat != 0 || w.chance(0.05) {
		return
	}
	_, fenced := e.Fenced()
	for _, c := range w.coordinators {
		if w.isCut(e, c, tick) {
			continue
		}
		w.net = append(w.net, letter{at: tick + w.delay(), epoch: i, to: c, facts: lease.Facts{
			Capacity: e.capacity, Fenced: fenced, Done: tick >= walkDone, Rate: e.capacity, Busy: 0.5 + e.busy/2,
			Apart: time.Duration(max(e.ahead-c.ahead, c.ahead-e.ahead)) * loadgen.WalkTick, Measured: !w.chance(0.1),
		}})
	}
}

func (w *walk) isCut(e *epoch, from *coordinator, tick int) bool {
	return tick < e.cutUntil && (e.cutFrom == nil || e.cutFrom == from) && w.chance(0.95)
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
			w.hold(e, *m.reply)
		}
	}
}

// hold makes an epoch hold what it is promised, and call unsent what it may.
func (w *walk) hold(e *epoch, p lease.Promise) {
	if err := e.Hold(p.Holding); err != nil {
		w.t.Fatal(err)
	}
	if _, fenced := e.Fenced(); fenced && p.Final && !e.ended {
		e.ended = true
		e.Rest(p.Grants, func(seq uint32, _ bool) { w.fates[seq]++ })
	}
}

// settle settles what nobody told, which is more than never began: what the killed did in their last second. It gives how many
// that began it calls unsent.
func (w *walk) settle() (wrong int) {
	for _, e := range w.epochs {
		w.closing.Done[e.name] = !e.dead
	}
	missing := func(give func(uint32) bool) {
		for seq := range uint32(len(w.fates)) {
			b, begun := w.began[seq]
			lost := begun && w.epochs[b.epoch].dead && b.tick > w.epochs[b.epoch].diedAt-walkDelta
			if (w.fates[seq] == 0 || lost) && !give(seq) {
				return
			}
		}
	}
	unsent, indeterminate, err := lease.Settle(w.schedule, w.table(0), w.closing, missing)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, seq := range unsent {
		if _, begun := w.began[seq]; begun {
			wrong++
		}
	}
	n := 0
	for range missing {
		n++
	}
	settled := len(unsent)
	for _, seqs := range indeterminate {
		settled += len(seqs)
	}
	if n != settled {
		w.t.Errorf("of %d arrivals without a fate %d are settled", n, settled)
	}
	return wrong
}

// walks is how many; more than the tests have is a proof.
var walks = flag.Uint64("walks", 20, "random walks of a fleet that follows its leases")

func TestNeverTwice(t *testing.T) {
	schedule, begun, closed := loadgen.Walked(t), 0, 0
	for seed := range *walks {
		w := newWalk(t, schedule, seed, "", false)
		if twice := w.run(); twice > 0 {
			t.Errorf("seed %d: %d arrivals have two fates", seed, twice)
		}
		if begun += w.begun; w.closed {
			closed++
		}
	}
	if begun < int(*walks)*int(schedule.Total())*3/4 {
		t.Errorf("only %d arrivals began", begun)
	}
	t.Logf("%d arrivals began, %d of %d runs were closed", begun, closed, *walks)
}

// TestCalmFleet: where nothing happens every arrival begins, every worker has some, and the run can be closed.
func TestCalmFleet(t *testing.T) {
	w := newWalk(t, loadgen.Walked(t), 1, "", true)
	if twice := w.run(); twice > 0 || w.begun != int(w.schedule.Total()) || !w.closed {
		t.Errorf("%d of %d arrivals began, %d have two fates; closed: %v", w.begun, w.schedule.Total(), twice, w.closed)
	}
	for i, e := range w.epochs {
		if e.begins == 0 {
			t.Errorf("worker %d began nothing", i)
		}
	}
}

// TestBrokenRulesAreFound: the walk is worth what it refuses, from the seeds on that show it soonest.
func TestBrokenRulesAreFound(t *testing.T) {
	schedule := loadgen.Walked(t)
	for _, mutant := range slices.Sorted(maps.Keys(mutants)) {
		seed := mutants[mutant]
		for newWalk(t, schedule, seed, mutant, false).run() == 0 {
			if seed++; seed == mutants[mutant]+400 {
				t.Errorf("%s: no arrival has two fates in 400 walks", mutant)
				break
			}
		}
		t.Logf("%s: found by seed %d", mutant, seed)
	}
}
