package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// member is an epoch as its coordinator last heard of it.
type member struct {
	joined
	beat  Beat
	heard time.Time
	state lease.State // that was told of
	clock time.Time   // when its clock was told of
}

// service answers workers, until ctx ends.
type service struct {
	*Coordinator
	ctx context.Context
}

// Join takes a worker in.
func (s service) Join(b []byte) (worker, epoch uint32, welcome []byte, err error) {
	hello, err := decode[Hello]("hello", b)
	if err != nil {
		return 0, 0, nil, err
	}
	if err := s.joining.take(s.ctx); err != nil {
		return 0, 0, nil, err
	}
	defer s.joining.giveBack()
	if s.past() {
		return 0, 0, nil, errors.New("the run is over")
	}
	j, former := s.place(&hello)
	o := j.owner()
	e := s.event(o, lease.Joined.String(), fmt.Sprintf("%s, process %d on %s, %d processors", hello.Name, hello.Pid, hello.Host, hello.Processors))
	if err := s.mustTell(s.ctx, told{Joined: &j, Events: &eventsTold{At: e.At, Lines: lineOf(e)}}); err != nil {
		return 0, 0, nil, err
	}
	s.cfg.Say(fmt.Sprintf("worker %s joined: %s, process %d on %s", o, hello.Name, hello.Pid, hello.Host))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[o] = &member{joined: j, heard: time.Now(), state: lease.Joined}
	if s.keeper != nil {
		if err := s.keeper.Joined(o, j.capacity(), s.now()); err != nil {
			return 0, 0, nil, err
		}
	}
	kept, _ := s.fold.seen(former)
	return j.Worker, j.Epoch, encode(Welcome{
		versioned: versioned{Version}, Kept: kept, Spec: *s.spec,
		Life: Life{Run: s.cfg.Run.ID, Worker: j.Worker, Epoch: j.Epoch, Proof: s.proof(j.Worker, j.Epoch)},
	}), nil
}

// capacity is by what an epoch's share goes: how many processors it said it has. It is no measurement.
func (j *joined) capacity() float64 { return float64(max(j.Processors, 1)) }

// past says that nothing more is dealt to anybody.
func (c *Coordinator) past() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped || c.keeper != nil && c.platform() >= c.terms.End
}

// place gives a pair that nobody had: the next epoch of the worker that somebody shows to have been, else another worker.
func (s service) place(hello *Hello) (j joined, former lease.Owner) {
	j = joined{Name: hello.Name, Processors: hello.Processors}
	if was := hello.Former; was != nil && was.Run == s.cfg.Run.ID && was.Proof == s.proof(was.Worker, was.Epoch) {
		j.Worker, former = was.Worker, lease.Owner{Worker: was.Worker, Epoch: was.Epoch}
	}
	j.Worker, j.Epoch = s.fold.following(j.Worker)
	return j, former
}

// Beat answers a beat.
func (s service) Beat(worker, epoch uint32, b []byte) []byte {
	received := time.Now()
	beat, err := decode[Beat]("beat", b)
	if err != nil {
		s.Refused("garbage", lease.Owner{Worker: worker, Epoch: epoch}.String())
		return nil
	}
	o := lease.Owner{Worker: worker, Epoch: epoch}
	kept, given := s.fold.seen(o)
	if !given { // by a coordinator that was not heard any more
		return nil
	}
	r := Reply{versioned: versioned{Version}, N: beat.N, Received: s.clock.stamp(received), Kept: kept}
	if start, told := s.began(); told {
		r.Start = s.clock.stamp(start)
	}
	s.answer(o, &beat, &r, received)
	r.Sent = s.clock.stamp(time.Now())
	return encode(r)
}

func (c *Coordinator) answer(o lease.Owner, beat *Beat, r *Reply, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[o]
	if m == nil { // a coordinator before this one took it in
		m = &member{joined: c.fold.who(o), state: lease.Joined}
		c.members[o] = m
	}
	m.beat, m.heard = *beat, at
	r.Coordinator, r.Stopped = c.number, c.stopped
	if c.keeper == nil {
		return
	}
	p := c.keeper.Heard(o, lease.Facts{
		Capacity: m.capacity(), Apart: beat.Apart, Measured: beat.Measured,
		Fenced: beat.Yield != "", Done: beat.State == Done,
	}, c.now())
	r.Lost = p.Lost
	if p.Coordinator == 0 {
		return
	}
	r.Last = c.last(&p, beat)
	r.Holding = &p.Holding
	if r.Same = beat.Deals >= c.dealt && beat.Deals > 0; r.Same {
		p.Grants = nil
	}
}

// last says that an epoch's grants will not change any more, and that nothing of what it has begun is under way, or must not be.
func (c *Coordinator) last(p *lease.Promise, beat *Beat) bool {
	switch {
	case c.pending: // it may be the epoch's no more
		return false
	case c.stopped:
		return true
	case !p.Lost || beat.Yield == "" && beat.Progress.InFlight > 0:
		return false
	}
	now := c.platform()
	for _, g := range p.Grants {
		if g.To > now && now < c.terms.End {
			return false // who is to have the rest is not settled, or may still begin
		}
	}
	return true
}

// Refused tells of a refusal on the bus.
func (s service) Refused(reason, from string) {
	s.waiting.Lock()
	s.refused[reason]++
	first := s.refused[reason] == 1
	s.waiting.Unlock()
	if first {
		s.cfg.Say(fmt.Sprintf("refused: %s, from %s", reason, from))
	}
}

// event is one of the timeline, of an epoch.
func (c *Coordinator) event(o lease.Owner, phase, message string) record.Event {
	return record.Event{
		At: c.platform(), Wall: time.Now().Round(0), Source: "fleet", Kind: record.KindWorker,
		Object: o.String(), Phase: phase, Message: message,
	}
}

// ready is how many epochs could begin.
func (c *Coordinator) ready() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.beat.State == Ready && time.Since(m.heard) < lease.LostAfter {
			n++
		}
	}
	return n
}

// Dead is told with proof that an epoch's process has ended: what it held is dealt to others at once.
func (c *Coordinator) Dead(worker, epoch uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keeper != nil {
		c.keeper.Dead(lease.Owner{Worker: worker, Epoch: epoch}, c.now())
	}
}

// Progress is that of the whole fleet, by the last beat of each epoch; the lateness is the worst of those that fire.
func (c *Coordinator) Progress() loadgen.Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := loadgen.Progress{Total: c.cfg.Engine.Schedule.Total()}
	if c.fold != nil {
		all.At = c.platform()
	}
	for _, m := range c.members {
		p := &m.beat.Progress
		all.Offered, all.Completed, all.Failed = all.Offered+p.Offered, all.Completed+p.Completed, all.Failed+p.Failed
		all.Indeterminate, all.Unsent, all.InFlight = all.Indeterminate+p.Indeterminate, all.Unsent+p.Unsent, all.InFlight+p.InFlight
		all.Shots, all.ShotsOK, all.Late = all.Shots+p.Shots, all.ShotsOK+p.ShotsOK, all.Late+p.Late
		if time.Since(m.heard) < lease.LostAfter {
			all.Connections += p.Connections
			all.LatenessP99 = max(all.LatenessP99, p.LatenessP99)
		}
	}
	return all
}

// Worker is an epoch as a live view shows it.
type Worker struct {
	lease.Owner
	Name string
	// State is the coordinator's word, Beat the epoch's own, Heard how long ago that came.
	State lease.State
	Beat  Beat
	Heard time.Duration
}

// Workers are the epochs, by worker, then epoch.
func (c *Coordinator) Workers() []Worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Worker
	for _, o := range ordered(c.members) {
		m := c.members[o]
		all = append(all, Worker{Owner: o, Name: m.Name, State: m.state, Beat: m.beat, Heard: time.Since(m.heard)})
	}
	return all
}
