package record

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

func TestTimelineIsInOrderOfTime(t *testing.T) {
	events, damage, err := readTimeline(strings.NewReader(`{"at":3,"kind":"pod"}
{"at":1,"kind":"gap"}

{"at":2,"kind":"node"}`), "timeline.jsonl")
	if err != nil || len(damage.broken)+len(damage.torn) > 0 {
		t.Fatalf("%v, %v", damage, err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); got != "gap node pod" {
		t.Errorf("order %s", got)
	}
}

func TestTimelineTellsAHalfLineFromGarbage(t *testing.T) {
	events, damage, err := readTimeline(strings.NewReader("{\"at\":1}\ngarbage\n{\"at\":2}\n{\"at\":3,\"ki"), "timeline.jsonl")
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if len(damage.broken) != 1 || !strings.HasPrefix(damage.broken[0], "timeline.jsonl:2: not an event") {
		t.Errorf("broken: %v", damage.broken)
	}
	if len(damage.torn) != 1 || !strings.HasPrefix(damage.torn[0], "timeline.jsonl:4: ") {
		t.Errorf("torn: %v", damage.torn)
	}
}

func TestEventsWithoutFiniteValuesAreWrittenWithoutThem(t *testing.T) {
	given := map[string]float64{"a": 1, "b": math.NaN(), "c": math.Inf(1)}
	b, dropped, err := appendEvent(nil, Event{Kind: KindMetrics, Values: given})
	if err != nil || dropped != 2 {
		t.Fatalf("dropped %d, %v", dropped, err)
	}
	events, _, err := readTimeline(bytes.NewReader(b), "t")
	if err != nil || len(events) != 1 || len(events[0].Values) != 1 || events[0].Values["a"] != 1 {
		t.Errorf("read %v, %v", events, err)
	}
	if len(given) != 3 {
		t.Error("the caller's map was changed")
	}
}

func TestLogMergesTheLinesOfOneWindow(t *testing.T) {
	line := logLine(t, "Tag=response/submit/*/ok,12.000,1.000,5.000,", 5000)
	log := line + "\n" + logLine(t, "Tag=response/form/*/ok,3.000,1.000,5.000,", 7) + "\n" + line + "\n"
	windows, damage, err := readHlog(strings.NewReader(log), "latency.hlog", nil)
	if err != nil || damage.err() != nil || len(damage.torn) > 0 {
		t.Fatalf("%v, %v", damage, err)
	}
	if len(windows) != 2 || windows[0].Start != 3*time.Second || windows[1].Step != "submit" || windows[1].Histogram.Count() != 2 {
		t.Errorf("windows %+v", windows)
	}
}

func TestLogKeepsOnlyWhatIsAskedFor(t *testing.T) {
	log := logLine(t, "Tag=response/submit/*/ok,12.000,1.000,5.000,", 1) + "\nTag=service/submit/*/ok,12.000,1.000,5.000,not-decoded\n"
	windows, damage, err := readHlog(strings.NewReader(log), "latency.hlog", func(k Key, start time.Duration) bool {
		return k.Measure == Response && start == 12*time.Second
	})
	if err != nil || len(damage.broken) > 0 || len(windows) != 1 {
		t.Errorf("%d windows, %v, %v", len(windows), damage, err)
	}
}

func TestLogNamesWhatIsWrong(t *testing.T) {
	good := logLine(t, "Tag=response/submit/*/ok,12.000,1.000,5.000,", 1)
	for _, c := range []struct{ line, want string }{
		{"12.0,1.0,5.0,HIST", "not a tagged interval"},
		{"Tag=response/submit/ok,12.0,1.0,5.0,HIST", "3 parts"},
		{"Tag=guess/submit/*/ok,12.0,1.0,5.0,HIST", `measure "guess"`},
		{"Tag=response/submit/*/fine,12.0,1.0,5.0,HIST", `unknown outcome "fine"`},
		{"Tag=response/submit/*/ok,NaN,1.0,5.0,HIST", "start: "},
		{"Tag=response/submit/*/ok,1,-1,5.0,HIST", "length: "},
		{"Tag=response/submit/*/ok,1,1,5.0,@@@", "histogram: "},
		{good[:len(good)-4], "histogram: "},
	} {
		windows, damage, err := readHlog(strings.NewReader(good+"\n"+c.line+"\n"+good+"\n"), "latency.hlog", nil)
		if err != nil || len(windows) != 1 || windows[0].Histogram.Count() != 2 {
			t.Errorf("%s: the lines around it are not read: %v, %v", c.line, windows, err)
		}
		if got := damage.err(); got == nil || !strings.Contains(got.Error(), "latency.hlog:2: "+"") || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.line, got, c.want)
		}
	}
}

// Whatever byte a log is cut at, the lines before are read and the cut is told, unless it falls between lines.
func TestLogCutAnywhereGivesWhatIsWhole(t *testing.T) {
	line := logLine(t, "Tag=response/submit/*/ok,12.000,1.000,5.000,", 5000)
	log := line + "\n" + line
	for cut := len(line) + 2; cut < len(log); cut++ {
		windows, damage, err := readHlog(strings.NewReader(log[:cut]), "latency.hlog", nil)
		if err != nil || len(windows) != 1 || windows[0].Histogram.Count() != 1 || len(damage.torn) != 1 || len(damage.broken) > 0 {
			t.Fatalf("cut at %d of %d: %v, %v, %v", cut, len(log), windows, damage, err)
		}
	}
}

func TestLinesLongerThanTheBufferAreWhole(t *testing.T) {
	long := strings.Repeat("x", 700<<10)
	var got []int
	err := eachLine(strings.NewReader("a\n"+long+"\n\nb"), func(number int, line []byte, whole bool) {
		got = append(got, len(line))
		if whole != (number < 4) {
			t.Errorf("line %d: whole is %v", number, whole)
		}
	})
	if err != nil || len(got) != 4 || got[1] != len(long) || got[2] != 0 {
		t.Errorf("lines of length %v, %v", got, err)
	}
}

// logLine is a line with one value.
func logLine(t testing.TB, head string, v int64) string {
	var s shelf
	var e encoder
	c := s.cell(false)
	count(c, v, &s)
	b, err := e.append([]byte(head), c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func FuzzHlog(f *testing.F) {
	f.Add([]byte(logLine(f, "Tag=response/submit/*/ok,12.000,1.000,5.000,", 5000) + "\n"))
	f.Add([]byte("#[StartTime: 1]\n\"Start\"\nTag=lateness/*/*/ok,1,1,1,x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		windows, damage, err := readHlog(bytes.NewReader(b), "latency.hlog", nil)
		if err != nil {
			return
		}
		for _, w := range windows {
			if w.Histogram.Count() < 0 || w.Start < 0 || w.Length < 0 {
				t.Errorf("window %+v", w)
			}
		}
		if len(damage.torn) > 1 {
			t.Errorf("%d torn ends", len(damage.torn))
		}
	})
}

func FuzzTimeline(f *testing.F) {
	f.Add([]byte("{\"at\":1,\"kind\":\"pod\",\"values\":{\"a\":1}}\n{\"at\":0}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, _, err := readTimeline(bytes.NewReader(b), "timeline.jsonl")
		if err != nil {
			return
		}
		for i := 1; i < len(events); i++ {
			if events[i].At < events[i-1].At {
				t.Fatal("not in order of time")
			}
		}
	})
}

func FuzzRun(f *testing.F) {
	f.Add([]byte(`{"format":1,"speed":10,"scenario":{"arrivals":{"total":5}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		run, err := parseRun(b)
		if err == nil && (run.Scenario == nil || !(run.Speed > 0) || run.Scenario.Arrivals.Total < 0) {
			t.Errorf("accepted: %s", b)
		}
	})
}
