package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

var started = time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

// testRun has two steps and three tenants.
func testRun(total int64) Run {
	return Run{
		ID: "test", Purpose: "surge", Target: "lab", Speed: 1, Workers: 1, StartedAt: started,
		Scenario: &scenarios.Scenario{
			Name:     "small",
			Arrivals: scenarios.Arrivals{Total: total, Over: 3 * time.Minute},
			Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a"}, {Name: "b"}, {Name: "c"}}},
			Journeys: []scenarios.Journey{{Name: "apply", Steps: []scenarios.Step{{Name: "form"}, {Name: "submit"}}}},
		},
	}
}

// testSample is the k-th of n samples spread over three minutes; answers take 1 ms to some seconds.
func testSample(k, n int) Sample {
	due := time.Duration(k) * 3 * time.Minute / time.Duration(n)
	s := Sample{
		Seq: uint32(k), Tenant: int32(k % 3), Step: int32(k % 2), Due: due,
		Sent: due + time.Duration(k%50)*time.Microsecond,
	}
	s.Done = s.Sent + time.Millisecond*time.Duration(1+k*k%4000)
	s.FirstByte = s.Done - 20*time.Microsecond
	if k%10 < 3 {
		s.Connect = time.Duration(100+k%70) * time.Microsecond
	}
	if k%10 == 0 {
		s.Handshake = 2 * time.Millisecond
	}
	switch k % 20 {
	case 7:
		s.Outcome = Failed
	case 11:
		s.Outcome, s.Done, s.FirstByte, s.Connect = Refused, s.Sent, 0, 0
	}
	return s
}

func testFate(k int) Fate {
	switch k % 20 {
	case 7, 11:
		return FailedArrival
	case 13:
		return Indeterminate
	}
	return Completed
}

// writeRecord writes n samples and fates and one event a second, flushing as an engine does.
func writeRecord(t testing.TB, dir string, n int) []Sample {
	t.Helper()
	w, err := Create(dir, testRun(int64(n)))
	if err != nil {
		t.Fatal(err)
	}
	samples := fill(w, n)
	if err := w.Close(started.Add(3*time.Minute), func(r *Run) { r.Validity.Valid = true }); err != nil {
		t.Fatal(err)
	}
	return samples
}

func fill(w *Writer, n int) []Sample {
	var samples []Sample
	sh := w.Shard()
	second := time.Duration(-1)
	for k := range n {
		s := testSample(k, n)
		samples = append(samples, s)
		sh.Sample(s)
		sh.Fate(s.Seq, testFate(k))
		if k%5 == 0 {
			sh.Created(Created{Seq: s.Seq, Tenant: s.Tenant, Step: s.Step, Name: "application", Value: fmt.Appendf(nil, "A-%d", k)})
		}
		if now := s.Due / time.Second; now != second {
			second = now
			w.Event(Event{At: s.Due, Wall: started.Add(s.Due), Source: "lab", Kind: KindReplicas, Tenant: "a", Workload: "web", Desired: 3, Current: 2, Ready: 1})
			_ = w.Flush(s.Due)
		}
	}
	return samples
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	samples := writeRecord(t, dir, 5000)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Run.Complete() || r.Run.Totals.Shots != 5000 || r.Run.Totals.ByOutcome["refused"] != 250 {
		t.Errorf("run.json: complete %v, totals %+v", r.Run.Complete(), r.Run.Totals)
	}
	windows, err := r.Windows(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[windowOf]int64{}
	for id, h := range tally(samples, func(tenant int32) string { return []string{"a", "b", "c"}[tenant] }) {
		want[id] = h.Count()
	}
	for _, w := range windows {
		k := windowOf{w.Key, w.Start, w.Length}
		if got := w.Histogram.Count(); got != want[k] {
			t.Errorf("window %+v counts %d, want %d", k, got, want[k])
		}
		delete(want, k)
	}
	for k, n := range want {
		t.Errorf("window %+v with %d samples is missing", k, n)
	}
	ledger, err := r.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	for k := range 5000 {
		for f, set := range ledger.Sets {
			if set.Contains(uint32(k)) != (testFate(k) == Fate(f)) {
				t.Fatalf("arrival %d: %v is %v", k, Fate(f), set.Contains(uint32(k)))
			}
		}
	}
	events, err := r.Timeline()
	if err != nil || len(events) != 180 || events[7].Ready != 1 || !events[7].Wall.Equal(started.Add(events[7].At)) {
		t.Errorf("timeline: %d events, %v", len(events), err)
	}
}

func TestCreateRefusesADirectoryWithARecord(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 10)
	if _, err := Create(dir, testRun(10)); err == nil || !strings.Contains(err.Error(), "holds a record already") {
		t.Errorf("second Create: %v", err)
	}
}

func TestCreateRefusesNamesThatAreNoTags(t *testing.T) {
	for _, name := range []string{"", "two words", "a,b", "a/b", "*", "a\nb"} {
		run := testRun(1)
		run.Scenario.Tenants.List[1].Name = name
		if _, err := Create(filepath.Join(t.TempDir(), "r"), run); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("tenant %q", name)) {
			t.Errorf("tenant %q: %v", name, err)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"", "unexpected end of JSON input"},
		{`{"format": 99}`, "format 99, this program reads format 1"},
		{`{"format": 1, "speed": 1}`, "the scenario is missing"},
		{`{"format": 1, "speed": 0, "scenario": {}}`, "speed 0 is not above zero"},
		{`{"format": 1, "speed": 1, "scenario": {"arrivals": {"total": -1}}}`, "-1 arrivals"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.content, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("empty directory: %v", err)
	}
}

func TestRunSurvivesItsFile(t *testing.T) {
	run := testRun(7)
	run.Format, run.Lab = FormatVersion, &LabAccount{Accepted: 6, File: "accepted.roaring"}
	b, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseRun(b)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := json.Marshal(again); string(c) != string(b) {
		t.Errorf("read back: %s\nwritten: %s", c, b)
	}
}

func tenantNamed(k int) scenarios.Tenant {
	return scenarios.Tenant{Name: fmt.Sprintf("tenant-%03d", k)}
}
