package fleet

import (
	"context"
	"fmt"
	"time"
	"unicode"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// member is an epoch as its coordinator last heard of it.
type member struct {
	joined
	beat  Beat
	heard time.Time
	state lease.State // that was told of
	ended string      // as the record has it, where it did not end as it should
	clock time.Time   // when its clock was told of
	late  bool        // it came when nothing was dealt any more, to deliver what it had told before; the keeper knows nothing of it
	deaf  deafness
}

// deafness is how long an epoch does not hear what it is answered, though it is heard itself.
type deafness struct {
	unheard uint64 // the first beat whose reply it does not say to have heard; 0: there was none
	since   time.Time
}

// at takes in a beat that is about to be answered.
func (d *deafness) at(beat *Beat, now time.Time) time.Duration {
	if d.unheard == 0 || beat.Heard >= d.unheard {
		d.unheard, d.since = beat.N, now
		return 0
	}
	return now.Sub(d.since) + lease.BeatEvery/2 // it may have been so for a beat before the first such reply
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
	hello.Name, hello.Host = printable(hello.Name), printable(hello.Host)
	if err := s.joining.take(s.ctx); err != nil {
		return 0, 0, nil, err
	}
	defer s.joining.giveBack()
	j, former := s.place(&hello)
	late := s.past()
	if late && (former.Worker == 0 || !hello.Relics) {
		return 0, 0, nil, ErrOver
	}
	o := j.owner()
	e := s.event(o, lease.Joined.String(), fmt.Sprintf("%s, process %d on %s, %d processors", hello.Name, hello.Pid, hello.Host, hello.Processors))
	if err := s.mustTell(s.ctx, told{Joined: &j, Events: &eventsTold{At: e.At, Lines: lineOf(e)}}); err != nil {
		return 0, 0, nil, err
	}
	if !s.cfg.Quiet {
		s.cfg.Say(fmt.Sprintf("worker %s joined: %s, process %d on %s", o, hello.Name, hello.Pid, hello.Host))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if late && s.closing {
		return 0, 0, nil, ErrOver
	}
	s.members[o] = &member{joined: j, heard: time.Now(), state: lease.Joined, late: late}
	if s.keeper != nil && !late {
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

// mostName is how many runes of a name that a worker gives itself are kept.
const mostName = 64

// printable is what of a name may be shown: it could else write to the terminal whatever it likes.
func printable(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = unicode.ReplacementChar
		}
	}
	return string(runes[:min(len(runes), mostName)])
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
	j = joined{Name: hello.Name, Host: hello.Host, Processors: hello.Processors}
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
	deaf := m.deaf.at(beat, at)
	r.Coordinator, r.Stopped = c.number, c.stopped || m.late
	if m.late {
		r.Holding, r.Last = &loadgen.Holding{Coordinator: c.number, Deals: c.dealt}, true
	}
	if c.keeper == nil || m.late {
		return
	}
	p := c.keeper.Heard(o, lease.Facts{
		Capacity: m.capacity(), Apart: beat.Apart, Measured: beat.Measured,
		Fenced: beat.Yield != "", Done: beat.State == Done, Deaf: deaf,
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
	case p.Final:
		return true
	case c.stopped || !p.Lost || beat.Yield == "" && beat.Progress.InFlight > 0:
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
	if reason == bus.Denied { // by this coordinator itself: whoever comes when the run is over
		return
	}
	s.waiting.Lock()
	defer s.waiting.Unlock()
	s.refused[reason]++
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

// Gone is told with proof that the process which joined by that name, as no other did, has ended: what its epochs hold is dealt to others at
// once. A coordinator that came later may be told before it has heard of them.
func (c *Coordinator) Gone(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone[name] = true
	c.bury()
}

// bury tells the keeper of those who are gone. The caller holds mu.
func (c *Coordinator) bury() {
	if c.keeper == nil {
		return
	}
	for o, j := range c.fold.given() {
		if c.gone[j.Name] {
			c.keeper.Dead(o, c.now())
		}
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
