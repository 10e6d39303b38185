package record

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The measures of windows, see Key.
const (
	Response  = "response"
	Service   = "service"
	Lateness  = "lateness"
	Connect   = "connect"
	TLS       = "tls"
	Waited    = "waited"
	FirstByte = "first-byte"
)

var measureNames = []string{Response, Service, Lateness, Connect, TLS, Waited, FirstByte}

// latency.hlog is an interval log as HdrHistogram's own tools read it. Times are seconds from the start in platform
// time; the header gives the start on the wall clock as the base they are added to. The same window may come in several
// lines: a late answer writes it again, and the reader adds the counts up.
//
//	Tag=response/submit/*/ok,12.000,1.000,184.319,HISTFAAAA…
//	    measure/step/tenant/outcome, start s, length s, maximum ms, payload
//
// "*" stands for all steps or tenants, "*other" for the tenants that are not counted apart.
func hlogHeader(r *Run) []byte {
	start := float64(r.StartedAt.UnixMilli()) / 1000
	var b bytes.Buffer
	fmt.Fprintln(&b, "#[Logged by ansturm; times are platform time, histograms microseconds]")
	fmt.Fprintln(&b, "#[Histogram log format version 1.3]")
	fmt.Fprintf(&b, "#[StartTime: %.3f (seconds since epoch), %s]\n", start, r.StartedAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "#[BaseTime: %.3f (seconds since epoch)]\n", start)
	fmt.Fprintln(&b, `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`)
	return b.Bytes()
}

// tag names a series in the log.
func (k Key) tag() string {
	return strings.Join([]string{k.Measure, orStar(k.Step), orStar(k.Tenant), k.Outcome.String()}, "/")
}

func orStar(name string) string {
	if name == "" {
		return "*"
	}
	return name
}

func starless(name string) string {
	if name == "*" {
		return ""
	}
	return name
}

// parseTag is tag's inverse.
func parseTag(tag string) (Key, error) {
	parts := strings.Split(tag, "/")
	if len(parts) != 4 {
		return Key{}, fmt.Errorf("tag %q has %d parts, not measure/step/tenant/outcome", tag, len(parts))
	}
	k := Key{Measure: parts[0], Step: starless(parts[1]), Tenant: starless(parts[2])}
	if !slices.Contains(measureNames, k.Measure) {
		return Key{}, fmt.Errorf("tag %q: measure %q is none of %s", tag, k.Measure, strings.Join(measureNames, ", "))
	}
	o := slices.Index(outcomeNames[:], parts[3])
	if o < 0 {
		return Key{}, fmt.Errorf("tag %q: unknown outcome %q", tag, parts[3])
	}
	k.Outcome = Outcome(o)
	return k, nil
}

// taggable says whether a name can stand in a tag.
func taggable(name string) bool {
	return name != "" && !strings.HasPrefix(name, "*") && !strings.ContainsAny(name, "/, \t\r\n")
}

// appendInterval adds the line of one window, up to its payload.
func appendInterval(line []byte, key Key, start, length time.Duration, highest int64) []byte {
	line = append(line, "Tag="...)
	line = append(line, key.Measure...)
	for _, part := range [...]string{orStar(key.Step), orStar(key.Tenant), key.Outcome.String()} {
		line = append(line, '/')
		line = append(line, part...)
	}
	line = append(line, ',')
	line = appendThousandths(line, start.Milliseconds())
	line = append(line, ',')
	line = appendThousandths(line, length.Milliseconds())
	line = append(line, ',')
	line = appendThousandths(line, highest)
	return append(line, ',')
}

// appendThousandths writes v/1000 with three decimals; v ≥ 0.
func appendThousandths(b []byte, v int64) []byte {
	b = strconv.AppendInt(b, v/1000, 10)
	b = append(b, '.')
	v %= 1000
	return append(b, byte('0'+v/100), byte('0'+v/10%10), byte('0'+v%10))
}
