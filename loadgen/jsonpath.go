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
// dst. Of a key that an object holds twice the last counts, as in encoding/json. The document is first checked as a
// whole, so that the walk itself can be plain.
func (path jsonPath) find(dst, doc []byte) ([]byte, bool) {
	if !json.Valid(doc) {
		return dst, false
	}
	value := bytes.TrimLeft(doc, jsonSpace)
	for _, key := range path {
		if len(value) == 0 {
			return dst, false
		}
		var ok bool
		switch value[0] {
		case '{':
			value, ok = jsonField(value, key)
		case '[':
			value, ok = jsonItem(value, key)
		}
		if !ok {
			return dst, false
		}
	}
	return appendJSONText(dst, value[:jsonLength(value)]), true
}

const jsonSpace = " \t\r\n"

// jsonField gives the document from the value of object's key on; object begins with '{' and is valid.
func jsonField(object []byte, key string) (value []byte, found bool) {
	rest := bytes.TrimLeft(object[1:], jsonSpace)
	for len(rest) > 0 && rest[0] == '"' {
		n := jsonLength(rest)
		matches := jsonStringIs(rest[:n], key)
		rest = bytes.TrimLeft(rest[n:], jsonSpace)
		rest = bytes.TrimLeft(rest[1:], jsonSpace) // the colon
		if matches {
			value, found = rest, true
		}
		rest = jsonNext(rest)
	}
	return value, found
}

// jsonItem gives the document from array's item on; array begins with '[' and is valid.
func jsonItem(array []byte, index string) ([]byte, bool) {
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 {
		return nil, false
	}
	rest := bytes.TrimLeft(array[1:], jsonSpace)
	for ; n > 0 && len(rest) > 0 && rest[0] != ']'; n-- {
		rest = jsonNext(rest)
	}
	return rest, len(rest) > 0 && rest[0] != ']'
}

// jsonNext skips the value at the beginning of rest and the comma behind it.
func jsonNext(rest []byte) []byte {
	rest = bytes.TrimLeft(rest[jsonLength(rest):], jsonSpace)
	if len(rest) > 0 && rest[0] == ',' {
		rest = bytes.TrimLeft(rest[1:], jsonSpace)
	}
	return rest
}

// jsonLength is the length of the value that b, part of a valid document, begins with.
func jsonLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += jsonStringLength(b[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + min(1, depth+1)
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

func jsonStringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
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
