package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

const (
	aForm    = `{"time":"1000.900","method":"GET","uri":"/antrag","status":"200","seq":"","run":"r","step":"form","connection":"1","requests":"1"}`
	aSubmit  = `{"time":"1001.100","method":"POST","uri":"/antrag","status":"201","seq":"7","run":"r","step":"submit","connection":"1","requests":"2"}`
	aRefusal = `{"time":"1001.200","method":"POST","uri":"/antrag","status":"503","seq":"8","run":"r","step":"submit","connection":"2","requests":"1"}`
)

func TestReadLog(t *testing.T) {
	log := strings.Join([]string{aForm, aSubmit, aSubmit, aRefusal}, "\n") + "\n"
	b, err := readLog(strings.NewReader(log), "r", time.Unix(1000, 500_000_000))
	if err != nil {
		t.Fatal(err)
	}
	if b.lines != 4 || b.answers[formShown] != 1 || b.answers[accepted] != 2 || b.answers[refusals[submitStep]] != 1 || b.strange != 0 {
		t.Errorf("read as %+v", b)
	}
	if !b.accepted.Contains(7) || b.accepted.GetCardinality() != 1 || b.again != 1 || b.connections != 2 {
		t.Errorf("accepted %v, %d again, %d connections; want 7, once again, 2", b.accepted, b.again, b.connections)
	}
	if b.answered[0] != 3 || len(b.answered) != 1 {
		t.Errorf("answered by second %v, want 3 in the first, refusals left out", b.answered)
	}
}

func TestStrangeLinesAreCounted(t *testing.T) {
	for _, line := range []string{
		"", "{", "null", `{"time":"1001.100"}`,
		strings.Replace(aSubmit, `"run":"r"`, `"run":"q"`, 1),
		strings.Replace(aSubmit, `"run":"r"`, `"run":""`, 1),
		strings.Replace(aSubmit, `"submit"`, `"pay"`, 1),
		strings.Replace(aSubmit, `"POST"`, `"GET"`, 1),
		strings.Replace(aSubmit, `/antrag`, `/`, 1),
		strings.Replace(aSubmit, `"7"`, `"-7"`, 1),
		strings.Replace(aSubmit, `"7"`, `"4294967296"`, 1),
		strings.Replace(aSubmit, `1001.100`, `now`, 1),
	} {
		b, err := readLog(strings.NewReader(aForm+"\n"+line+"\n"), "r", time.Unix(1000, 0))
		if err != nil || b.strange != 1 || b.example == "" || b.lines != 2 || b.accepted.GetCardinality() != 0 {
			t.Errorf("%s: %+v, %v", line, b, err)
		}
	}
}

func TestSecondsAreCountedFromTheStart(t *testing.T) {
	start := time.Unix(1_795_314_329, 719_400_000)
	for at, want := range map[float64]int64{
		1_795_314_329.719: -1, // before the start, by less than a millisecond
		1_795_314_329.720: 0,
		1_795_314_330.719: 0,
		1_795_314_330.720: 1,
		1_795_314_000.000: -1,
	} {
		if got := since(at, start); got != want {
			t.Errorf("%.3f is in second %d, want %d", at, got, want)
		}
	}
}

// The short surge is the library's, only quicker: the same shape, tenants and journey, and it loads from its file.
func TestShortenedSurgeKeepsItsShape(t *testing.T) {
	entry, err := scenarios.Open("briefwahl")
	if err != nil {
		t.Fatal(err)
	}
	long, err := entry.Scenario()
	if err != nil {
		t.Fatal(err)
	}
	short, err := shorten(long.Arrivals.Total, 5*time.Minute, 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := scenarios.Marshal(short)
	if err != nil {
		t.Fatal(err)
	}
	if short, err = scenarios.Parse("short.yaml", text, nil); err != nil {
		t.Fatal(err)
	}
	if short.Arrivals.Total != 600_000 || len(short.Tenants.List) != len(long.Tenants.List) || short.Arrivals.Seed != long.Arrivals.Seed {
		t.Errorf("%d arrivals of %d tenants", short.Arrivals.Total, len(short.Tenants.List))
	}
	was, err := long.Curve()
	if err != nil {
		t.Fatal(err)
	}
	is, err := short.Curve()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 101 {
		u := float64(i) / 100
		a, b := was.Quantile(u).Seconds()/long.Arrivals.Over.Seconds(), is.Quantile(u).Seconds()/short.Arrivals.Over.Seconds()
		if math.Abs(a-b) > 1e-4 { // times of the curve are rounded to milliseconds
			t.Errorf("%d %% have come after %.5f of the surge, of the library's after %.5f", i, b, a)
		}
	}
	think, thought := short.Journeys[0].Steps[1].Think.Uniform, long.Journeys[0].Steps[1].Think.Uniform
	if *think != *thought {
		t.Errorf("persons think for %v, in the library for %v", *think, *thought)
	}
}
