package record

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// interval is a line of the log. Several may be of one window.
type interval struct {
	series int // the number of the Key in this reading
	Key
	start, length time.Duration
	payload       []byte // valid during the call only
}

// intervals reads a log line by line; what a run of many hours left does not fit into memory at once.
type intervals struct {
	numbers map[string]int // series by tag
	known   map[Key]int    // … and by key: hands other than ours may write a tag in several ways
	keys    []Key
	do      func(interval) error // an error is damage of the line
}

func newIntervals(do func(interval) error) *intervals {
	return &intervals{numbers: map[string]int{}, known: map[Key]int{}, do: do}
}

// read reads a whole log. Broken lines are left out and named in the damage; only a failing reader is an error.
func (in *intervals) read(r io.Reader, name string) (d damage, err error) {
	err = eachLine(r, func(number int, line []byte, whole bool) {
		if err := in.line(line); err != nil {
			d.add(whole, "%s:%d: %v", name, number, err)
		}
	})
	if err != nil {
		return d, fmt.Errorf("record: read %s: %w", name, err)
	}
	return d, nil
}

func (in *intervals) line(line []byte) error {
	if len(line) == 0 || line[0] == '#' || line[0] == '"' {
		return nil
	}
	rest, tagged := bytes.CutPrefix(line, []byte("Tag="))
	var fields [5][]byte
	for i := range 4 {
		var more bool
		if fields[i], rest, more = bytes.Cut(rest, []byte(",")); !more {
			tagged = false
		}
	}
	if !tagged {
		return fmt.Errorf("not a tagged interval")
	}
	x := interval{payload: rest}
	var err error
	if x.series, err = in.series(fields[0]); err != nil {
		return err
	}
	x.Key = in.keys[x.series]
	if x.start, err = parseSeconds(fields[1]); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if x.length, err = parseSeconds(fields[2]); err != nil {
		return fmt.Errorf("length: %w", err)
	}
	return in.do(x)
}

// series is the number of a tag's key.
func (in *intervals) series(tag []byte) (int, error) {
	if number, known := in.numbers[string(tag)]; known {
		return number, nil
	}
	key, err := parseTag(string(tag))
	if err != nil {
		return 0, err
	}
	number, known := in.known[key]
	if !known {
		number = len(in.keys)
		in.keys = append(in.keys, key)
		in.known[key] = number
	}
	in.numbers[string(tag)] = number
	return number, nil
}

// intervals reads the record's log.
func (r *Record) intervals(do func(interval) error) (d damage, err error) {
	err = r.read(latencyFile, func(f io.Reader) error {
		d, err = newIntervals(do).read(f, latencyFile)
		return err
	})
	return d, err
}

type windowID struct {
	series        int
	start, length time.Duration
}

// readHlog reads windows and merges the lines of one window.
func readHlog(r io.Reader, name string, keep func(Key, time.Duration) bool) ([]Window, damage, error) {
	var windows []Window
	var decode decoder
	at := map[windowID]int{}
	d, err := newIntervals(func(x interval) error {
		if keep != nil && !keep(x.Key, x.start) {
			return nil
		}
		h, err := decode.decode(x.payload)
		if err != nil {
			return fmt.Errorf("histogram: %w", err)
		}
		id := windowID{x.series, x.start, x.length}
		if i, known := at[id]; known {
			return windows[i].Histogram.Merge(h)
		}
		at[id] = len(windows)
		windows = append(windows, Window{Key: x.Key, Start: x.start, Length: x.length, Histogram: h})
		return nil
	}).read(r, name)
	if err != nil {
		return nil, d, err
	}
	slices.SortFunc(windows, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Measure, b.Measure),
			cmp.Compare(a.Step, b.Step), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Outcome, b.Outcome))
	})
	return windows, d, nil
}

// latestSecond bounds the times of a record: some 30 years after its start, so that sums of times cannot overflow.
const latestSecond = 1_000_000_000

// parseSeconds reads seconds to the millisecond.
func parseSeconds(b []byte) (time.Duration, error) {
	s, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0, err
	}
	if !(s >= 0 && s < latestSecond) {
		return 0, fmt.Errorf("%q is not a time in seconds", b)
	}
	return time.Duration(math.Round(s*1000)) * time.Millisecond, nil
}
