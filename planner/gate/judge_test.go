package gate

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// times is a histogram that keeps every value: what the gate computes on it can be computed by hand.
type times []time.Duration

func (t times) Count() int64 { return int64(len(t)) }

func (t times) CountAbove(d time.Duration) int64 {
	var n int64
	for _, x := range t {
		if x > d {
			n++
		}
	}
	return n
}

func (t times) Quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	rank := int(math.Ceil(q*float64(len(t)) - 1e-9))
	return sorted[min(max(rank, 1), len(t))-1]
}

// shots are fast shots of 100 ms and slow ones of 5 s.
func shots(fast, slow int) times {
	out := make(times, 0, fast+slow)
	for range fast {
		out = append(out, 100*time.Millisecond)
	}
	for range slow {
		out = append(out, 5*time.Second)
	}
	return out
}

func minute(tenant string, m, fast, slow int) cell {
	return cell{tenant: tenant, step: "submit", start: time.Duration(m) * time.Minute, length: time.Minute, counts: shots(fast, slow)}
}

func failing(tenant string, m, n int) cell {
	c := minute(tenant, m, 0, n)
	c.failed = true
	return c
}

// promise: 95 % within 2 s, no more than 1 % failed, each minute, at least 20 shots.
func promise() scenarios.SLO {
	return scenarios.SLO{Step: "submit", Tenant: "each", Percentile: 95, Within: 2 * time.Second, Errors: 0.01, Window: time.Minute}
}

// run is a closed, valid run of ten minutes.
func run(slos ...scenarios.SLO) *record.Run {
	return &record.Run{
		ID: "r1", EndedAt: time.Unix(1, 0),
		Scenario: &scenarios.Scenario{Name: "s", Arrivals: scenarios.Arrivals{Total: 100, Over: 10 * time.Minute}, SLOs: slos},
		Validity: record.Validity{Valid: true, LatenessLimit: time.Millisecond},
	}
}

func factsOf(r *record.Run, cells ...cell) facts {
	return facts{Data: &Data{Run: r, Account: &record.Account{Valid: true, Complete: true}}, cells: cells}
}

func mustJudge(t interface{ Fatalf(string, ...any) }, in facts) *Verdict {
	v, err := judge(in, nil)
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	for _, r := range v.Reasons {
		if r["de"] == "" || r["en"] == "" {
			t.Fatalf("a reason lacks a language: %v", r)
		}
	}
	if len(v.Reasons) == 0 {
		t.Fatalf("no reasons given for %s", v.Result)
	}
	return v
}

func TestWindowsAgainstPromise(t *testing.T) {
	for name, tc := range map[string]struct {
		change         func(*scenarios.SLO)
		cells          []cell
		want           Result
		judged, broken int
	}{
		"one slow of twenty is just what 95 % allows": {cells: []cell{minute("a", 0, 19, 1)}, want: Pass, judged: 1},
		"two slow of twenty are too many":             {cells: []cell{minute("a", 0, 18, 2)}, want: Fail, judged: 1, broken: 1},
		"a failed shot counts as slow and as failed":  {cells: []cell{minute("a", 0, 98, 0), failing("a", 0, 2)}, want: Fail, judged: 1, broken: 1},
		"one failed of a hundred is allowed":          {cells: []cell{minute("a", 0, 99, 0), failing("a", 0, 1)}, want: Pass, judged: 1},
		"a thin minute joins the next": { // 10 + 10 shots, 1 slow: 5 %; alone the first would be 10 %
			cells: []cell{minute("a", 0, 9, 1), minute("a", 1, 10, 0)}, want: Pass, judged: 1,
		},
		"a thin last minute joins the one before": { // 40 shots with 2 slow hold, and 5 more with 1 slow: 3 of 45 = 6.7 %
			cells: []cell{minute("a", 0, 38, 2), minute("a", 1, 4, 1)}, want: Fail, judged: 1, broken: 1,
		},
		"a gap of minutes is joined over": {cells: []cell{minute("a", 0, 10, 0), minute("a", 5, 10, 0)}, want: Pass, judged: 1},
		"the run's mean hides nothing": {
			cells: []cell{minute("a", 0, 1000, 0), minute("a", 1, 10, 10), minute("a", 2, 1000, 0)}, want: Fail, judged: 3, broken: 1,
		},
		"without a window the whole run is one": {
			change: func(s *scenarios.SLO) { s.Window = 0 },
			cells:  []cell{minute("a", 0, 1000, 0), minute("a", 1, 10, 10), minute("a", 2, 1000, 0)}, want: Pass, judged: 1,
		},
		"a loud neighbour does not hide a tenant": {
			cells: []cell{minute("a", 0, 10, 10), minute("b", 0, 5000, 0)}, want: Fail, judged: 2, broken: 1,
		},
		"all together is another promise": {
			change: func(s *scenarios.SLO) { s.Tenant = "all" },
			cells:  []cell{minute("", 0, 5010, 10), minute("a", 0, 10, 10), minute("b", 0, 5000, 0)}, want: Pass, judged: 1,
		},
		"a named tenant is judged alone": {
			change: func(s *scenarios.SLO) { s.Tenant = "b" },
			cells:  []cell{minute("a", 0, 10, 10), minute("b", 0, 5000, 0)}, want: Pass, judged: 1,
		},
		"too few shots everywhere":    {cells: []cell{minute("a", 0, 19, 0), minute("b", 0, 3, 3)}, want: Inconclusive},
		"too few for one tenant only": {cells: []cell{minute("a", 0, 19, 0), minute("b", 0, 30, 0)}, want: Pass, judged: 1},
		"no shots of the step": {
			change: func(s *scenarios.SLO) { s.Step = "form" }, cells: []cell{minute("a", 0, 100, 0)}, want: Inconclusive,
		},
	} {
		t.Run(name, func(t *testing.T) {
			slo := promise()
			if tc.change != nil {
				tc.change(&slo)
			}
			v := mustJudge(t, factsOf(run(slo), tc.cells...))
			got := v.SLOs[0]
			if v.Result != tc.want || got.Judged != tc.judged || got.Broken != tc.broken {
				t.Errorf("got %s with %d of %d windows broken, want %s with %d of %d\n%v", v.Result, got.Broken, got.Judged, tc.want, tc.broken, tc.judged, v.Reasons)
			}
		})
	}
}

func TestEveryStepForItself(t *testing.T) {
	slo := promise()
	slo.Step, slo.Tenant = "", ""
	form := minute("a", 0, 0, 30) // 30 slow of 1030 together would hold
	form.step = "form"
	v := mustJudge(t, factsOf(run(slo), minute("a", 0, 1000, 0), form))
	if v.Result != Fail || v.SLOs[0].Worst.Step != "form" || v.SLOs[0].Judged != 2 || v.SLOs[0].Tenants != 1 {
		t.Errorf("got %s, %+v", v.Result, v.SLOs[0])
	}
}

func TestWhatABreakTells(t *testing.T) {
	cells := []cell{
		minute("a", 3, 90, 10), minute("b", 2, 80, 20), minute("b", 4, 10, 80), failing("b", 4, 10), minute("c", 0, 100, 0),
	}
	v := mustJudge(t, factsOf(run(promise()), cells...))
	got := v.SLOs[0]
	if got.Broken != 3 || got.Judged != 4 || got.Tenants != 3 || *got.FirstBreak != 2*time.Minute {
		t.Fatalf("got %+v", got)
	}
	if len(got.BrokenTenants) != 2 || got.BrokenTenants[0].Tenant != "b" || got.BrokenTenants[0].Broken != 2 || got.BrokenTenants[0].First != 2*time.Minute {
		t.Errorf("broken tenants, worst first: %+v", got.BrokenTenants)
	}
	want := WindowJudged{Tenant: "b", Step: "submit", Start: 4 * time.Minute, Length: time.Minute, Shots: 100, Slow: 90, Failed: 10, Percentile: 5 * time.Second}
	if *got.Worst != want {
		t.Errorf("worst window %+v, want %+v", *got.Worst, want)
	}
	for lang, figures := range map[string][]string{
		"de": {"3 von 4", "2 von 3 Mandanten", "ab 2:00", "Mandant b", "4:00 bis 5:00", "90 % von 100", "10 % gescheitert", "(erlaubt 1 %)", "p95 5 s"},
		"en": {"3 of 4", "2 of 3 tenants", "from 2:00", "tenant b", "4:00 to 5:00", "90 % of 100", "10 % failed", "(allowed 1 %)", "p95 5 s"},
	} {
		for _, f := range figures {
			if !strings.Contains(v.Reasons[0][lang], f) {
				t.Errorf("%s: reason does not say %q: %s", lang, f, v.Reasons[0][lang])
			}
		}
	}
}

func TestWorstPromiseComesFirst(t *testing.T) {
	mild, grave := promise(), promise()
	mild.Name, grave.Name, grave.Step = "mild", "grave", "form"
	form := minute("a", 0, 0, 100)
	form.step = "form"
	v := mustJudge(t, factsOf(run(mild, grave), minute("a", 0, 90, 10), form))
	if len(v.Reasons) != 2 || !strings.Contains(v.Reasons[0]["en"], "grave") {
		t.Errorf("reasons: %v", v.Reasons)
	}
	if v.SLOs[0].SLO.Name != "mild" {
		t.Error("the promises themselves keep the scenario's order")
	}
}

func TestOrderOfResults(t *testing.T) {
	good, bad := minute("a", 0, 100, 0), minute("a", 0, 0, 100)
	for name, tc := range map[string]struct {
		cells  []cell
		change func(*facts)
		want   Result
		says   string
	}{
		"all well": {cells: []cell{good}, want: Pass, says: "held"},
		"generator late, promise broken": {cells: []cell{bad}, want: Invalid, says: "late by 3 s", change: func(f *facts) {
			f.Run.Validity = record.Validity{Reasons: []scenarios.Text{{"en": "late by 3 s"}}, LatenessLimit: 1}
		}},
		"generator late, data missing": {cells: []cell{good}, want: Invalid, says: "cpu", change: func(f *facts) {
			f.Run.Validity.Valid, f.Run.Validity.Reasons, f.Account.MissingMinutes = false, []scenarios.Text{{"en": "cpu"}}, []int{3}
		}},
		"invalid without a reason still says why": {cells: []cell{good}, want: Invalid, says: "lateness p99", change: func(f *facts) { f.Run.Validity.Valid = false }},
		"lab's timers late": {cells: []cell{good}, want: Invalid, says: "embedded platform", change: func(f *facts) {
			f.Run.Lab = &record.LabAccount{LatenessP99: time.Second, Limit: time.Millisecond}
		}},
		"killed run, no evidence yet": {cells: []cell{good}, want: Inconclusive, says: "not closed", change: func(f *facts) {
			f.Run.EndedAt, f.Run.Validity = time.Time{}, record.Validity{}
		}},
		"repaired run, no evidence": {cells: []cell{good}, want: Inconclusive, says: "evidence", change: func(f *facts) { f.Run.Validity = record.Validity{} }},
		"interrupted":               {cells: []cell{good}, want: Inconclusive, says: "interrupted", change: func(f *facts) { f.Run.Interrupted = true }},
		"missing minute": {cells: []cell{good}, want: Inconclusive, says: "minutes of the run (counted from 0): 3, 7–8", change: func(f *facts) {
			f.Account.MissingMinutes = []int{3, 7, 8}
		}},
		"missing minute and a visible break": {cells: []cell{bad}, want: Inconclusive, says: "Promise", change: func(f *facts) {
			f.Account.MissingMinutes = []int{3}
		}},
		"tenant minutes cut": {cells: []cell{minute("", 0, 100, 0), minute("", 1, 30, 0), minute("a", 0, 100, 0)}, want: Inconclusive, says: ": 1."},
		"seconds cut":        {cells: []cell{minute("", 0, 99, 0), minute("a", 0, 100, 0)}, want: Inconclusive, says: ": 0."},
		"gap": {cells: []cell{good}, want: Inconclusive, says: "1 gaps, 2.5 s together, the first from 3:00", change: func(f *facts) {
			f.Gaps = []record.Event{{Kind: record.KindGap, At: 3 * time.Minute, Values: map[string]float64{"seconds": 2.5}}}
		}},
		"unsent": {cells: []cell{good}, want: Inconclusive, says: "never sent", change: func(f *facts) { f.Account.Ledger.Unsent = 7 }},
		"does not add up": {cells: []cell{good}, want: Inconclusive, says: "ledger/3 is torn", change: func(f *facts) {
			f.Account.Problems = []string{"ledger/3 is torn"}
		}},
		"no windows":  {want: Inconclusive, says: "no response times"},
		"no promises": {cells: []cell{good}, want: Inconclusive, says: "no promise", change: func(f *facts) { f.Run.Scenario.SLOs = nil }},
		"no scenario": {cells: []cell{good}, want: Inconclusive, says: "no promise", change: func(f *facts) { f.Run.Scenario = nil }},
		"one promise broken, one without shots: the break is certain": {cells: []cell{bad}, want: Fail, says: "cannot be judged", change: func(f *facts) {
			form := promise()
			form.Step = "form"
			f.Run.Scenario.SLOs = append(f.Run.Scenario.SLOs, form)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in := factsOf(run(promise()), tc.cells...)
			if tc.change != nil {
				tc.change(&in)
			}
			v := mustJudge(t, in)
			if v.Result != tc.want {
				t.Errorf("got %s, want %s: %v", v.Result, tc.want, v.Reasons)
			}
			said := false
			for _, r := range v.Reasons {
				said = said || strings.Contains(r["en"], tc.says)
			}
			if !said {
				t.Errorf("no reason says %q: %v", tc.says, v.Reasons)
			}
			for _, s := range v.SLOs {
				if v.Result == Invalid && (s.Result != Invalid || s.Judged != 0 || s.Worst != nil) {
					t.Errorf("an invalid run claims figures: %+v", s)
				}
				if v.Result == Inconclusive && s.Result == Pass {
					t.Error("an inconclusive run claims that a promise was held")
				}
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for r, want := range map[Result]int{Pass: 0, Fail: 1, Inconclusive: 3, Invalid: 4, "": 3} {
		if got := r.ExitCode(); got != want {
			t.Errorf("%q: exit code %d, want %d", r, got, want)
		}
	}
}

func TestWindowThatTheRecordCannotGive(t *testing.T) {
	slo := promise()
	slo.Window = 90 * time.Second
	if _, err := judge(factsOf(run(slo), minute("a", 0, 100, 0)), nil); err == nil || !strings.Contains(err.Error(), "1m30s") {
		t.Errorf("error %v should name the window", err)
	}
}

// anyCells draws minutes of a few tenants, each with at least low shots.
func anyCells(low int) *rapid.Generator[[]cell] {
	return rapid.Custom(func(t *rapid.T) []cell {
		var out []cell
		for range rapid.IntRange(1, 12).Draw(t, "cells") {
			tenant := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tenant")
			m := rapid.IntRange(0, 5).Draw(t, "minute")
			c := minute(tenant, m, rapid.IntRange(low, 60).Draw(t, "fast"), rapid.IntRange(0, 5).Draw(t, "slow"))
			c.failed = rapid.Bool().Draw(t, "failed")
			out = append(out, c)
		}
		return out
	})
}

func anyPromise(t *rapid.T) scenarios.SLO {
	slo := promise()
	slo.Percentile = rapid.SampledFrom([]float64{0, 50, 90, 95, 99.9}).Draw(t, "percentile")
	slo.Errors = rapid.SampledFrom([]float64{0, 0.01, 0.3, 1}).Draw(t, "errors")
	slo.Window = time.Duration(rapid.IntRange(0, 3).Draw(t, "window")) * time.Minute
	return slo
}

// Where every window has shots enough to stand alone, more failed shots never help. (Where windows are joined they can,
// by standing alone in the end: the partition itself moves.)
func TestMoreFailedShotsNeverMend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slo, cells := anyPromise(t), anyCells(20).Draw(t, "cells")
		before := mustJudge(t, factsOf(run(slo), cells...))
		at := rapid.SampledFrom(cells).Draw(t, "at")
		more := failing(at.tenant, int(at.start/time.Minute), rapid.IntRange(1, 50).Draw(t, "more"))
		after := mustJudge(t, factsOf(run(slo), append(slices.Clone(cells), more)...))
		if before.Result == Fail && after.Result != Fail {
			t.Fatalf("%s became %s by %d failed shots", before.Result, after.Result, more.Count())
		}
	})
}

// However windows are joined, making fast shots slow never helps.
func TestSlowerShotsNeverMend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slo, cells := anyPromise(t), anyCells(0).Draw(t, "cells")
		slower := slices.Clone(cells)
		i := rapid.IntRange(0, len(cells)-1).Draw(t, "which")
		slower[i].counts = shots(0, int(cells[i].Count()))
		before, after := mustJudge(t, factsOf(run(slo), cells...)), mustJudge(t, factsOf(run(slo), slower...))
		if before.Result == Fail && after.Result != Fail {
			t.Fatalf("fail became %s by slower shots", after.Result)
		}
	})
}

// A record may hold a window in any number of lines, in any order.
func TestSplitWindowsGiveTheSameVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slo, cells := anyPromise(t), anyCells(0).Draw(t, "cells")
		var split []cell
		for _, c := range cells {
			all := c.counts.(times)
			cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
			head, tail := c, c
			head.counts, tail.counts = all[:cut], all[cut:]
			split = append(split, tail, head)
		}
		split = rapid.Permutation(split).Draw(t, "order")
		whole, parts := mustJudge(t, factsOf(run(slo), cells...)), mustJudge(t, factsOf(run(slo), split...))
		if !reflect.DeepEqual(whole, parts) {
			t.Fatalf("whole %+v\nparts %+v", whole, parts)
		}
	})
}

// The quantile over parts is the quantile of the union, within the search's resolution.
func TestQuantileOfParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all times
		var cells []cell
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			var part times
			for _, ms := range rapid.SliceOfN(rapid.IntRange(1, 60_000), 0, 30).Draw(t, "ms") {
				part = append(part, time.Duration(ms)*time.Millisecond)
			}
			all = append(all, part...)
			cells = append(cells, cell{counts: part})
		}
		q := rapid.SampledFrom([]float64{0.5, 0.95, 0.99}).Draw(t, "q")
		got, want := quantile(cells, q), all.Quantile(q)
		if math.Abs(got.Seconds()-want.Seconds()) > 0.002*want.Seconds() {
			t.Fatalf("quantile %v of %v: got %v, want %v", q, all, got, want)
		}
	})
}

// A reason and its advice are told in the reader's language; what an older record holds in English only, in English.
func TestGeneratorsReasonsAreToldInBothLanguages(t *testing.T) {
	f := factsOf(run(promise()), minute("a", 0, 100, 0))
	f.Run.Validity = record.Validity{
		LatenessLimit: 1, Reasons: []scenarios.Text{{"de": "zu spät", "en": "late"}, {"en": "7 unsent"}},
		Advice: []scenarios.Text{{"de": "langsamer fahren", "en": "go slower"}},
	}
	v, err := judge(f, nil)
	if err != nil || len(v.Reasons) != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	for i, want := range []scenarios.Text{{"de": "zu spät → langsamer fahren", "en": "late → go slower"}, {"de": "7 unsent → langsamer fahren", "en": "7 unsent → go slower"}} {
		for lang, text := range want {
			if !strings.HasSuffix(v.Reasons[i][lang], ": "+text) {
				t.Errorf("%s: %q, want it to end in %q", lang, v.Reasons[i][lang], text)
			}
		}
	}
}
