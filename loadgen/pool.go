package loadgen

import (
	"container/heap"
	"sync"
)

// host is one address and its idle connections, the youngest last.
type host struct {
	address string
	idle    []*conn
}

// pool holds the connections of a run. A slot is the right to hold one connection open; there are max of them.
type pool struct {
	mu      sync.Mutex
	max     int
	hosts   []*host
	open    map[*conn]struct{}
	idle    int   // connections in the hosts' lists
	slots   int   // taken: open connections and dials under way
	peak    int   // the most slots ever taken
	dialed  int64 // connections ever opened
	waiting byDue // visits without a slot
	closed  bool  // nobody may wait any more
}

// claim is what a visit gets from the pool: a connection, the slot for a new one, a place in the queue, or nothing
// because the run is over.
type claim uint8

const (
	useIdle claim = iota
	dialNew
	wait
	refuse
)

// take claims a connection for v. victim, if any, is an idle connection to another host that must be closed for it.
func (p *pool) take(v *visit) (c, victim *conn, what claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(v.host.idle); n > 0 && len(p.waiting) == 0 {
		c = v.host.idle[n-1]
		v.host.idle = v.host.idle[:n-1]
		p.idle--
		return c, nil, useIdle
	}
	if p.closed {
		return nil, nil, refuse
	}
	if p.slots < p.max {
		p.slots++
		p.peak = max(p.peak, p.slots)
		return nil, nil, dialNew
	}
	if victim = p.victim(); victim != nil {
		return nil, victim, dialNew // it inherits the slot
	}
	heap.Push(&p.waiting, v)
	return nil, nil, wait
}

// victim takes the oldest idle connection of some host out of its list; p.mu is held.
func (p *pool) victim() *conn {
	if p.idle == 0 {
		return nil
	}
	for _, h := range p.hosts {
		if len(h.idle) > 0 {
			c := h.idle[0]
			h.idle = append(h.idle[:0], h.idle[1:]...)
			p.idle--
			delete(p.open, c)
			return c
		}
	}
	return nil
}

// opened notes a connection that was dialed in a slot; false when the run has been cut meanwhile.
func (p *pool) opened(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return false
	}
	p.open[c] = struct{}{}
	p.dialed++
	return true
}

// giveBack makes c idle, or gives the visit that has waited longest and now owns c's slot, and c if kept is true. Where
// kept is false c is to be closed.
func (p *pool) giveBack(c *conn) (next *visit, kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		next = heap.Pop(&p.waiting).(*visit)
		if next.host != c.host {
			delete(p.open, c)
		}
		return next, next.host == c.host
	}
	if p.open == nil { // cut
		p.slots--
		return nil, false
	}
	c.host.idle = append(c.host.idle, c)
	p.idle++
	return nil, true
}

// lose gives up a slot, with the closed connection c that had it (nil after a dial in vain), to the visit that has
// waited longest, if there is one.
func (p *pool) lose(c *conn) (next *visit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	if len(p.waiting) > 0 {
		return heap.Pop(&p.waiting).(*visit)
	}
	p.slots--
	return nil
}

// replace forgets c but keeps its slot for a new connection.
func (p *pool) replace(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// forget takes c out of the idle ones; false when it was not there because somebody just took it.
func (p *pool) forget(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range c.host.idle {
		if other == c {
			c.host.idle = append(c.host.idle[:i], c.host.idle[i+1:]...)
			p.idle--
			p.slots--
			delete(p.open, c)
			return true
		}
	}
	return false
}

// stopWaiting gives the visits that wait and lets no other wait or dial.
func (p *pool) stopWaiting() []*visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	left := p.waiting
	p.waiting = nil
	return left
}

// cut gives all open connections, to be closed, and takes no new ones.
func (p *pool) cut() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*conn
	for c := range p.open {
		all = append(all, c)
	}
	p.open = nil
	for _, h := range p.hosts {
		h.idle = nil
	}
	p.idle = 0
	return all
}

// numbers of connections: open now, at most at one time, ever opened.
func (p *pool) numbers() (open, peak int, dialed int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open), p.peak, p.dialed
}
