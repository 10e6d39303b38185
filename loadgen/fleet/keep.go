package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// appendPatience is how long an entry may take before it is tried again.
const appendPatience = time.Second

// mostParting is how far the run's clock may go from the wall's between two looks.
const mostParting = time.Second

// keep deals and promises until nothing can come any more. Once ctx has ended it deals and promises nothing.
func (c *Coordinator) keep(ctx, work context.Context, table *lease.Table) error {
	if err := c.hire(table); err != nil {
		return err
	}
	look := time.NewTicker(lease.LookEvery)
	defer look.Stop()
	ended, last := ctx.Done(), time.Now()
	for {
		now := time.Now()
		if err := parted(last, now, now.Round(0).Sub(last.Round(0))); err != nil {
			return err
		}
		last = now
		if err := c.appendDue(work); err != nil {
			return err
		}
		if c.closable() {
			return nil
		}
		select {
		case <-look.C:
		case <-ended:
			ended = nil
			c.leave()
			if err := c.stop(work); err != nil {
				return err
			}
		case err := <-c.mute:
			return err
		case <-c.over:
			if c.err == nil { // somebody else has closed the record
				return ErrReplaced
			}
			return c.err
		}
	}
}

// parted says that the clocks have gone apart between two looks, as when a machine was suspended: the run's clock stood still meanwhile, those of the
// workers did not. A coordinator that begins anew finds the start by the wall.
func parted(last, now time.Time, wall time.Duration) error {
	if asleep := wall - now.Sub(last); asleep.Abs() > mostParting {
		return fmt.Errorf("fleet: the clock of the wall went %s further than the run's: was this machine suspended?", asleep.Round(time.Millisecond))
	}
	return nil
}

// hire makes the keeper, of those who are there.
func (c *Coordinator) hire(table *lease.Table) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	keeper, err := lease.NewKeeper(c.terms, c.number, table, c.now())
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	c.keeper, c.dealt = keeper, table.Len()
	if c.fold.isStopped() { // by a coordinator before this one
		keeper.Stop()
		c.stopped = true
	}
	for _, o := range ordered(c.members) {
		if m := c.members[o]; time.Since(m.heard) < lease.LostAfter {
			keeper.Heard(o, lease.Facts{Capacity: m.capacity()}, c.now()) // whom a coordinator before this one took in it knows already
		}
	}
	c.bury()
	return nil
}

// ordered are the epochs of a map, by worker, then epoch.
func ordered[V any](of map[lease.Owner]V) []lease.Owner {
	return slices.SortedFunc(maps.Keys(of), func(a, b lease.Owner) int {
		return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Epoch, b.Epoch))
	})
}

// appendDue appends what the keeper wants to have in the list. What the bus does not take is tried again at the next look.
func (c *Coordinator) appendDue(ctx context.Context) error {
	var lines []string
	defer func() {
		for _, line := range lines {
			c.cfg.Say(line)
		}
	}()
	for {
		c.mu.Lock()
		e, wanted := c.keeper.Next(c.now())
		k := c.keeper.Table().Len() + 1
		c.pending = wanted
		c.mu.Unlock()
		lines = append(lines, c.changes()...) // before what follows from them
		if !wanted {
			return nil
		}
		patient, cancel := context.WithTimeout(ctx, appendPatience)
		taken, err := c.cfg.Store.Append(patient, k, e.Line())
		entries := []lease.Entry{e}
		if err == nil && taken { // by another coordinator
			entries, err = c.read(patient, k)
		}
		cancel()
		if err := c.bear(&c.untaken, err); err != nil {
			return err
		}
		if err != nil {
			return ctx.Err()
		}
		if err := c.appended(k, entries); err != nil {
			return err
		}
	}
}

// appended is told what stands in the list from entry k on.
func (c *Coordinator) appended(k uint64, entries []lease.Entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range entries {
		if err := c.keeper.Appended(k+uint64(i), e); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
		if len(e.Moves) > 0 {
			c.dealt = k + uint64(i)
			c.tellDeal(e)
		}
	}
	return nil
}

// tellDeal tells who got something by an entry, and why.
func (c *Coordinator) tellDeal(e lease.Entry) {
	parts := map[lease.Owner]int{}
	for _, m := range e.Moves {
		parts[m.Owner] += m.Hi - m.Lo
	}
	for _, o := range ordered(parts) {
		told := c.event(o, "leased", e.Why)
		told.Values = map[string]float64{"parts": float64(parts[o])}
		c.Event(told)
	}
}

// leave says that ctx has ended: a bus that takes nothing is not waited for as long.
func (c *Coordinator) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurried = true
}

func (c *Coordinator) leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hurried
}

// stop ends the run early. It is told before any worker hears of it: a coordinator after this one must not deal what they call unsent by then.
func (c *Coordinator) stop(ctx context.Context) error {
	if err := c.mustTell(ctx, told{Stopped: true}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeper.Stop()
	c.stopped = true
	return nil
}

func (c *Coordinator) closable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok, _ := c.keeper.Closable(c.now())
	for _, m := range c.members {
		ok = ok && !(m.late && m.beat.State != Done && time.Since(m.heard) < lease.LostAfter)
	}
	c.closing = ok && !c.pending
	return c.closing
}

// changes tells the stream of members whose state is another one, and gives what to say of it.
func (c *Coordinator) changes() (lines []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keeper.Members() {
		m := c.members[k.Owner]
		if m == nil || k.State < lease.Joined {
			continue
		}
		c.tellClock(k.Owner, m)
		if m.state == k.State {
			continue
		}
		m.state = k.State
		if m.beat.State == Done { // its process has ended as it should
			continue
		}
		m.ended = k.State.String()
		why := m.beat.Yield
		if why == "" {
			why = fmt.Sprintf("last heard %s before", scenarios.Span(time.Since(m.heard), "en"))
		}
		c.Event(c.event(k.Owner, k.State.String(), why))
		lines = append(lines, fmt.Sprintf("worker %s is %s: %s", k.Owner, k.State, why))
	}
	return lines
}

// clockEvery is how often it is told how far a worker's clock is from the coordinator's.
const clockEvery = 10 * time.Second

// tellClock tells of a member's clock now and then. The caller holds mu.
func (c *Coordinator) tellClock(o lease.Owner, m *member) {
	if !m.beat.Measured || m.state != lease.Joined || time.Since(m.clock) < clockEvery {
		return
	}
	m.clock = time.Now()
	e := c.event(o, "clock", "")
	e.Values = map[string]float64{
		"ahead_seconds": -m.beat.Offset.Seconds(), "uncertainty_seconds": m.beat.Uncertainty.Seconds(), "run_apart_seconds": m.beat.Apart.Seconds(),
	}
	c.Event(e)
}

// close takes the platform's account, tells the close, and waits until it has been folded. What broke the run is an error, and the record says it;
// so is what is wrong with the account, which cannot be asked for again.
func (c *Coordinator) close(work context.Context, broken error) error {
	end := &closingTold{Interrupted: c.fold.isStopped()}
	if broken == nil {
		broken = c.account(work, end)
	}
	if broken != nil {
		end.Interrupted = true
		end.Warnings = append(end.Warnings, record.Warning{Code: "run-broken", Text: scenarios.Text{
			"de": "Der Lauf brach ab: " + broken.Error(), "en": "The run broke off: " + broken.Error(),
		}})
	}
	if err := errors.Join(c.flush(work), c.tellEpochs(work)); err != nil {
		return err
	}
	c.mu.Lock()
	end.Entries, end.Promised = c.keeper.Table().Len(), c.keeper.Promised()
	c.mu.Unlock()
	end.Ended, end.Refused = time.Now().Round(0), c.refusals()
	if err := c.mustTell(work, told{Close: end}); err != nil {
		return err
	}
	<-c.over
	return errors.Join(broken, c.err)
}

// account takes the platform's own account into the close.
func (c *Coordinator) account(ctx context.Context, end *closingTold) error {
	if c.cfg.Account == nil {
		return nil
	}
	account, accepted, warnings, err := c.cfg.Account(ctx)
	end.Warnings = append(end.Warnings, warnings...)
	if err != nil || accepted == nil {
		end.Lab = account
		return err
	}
	set, err := accepted.ToBytes()
	if err != nil {
		return fmt.Errorf("fleet: the platform's account: %w", err)
	}
	for piece := range slices.Chunk(set, tellBytes) {
		if err := c.mustTell(ctx, told{Accepted: piece}); err != nil {
			return err
		}
	}
	end.Lab = account
	return nil
}
