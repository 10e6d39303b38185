package reports

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

func render(t *testing.T, in *Input, lang string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := HTML(&out, in, lang); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestPageInABrowser opens the whole report and looks for what would hurt a reader: complaints, requests, charts that
// were not drawn, tables that lost rows, a language that does not come.
func TestPageInABrowser(t *testing.T) {
	browser(t)
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, render(t, rushInput(t, 6000), "de"), 0o644); err != nil {
		t.Fatal(err)
	}
	page := openPage(t, file, 1280)
	for _, lang := range []string{"de", "en", "de"} {
		eval[any](t, page, `document.querySelector('.version:not([hidden]) button.lang[data-lang=`+lang+`]').click()`)
		lookAtVersion(t, page, lang)
	}
	sortTenants(t, page)
	for _, request := range page.requests {
		if request != "file://"+file {
			t.Errorf("the page asks for %.200s", request)
		}
	}
	if len(page.requests) != 1 {
		t.Errorf("%d requests, want the file alone", len(page.requests))
	}
	for _, complaint := range page.complaints {
		t.Errorf("the browser complains: %s", complaint)
	}
	if n := pages(pdf(t, page)); n != 1 {
		t.Errorf("page one prints to %d sheets of A4", n)
	}
}

const version1 = `document.querySelector('.version:not([hidden])')`

func lookAtVersion(t *testing.T, page *tab, lang string) {
	t.Helper()
	if shown := eval[[]string](t, page, `[document.documentElement.lang, `+version1+`.lang, document.title]`); shown[0] != lang || shown[1] != lang || !strings.HasPrefix(shown[2], speak(lang).say("title")) {
		t.Errorf("%s was asked for, shown are %q", lang, shown)
	}
	if n := eval[int](t, page, version1+`.querySelectorAll('.chart').length`); n != 21 {
		t.Errorf("%s: %d charts, want 21", lang, n)
	}
	undrawn := eval[[]string](t, page, `[...`+version1+`.querySelectorAll('.chart')].filter(c => {
		const chart = echarts.getInstanceByDom(c);
		if (!chart) { return true; }
		const data = chart.getOption().series.every(s => s.data.length > 0);
		const paths = [...c.querySelectorAll('svg path')].filter(p => p.getBBox().width > 20 || p.getBBox().height > 20);
		return !data || paths.length < 3;
	}).map(c => c.id)`)
	if len(undrawn) > 0 {
		t.Errorf("%s: not drawn: %v", lang, undrawn)
	}
	if n := eval[int](t, page, version1+`.querySelectorAll('table.sortable tbody tr').length`); n != municipalities {
		t.Errorf("%s: %d tenants in the table, want %d", lang, n, municipalities)
	}
	if wide := eval[int](t, page, `document.documentElement.scrollWidth - window.innerWidth`); wide > 0 {
		t.Errorf("%s: the page is %d px wider than the window", lang, wide)
	}
}

// sortTenants sorts by requests, twice, by keyboard.
func sortTenants(t *testing.T, page *tab) {
	t.Helper()
	const press = `(() => { const b = ` + version1 + `.querySelectorAll('table.sortable thead button')[1]; b.focus(); b.click();
		return [...` + version1 + `.querySelectorAll('table.sortable tbody tr')].map(r => parseFloat(r.cells[1].dataset.v)) })()`
	if shots := eval[[]float64](t, page, press); len(shots) != municipalities || !slices.IsSortedFunc(shots, func(a, b float64) int { return int(b - a) }) {
		t.Errorf("not sorted, most requests first: %v", shots)
	}
	if shots := eval[[]float64](t, page, press); !slices.IsSorted(shots) {
		t.Errorf("not sorted, fewest requests first: %v", shots)
	}
	if sort := eval[string](t, page, version1+`.querySelectorAll('table.sortable thead th')[1].getAttribute('aria-sort')`); sort != "ascending" {
		t.Errorf("aria-sort is %q", sort)
	}
}

// pages counts the pages of a PDF.
func pages(pdf []byte) int { return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)) }

// TestPageOnAPhone opens the page narrow, and in the other language first.
func TestPageOnAPhone(t *testing.T) {
	browser(t)
	file := filepath.Join(t.TempDir(), "report.html")
	in := rushInput(t, 1200)
	in.VerifyRun = nil
	if err := os.WriteFile(file, render(t, in, "en"), 0o644); err != nil {
		t.Fatal(err)
	}
	page := openPage(t, file, 390)
	if got := eval[string](t, page, `document.documentElement.lang`); got != "en" {
		t.Errorf("the page opens in %q, want en", got)
	}
	if wide := eval[int](t, page, `document.documentElement.scrollWidth - window.innerWidth`); wide > 0 {
		t.Errorf("the page is %d px wider than a phone", wide)
	}
	if len(page.complaints) > 0 {
		t.Errorf("the browser complains: %v", page.complaints)
	}
}

// TestPageStandsAlone reads the page without a browser: no address to load from, labels, headings in order, ids once.
func TestPageStandsAlone(t *testing.T) {
	raw := render(t, rushInput(t, 1200), "de")
	if i := bytes.IndexAny(raw, "⟦"); i >= 0 && bytes.Contains(raw, []byte("⟦")) {
		t.Errorf("a word is missing: %s", regexp.MustCompile(`⟦[^⟧]*⟧`).Find(raw))
	}
	root, err := html.Parse(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	ids, level := map[string]bool{}, map[string]int{}
	lang := ""
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		a := attributes(n)
		if a["class"] == "version" {
			lang = a["lang"]
		}
		for _, loading := range []string{"src", "srcset", "action", "data", "poster"} {
			if a[loading] != "" {
				t.Errorf("<%s> loads %s", n.Data, a[loading])
			}
		}
		if href := a["href"]; href != "" && !strings.HasPrefix(href, "#") {
			t.Errorf("<%s> leads to %s", n.Data, href)
		}
		if id := a["id"]; id != "" && ids[id] {
			t.Errorf("id %s is there twice", id)
		}
		ids[a["id"]] = true
		if (a["role"] == "img" || n.Data == "img" || n.Data == "nav") && a["aria-label"] == "" && a["alt"] == "" {
			t.Errorf("<%s id=%s> has no label", n.Data, a["id"])
		}
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			now := int(n.Data[1] - '0')
			if now > level[lang]+1 {
				t.Errorf("%s: a heading h%d follows h%d", lang, now, level[lang])
			}
			level[lang] = now
		}
		if n.Data == "th" && a["scope"] == "" {
			t.Error("a heading cell has no scope")
		}
	}
	for n := range root.Descendants() {
		if by := attributes(n)["aria-labelledby"]; by != "" && !ids[by] {
			t.Errorf("<%s> is labelled by %s, which is not there", n.Data, by)
		}
	}
	if !bytes.Contains(raw, []byte("default-src 'none'; script-src &#39;sha256-")) && !bytes.Contains(raw, []byte("default-src &#39;none&#39;; script-src &#39;sha256-")) {
		t.Error("the content security policy is missing")
	}
	if size := len(raw); size > 3<<20 {
		t.Errorf("the report takes %d bytes", size)
	}
}

func attributes(n *html.Node) map[string]string {
	a := map[string]string{}
	for _, x := range n.Attr {
		a[x.Key] = x.Val
	}
	return a
}

// TestAnswers holds the two answers of page one against what is known.
func TestAnswers(t *testing.T) {
	scenario := rushScenario(100)
	for _, c := range []struct {
		name                string
		surge               gate.Result
		plan                *planner.Plan
		verify              gate.Result
		now, then, thenSays string
	}{
		{"failed, no plan", gate.Fail, nil, "", "no", "", ""},
		{"passed, no plan", gate.Pass, nil, "", "yes", "", ""},
		{"passed, but breaks in the plan's worlds", gate.Pass, &planner.Plan{Stands: gate.Fail, Mendable: true}, gate.Pass, "no", "yes", "answer.plan.yes"},
		{"failed, planned, not proved", gate.Fail, &planner.Plan{Stands: gate.Fail, Mendable: true}, "", "no", "unknown", "answer.plan.unproved"},
		{"failed, planned, proof failed", gate.Fail, &planner.Plan{Stands: gate.Fail, Mendable: true}, gate.Fail, "no", "no", "answer.plan.no"},
		{"failed, not to be mended", gate.Fail, &planner.Plan{Stands: gate.Fail}, "", "no", "no", "answer.plan.unmendable"},
		{"data missing", gate.Inconclusive, nil, "", "unknown", "", ""},
		{"generator at its limit", gate.Invalid, &planner.Plan{Stands: gate.Pass, Mendable: true}, "", "unknown", "unknown", "answer.plan.unproved"},
		{"not judged", "", nil, "", "unknown", "", ""},
	} {
		in := &Input{Surge: &Fired{Record: &record.Record{Run: record.Run{Scenario: scenario}}}, Plan: c.plan}
		if c.surge != "" {
			in.Surge.Verdict = &gate.Verdict{Result: c.surge}
		}
		if c.verify != "" {
			in.Verify = &planner.Verification{Verdict: &gate.Verdict{Result: c.verify}}
		}
		german := speak("de")
		a := answerTo(in, seen{}, german)
		if a.now.Kind != c.now || a.plan.Kind != c.then || c.thenSays != "" && a.plan.Say != german.say(c.thenSays) {
			t.Errorf("%s: now %q, with the plan %q (%s); want %q, %q (%s)", c.name, a.now.Kind, a.plan.Kind, a.plan.Say, c.now, c.then, c.thenSays)
		}
	}
}

// TestHostileInput renders names that try to leave their place, and an almost empty record; nothing may panic.
func TestHostileInput(t *testing.T) {
	in := rushInput(t, 300)
	evil := `</script><script>alert(1)</script><img src=x onerror=alert(1)>`
	in.Surge.Record.Run.Scenario.Title = scenarios.Text{"de": evil}
	in.Surge.Record.Run.Scenario.Tenants.List[0].Title = evil
	in.Plan.Model.Workloads[evil] = in.Plan.Model.Workloads["antrag"]
	in.Plan.Constraints = []scenarios.Text{{"de": evil}, nil}
	raw := render(t, in, "nonsense")
	if bytes.Contains(raw, []byte("<script>alert")) || bytes.Contains(raw, []byte("<img src=x")) {
		t.Error("a name became part of the page")
	}
	in.Plan, in.Verify, in.VerifyRun, in.Surge.Verdict = nil, nil, nil, nil
	render(t, in, "de")
	in.Surge.Record.Run.Scenario = nil
	if err := HTML(&bytes.Buffer{}, in, "de"); err == nil {
		t.Error("a record without a scenario made a report")
	}
	if err := HTML(&bytes.Buffer{}, &Input{}, "de"); !errors.Is(err, errNoRun) {
		t.Errorf("no run: %v", err)
	}
}

func TestReactionChain(t *testing.T) {
	at := func(seconds float64, object, phase string) record.Event {
		return record.Event{At: time.Duration(seconds * float64(time.Second)), Kind: record.KindPod, Object: object, Phase: phase}
	}
	chain, pods := reactionChain([]record.Event{
		at(0, "old", record.PhaseCreated), at(1, "old", record.PhaseReady), // there from the start: no reaction
		at(10, "a", record.PhaseCreated), at(11, "a", record.PhaseScheduled), at(14, "a", record.PhaseStarted), at(20, "a", record.PhaseReady),
		at(10, "b", record.PhaseCreated), at(13, "b", record.PhaseScheduled), at(14, "b", record.PhaseScheduled),
	})
	if pods != (podCount{made: 2, ready: 1}) {
		t.Errorf("pods %+v, want 2 made and 1 ready", pods)
	}
	want := []stage{
		{record.PhaseScheduled, 2, 2, 2.9}, // 1 s and 3 s
		{record.PhaseStarted, 1, 3, 3},     // the pull is skipped: from scheduled on
		{record.PhaseReady, 1, 6, 6},
		{"total", 1, 10, 10},
	}
	if !slices.EqualFunc(chain, want, func(a, b stage) bool {
		return a.phase == b.phase && a.count == b.count && abs(a.median-b.median) < 1e-9 && abs(a.p95-b.p95) < 1e-9
	}) {
		t.Errorf("chain %+v, want %+v", chain, want)
	}
}

func TestReplicasAreSummedAndHeld(t *testing.T) {
	m := &measured{bin: time.Second}
	event := func(s int, tenant string, desired, ready int32) record.Event {
		return record.Event{At: time.Duration(s)*time.Second + time.Millisecond, Kind: record.KindReplicas, Tenant: tenant, Desired: desired, Current: desired, Ready: ready}
	}
	m.sumReplicas([]record.Event{event(1, "a", 2, 2), event(1, "b", 3, 3), event(4, "a", 6, 2), event(5, "a", 6, 5)})
	for i, want := range []float64{0, 5, 5, 5, 9, 9} {
		if i > 0 && m.desired[i] != want {
			t.Errorf("desired in second %d is %g, want %g", i, m.desired[i], want)
		}
	}
	if m.ready[4] != 5 || m.ready[5] != 8 || m.desired[0] == m.desired[0] {
		t.Errorf("ready %v, desired %v", m.ready, m.desired)
	}
}

// TestSeriesAddUp: what is drawn holds every shot of the record.
func TestSeriesAddUp(t *testing.T) {
	m, err := measure(fired(t, 6000, false))
	if err != nil {
		t.Fatal(err)
	}
	sum, tenants := 0.0, int64(0)
	for _, rate := range m.offered {
		sum += rate * m.bin.Seconds()
	}
	for _, tenant := range m.tenants {
		tenants += tenant.shots
	}
	if int64(sum+0.5) != m.account.Shots || tenants != m.account.Shots {
		t.Errorf("drawn %g, tenants %d, recorded %d shots", sum, tenants, m.account.Shots)
	}
}

func abs(x float64) float64 { return max(x, -x) }
