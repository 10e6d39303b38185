package loadgen

import (
	"crypto/tls"
	"net/netip"
)

// host is one address that is fired at.
type host struct {
	index     int
	authority string // host:port as it was written
	address   string // host:port, literal
	at        netip.AddrPort
	secure    *tls.Config // nil: without TLS
}

// pool holds the connections of a shard. A slot is the right to hold one connection open; there are max of them.
type pool struct {
	max     int
	slots   int // taken: connections open or being opened
	places  []*conn
	vacant  []uint32  // places without a connection
	idle    [][]*conn // by host, the youngest last
	idles   int
	waiting queue // visits without a slot
	starved bool  // for want of descriptors or ports nothing new is dialed
}

// claim is what a visit gets from the pool: a connection, the slot for a new one, or a place in the queue.
type claim uint8

const (
	useIdle claim = iota
	dialNew
	inQueue
)

// take claims a connection for v. victim, if any, is an idle connection that must be closed for it.
func (p *pool) take(v *visit) (c, victim *conn, what claim) {
	if list := p.idle[v.host.index]; len(list) > 0 && p.waiting.live == 0 {
		c = list[len(list)-1]
		p.idle[v.host.index] = list[:len(list)-1]
		p.idles--
		return c, nil, useIdle
	}
	if p.slots < p.max && !p.starved {
		p.slots++
		return nil, nil, dialNew
	}
	if victim = p.victim(); victim != nil {
		return nil, victim, dialNew // it inherits the slot
	}
	p.waiting.push(v)
	return nil, nil, inQueue
}

// victim takes the oldest idle connection of some host out of its list.
func (p *pool) victim() *conn {
	if p.idles == 0 {
		return nil
	}
	for i, list := range p.idle {
		if len(list) > 0 {
			oldest := list[0]
			p.idle[i] = append(list[:0], list[1:]...)
			p.idles--
			return oldest
		}
	}
	return nil
}

// rest makes c idle.
func (p *pool) rest(c *conn) {
	p.idle[c.host.index] = append(p.idle[c.host.index], c)
	p.idles++
}

// forget takes c out of the idle ones.
func (p *pool) forget(c *conn) {
	list := p.idle[c.host.index]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == c {
			p.idle[c.host.index] = append(list[:i], list[i+1:]...)
			p.idles--
			return
		}
	}
}

// house gives a connection to h a place, and so a token. Its buffers may be an earlier one's.
func (p *pool) house(h *host) *conn {
	n := len(p.vacant)
	if n == 0 {
		c := &conn{host: h, token: token{place: uint32(len(p.places))}}
		p.places = append(p.places, c)
		return c
	}
	c := p.places[p.vacant[n-1]]
	p.vacant = p.vacant[:n-1]
	*c = conn{host: h, token: c.token, parser: c.parser}
	return c
}

// evict takes c's place away: what its token still announces is for nobody.
func (p *pool) evict(c *conn) {
	c.token.generation++
	c.link, c.visit = nil, nil
	p.vacant = append(p.vacant, c.token.place)
}

// at is the connection that t names, or nil.
func (p *pool) at(t token) *conn {
	if int(t.place) < len(p.places) && p.places[t.place].token == t {
		return p.places[t.place]
	}
	return nil
}
