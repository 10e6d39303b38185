package gate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

var started = time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

// written writes a record of 6,000 arrivals of two tenants in four minutes, with the answer times given.
func written(t *testing.T, answer func(tenant int, due time.Duration) time.Duration, finish func(*record.Run)) string {
	t.Helper()
	const n, over = 6000, 4 * time.Minute
	slo := promise()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := record.Create(dir, record.Run{
		ID: "r", Purpose: "surge", Target: "lab", Speed: 1, Workers: 1, StartedAt: started,
		Scenario: &scenarios.Scenario{
			Name: "s", Arrivals: scenarios.Arrivals{Total: n, Over: over}, SLOs: []scenarios.SLO{slo},
			Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a"}, {Name: "b"}}},
			Journeys: []scenarios.Journey{{Name: "j", Steps: []scenarios.Step{{Name: "submit"}}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	for k := range n {
		due := time.Duration(k) * over / n
		sh.Sample(record.Sample{Seq: uint32(k), Tenant: int32(k % 2), Due: due, Sent: due, Done: due + answer(k%2, due)})
		sh.Fate(uint32(k), record.Completed)
	}
	if finish == nil {
		finish = func(r *record.Run) { r.Validity = record.Validity{Valid: true, LatenessLimit: time.Millisecond} }
	}
	if err := w.Close(started.Add(over), finish); err != nil {
		t.Fatal(err)
	}
	return dir
}

func judged(t *testing.T, dir string) *Verdict {
	t.Helper()
	rec, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Judge(rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func fast(int, time.Duration) time.Duration { return 100 * time.Millisecond }

// stalled: tenant b's answers take 10 s in minute 2.
func stalled(tenant int, due time.Duration) time.Duration {
	if tenant == 1 && due >= 2*time.Minute && due < 3*time.Minute {
		return 10 * time.Second
	}
	return 100 * time.Millisecond
}

func TestJudgeARecord(t *testing.T) {
	if v := judged(t, written(t, fast, nil)); v.Result != Pass || v.SLOs[0].Judged != 8 || v.Run != "r" {
		t.Errorf("%s, %d windows: %v", v.Result, v.SLOs[0].Judged, v.Reasons)
	}
	v := judged(t, written(t, stalled, nil))
	got := v.SLOs[0]
	if v.Result != Fail || got.Broken != 1 || got.BrokenTenants[0].Tenant != "b" || *got.FirstBreak != 2*time.Minute || got.Worst.Shots != 750 {
		t.Errorf("%s %+v", v.Result, got)
	}
	if p := got.Worst.Percentile; p < 9900*time.Millisecond || p > 10100*time.Millisecond {
		t.Errorf("p95 %s, every answer took 10 s", p)
	}
}

func TestJudgeARecordOfAStarvedGenerator(t *testing.T) {
	v := judged(t, written(t, stalled, func(r *record.Run) {
		r.Validity = record.Validity{LatenessLimit: time.Millisecond, Reasons: []scenarios.Text{{"en": "lateness p99 2 s"}}}
	}))
	if v.Result != Invalid || v.Result.ExitCode() != 4 {
		t.Errorf("%s %v", v.Result, v.Reasons)
	}
}

// edit changes a file of a record.
func edit(t *testing.T, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// without drops the response windows of minute 2; only those of single tenants, only those of all, or both.
func without(tag string) func([]byte) []byte {
	return func(b []byte) []byte {
		var out []byte
		for line := range bytes.Lines(b) {
			var start float64
			fields := strings.SplitN(string(line), ",", 3)
			if strings.HasPrefix(fields[0], "Tag="+record.Response+"/") && strings.Contains(fields[0], tag) {
				if _, err := fmt.Sscanf(fields[1], "%f", &start); err == nil && start >= 120 && start < 180 {
					continue
				}
			}
			out = append(out, line...)
		}
		return out
	}
}

func TestARecordWithAMissingMinuteIsInconclusive(t *testing.T) {
	for _, answer := range []func(int, time.Duration) time.Duration{fast, stalled} {
		for _, tag := range []string{"", "/b/", "/*/"} {
			dir := written(t, answer, nil)
			edit(t, dir, "latency.hlog", without(tag))
			v := judged(t, dir)
			if v.Result != Inconclusive || !strings.Contains(v.Reasons[0]["en"], "minutes of the run (counted from 0): 2") {
				t.Errorf("lines with %q dropped: %s %v", tag, v.Result, v.Reasons)
			}
		}
	}
}

func TestARecordCutOffIsInconclusive(t *testing.T) {
	for _, name := range []string{"latency.hlog", "metrics.om", "ledger/w0-e1.log"} {
		dir := written(t, fast, nil)
		edit(t, dir, name, func(b []byte) []byte { return b[:len(b)*2/3] })
		if v := judged(t, dir); v.Result != Inconclusive {
			t.Errorf("%s cut: %s %v", name, v.Result, v.Reasons)
		}
	}
	dir := written(t, fast, nil)
	edit(t, dir, "latency.hlog", func(b []byte) []byte { return bytes.Replace(b, []byte("Tag="), []byte("Tug="), 40) })
	if v := judged(t, dir); v.Result != Inconclusive {
		t.Errorf("broken lines: %s %v", v.Result, v.Reasons)
	}
}

func TestBaselineOfRecords(t *testing.T) {
	open := func(dir string) *record.Record {
		rec, err := record.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	slower := func(tenant int, due time.Duration) time.Duration { return 150 * time.Millisecond }
	v, err := Judge(open(written(t, slower, nil)), open(written(t, fast, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if v.Result != Pass || v.Baseline == nil || !v.Baseline.Steps[0].P95.Worse || len(v.Warnings) != 2 {
		t.Errorf("half as slow again: %s %+v %v", v.Result, v.Baseline, v.Warnings)
	}
}
