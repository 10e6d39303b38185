package loadgen

// send sends v's shot over c, which is open and idle.
func (s *shard) send(c *conn, v *visit) {
	v.state, v.conn, v.fired = flying, c, true
	c.visit = v
	s.stamp(v, s.now())
	s.write(c, v)
}

func (s *shard) write(c *conn, v *visit) {
	st := s.e.steps[v.at]
	if v.session != nil {
		s.out = v.session.appendRequest(s.out[:0], s.e, v)
		c.stream = v.session.stream(st)
	} else {
		s.out, s.body = s.e.appendRequest(s.out[:0], s.body, v)
	}
	s.noteLateness(v)
	c.parser.reset(st.head && !v.bare(), st.keepHeader, st.keepBody)
	n := s.push(c, v, s.out)
	if n < len(s.out) { // the buffer goes along: what does not fit into a socket may be long
		c.out, s.out = s.out[n:], nil
	} else if c.stream != nil {
		s.pour(c, v)
	}
}

// push writes b as far as the connection takes it, and says how far. An error is left to the reading, which may find an
// early answer all the same.
func (s *shard) push(c *conn, v *visit, b []byte) (n int) {
	for n < len(b) {
		k, err := c.link.write(b[n:])
		s.fresh = false
		v.wrote = v.wrote || k > 0
		n += k
		if err == errAgain {
			return n
		}
		if err != nil {
			c.broken, c.out, c.stream = true, nil, nil
			s.pending = append(s.pending, ready{token: c.token})
			return len(b)
		}
	}
	return n
}

// pour writes the stream as far as the connection takes it.
func (s *shard) pour(c *conn, v *visit) {
	for c.stream != nil {
		b := c.stream.next()
		if len(b) == 0 {
			c.stream = nil
			return
		}
		n := s.push(c, v, b)
		if c.stream == nil { // the write failed
			return
		}
		if c.stream.advance(n); n < len(b) {
			return
		}
	}
}

// resume goes on writing the request.
func (s *shard) resume(c *conn) {
	if len(c.out) > 0 {
		n := s.push(c, c.visit, c.out)
		if c.out = c.out[min(n, len(c.out)):]; len(c.out) == 0 {
			c.out = nil
		}
	}
	if len(c.out) == 0 {
		s.pour(c, c.visit)
	}
}
