package main

import (
	"container/heap"
	"iter"
	"time"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// crowd lets a scenario's persons loose on a virtual platform. A person does what package loadgen has them do, shot for
// shot, but the network takes no time and the generator is never late; a test holds the two against each other.
type crowd struct {
	platform *lab.Virtual
	schedule *arrivals.Schedule
	samples  loadgen.Samples
	steps    []scenarios.StepRef
	moody    []bool // by step: its journey's persons react
	keyed    []bool // by step: it sends an idempotency key
	agenda   agenda
	order    uint64
	live     int
	totals   record.Totals
}

// person is an arrival under way.
type person struct {
	arrivals.Arrival
	who        arrivals.Person
	at, end    int // step; the one after the journey's last
	try        int
	due        time.Duration
	flying     bool
	impatient  bool // the shot's deadline is the person's, not the step's
	unanswered bool
	shot       int // counts the shots, and the waits between: what was set for an earlier one means nothing any more
}

func newCrowd(platform *lab.Virtual, sc *scenarios.Scenario, samples loadgen.Samples) (*crowd, error) {
	schedule, err := arrivals.New(sc)
	if err != nil {
		return nil, err
	}
	c := &crowd{platform: platform, schedule: schedule, samples: samples, steps: sc.AllSteps()}
	for _, ref := range c.steps {
		_, keyed := ref.Headers[keyHeader]
		c.keyed = append(c.keyed, keyed)
		c.moody = append(c.moody, sc.Journeys[ref.Journey].Impatience != nil)
	}
	return c, nil
}

// run goes from event to event until everybody has their fate; each is called about every second of the platform.
func (c *crowd) run(each func(now time.Duration) error) error {
	next, stop := iter.Pull(c.schedule.All(arrivals.Set{}))
	defer stop()
	a, more := next()
	for told := time.Duration(0); more || c.live > 0; {
		now := c.agenda.next()
		if more {
			now = min(now, a.Due)
		}
		if first := c.platform.Next(); first < now { // its answers may set something before now
			c.platform.Advance(first)
			continue
		}
		c.platform.Advance(now)
		if now-told > time.Second {
			if err := each(now); err != nil {
				return err
			}
			told = now
		}
		if more && a.Due <= now {
			if err := c.begin(a); err != nil {
				return err
			}
			a, more = next()
			continue
		}
		if err := c.remind(now); err != nil {
			return err
		}
	}
	return nil
}

// remind sends the shot that is due, or ends the wait that has lasted too long.
func (c *crowd) remind(now time.Duration) error {
	if len(c.agenda) == 0 || c.agenda[0].at > now {
		return nil
	}
	x := heap.Pop(&c.agenda).(alarm)
	switch p := x.person; {
	case x.shot != p.shot:
	case !p.flying:
		return c.fire(p)
	case p.impatient:
		c.over(p, record.Left)
	default:
		c.over(p, record.TimedOut)
	}
	return nil
}

func (c *crowd) begin(a arrivals.Arrival) error {
	p := &person{Arrival: a, who: c.schedule.Person(a.Seq), due: a.Due}
	c.live++
	p.at, p.end = p.who.Steps()
	if !c.toTaken(p, p.at) {
		c.settle(p, record.Completed)
		return nil
	}
	return c.fire(p)
}

// toTaken moves p to the next step from step on that the person takes; false where there is none.
func (c *crowd) toTaken(p *person, step int) bool {
	for ; step < p.end; step++ {
		if p.who.Takes(step) {
			p.at = step
			return true
		}
	}
	return false
}

// fire hands p's shot in, which is due now.
func (c *crowd) fire(p *person) error {
	timeout := c.steps[p.at].Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	patience := p.who.Patience(p.at, p.try)
	if p.impatient = patience > 0 && patience < timeout; p.impatient {
		timeout = patience
	}
	p.shot++
	p.flying = true
	c.set(p, p.due+timeout)
	shot := p.shot
	return c.platform.Submit(int(p.Tenant), p.at, p.Seq, c.keyed[p.at], func(o record.Outcome) {
		if p.shot == shot {
			c.over(p, o)
		}
	})
}

// over ends p's shot now and goes on with the journey.
func (c *crowd) over(p *person, o record.Outcome) {
	now := c.platform.Now()
	s := record.Sample{
		Seq: p.Seq, Tenant: p.Tenant, Step: int32(p.at), Retry: uint8(min(p.try, 255)), Outcome: o,
		Due: p.due, Sent: p.due, Done: now,
	}
	if o == record.OK || o == record.Failed {
		s.FirstByte = now
	} else {
		p.unanswered = true
	}
	c.samples.Sample(s)
	p.flying = false
	p.shot++
	switch {
	case o != record.OK:
		c.react(p, now)
	case c.toTaken(p, p.at+1):
		p.try = 0
		c.wait(p, now+p.who.Think(p.at))
	default:
		c.settle(p, record.Completed)
	}
}

// react is what p does after a shot in vain.
func (c *crowd) react(p *person, now time.Duration) {
	reaction, pause := p.who.React(p.at, p.try)
	switch {
	case c.moody[p.at] && reaction == arrivals.Reload:
		c.totals.Reloads++
		pause = 0
	case c.moody[p.at] && reaction == arrivals.ComeBack:
		c.totals.ComeBacks++
	default:
		if c.moody[p.at] {
			c.totals.GaveUp++
		}
		if p.unanswered {
			c.settle(p, record.Indeterminate)
		} else {
			c.settle(p, record.FailedArrival)
		}
		return
	}
	p.try++
	c.wait(p, now+pause)
}

// wait has p's next shot fired when it is due: from the agenda even where that is now, because the platform may be in
// the middle of something.
func (c *crowd) wait(p *person, due time.Duration) {
	p.due = due
	c.set(p, due)
}

func (c *crowd) settle(p *person, f record.Fate) {
	c.samples.Fate(p.Seq, f)
	c.live--
}

func (c *crowd) set(p *person, at time.Duration) {
	c.order++
	heap.Push(&c.agenda, alarm{at, c.order, p, p.shot})
}

// alarm is a moment that means something to a person as long as they are at that shot.
type alarm struct {
	at     time.Duration
	order  uint64
	person *person
	shot   int
}

// agenda are alarms, the earliest first.
type agenda []alarm

// next is the first alarm's moment.
func (a agenda) next() time.Duration {
	if len(a) == 0 {
		return 1<<63 - 1
	}
	return a[0].at
}

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(alarm)) }

func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}

func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	(*a)[len(*a)-1] = alarm{}
	*a = (*a)[:len(*a)-1]
	return last
}
