package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/scenarios"
)

// account opens a record and accounts for it.
func account(t testing.TB, dir string) *Account {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Account()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestASoundRecordHasNoProblems(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 4000)
	a := account(t, dir)
	want := LedgerAccount{Total: 4000, Completed: 3400, Failed: 400, Indeterminate: 200}
	if a.Ledger != want || a.Shots != 4000 || a.Events != 180 || !a.Complete || !a.Valid || len(a.Problems) > 0 {
		t.Errorf("account %+v", a)
	}
	b, err := json.Marshal(a)
	if err != nil || !bytes.Contains(b, []byte(`"problems":[]`)) {
		t.Errorf("JSON %s, %v", b, err)
	}
}

// labRecord writes ten arrivals with the given fates, and what the lab accepted.
func labRecord(t *testing.T, fateOf func(k int) Fate, accepted []uint32, lab LabAccount, totals Totals, steps map[string]scenarios.Work) *Account {
	t.Helper()
	dir := t.TempDir()
	run := testRun(10)
	if steps != nil {
		run.Platform = &scenarios.Platform{Workloads: []scenarios.Workload{{Name: "web", Steps: steps}}}
	}
	w, err := Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	for k := range 10 {
		sh.Fate(uint32(k), fateOf(k))
	}
	if lab.File, err = w.WriteAccepted(roaring.BitmapOf(accepted...)); err != nil {
		t.Fatal(err)
	}
	err = w.Close(started, func(r *Run) {
		r.Lab, r.Totals.Reloads, r.Totals.ComeBacks = &lab, totals.Reloads, totals.ComeBacks
	})
	if err != nil {
		t.Fatal(err)
	}
	return account(t, dir)
}

func TestLedgerIsHeldAgainstTheLabAsSets(t *testing.T) {
	// 0–5 completed, 6 and 7 failed, 8 indeterminate, 9 unsent.
	fate := func(k int) Fate {
		return []Fate{Completed, Completed, Completed, Completed, Completed, Completed, FailedArrival, FailedArrival, Indeterminate, Unsent}[k]
	}
	for _, c := range []struct {
		name     string
		accepted []uint32
		lab      LabAccount
		totals   Totals
		steps    map[string]scenarios.Work
		want     LabComparison
		problem  string
	}{
		{
			name: "agrees", accepted: []uint32{0, 1, 2, 3, 4, 5, 7, 8}, lab: LabAccount{Accepted: 8, Duplicates: 3}, totals: Totals{Reloads: 2, ComeBacks: 1},
			want: LabComparison{Accepted: 8, Duplicates: 3, AcceptedNotCompleted: 2, Agrees: true},
		},
		{
			name: "completed but not accepted", accepted: []uint32{0, 1, 2, 3, 4}, lab: LabAccount{Accepted: 5},
			want: LabComparison{Accepted: 5, CompletedNotAccepted: 1}, problem: "1 completed but not accepted",
		},
		{
			name: "nothing to accept on the way", accepted: []uint32{0, 1}, lab: LabAccount{Accepted: 2}, steps: map[string]scenarios.Work{"form": {}, "submit": {}},
			want: LabComparison{Accepted: 2, CompletedNotAccepted: 4, Agrees: true},
		},
		{
			name: "everyone hands in", accepted: []uint32{0, 1}, lab: LabAccount{Accepted: 2}, steps: map[string]scenarios.Work{"form": {}, "submit": {Accepts: true}},
			want: LabComparison{Accepted: 2, CompletedNotAccepted: 4}, problem: "4 completed but not accepted",
		},
		{
			name: "unsent but accepted", accepted: []uint32{0, 1, 2, 3, 4, 5, 9}, lab: LabAccount{Accepted: 7},
			want: LabComparison{Accepted: 7, AcceptedNotCompleted: 1, AcceptedUnsent: 1}, problem: "1 accepted but unsent",
		},
		{
			name: "a stranger", accepted: []uint32{0, 1, 2, 3, 4, 5, 77}, lab: LabAccount{Accepted: 7},
			want: LabComparison{Accepted: 7, AcceptedNotCompleted: 1, AcceptedWithoutFate: 1}, problem: "1 accepted without a fate",
		},
		{
			name: "more duplicates than reloads", accepted: []uint32{0, 1, 2, 3, 4, 5}, lab: LabAccount{Accepted: 6, Duplicates: 4}, totals: Totals{Reloads: 1, ComeBacks: 1},
			want: LabComparison{Accepted: 6, Duplicates: 4, DuplicatesBeyondReloads: 2}, problem: "2 duplicates that no reload explains",
		},
		{
			name: "the lab counts otherwise", accepted: []uint32{0, 1, 2, 3, 4, 5}, lab: LabAccount{Accepted: 5},
			want: LabComparison{Accepted: 6, Agrees: true}, problem: "6 applications in accepted.roaring, 5 by the lab's count",
		},
	} {
		a := labRecord(t, fate, c.accepted, c.lab, c.totals, c.steps)
		if a.Lab == nil || *a.Lab != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, a.Lab, c.want)
		}
		if told := hasProblem(a, c.problem); c.problem != "" && !told {
			t.Errorf("%s: problems %q, want %q", c.name, a.Problems, c.problem)
		}
	}
}

func hasProblem(a *Account, part string) bool {
	return slices.ContainsFunc(a.Problems, func(p string) bool { return strings.Contains(p, part) })
}

// edit changes one file of a record.
func edit(t testing.TB, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withoutLines drops the lines that one of the parts is in.
func withoutLines(b []byte, drop func(line string) bool) []byte {
	var out []byte
	for line := range bytes.Lines(b) {
		if !drop(string(line)) {
			out = append(out, line...)
		}
	}
	return out
}

func TestAMissingMinuteIsFound(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 4000)
	edit(t, dir, latencyFile, func(b []byte) []byte {
		return withoutLines(b, func(line string) bool {
			if !strings.HasPrefix(line, "Tag=response/") {
				return false
			}
			var start float64
			_, err := fmt.Sscanf(strings.SplitN(line, ",", 3)[1], "%f", &start)
			return err == nil && start >= 60 && start < 120
		})
	})
	a := account(t, dir)
	if !slices.Equal(a.MissingMinutes, []int{1}) || !hasProblem(a, "no response in minute 1, although arrivals were due") {
		t.Errorf("missing %v, problems %q", a.MissingMinutes, a.Problems)
	}
	if !hasProblem(a, "shots, run.json counts 4000") {
		t.Errorf("the missing shots are not told: %q", a.Problems)
	}
}

func TestMinutesInWhichNobodyIsExpectedAreNotMissing(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(3*judgeable-3)) // 19 a minute
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if a := account(t, dir); len(a.MissingMinutes) > 0 {
		t.Errorf("missing %v of a scenario with 19 arrivals a minute", a.MissingMinutes)
	}
}

func TestMinutesAfterAnInterruptionAreNotMissing(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(3000)) // in three minutes
	if err != nil {
		t.Fatal(err)
	}
	w.Shard().Sample(Sample{Due: 10 * time.Second, Sent: 10 * time.Second, Done: 11 * time.Second})
	if err := w.Close(started, func(r *Run) { r.Interrupted = true }); err != nil {
		t.Fatal(err)
	}
	if a := account(t, dir); len(a.MissingMinutes) > 0 {
		t.Errorf("missing %v of a run that was interrupted in minute 0", a.MissingMinutes)
	}
}

func TestSecondsAndMinutesAreHeldAgainstEachOther(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 4000)
	edit(t, dir, latencyFile, func(b []byte) []byte {
		return withoutLines(b, func(line string) bool { return strings.HasPrefix(line, "Tag=service/submit/b/ok,60.000") })
	})
	if a := account(t, dir); !hasProblem(a, "service/submit/*/ok: the seconds count ") {
		t.Errorf("problems %q", a.Problems)
	}
}

func TestDamageIsNamed(t *testing.T) {
	for _, c := range []struct {
		file, want string
		change     func([]byte) []byte
	}{
		{timelineFile, "timeline.jsonl:2: not an event", func(b []byte) []byte {
			return bytes.Replace(b, []byte("\n{"), []byte("\n\x00garbage\n{"), 2)
		}},
		{timelineFile, "(the end is cut off)", func(b []byte) []byte { return b[:len(b)-20] }},
		{createdFile, "created.jsonl:1: not a created thing", func(b []byte) []byte { return append([]byte("?\n"), b...) }},
		{createdFile, "(the end is cut off)", func(b []byte) []byte { return b[:len(b)-2] }},
		{latencyFile, "latency.hlog:20: ", func(b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			lines[19] = append(bytes.Clone(lines[19][:60]), '\n')
			return bytes.Join(lines, nil)
		}},
		{"ledger/w0-e1.log", "ledger/w0-e1.log: frame at byte 0: ", func(b []byte) []byte { b[40] ^= 1; return b }},
		{"ledger/w0-e1.log", "arrivals have no fate", func(b []byte) []byte { return b[:len(b)/2] }},
		{metricsFile, "metrics.om: the end is cut off", func(b []byte) []byte { return b[:len(b)-1] }},
		{metricsFile, "metrics.om: the end is cut off", func(b []byte) []byte { return nil }},
	} {
		dir := t.TempDir()
		writeRecord(t, dir, 1000)
		edit(t, dir, c.file, c.change)
		if a := account(t, dir); !hasProblem(a, c.want) {
			t.Errorf("%s: problems %q, want %q", c.file, a.Problems, c.want)
		}
	}
}

func TestMissingFilesAreProblems(t *testing.T) {
	for _, name := range []string{latencyFile, timelineFile, ledgerDir, metricsFile} {
		dir := t.TempDir()
		writeRecord(t, dir, 100)
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if a := account(t, dir); !hasProblem(a, name) {
			t.Errorf("%s is gone: problems %q", name, a.Problems)
		}
	}
}

func TestGapsAreCounted(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(0))
	if err != nil {
		t.Fatal(err)
	}
	for k := range 3 {
		w.Event(Event{At: time.Duration(k), Kind: []string{KindGap, KindPod, KindGap}[k]})
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if a := account(t, dir); a.Events != 3 || a.Gaps != 2 {
		t.Errorf("%d events, %d gaps", a.Events, a.Gaps)
	}
}
