package loadgen

import "bytes"

// heading is the head of a step's last answer, byte for byte, and what it said about the body. Servers give the same head
// again and again, for a second at least, and comparing bytes costs a fraction of reading them. Where it names the pod
// behind the answer, any other name may stand in its place.
type heading struct {
	text    []byte
	framing framing
	// from and to are where the pod's name is in text; 0 where it is not.
	from, to int
}

// mostHeading is the longest head that is kept, in bytes.
const mostHeading = 2 << 10

// feed is p.feed, by a shorter way where b begins with the head that is known.
func (h *heading) feed(p *parser, b []byte) (int, error) {
	if p.begun() || p.keepHeader {
		return p.feed(b)
	}
	at, to := 0, 0
	if len(h.text) > 0 && h.framing.head == p.head && h.framing.keepBody == p.keepBody {
		at, to = h.match(b)
	}
	if at > 0 {
		p.framing = h.framing
		p.seen += to - h.to
		p.pod = append(p.pod, b[h.from:to]...)
	} else {
		for at < len(b) && p.state <= inHeader {
			n, err := p.take(b[at:])
			if at += n; err != nil {
				return at, err
			}
		}
		h.learn(p, b[:at])
	}
	n, err := p.feed(b[at:])
	return at + n, err
}

// match says how long the known head is that b begins with, and where the pod's name ends in it; 0 where b begins otherwise.
func (h *heading) match(b []byte) (length, to int) {
	if h.to == 0 {
		if bytes.HasPrefix(b, h.text) {
			return len(h.text), 0
		}
		return 0, 0
	}
	if !bytes.HasPrefix(b, h.text[:h.from]) {
		return 0, 0
	}
	name, rest := podNameLength(b[h.from:]), h.text[h.to:]
	if to = h.from + name; name == 0 || !bytes.HasPrefix(b[to:], rest) {
		return 0, 0
	}
	return to + len(rest), to
}

// learn keeps the head that p has just read, where it came as one.
func (h *heading) learn(p *parser, text []byte) {
	if p.state <= inHeader || len(text) > mostHeading {
		return
	}
	from, ok := p.findPod(text)
	if !ok {
		return
	}
	h.text, h.framing, h.from, h.to = append(h.text[:0], text...), p.framing, from, from+len(p.pod)
}
