package loadgen

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// tokenByte says which bytes a field name is made of (RFC 9110, 5.6.2).
var tokenByte = func() (table [256]bool) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			table[c] = true
		default:
			table[c] = bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
		}
	}
	return table
}()

// nameLength gives the length of the field name before the colon; 0 where the line does not begin with one.
func nameLength(line []byte) int {
	for i, c := range line {
		if !tokenByte[c] {
			if c != ':' {
				return 0
			}
			return i
		}
	}
	return 0
}

// hasControl says whether a byte is one that a field value may not hold: any control character but the tab (RFC 9110,
// 5.5). Eight bytes are looked at in one go, by the borrow that a byte below 0x20 or equal to 0x7f leaves in its top bit
// (Mycroft 1987); only where there is one, which may be a tab, they are looked at one by one.
func hasControl(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&tops != 0 && oneIsControl(b[:8]) {
			return true
		}
	}
	return oneIsControl(b)
}

func oneIsControl(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// checkField says what is wrong with a field line, and where its name ends.
func checkField(line []byte) (name int, err error) {
	name = nameLength(line)
	if name == 0 || hasControl(line[name+1:]) {
		return 0, fmt.Errorf("%w: header line %.32q", errGarbage, line)
	}
	return name, nil
}

// splitField cuts a field line at the end of its name.
func splitField(line []byte, name int) (field, value []byte) {
	return line[:name], trimSpace(line[name+1:])
}

// trimSpace takes the optional whitespace off both ends (RFC 9110, 5.6.3).
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return trimRight(b)
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// equalFold compares b with lower, which is ASCII in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// headerValues calls each with every value of the kept header lines named lower, until it says false.
func (p *parser) headerValues(lower string, each func(value []byte) bool) {
	for rest := p.header; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		if len(line) <= len(lower) || line[len(lower)] != ':' {
			continue
		}
		if name, value := splitField(line, len(lower)); equalFold(name, lower) && !each(value) {
			return
		}
	}
}
