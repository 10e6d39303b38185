package loadgen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// escaping says how values are written where a template puts them.
type escaping uint8

const (
	plain     escaping = iota
	forURL             // percent-encoded, also for bodies of HTML forms
	forJSON            // the contents of a JSON string
	forHeader          // without control characters
	forQuoted          // between the quotes of a multipart header, as the HTML standard says
)

// source is where a part's value comes from.
type source uint8

const (
	literal source = iota
	seqNumber
	tenantName
	tenantTitle
	retryNumber
	nowInstant
	uuidValue
	feederColumn
	extracted
	hostAddress // as it was written; only the Host header has it
	boundary    // between the parts of an arrival's forms with files
)

// part is one piece of a template.
type part struct {
	source
	text   []byte // literal
	feeder feeder
	index  int // column of the feeder, or slot of the extracted value
}

// template is a compiled text with placeholders.
type template struct {
	parts []part
	escaping
}

// names are what placeholders may name, for one step.
type names struct {
	run     string
	feeders map[string]feeder
	// slots of the values that earlier steps of the journey extract.
	slots map[string]int
}

// known lists the placeholders that would be right.
func (n *names) known() string {
	list := []string{"seq", "tenant", "tenant.title", "run", "retry", "now", "uuid"}
	for name, f := range n.feeders {
		for _, c := range f.columns() {
			list = append(list, name+"."+c)
		}
	}
	for name := range n.slots {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// compile reads a text with placeholders, which is in the language of esc already.
func (n *names) compile(text string, esc escaping) (template, error) { return n.read(text, esc, plain) }

// compileEscaped reads a text with placeholders that is to be written in the language of esc as values are.
func (n *names) compileEscaped(text string, esc escaping) (template, error) {
	return n.read(text, esc, esc)
}

func (n *names) read(text string, esc, literals escaping) (template, error) {
	t := template{escaping: esc}
	for text != "" {
		before, rest, found := strings.Cut(text, "{{")
		t.literal(string(appendEscaped(nil, []byte(before), literals)))
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return t, fmt.Errorf("{{ without }} at %.20q", "{{"+rest)
		}
		if err := n.placeholder(&t, strings.TrimSpace(name)); err != nil {
			return t, err
		}
		text = after
	}
	return t, nil
}

var plainSources = map[string]source{
	"seq": seqNumber, "tenant": tenantName, "tenant.title": tenantTitle, "retry": retryNumber,
	"now": nowInstant, "uuid": uuidValue,
}

func (n *names) placeholder(t *template, name string) error {
	if s, ok := plainSources[name]; ok {
		t.parts = append(t.parts, part{source: s})
		return nil
	}
	if name == "run" {
		t.literal(string(appendEscaped(nil, []byte(n.run), t.escaping)))
		return nil
	}
	if slot, ok := n.slots[name]; ok {
		t.parts = append(t.parts, part{source: extracted, index: slot})
		return nil
	}
	if name, column, dotted := strings.Cut(name, "."); dotted {
		if f, ok := n.feeders[name]; ok {
			if i := slices.Index(f.columns(), column); i >= 0 {
				t.parts = append(t.parts, part{source: feederColumn, feeder: f, index: i})
				return nil
			}
		}
	}
	return fmt.Errorf("unknown placeholder {{%s}}; known here: %s", name, n.known())
}

// literal appends text, joined to a literal before it.
func (t *template) literal(text string) {
	if text == "" {
		return
	}
	if n := len(t.parts); n > 0 && t.parts[n-1].source == literal {
		t.parts[n-1].text = append(t.parts[n-1].text, text...)
		return
	}
	t.parts = append(t.parts, part{text: []byte(text)})
}

// append writes the text for v's shot.
func (t *template) append(dst []byte, e *Engine, v *visit) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		switch p.source {
		case literal:
			dst = append(dst, p.text...)
		case seqNumber:
			dst = strconv.AppendUint(dst, uint64(v.Seq), 10)
		case retryNumber:
			dst = strconv.AppendUint(dst, uint64(v.retry), 10)
		case uuidValue:
			dst = appendUUID(dst, e.uuidKey, v.Seq)
		case boundary:
			dst = appendUUID(append(dst, "ansturm-"...), ^e.uuidKey, v.Seq)
		case hostAddress:
			dst = append(dst, v.host.authority...)
		default:
			mark := len(dst)
			dst = escapeTail(p.appendText(dst, e, v), mark, t.escaping)
		}
	}
	return dst
}

func (p *part) appendText(dst []byte, e *Engine, v *visit) []byte {
	switch p.source {
	case tenantName:
		return append(dst, e.tenants[v.Tenant].name...)
	case tenantTitle:
		return append(dst, e.tenants[v.Tenant].title...)
	case nowInstant:
		return e.start.Add(v.dueWall).UTC().AppendFormat(dst, time.RFC3339Nano)
	case feederColumn:
		return p.feeder.append(dst, v.Seq, p.index)
	case extracted:
		if p.index < len(v.values) {
			return append(dst, v.values[p.index]...)
		}
	}
	return dst
}

// escapeTail escapes dst[mark:], which seldom needs it, in place: from its end, so that no byte is overwritten before it
// has moved.
func escapeTail(dst []byte, mark int, esc escaping) []byte {
	if esc == plain {
		return dst
	}
	var one [1]byte
	var buf [6]byte
	more, needed := 0, false
	for _, c := range dst[mark:] {
		if mustEscape(c, esc) {
			one[0], needed = c, true
			more += len(appendEscaped(buf[:0], one[:], esc)) - 1
		}
	}
	if !needed {
		return dst
	}
	from := len(dst)
	dst = slices.Grow(dst, more)[:from+more]
	for to := len(dst); from > mark; {
		from--
		one[0] = dst[from]
		piece := appendEscaped(buf[:0], one[:], esc)
		to -= len(piece)
		copy(dst[to:], piece)
	}
	return dst
}

func mustEscape(c byte, esc escaping) bool {
	switch esc {
	case forURL:
		unreserved := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
		return !unreserved
	case forJSON:
		return c < ' ' || c == '"' || c == '\\'
	case forHeader:
		return c < ' ' || c == 0x7f
	case forQuoted:
		return c == '"' || c == '\r' || c == '\n'
	}
	return false
}

func appendEscaped(dst, raw []byte, esc escaping) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range raw {
		switch {
		case !mustEscape(c, esc):
			dst = append(dst, c)
		case esc == forURL || esc == forQuoted:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		case esc == forJSON && c >= ' ':
			dst = append(dst, '\\', c)
		case esc == forJSON:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case esc == forHeader:
			dst = append(dst, ' ')
		}
	}
	return dst
}

// appendUUID writes a version 8 UUID (RFC 9562, 5.8) made of key and seq.
func appendUUID(dst []byte, key uint64, seq uint32) []byte {
	const hex = "0123456789abcdef"
	a := mix(key ^ uint64(seq))
	b := mix(a + 0x9e3779b97f4a7c15)
	a = a&^0xf000 | 0x8000
	b = b&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		word, shift := a, 60-4*i
		if i >= 16 {
			word, shift = b, 124-4*i
		}
		dst = append(dst, hex[word>>shift&15])
	}
	return dst
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
