package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Marshal writes a scenario as YAML that loads back to the same. A loaded scenario's tenants are written as a list,
// whatever they were made from; its CSV feeders are still read from beside the file.
func Marshal(s *Scenario) ([]byte, error) { return encode(s) }

// MarshalPlatform writes a platform as YAML that loads back to the same.
func MarshalPlatform(p *Platform) ([]byte, error) { return encode(p) }

// encode writes the fields in the order of the structs, and leaves those out that are zero and may be left out. It is
// the other side of decode: the same types, the same names.
func encode(v any) ([]byte, error) {
	e := &encoder{}
	e.object(reflect.ValueOf(v).Elem(), 0)
	if e.err != nil {
		return nil, fmt.Errorf("write YAML: %w", e.err)
	}
	return e.out.Bytes(), nil
}

type encoder struct {
	out bytes.Buffer
	err error
}

func (e *encoder) indent(depth int) { e.out.WriteString(strings.Repeat("  ", depth)) }

// written are the fields of a struct that must be written. An empty group says nothing and is left out.
func written(v reflect.Value) []field {
	return slices.DeleteFunc(fieldsOf(v.Type()), func(f field) bool {
		value := v.Field(f.index)
		empty := value.IsZero() || (value.Kind() == reflect.Map || value.Kind() == reflect.Slice) && value.Len() == 0
		return empty && (f.optional || value.Kind() == reflect.Struct || value.Kind() == reflect.Map || value.Kind() == reflect.Slice)
	})
}

// object writes a struct's fields, each on a line of its own.
func (e *encoder) object(v reflect.Value, depth int) {
	for i, f := range written(v) {
		if i > 0 || depth == 0 {
			e.indent(depth)
		}
		e.out.WriteString(f.name + ":")
		e.nested(v.Field(f.index), depth+1)
	}
}

// nested writes a value after its name's colon.
func (e *encoder) nested(v reflect.Value, depth int) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if text, ok := e.scalar(v); ok {
		e.out.WriteString(" " + text + "\n")
		return
	}
	switch {
	case v.Kind() == reflect.Struct && len(written(v)) == 0:
		e.out.WriteString(" {}\n")
	case v.Kind() == reflect.Struct:
		e.out.WriteByte('\n')
		e.indent(depth)
		e.object(v, depth)
	case v.Kind() == reflect.Map:
		e.mapping(v, depth)
	case v.Kind() == reflect.Slice:
		e.list(v, depth)
	default:
		e.err = fmt.Errorf("cannot write a %s", v.Type())
	}
}

func (e *encoder) mapping(v reflect.Value, depth int) {
	if v.Len() == 0 {
		e.out.WriteString(" {}\n")
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.out.WriteByte('\n')
	for _, key := range keys {
		e.indent(depth)
		e.out.WriteString(text(key.String()) + ":")
		e.nested(v.MapIndex(key), depth+1)
	}
}

func (e *encoder) list(v reflect.Value, depth int) {
	if v.Len() == 0 {
		e.out.WriteString(" []\n")
		return
	}
	e.out.WriteByte('\n')
	for i := range v.Len() {
		element := v.Index(i)
		e.indent(depth)
		e.out.WriteString("-")
		if element.Kind() == reflect.Struct && element.Type() != timeType && element.Type() != quantityType && len(written(element)) > 0 {
			e.out.WriteByte(' ')
			e.object(element, depth+1)
			continue
		}
		e.nested(element, depth+1)
	}
}

// scalar is the text of a single value.
func (e *encoder) scalar(v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case time.Duration:
		return brief(x), true
	case time.Time:
		return strconv.Quote(x.Format(time.RFC3339Nano)), true
	case resource.Quantity:
		return text(x.String()), true
	}
	switch v.Kind() {
	case reflect.String:
		return text(v.String()), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), true
	case reflect.Pointer, reflect.Interface:
		return "null", true // only a nil comes here
	}
	if v.CanInt() {
		return strconv.FormatInt(v.Int(), 10), true
	}
	if v.CanUint() {
		return strconv.FormatUint(v.Uint(), 10), true
	}
	return "", false
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)
	reserved  = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
)

// text writes a string plainly where no reader could take it for something else, else in double quotes as JSON does.
func text(s string) string {
	if plainText.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) {
		return s
	}
	var b bytes.Buffer
	quoted := json.NewEncoder(&b)
	quoted.SetEscapeHTML(false)
	if err := quoted.Encode(s); err != nil { // a string always encodes
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
