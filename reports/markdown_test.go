package reports

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

func TestPlanMarkdown(t *testing.T) {
	p := rushPlan(1000)
	p.Explanation = []scenarios.Text{{"de": "Erwartet werden 1.000 Personen", "en": "1,000 persons are expected"}, {"de": "Weniger reicht nicht", "en": "Less does not do"}}
	p.Warnings = append(p.Warnings, record.NotCovered("keda", "KEDA verwaltet die Autoskalierung", "KEDA manages the autoscaling"))
	p.Model.Domain.MaxRate, p.Model.Domain.MaxReplicas, p.Model.Domain.MaxUtilisation = 940, 5, 0.97
	for _, lang := range languages {
		var out bytes.Buffer
		if err := PlanMarkdown(&out, p, lang); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, out.String())
		golden(t, "plan."+lang+".md", out.Bytes())
	}
	if err := PlanMarkdown(io.Discard, nil, "de"); err != nil {
		t.Error(err)
	}
	if err := PlanMarkdown(io.Discard, &planner.Plan{}, "de"); err != nil {
		t.Error(err)
	}
}

func TestMarkdown(t *testing.T) {
	in := rushInput(t, 1200)
	in.Surge.Verdict, in.Verify.Verdict, in.Verify.Notch = smallVerdict(), &gate.Verdict{Result: gate.Pass}, smallVerification().Notch
	in.Plan.Tenants = in.Plan.Tenants[:3]
	for _, lang := range languages {
		var out bytes.Buffer
		if err := Markdown(&out, in, lang); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, out.String())
		golden(t, "report."+lang+".md", out.Bytes())
	}
	var out bytes.Buffer
	if err := Markdown(&out, &Input{Surge: in.Surge, Made: in.Made}, "en"); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, out.String())
	if strings.Contains(out.String(), "order") {
		t.Errorf("a run without a plan orders something:\n%s", &out)
	}
	if err := Markdown(io.Discard, &Input{}, "en"); err == nil {
		t.Error("nothing at all must be an error")
	}
}

// TestMarkdownTakesNothingForItsOwn: names that people give cannot break a table, open a tag, or link anywhere.
func TestMarkdownTakesNothingForItsOwn(t *testing.T) {
	p := rushPlan(1000)
	p.Scenario.Tenants.List[0].Title = "A|B\n# <script>x</script> [y](http://127.0.0.1) *z* `q` \\"
	p.Pools[0].Pool = "vm|x\n|---|"
	var out bytes.Buffer
	if err := PlanMarkdown(&out, p, "de"); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, out.String())
	for text, want := range map[string]string{
		"1. Mai": `1\. Mai`, "- x": `\- x`, "> x": `\> x`, "---": `\---`, "~~x~~": `\~\~x\~\~`, "&lt;": `\&lt;`, "https://a.b": `https\://a.b`,
		"www.a.b": `www\.a.b`, "1.05": "1.05", "-3 %": "-3 %",
	} {
		if got := literal(text); got != want {
			t.Errorf("%q is written as %q, want %q", text, got, want)
		}
	}
	for _, want := range []string{`A\|B \# \<script\>x\</script\> \[y\](http\://127.0.0.1) \*z\* \` + "`q\\` \\\\", `vm\|x \|---\|`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
}

// A document names the tenants with most replicas and sums the others up, so that all replicas are in it.
func TestMarkdownSumsUpTheRest(t *testing.T) {
	p := rushPlan(1000)
	rows := newDocument("en").settingRows(p)
	if len(rows) != 1+tenantsInDocument+1 || rows[1][0] != "Gemeinde 001" || rows[11][0] != "140 more tenants, summed" {
		t.Fatalf("%d rows, the first %q, the last %q", len(rows), rows[1], rows[len(rows)-1])
	}
	least, most := int32(0), int32(0)
	for _, tenant := range p.Tenants[tenantsInDocument:] {
		least, most = least+tenant.Min, most+tenant.Max
	}
	if d := newDocument("en"); rows[11][3] != d.count(int64(least)) || rows[11][4] != d.count(int64(most)) {
		t.Errorf("the last row is %q, want %d and %d", rows[11], least, most)
	}
	p.Tenants = p.Tenants[:tenantsInDocument+1] // nobody sums up one tenant
	if rows = newDocument("en").settingRows(p); len(rows) != 12 || rows[11][0] != "Gemeinde 011" {
		t.Errorf("%d rows, the last %q", len(rows), rows[len(rows)-1])
	}
}

var unescapedPipe = regexp.MustCompile(`(^|[^\\])\|`)

// wellFormed fails where a table's rows have unlike cells, a block does not stand alone, or a word is missing.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "⟦\x00\u00a0") || strings.Contains(text, "\n\n\n") || strings.Contains(text, "<s") != strings.Contains(text, `\<s`) {
		t.Errorf("a word is missing, or a mark is not escaped:\n%s", text)
	}
	cells, before := 0, ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") && before != "\n" && before != "" {
			t.Errorf("a heading follows %q at once", before)
		}
		n := len(unescapedPipe.FindAllString(line, -1))
		if strings.HasPrefix(line, "|") && cells > 0 && n != cells {
			t.Errorf("%d cell marks after a row of %d: %s", n, cells, line)
		}
		if cells = n; !strings.HasPrefix(line, "|") {
			cells = 0
		}
		before = line
	}
}
