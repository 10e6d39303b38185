package loadgen

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// jsonPath is a dotted path into a JSON document: keys of objects and indices of arrays.
type jsonPath []string

func newJSONPath(s string) jsonPath { return strings.Split(s, ".") }

// find gives the value at the path as text (a string without its quotes, everything else as it stands), appended to
// dst. Of a key that an object holds twice the last counts, and a document that is not valid as a whole holds nothing,
// both as in encoding/json, which a test holds it against. It is one pass; encoding/json's check alone takes four times as
// long.
func (path jsonPath) find(dst, doc []byte) ([]byte, bool) {
	value, end := path.walk(doc, jsonSpace(doc, 0), 0)
	if end < 0 || jsonSpace(doc, end) != len(doc) || value == nil {
		return dst, false
	}
	return appendJSONText(dst, value), true
}

// mostNested is how deep a document may be, as in encoding/json.
const mostNested = 10_000

// walk reads the value at i of doc: it gives what stands at the path in it, nil for nothing, and where it ends, −1 where
// it is not valid.
func (path jsonPath) walk(doc []byte, i, depth int) (value []byte, end int) {
	if i >= len(doc) || depth >= mostNested && (doc[i] == '{' || doc[i] == '[') {
		return nil, -1
	}
	switch doc[i] {
	case '{':
		value, end = path.object(doc, i, depth)
	case '[':
		value, end = path.array(doc, i, depth)
	case '"':
		end = jsonString(doc, i)
	default:
		end = jsonScalar(doc, i)
	}
	if path != nil && len(path) == 0 && end >= 0 {
		return doc[i:end], end
	}
	return value, end
}

func (path jsonPath) object(doc []byte, i, depth int) (value []byte, end int) {
	if i = jsonSpace(doc, i+1); i < len(doc) && doc[i] == '}' {
		return nil, i + 1
	}
	for i < len(doc) && doc[i] == '"' {
		key := i
		if i = jsonString(doc, i); i < 0 {
			return nil, -1
		}
		var inner jsonPath // nil: only to be read over
		matches := len(path) > 0 && jsonStringIs(doc[key:i], path[0])
		if matches {
			inner = path[1:]
		}
		if i = jsonSpace(doc, i); i >= len(doc) || doc[i] != ':' {
			return nil, -1
		}
		found, next := inner.walk(doc, jsonSpace(doc, i+1), depth+1)
		if next < 0 {
			return nil, -1
		}
		if matches {
			value = found
		}
		i = jsonSpace(doc, next)
		switch {
		case i < len(doc) && doc[i] == '}':
			return value, i + 1
		case i >= len(doc) || doc[i] != ',':
			return nil, -1
		}
		i = jsonSpace(doc, i+1)
	}
	return nil, -1
}

func (path jsonPath) array(doc []byte, i, depth int) (value []byte, end int) {
	wanted := -1
	if len(path) > 0 {
		if n, err := strconv.Atoi(path[0]); err == nil {
			wanted = n
		}
	}
	if i = jsonSpace(doc, i+1); i < len(doc) && doc[i] == ']' {
		return nil, i + 1
	}
	for n := 0; i < len(doc); n++ {
		var inner jsonPath
		if n == wanted {
			inner = path[1:]
		}
		found, next := inner.walk(doc, i, depth+1)
		if next < 0 {
			return nil, -1
		}
		if n == wanted {
			value = found
		}
		i = jsonSpace(doc, next)
		switch {
		case i < len(doc) && doc[i] == ']':
			return value, i + 1
		case i >= len(doc) || doc[i] != ',':
			return nil, -1
		}
		i = jsonSpace(doc, i+1)
	}
	return nil, -1
}

// jsonSpace skips white space.
func jsonSpace(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\t' || doc[i] == '\n' || doc[i] == '\r') {
		i++
	}
	return i
}

// jsonString is where the string that begins at i ends; −1 where it is not valid.
func jsonString(doc []byte, i int) int {
	for i++; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i++; i >= len(doc) || strings.IndexByte(`"\/bfnrtu`, doc[i]) < 0 {
				return -1
			}
			for n := 0; doc[i] == 'u' && n < 4; n++ {
				if i+1+n >= len(doc) || !isHex(doc[i+1+n]) {
					return -1
				}
			}
		}
	}
	return -1
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// jsonScalar is where the number or word that begins at i ends; −1 where it is not valid.
func jsonScalar(doc []byte, i int) int {
	for _, word := range []string{"true", "false", "null"} {
		if doc[i] == word[0] && len(doc)-i >= len(word) && string(doc[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	if doc[i] == '-' {
		i++
	}
	zero := i < len(doc) && doc[i] == '0'
	end := jsonDigits(doc, i)
	if end < 0 || zero && end > i+1 {
		return -1
	}
	if end < len(doc) && doc[end] == '.' {
		if end = jsonDigits(doc, end+1); end < 0 {
			return -1
		}
	}
	if end < len(doc) && doc[end]|0x20 == 'e' {
		if end++; end < len(doc) && (doc[end] == '+' || doc[end] == '-') {
			end++
		}
		return jsonDigits(doc, end)
	}
	return end
}

// jsonDigits is where the digits at i end; −1 where there is none.
func jsonDigits(doc []byte, i int) int {
	from := i
	for i < len(doc) && doc[i] >= '0' && doc[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

func jsonStringIs(quoted []byte, s string) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == s
	}
	var text string
	return json.Unmarshal(quoted, &text) == nil && text == s
}

func appendJSONText(dst, value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return append(dst, value...)
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return append(dst, value[1:len(value)-1]...)
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return dst
	}
	return append(dst, text...)
}
