package loadgen

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONPath(t *testing.T) {
	const doc = ` {"a": {"b":[10, {"c":"x\"y\u00e4"}, [], {}, null, true, -1.5e3]}, "s":"plain", "a.b":1, "twice":1, "twice" : "last",
		"e\u0073c": 7, "empty":"", "nested":{"z":[[1,2],[3]]}} `
	for _, c := range []struct {
		path, want string
		found      bool
	}{
		{"s", "plain", true},
		{"a.b.0", "10", true},
		{"a.b.1.c", `x"yä`, true},
		{"a.b.2", "[]", true},
		{"a.b.3", "{}", true},
		{"a.b.4", "null", true},
		{"a.b.5", "true", true},
		{"a.b.6", "-1.5e3", true},
		{"a.b.7", "", false},
		{"a.b.-1", "", false},
		{"twice", "last", true},
		{"esc", "7", true},
		{"empty", "", true},
		{"nested.z.1.0", "3", true},
		{"nested.z", "[[1,2],[3]]", true},
		{"nothing", "", false},
		{"s.x", "", false},
		{"a.b.2.0", "", false},
		{"a.b.x", "", false},
	} {
		got, found := newJSONPath(c.path).find(nil, []byte(doc))
		if string(got) != c.want || found != c.found {
			t.Errorf("%s: %q, %v, want %q, %v", c.path, got, found, c.want, c.found)
		}
	}
	for _, doc := range []string{
		`{"a":1`, `{"a":1}x`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":tru}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":[1,]}`,
		`{"a":1,"b":[}`, `{"a" 1}`, `{a:1}`, `{"a":"`, `{"a":"\`, `{"a":` + strings.Repeat("[", mostNested) + strings.Repeat("]", mostNested) + "}", ``, ` `,
	} {
		if _, found := newJSONPath("a").find(nil, []byte(doc)); found || json.Valid([]byte(doc)) {
			t.Errorf("a value is found in %.40q", doc)
		}
	}
	deep := `{"a":` + strings.Repeat("[", mostNested-1) + strings.Repeat("]", mostNested-1) + "}"
	if _, found := newJSONPath("a").find(nil, []byte(deep)); !found || !json.Valid([]byte(deep)) {
		t.Error("no value is found in a document as deep as may be")
	}
}

// FuzzJSONPath holds the walk against encoding/json's own reading of the whole document.
func FuzzJSONPath(f *testing.F) {
	f.Add(`{"a":[1,{"b":"c\n"}],"a":{"0":"x"}}`, "a.0")
	f.Add(`[[],[{}],"\u00e4", 1e9 ,null]`, "1.0")
	f.Add(`{"k":{"":[true]}}`, "k..0")
	f.Fuzz(func(t *testing.T, doc, path string) {
		got, found := newJSONPath(path).find(nil, []byte(doc))
		want, exists := lookUp(doc, path)
		if found != exists {
			t.Fatalf("found %v, want %v", found, exists)
		}
		// What is not UTF-8 comes out as it went in; encoding/json puts a sign in its place.
		if text, ok := want.(string); ok && found && utf8.ValidString(doc) && string(got) != text {
			t.Fatalf("%q, want %q", got, text)
		}
	})
}

func lookUp(doc, path string) (any, bool) {
	var value any
	if json.Unmarshal([]byte(doc), &value) != nil {
		return nil, false
	}
	for key := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[key]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}
