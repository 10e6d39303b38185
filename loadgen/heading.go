package loadgen

import "bytes"

// heading is the head of a step's last answer, byte for byte, and what it said about the body. Servers give the same head
// again and again, for a second at least, and comparing bytes costs a fraction of reading them.
type heading struct {
	text    []byte
	framing framing
}

// mostHeading is the longest head that is kept, in bytes.
const mostHeading = 2 << 10

// feed is p.feed, by a shorter way where b begins with the head that is known.
func (h *heading) feed(p *parser, b []byte) (int, error) {
	if p.begun() || p.keepHeader {
		return p.feed(b)
	}
	at := 0
	if len(h.text) > 0 && h.framing.head == p.head && h.framing.keepBody == p.keepBody && bytes.HasPrefix(b, h.text) {
		p.framing, at = h.framing, len(h.text)
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

// learn keeps the head that p has just read, where it came as one.
func (h *heading) learn(p *parser, text []byte) {
	if p.state > inHeader && len(text) <= mostHeading {
		h.text, h.framing = append(h.text[:0], text...), p.framing
	}
}
