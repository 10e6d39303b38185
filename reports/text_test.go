package reports

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

var update = flag.Bool("update", false, "write the golden files")

// golden holds got against testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update and look at the change):\n%s", name, got)
	}
}

// smallVerdict is a failed run with one promise broken, one kept, one that could not be judged.
func smallVerdict() *gate.Verdict {
	first := 7 * time.Minute
	worst := gate.WindowJudged{Tenant: "gemeinde-001", Step: "submit", Start: 12 * time.Minute, Length: time.Minute, Shots: 9000, Slow: 8100, Failed: 40, Percentile: 30 * time.Second}
	return &gate.Verdict{
		Run: "briefwahl-1", Result: gate.Fail,
		Reasons: []scenarios.Text{{"de": "Zusage „submit-in-2s“ gebrochen", "en": "promise “submit-in-2s” broken"}},
		SLOs: []gate.SLOResult{
			{
				SLO: scenarios.SLO{Name: "submit-in-2s", Step: "submit", Percentile: 95, Within: 2 * time.Second, Errors: 0.01}, Result: gate.Fail,
				Judged: 2700, Broken: 12, Tenants: 150, Worst: &worst, FirstBreak: &first,
				BrokenTenants: []gate.TenantBreak{{Tenant: "gemeinde-001", Broken: 9, Judged: 18, First: first, Worst: worst}, {Tenant: "gemeinde-002", Broken: 3, Judged: 18, First: 11 * time.Minute, Worst: worst}},
			},
			{SLO: scenarios.SLO{Step: "form", Percentile: 95, Within: time.Second, Errors: 0.01}, Result: gate.Pass, Judged: 1900, Tenants: 150},
			{SLO: scenarios.SLO{Name: "status", Step: "status", Percentile: 99, Within: time.Second}, Result: gate.Inconclusive},
		},
		Warnings: []record.Warning{{Code: "few-shots", Text: scenarios.Text{"de": "12 Fenster hatten weniger als 20 Anfragen.", "en": "12 windows had fewer than 20 shots."}}},
	}
}

func TestVerdictText(t *testing.T) {
	for _, lang := range languages {
		var out bytes.Buffer
		if err := VerdictText(&out, smallVerdict(), lang); err != nil {
			t.Fatal(err)
		}
		narrow(t, out.String())
		golden(t, "verdict."+lang+".txt", out.Bytes())
	}
}

func TestPlanText(t *testing.T) {
	for _, lang := range languages {
		var out bytes.Buffer
		if err := PlanText(&out, rushPlan(1000), lang); err != nil {
			t.Fatal(err)
		}
		narrow(t, out.String())
		golden(t, "plan."+lang+".txt", out.Bytes())
	}
}

func TestText(t *testing.T) {
	in := rushInput(t, 1200)
	in.Surge.Verdict, in.Verify.Verdict = smallVerdict(), &gate.Verdict{Result: gate.Pass}
	for _, lang := range languages {
		var out bytes.Buffer
		if err := Text(&out, in, lang); err != nil {
			t.Fatal(err)
		}
		narrow(t, out.String())
		golden(t, "summary."+lang+".txt", out.Bytes())
	}
}

// narrow fails where a line is too wide for a terminal or a word is missing from the catalogue.
func narrow(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "⟦\x00") {
		t.Errorf("a word is missing:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestLongWordsAreCut(t *testing.T) {
	s := newSheet(io.Discard, "en")
	s.line("  - ", "before "+strings.Repeat("x", 250)+" after")
	narrow(t, s.out.String())
	if n := strings.Count(s.out.String(), "x"); n != 250 {
		t.Errorf("%d of 250 letters are left", n)
	}
}

// narrowScreen is a terminal of few columns.
type narrowScreen struct {
	bytes.Buffer
	columns int
}

func (n *narrowScreen) Columns() int { return n.columns }

// TestTextFitsTheTerminal: no line is wider than the terminal, however narrow, and nothing gets lost by that.
func TestTextFitsTheTerminal(t *testing.T) {
	var wide bytes.Buffer
	if err := PlanText(&wide, rushPlan(1000), "de"); err != nil {
		t.Fatal(err)
	}
	for columns, want := range map[int]int{80: 80, 20: leastColumns, 300: 100, 0: 100} {
		screen := &narrowScreen{columns: columns}
		if err := PlanText(screen, rushPlan(1000), "de"); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(screen.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > want && (columns >= 80 || strings.HasPrefix(line, "  - ")) {
				t.Errorf("%d columns on a terminal of %d: %s", n, columns, line)
			}
		}
		if columns == 80 && !slices.Equal(strings.Fields(screen.String()), strings.Fields(wide.String())) {
			t.Errorf("on 80 columns the plan has other words:\n%s", screen)
		}
	}
}

func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := JUnit(&out, smallVerdict()); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.xml", out.Bytes())
	suites := parseJUnit(t, out.Bytes())
	if suites.Tests != 4 || suites.Failures != 2 || suites.Skipped != 1 || suites.Errors != 0 {
		t.Errorf("tests %d, failures %d, skipped %d, errors %d; want 4, 2, 1, 0", suites.Tests, suites.Failures, suites.Skipped, suites.Errors)
	}
	if c := suites.Suites[0].Cases[1]; c.Failure == nil || !strings.Contains(c.Failure.Text, "gemeinde-001") {
		t.Errorf("the failure does not name the tenant: %+v", c)
	}
}

func TestJUnitIsNeverEmptyNorGreenWithoutAPass(t *testing.T) {
	for _, result := range []gate.Result{gate.Fail, gate.Inconclusive, gate.Invalid, "", "nonsense", gate.Pass} {
		var out bytes.Buffer
		v := &gate.Verdict{Run: "a<b&\"c\x01", Result: result, Reasons: []scenarios.Text{{"en": "because <of> & \x02 this"}}}
		if err := JUnit(&out, v); err != nil {
			t.Fatal(err)
		}
		suites := parseJUnit(t, out.Bytes())
		if suites.Tests == 0 || suites.Tests != len(suites.Suites[0].Cases) {
			t.Errorf("%q: %d tests, %d testcases", result, suites.Tests, len(suites.Suites[0].Cases))
		}
		if red := suites.Failures+suites.Errors > 0; red == (result == gate.Pass) {
			t.Errorf("%q: failures %d, errors %d", result, suites.Failures, suites.Errors)
		}
	}
	var out bytes.Buffer
	if err := JUnit(&out, nil); err != nil || parseJUnit(t, out.Bytes()).Errors != 1 {
		t.Errorf("no verdict at all: %v, %s", err, out.String())
	}
}

func parseJUnit(t *testing.T, raw []byte) junitSuites {
	t.Helper()
	var suites junitSuites
	if err := xml.Unmarshal(raw, &suites); err != nil {
		t.Fatalf("no XML: %v\n%s", err, raw)
	}
	return suites
}

// smallVerification passed, with a figure off its range, and the notch pair fired.
func smallVerification() *planner.Verification {
	worst := func(slow int64) []gate.SLOResult {
		return []gate.SLOResult{{Worst: &gate.WindowJudged{Shots: 1000, Slow: slow}}}
	}
	return &planner.Verification{
		Verdict: &gate.Verdict{
			Result: gate.Pass, Reasons: []scenarios.Text{{"de": "Alle Zusagen gehalten.", "en": "All promises held."}},
			SLOs:     []gate.SLOResult{{SLO: scenarios.SLO{Step: "submit", Percentile: 95, Within: 3 * time.Second, Errors: 0.01}, Result: gate.Pass, Judged: 909, Tenants: 150}},
			Warnings: []record.Warning{{Code: "generator-late", Text: scenarios.Text{"de": "12345 Anfragen gingen mehr als 10ms zu spät ab.", "en": "12345 shots went out more than 10ms late."}}},
		},
		Comparisons: []planner.Comparison{
			{Figure: scenarios.Text{"de": "Antwortzeit, 95 % aller Anfragen, Median der Sekunden", "en": "Response time, 95 % of all requests, median of the seconds"}, Unit: "s", Predicted: 0.526, Low: 0.51, High: 0.53, Measured: 0.415},
			{Figure: scenarios.Text{"de": "CPU-Verbrauch aller Pods", "en": "CPU used by all pods"}, Unit: "core-h", Predicted: 26.5, Low: 26.2, High: 26.6, Measured: 26.4},
			{Figure: scenarios.Text{"de": "Replikate", "en": "Replicas"}, Unit: "1", Predicted: 597, Low: 597, High: 598, Measured: 598},
			{Figure: scenarios.Text{"de": "Anteil fehlgeschlagener Anfragen", "en": "Share of failed requests"}, Unit: "1", Predicted: 0.43, Low: 0.4, High: 0.5, Measured: 0.44},
		},
		Notch: &planner.NotchFired{
			World: planner.World{Demand: 1.17, Lost: "vm-18", At: 784 * time.Second},
			Plan:  &gate.Verdict{Result: gate.Pass, SLOs: worst(16)}, Notch: &gate.Verdict{Result: gate.Fail, SLOs: worst(749)},
		},
	}
}

func TestVerificationText(t *testing.T) {
	for _, lang := range languages {
		var out bytes.Buffer
		if err := VerificationText(&out, smallVerification(), lang); err != nil {
			t.Fatal(err)
		}
		narrow(t, out.String())
		golden(t, "verification."+lang+".txt", out.Bytes())
	}
	if err := VerificationText(io.Discard, nil, "de"); err != nil {
		t.Error(err)
	}
	if err := VerificationText(io.Discard, &planner.Verification{Notch: &planner.NotchFired{}}, "de"); err != nil {
		t.Error(err)
	}
}

// TestVerificationTextOfAnInvalidPair: a pair that proves nothing says why.
func TestVerificationTextOfAnInvalidPair(t *testing.T) {
	v := smallVerification()
	v.Notch.Plan = &gate.Verdict{Result: gate.Invalid, Reasons: []scenarios.Text{{"en": "The generator was the limit."}}}
	var out bytes.Buffer
	if err := VerificationText(&out, v, "en"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"? with the plan: invalid", "The generator was the limit.", "The pair proves nothing"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
}

func TestNotchMeans(t *testing.T) {
	verdict := func(r gate.Result) *gate.Verdict { return &gate.Verdict{Result: r} }
	for _, c := range []struct {
		plan, less *gate.Verdict
		want       string
	}{
		{verdict(gate.Pass), verdict(gate.Fail), "notch.proves"},
		{verdict(gate.Pass), verdict(gate.Pass), "notch.less.holds"},
		{verdict(gate.Fail), verdict(gate.Fail), "notch.plan.fails"},
		{verdict(gate.Pass), verdict(gate.Invalid), "notch.open"},
		{verdict(gate.Inconclusive), verdict(gate.Fail), "notch.open"},
		{nil, nil, "notch.open"},
	} {
		if got := notchMeans(&planner.NotchFired{Plan: c.plan, Notch: c.less}); got != c.want {
			t.Errorf("plan %v, notch %v: %s, want %s", c.plan, c.less, got, c.want)
		}
	}
}

// TestReportTellsBothNotches: the pair that was fired is told beside the one that was computed, in text and page.
func TestReportTellsBothNotches(t *testing.T) {
	in := rushInput(t, 2000)
	in.Plan.Notch = planner.Notch{
		What: scenarios.Text{"de": "Ein Knoten weniger"}, Breaks: scenarios.Text{"de": "Bei 3 Mandanten wird die Zusage gebrochen"},
		PlanSlow: 0.0157, NotchSlow: 0.7486,
	}
	in.Verify.Notch = smallVerification().Notch
	var text, page bytes.Buffer
	if err := Text(&text, in, "de"); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&page, in, "de"); err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{"Gegenprobe, gerechnet (Ein Knoten weniger)", "Gegenprobe, gefahren (Nachfrage 117 % der Erwartung, Knoten vm-18 fällt in Minute 13:04 aus): mit Plan bestanden, eine Stufe weniger nicht bestanden. Weniger reicht nicht."} {
		if !strings.Contains(flat, want) {
			t.Errorf("text lacks %q:\n%s", want, text.String())
		}
		if !strings.Contains(strings.ReplaceAll(page.String(), nbsp, " "), want) {
			t.Errorf("page lacks %q", want)
		}
	}
	for _, want := range []string{"74,9" + nbsp + "%", "1,6" + nbsp + "%"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("page lacks the share %q", want)
		}
	}
}

// TestReportsTellWhatElseThePlanSays: terminal and page say the plan's waiting room, the one that would do instead of nodes,
// and the answer to a question.
func TestReportsTellWhatElseThePlanSays(t *testing.T) {
	in := rushInput(t, 1200)
	in.Plan.Admission = &planner.Admission{Says: scenarios.Text{"de": "Höchstens 32 je Sekunde", "en": "At most 32 a second"}}
	in.Plan.WhatIf = &planner.WhatIf{Says: []scenarios.Text{{"de": "Was, wenn mehr kommen?", "en": "What if more come?"}, {"de": "Gemeinde 7 verliert", "en": "Tenant 7 loses"}}}
	in.Plan.Warnings = append(in.Plan.Warnings, record.NotCovered("keda", "KEDA verwaltet die Autoskalierung", "KEDA manages the autoscaling"))
	in.Plan.Sensitivity = []planner.Assumption{{Name: scenarios.Text{"de": "Zahl der Personen", "en": "number of persons"}, Low: 0.9, High: 1.1, NodesLow: 5.9, NodesHigh: 7.04, Says: scenarios.Text{"de": "Zahl der Personen: 5,9 bis 7,0 Knoten", "en": "number of persons: 5.9 to 7.0 nodes"}}}
	in.Plan.Instead = &planner.Admission{Says: scenarios.Text{"de": "Höchstens 17 je Sekunde", "en": "At most 17 a second"}}
	says(t, in, map[string][]string{
		"de": {"KEDA verwaltet", "Woran die Antwort", "Zahl der Personen", "7,0", "Was, wenn mehr kommen?", "Gemeinde 7 verliert.", "Warteraum", "Höchstens 32 je Sekunde.", "Statt weiterer Knoten", "Höchstens 17 je Sekunde."},
		"en": {"KEDA manages", "What the answer hangs on", "number of persons", "7.0", "What if more come?", "Tenant 7 loses.", "Waiting room", "At most 32 a second.", "Instead of more nodes", "At most 17 a second."},
	})
}

// says holds that the plan's text, the summary and the page hold the words, in each language.
func says(t *testing.T, in *Input, words map[string][]string) {
	t.Helper()
	for lang, want := range words {
		var plan, summary, page, document, whole bytes.Buffer
		for _, err := range []error{
			PlanText(&plan, in.Plan, lang), Text(&summary, in, lang), HTML(&page, in, lang), PlanMarkdown(&document, in.Plan, lang), Markdown(&whole, in, lang),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		narrow(t, plan.String())
		narrow(t, summary.String())
		for name, text := range map[string]string{
			"plan": plan.String(), "summary": summary.String(), "page": page.String(), "document of the plan": document.String(), "document": whole.String(),
		} {
			flat := strings.Join(strings.Fields(strings.ReplaceAll(text, nbsp, " ")), " ")
			for _, w := range want {
				if !strings.Contains(flat, w) {
					t.Errorf("%s, %s: lacks %q", lang, name, w)
				}
			}
		}
	}
}
