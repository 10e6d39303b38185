package record

import (
	"bufio"
	"math"
	"strconv"
	"strings"
	"time"
)

// openMetrics writes OpenMetrics 1.0 text. The library for it wants all values of a family in memory as a message each,
// some hundred bytes for every number.
type openMetrics struct {
	*bufio.Writer // keeps the first error until its Flush
	start         int64
	name, help    string // of the family
	kind          string
	begun         bool // the family's head is written
	line          []byte
}

// The types of families.
const (
	counter = "counter"
	gauge   = "gauge"
)

// label is one label pair; a list keeps their order.
type label struct{ name, value string }

// family begins a family; one without a value is not written. help must not need escapes.
func (o *openMetrics) family(name, help, kind string) {
	o.name, o.help, o.kind, o.begun = name, help, kind, false
}

// put writes one value at an offset from the start.
func (o *openMetrics) put(at time.Duration, value float64, labels ...label) {
	b := o.line[:0]
	if !o.begun {
		b = append(b, "# HELP "+o.name+" "+o.help+"\n# TYPE "+o.name+" "+o.kind+"\n"...)
		o.begun = true
	}
	b = append(b, o.name...)
	if o.kind == counter {
		b = append(b, "_total"...)
	}
	for i, l := range labels {
		b = append(b, "{,"[min(i, 1)])
		b = append(b, l.name...)
		b = append(b, '=', '"')
		b = append(b, escapes.Replace(l.value)...)
		b = append(b, '"')
	}
	if len(labels) > 0 {
		b = append(b, '}')
	}
	b = appendFloat(append(b, ' '), value)
	b = appendFloat(append(b, ' '), float64(o.start+at.Milliseconds())/1000)
	o.line = append(b, '\n')
	_, _ = o.Write(o.line) // an error stays until the Flush
}

// escapes are those of a label's value.
var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// appendFloat writes a number so that nobody takes it for an integer.
func appendFloat(b []byte, v float64) []byte {
	switch {
	case v == 0: // without a sign
		return append(b, "0.0"...)
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	from := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	if !strings.ContainsAny(string(b[from:]), "e.") {
		b = append(b, ".0"...)
	}
	return b
}
