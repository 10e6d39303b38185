package record

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// killedRecord is the directory of a writer that is not closed, as a killed process leaves it.
func killedRecord(t testing.TB, n int) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	w, err := Create(dir, testRun(int64(n)))
	if err != nil {
		t.Fatal(err)
	}
	fill(w, n)
	files := snapshot(t, dir)
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	return files
}

// snapshot reads all files below dir, by path.
func snapshot(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(filepath.Join(dir, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func restore(t interface{ Fatal(...any) }, dir string, files map[string][]byte) {
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for path, b := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever byte each file of a killed run ends at: the record opens, the account adds up and tells what is missing;
// repaired, nobody is missing and nothing is half; repaired again, not a byte changes.
func TestARunKilledAtAnyByteIsMended(t *testing.T) {
	const total = 500
	whole := killedRecord(t, total)
	dir := filepath.Join(t.TempDir(), "run")
	rapid.Check(t, func(t *rapid.T) {
		files := map[string][]byte{}
		for path, b := range whole {
			if path != runFile { // written in one step
				b = b[:rapid.IntRange(0, len(b)).Draw(t, path)]
			}
			files[path] = b
		}
		restore(t, dir, files)
		before := mustAccount(t, dir)
		if before.Complete || len(before.Problems) == 0 {
			t.Fatal("a killed run is said to be complete")
		}
		for _, p := range before.Problems {
			if strings.Contains(p, "read on at byte") || strings.Contains(p, ":") && (strings.Contains(p, "not an event") || strings.Contains(p, "not a created")) && !strings.Contains(p, "cut off") {
				t.Fatalf("a cut is taken for damage in the middle: %s", p)
			}
		}
		now := started.Add(24 * time.Hour)
		if err := Repair(dir, now); err != nil {
			t.Fatal(err)
		}
		after := mustAccount(t, dir)
		sum := after.Ledger.Completed + after.Ledger.Failed + after.Ledger.Indeterminate + after.Ledger.Unsent
		if sum != total || after.Ledger.Missing != 0 || after.Ledger.Overlaps != 0 || !after.Complete {
			t.Fatalf("after the repair: %+v", after)
		}
		if after.Ledger.Completed != before.Ledger.Completed || after.Ledger.Indeterminate != before.Ledger.Indeterminate+before.Ledger.Missing {
			t.Fatalf("the missing are not the indeterminate: %+v, then %+v", before.Ledger, after.Ledger)
		}
		for _, p := range after.Problems {
			if strings.Contains(p, "cut off") {
				t.Fatalf("still cut off: %s", p)
			}
		}
		mended := read(t, dir)
		if err := Repair(dir, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for path, b := range read(t, dir) {
			if b != mended[path] {
				t.Fatalf("the second repair changed %s", path)
			}
		}
	})
}

func mustAccount(t *rapid.T, dir string) *Account {
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

// read is every file below dir as text, by path.
func read(t *rapid.T, dir string) map[string]string {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRepairLeavesASoundRecordAlone(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 500)
	before := snapshot(t, dir)
	if err := Repair(dir, started.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, dir)
	if len(after) != len(before) {
		t.Errorf("%d files, before %d", len(after), len(before))
	}
	for path, b := range before {
		if string(after[path]) != string(b) {
			t.Errorf("%s was changed", path)
		}
	}
}

func TestRepairedRunEndsAtItsLastSignAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	restore(t, dir, killedRecord(t, 2000))
	if err := Repair(dir, started.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if end := r.Run.EndedAt.Sub(started); end < 2*time.Minute || end > 4*time.Minute {
		t.Errorf("the run ends after %v; its samples reach to three minutes", end)
	}
	// A reason would say that the generator was the limit; nobody knows.
	if !r.Run.Interrupted || r.Run.Validity.Valid || len(r.Run.Validity.Reasons) != 0 {
		t.Errorf("interrupted %v, validity %+v", r.Run.Interrupted, r.Run.Validity)
	}
	if len(r.Run.Warnings) != 1 || r.Run.Warnings[0].Code != WarnRepaired || r.Run.Warnings[0].Text["de"] == "" {
		t.Errorf("warnings %+v", r.Run.Warnings)
	}
	if a := account(t, dir); a.Shots != r.Run.Totals.Shots || a.Shots == 0 || hasProblem(a, "run.json counts") {
		t.Errorf("%d shots in the windows, %d in run.json, problems %q", a.Shots, r.Run.Totals.Shots, a.Problems)
	}
}

// A closed loop is given more arrivals than it gets through; killed, it has no more than the ledger tells of.
func TestAKilledClosedLoopHasNoRest(t *testing.T) {
	dir := t.TempDir()
	run := testRun(1<<32 - 1)
	run.Closed = 2
	w, err := Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	shard := w.Shard()
	for _, seq := range []uint32{0, 1, 2, 4} { // 3 was under way
		shard.Fate(seq, Completed)
	}
	if err := w.Flush(time.Second); err != nil {
		t.Fatal(err)
	}
	killed := snapshot(t, dir)
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	restore(t, dir, killed)
	if l := account(t, dir).Ledger; l.Total != 5 || l.Completed != 4 || l.Missing != 1 {
		t.Errorf("killed: %+v", l)
	}
	if err := Repair(dir, started.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	a := account(t, dir)
	if l := a.Ledger; l.Total != 5 || l.Completed != 4 || l.Indeterminate != 1 || l.Missing != 0 {
		t.Errorf("repaired: %+v, %q", l, a.Problems)
	}
	if a := mustOpen(t, dir).Run.Scenario.Arrivals.Total; a != 5 {
		t.Errorf("the scenario says %d arrivals", a)
	}
}

func mustOpen(t *testing.T, dir string) *Record {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRepairOfNothing(t *testing.T) {
	if err := Repair(t.TempDir(), started); err == nil || !strings.Contains(err.Error(), "is not a run record") {
		t.Errorf("repair of an empty directory: %v", err)
	}
}
