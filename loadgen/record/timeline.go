package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// appendEvent adds e's line. Values that JSON cannot hold (not a number, infinite) are left out; dropped counts them.
func appendEvent(buf []byte, e Event) (out []byte, dropped int, err error) {
	for _, v := range e.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			dropped++
		}
	}
	if dropped > 0 {
		e.Values = maps.Clone(e.Values)
		maps.DeleteFunc(e.Values, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	}
	b, err := json.Marshal(e)
	if err != nil {
		return buf, dropped, fmt.Errorf("record: encode an event: %w", err)
	}
	return append(append(buf, b...), '\n'), dropped, nil
}

func parseEvent(line []byte) (e Event, err error) {
	err = json.Unmarshal(line, &e)
	return e, err
}

// readTimeline reads events, in order of At. Broken lines are left out and named in the damage.
func readTimeline(r io.Reader, name string) ([]Event, damage, error) {
	var events []Event
	d, err := eachEvent(r, name, func(e Event) { events = append(events, e) })
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return events, d, err
}

// eachEvent calls do with the events as they stand in the file. Broken lines are left out and named in the damage.
func eachEvent(r io.Reader, name string, do func(Event)) (d damage, err error) {
	err = eachLine(r, func(number int, line []byte, whole bool) {
		if len(bytes.TrimSpace(line)) == 0 {
			return
		}
		e, err := parseEvent(line)
		if err != nil {
			d.add(whole, "%s:%d: not an event: %v", name, number, err)
			return
		}
		do(e)
	})
	if err != nil {
		return d, fmt.Errorf("record: read %s: %w", name, err)
	}
	return d, nil
}
