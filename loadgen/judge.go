package loadgen

import (
	"bytes"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
)

// judge says whether an answer fulfils the step's checks and holds all that is to be extracted; the extracted values
// are then v's. s is the person's session, nil where the journey has none.
func (st *step) judge(p *parser, v *visit, s *session) bool {
	ok := true
	for i := range st.checks {
		ok = ok && st.checks[i].holds(p, v)
	}
	if st.creates {
		for i := range st.extract {
			v.values[st.extract[i].slot] = v.values[st.extract[i].slot][:0]
		}
	}
	if !ok && (!st.creates || p.status >= 400) {
		return false
	}
	// What a check does not like may have been made all the same, so that its id is wanted.
	return st.extractAll(p, v, s) && ok
}

func (st *step) extractAll(p *parser, v *visit, s *session) bool {
	all := true
	for i := range st.extract {
		x := &st.extract[i]
		if x.inPage {
			continue
		}
		value, ok := x.find(v.values[x.slot][:0], st, p, s)
		v.values[x.slot] = value
		all = all && ok
	}
	if len(st.inPage) > 0 {
		all = s != nil && st.readPage(p, v, s) && all
	}
	return all
}

// readPage extracts what is to be found in an HTML page.
func (st *step) readPage(p *parser, v *visit, s *session) bool {
	if s.reader == nil {
		s.reader = new(pageReader)
	}
	return s.reader.read(p.body, &s.at, st.inPage, func(i int, value []byte) {
		slot := st.inPageSlot[i]
		v.values[slot] = append(v.values[slot][:0], value...)
	}) == 0
}

// tellCreated reports the ids of what an answer says was made at the target. It is to be called after judge, whatever
// that said.
func (st *step) tellCreated(v *visit, samples Samples) {
	if !st.creates {
		return
	}
	for i := range st.extract {
		x := &st.extract[i]
		if value := v.values[x.slot]; x.created && len(value) > 0 {
			samples.Created(record.Created{Seq: v.Seq, Tenant: v.Tenant, Step: st.index, Name: x.name, Value: value})
		}
	}
}

func (c *check) holds(p *parser, v *visit) bool {
	switch {
	case len(c.status) > 0 && !slices.Contains(c.status, p.status):
		return false
	case len(c.contains) > 0 && !bytes.Contains(p.body, c.contains):
		return false
	case c.path != nil:
		value, ok := c.path.find(v.scratch[:0], p.body)
		v.scratch = value
		return ok && (c.equals == "" || string(value) == c.equals)
	case len(c.status) == 0 && len(c.contains) == 0: // the step names no status
		return p.status >= 200 && p.status < 400
	}
	return true
}

func (x *extraction) find(dst []byte, st *step, p *parser, s *session) (value []byte, ok bool) {
	switch {
	case x.path != nil:
		return x.path.find(dst, p.body)
	case x.regexp != nil:
		return x.match(dst, p.body)
	case x.header != "":
		p.headerValues(x.header, func(v []byte) bool {
			dst, ok = append(dst, v...), true
			return false
		})
		return dst, ok
	case st.cookies && s != nil: // an answer on the way here may have set it
		value, ok = s.jar.value(x.cookie, &s.at, s.now)
		return append(dst, bytes.Trim(value, `"`)...), ok
	}
	p.headerValues("set-cookie", func(v []byte) bool {
		pair, _, _ := bytes.Cut(v, []byte(";"))
		name, value, found := bytes.Cut(pair, []byte("="))
		if found && string(bytes.TrimSpace(name)) == x.cookie {
			dst, ok = append(dst[:0], bytes.Trim(bytes.TrimSpace(value), `"`)...), true
		}
		return !ok
	})
	return dst, ok
}

// match gives the first group of a match, or the whole. Package regexp has no way to find a group that allocates
// nothing; this one allocates once.
func (x *extraction) match(dst, body []byte) (value []byte, ok bool) {
	m := x.regexp.FindSubmatchIndex(body)
	if m == nil {
		return dst, false
	}
	if len(m) > 2 {
		m = m[2:4]
	}
	if m[0] < 0 {
		return dst, true // a group that took no part
	}
	return append(dst, body[m[0]:m[1]]...), true
}
