package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// entry is a line of the access log. All its values are text, as nginx writes them: what is not there is empty.
type entry struct {
	Time       string `json:"time"` // Unix seconds, to the millisecond
	Method     string `json:"method"`
	URI        string `json:"uri"`
	Status     string `json:"status"`
	Seq        string `json:"seq"` // the Idempotency-Key, which briefwahl's submit step sends
	Run        string `json:"run"`
	Step       string `json:"step"`
	Connection string `json:"connection"`
	Requests   string `json:"requests"` // over the connection, this one included
}

// answer is a step and the status it was answered with.
type answer struct{ step, status string }

// What briefwahl expects, and what a refusing nginx says.
var (
	formShown = answer{formStep, "200"}
	accepted  = answer{submitStep, "201"}
	refusals  = map[string]answer{formStep: {formStep, "503"}, submitStep: {submitStep, "503"}}
	requests  = map[string]struct{ method, uri string }{formStep: {"GET", "/antrag"}, submitStep: {"POST", "/antrag"}}
)

// logbook is what the access log says of one run.
type logbook struct {
	lines   int64
	answers map[answer]int64
	// accepted are the Seqs of accepted submits, again the number of times one was accepted that had been before.
	accepted *roaring.Bitmap
	again    int64
	// strange are lines that no shot of the run can have made; example is the first of them.
	strange int64
	example string
	// connections that a request came over, by their serials.
	connections int64
	// answered counts what was answered as the scenario wants it, by whole second since the start.
	answered map[int64]int64
}

// readLog reads the log of a run that began at start.
func readLog(in io.Reader, run string, start time.Time) (*logbook, error) {
	b := &logbook{answers: map[answer]int64{}, accepted: roaring.New(), answered: map[int64]int64{}}
	serials := roaring.New()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		b.lines++
		var e entry
		err := json.Unmarshal(lines.Bytes(), &e)
		if err == nil {
			err = b.add(e, run, start)
		}
		if err != nil {
			if b.strange++; b.strange == 1 {
				b.example = fmt.Sprintf("line %d: %v: %.300s", b.lines, err, lines.Text())
			}
			continue
		}
		if serial, err := strconv.ParseUint(e.Connection, 10, 32); err == nil {
			serials.Add(uint32(serial))
		}
	}
	b.connections = int64(serials.GetCardinality())
	return b, lines.Err()
}

// add takes one line in; an error says why it is strange.
func (b *logbook) add(e entry, run string, start time.Time) error {
	if e.Run != run {
		return fmt.Errorf("of run %q", e.Run)
	}
	if want, known := requests[e.Step]; !known || want.method != e.Method || want.uri != e.URI {
		return fmt.Errorf("no step %q of the journey", e.Step)
	}
	at, err := strconv.ParseFloat(e.Time, 64)
	if err != nil {
		return fmt.Errorf("its time: %w", err)
	}
	a := answer{e.Step, e.Status}
	if a == accepted {
		seq, err := strconv.ParseUint(e.Seq, 10, 32)
		if err != nil {
			return fmt.Errorf("its arrival: %w", err)
		}
		if !b.accepted.CheckedAdd(uint32(seq)) {
			b.again++
		}
	}
	b.answers[a]++
	if a == accepted || a == formShown {
		b.answered[since(at, start)]++
	}
	return nil
}

// since gives the whole second since start of an instant in Unix seconds, which nginx rounds down to the millisecond: so
// it is taken for that millisecond's beginning. Integers, as a float64 holds milliseconds of this century exactly.
func since(at float64, start time.Time) int64 {
	d := time.Duration(int64(at*1000+0.5))*time.Millisecond - time.Duration(start.UnixNano())
	if d < 0 {
		return -1
	}
	return int64(d / time.Second)
}
