package loadgen

import (
	"bytes"
	"slices"
)

// judge says whether an answer fulfils the step's checks and holds all that is to be extracted; the extracted values
// are then v's.
func (st *step) judge(p *parser, v *visit) bool {
	for i := range st.checks {
		if !st.checks[i].holds(p, v) {
			return false
		}
	}
	for i := range st.extract {
		x := &st.extract[i]
		value, ok := x.find(v.values[x.slot][:0], p)
		v.values[x.slot] = value
		if !ok {
			return false
		}
	}
	return true
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

func (x *extraction) find(dst []byte, p *parser) (value []byte, ok bool) {
	switch {
	case x.path != nil:
		return x.path.find(dst, p.body)
	case x.regexp != nil:
		m := x.regexp.FindSubmatch(p.body)
		if m == nil {
			return dst, false
		}
		return append(dst, m[min(1, len(m)-1)]...), true
	case x.header != "":
		p.headerValues(x.header, func(v []byte) bool {
			dst, ok = append(dst, v...), true
			return false
		})
		return dst, ok
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
