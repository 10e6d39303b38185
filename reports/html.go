package reports

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed third_party/echarts/echarts.min.js
var echartsScript string

//go:embed page.js
var pageScript string

//go:embed page.css
var pageStyle string

//go:embed page.gohtml
var pageTemplate string

// warningsOnPage is how many warnings page one holds, so that it stays one page; the others follow in the details.
const warningsOnPage = 6

var page = template.Must(template.New("page").Parse(pageTemplate))

// leaf is everything the page's template reads.
type leaf struct {
	Initial  string
	Policy   string
	Style    template.CSS
	Echarts  template.JS
	Script   template.JS
	Versions []version
}

// version is the whole report in one language.
type version struct {
	Lang, Name    string
	Shown         bool
	Title, Sub    string
	Facts         []string
	Now, Plan     verdictCard
	Why           []string
	Pools         []poolLine
	HasPlan       bool
	Limit         string
	Settings      []string
	Decides       []string
	Parts         []part
	Reasons       []string // the verdict in its own words
	Basis         []string
	Explained     []string // the plan for who has never seen a pod
	Warnings      []string // page one's
	AllWarnings   []string // empty where page one has them all
	Bounds        bool     // some pool has a proved lower bound
	Figures       []figure
	RunID, Footer string
	tongue        tongue
}

// T gives a text of the catalogue to the template.
func (v version) T(key string) string { return v.tongue.say(key) }

// HTML writes the report as one self-contained file. It holds every language, shows lang first ("de" where lang is
// none it speaks), and asks the network for nothing: scripts and styles are inside, and a content security policy
// forbids the rest. It fails when the surge's record cannot be read.
func HTML(w io.Writer, in *Input, lang string) error {
	lang, err := in.check(lang)
	if err != nil {
		return err
	}
	runs, err := measureAll(in)
	if err != nil {
		return err
	}
	return writePage(w, in, runs, lang)
}

// measureAll sums the surge and, where there is one, the verify run.
func measureAll(in *Input) ([]*measured, error) {
	surge, err := measure(in.Surge)
	if err != nil {
		return nil, err
	}
	runs := []*measured{surge}
	if in.VerifyRun != nil && in.VerifyRun.Record != nil {
		verify, err := measure(in.VerifyRun)
		if err != nil {
			return nil, err
		}
		runs = append(runs, verify)
	}
	return runs, nil
}

func writePage(w io.Writer, in *Input, runs []*measured, lang string) error {
	l := leaf{
		Initial: lang, Style: template.CSS(pageStyle), Echarts: template.JS(echartsScript), Script: template.JS(pageScript),
		Policy: policy(echartsScript, pageScript),
	}
	for _, each := range languages {
		v, err := versionIn(in, runs, each)
		if err != nil {
			return err
		}
		v.Shown = each == lang
		l.Versions = append(l.Versions, v)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, l); err != nil {
		return fmt.Errorf("reports: page: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("reports: writing the page: %w", err)
	}
	return nil
}

// policy forbids everything but the page's own two scripts and its styles; echarts sets style attributes while drawing.
func policy(scripts ...string) string {
	hashes := ""
	for _, s := range scripts {
		sum := sha256.Sum256([]byte(s))
		hashes += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src" + hashes + "; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
}

func versionIn(in *Input, runs []*measured, lang string) (version, error) {
	t := speak(lang)
	a := answerTo(in, seenIn(runs), t)
	run := runs[0].run
	v := version{
		Lang: lang, Name: t.say("language"), tongue: t, Title: t.say("title"), Sub: titleOf(run, t),
		Now: a.now, Plan: a.plan, Why: a.why, Pools: a.pools, HasPlan: in.Plan != nil, Limit: a.limit, Settings: a.settings, Decides: a.decides, Parts: a.parts,
		Basis: a.basis, Warnings: append(warningLines(in, every, t), bookLines(runs, t)...), RunID: run.ID,
		Footer: t.say("footer", run.ID, t.stamp(in.Made), run.Ansturm),
	}
	if in.Plan != nil {
		v.Explained = t.sentences(in.Plan.Explanation)
	}
	v.Facts = factsOf(runs[0], t)
	if in.Surge.Verdict != nil {
		v.Reasons = t.sentences(in.Surge.Verdict.Reasons)
	}
	if len(v.Warnings) > warningsOnPage {
		v.AllWarnings = v.Warnings
		v.Warnings = append(v.Warnings[:warningsOnPage:warningsOnPage], t.say("warnings.more", t.count(int64(len(v.AllWarnings)-warningsOnPage))))
	}
	for _, p := range v.Pools {
		v.Bounds = v.Bounds || p.Bound != "–"
	}
	var err error
	v.Figures, err = figuresOf(in, runs, t)
	return v, err
}

// figuresOf makes all figures, in the order of the report.
func figuresOf(in *Input, runs []*measured, t tongue) ([]figure, error) {
	f := &figurist{tongue: t, sides: []side{{runs[0], "before", t.say("side.before")}}}
	if len(runs) > 1 {
		f.sides = append(f.sides, side{runs[1], "after", t.say("side.after")})
	}
	var figs []figure
	if len(runs) > 1 {
		figs = append(figs, f.effect())
	}
	figs = append(figs, f.load(), f.response(), f.replicas())
	if chain, has := f.chain(); has {
		figs = append(figs, chain)
	}
	if throttling, has := f.throttling(); has {
		figs = append(figs, throttling)
	}
	if in.Plan != nil {
		if in.Plan.Model != nil {
			if len(in.Plan.Model.Parameters) > 0 {
				figs = append(figs, f.parameters(in.Plan.Model.Parameters))
			}
			figs = append(figs, f.capacity(in.Plan.Model)...)
			figs = append(figs, f.residuals(in.Plan.Model)...)
		}
		if len(in.Plan.Frontier) > 0 {
			figs = append(figs, f.frontier(in.Plan))
		}
		if len(in.Plan.Sensitivity) > 0 {
			figs = append(figs, f.sensitivity(in.Plan.Sensitivity))
		}
	}
	if notch, has := f.notch(in); has {
		figs = append(figs, notch)
	}
	if in.Plan != nil {
		if prediction, has := f.prediction(&in.Plan.Prediction); has {
			figs = append(figs, prediction)
		}
	}
	if compared, has := f.compared(in.Plan, in.Verify); has {
		figs = append(figs, compared)
	}
	figs = append(figs, f.ledger(), f.lateness())
	if fleet, has := f.fleet(); has {
		figs = append(figs, fleet)
	}
	figs = append(figs, f.tenantTable(in.Plan))
	for i := range figs { // one id a language, for the whole page has both
		figs[i].Summary = t.say("table.open")
		figs[i].ID = t.lang + "-" + figs[i].ID
		for j := range figs[i].Panels {
			figs[i].Panels[j].ID = t.lang + "-" + figs[i].Panels[j].ID
		}
	}
	return figs, f.err
}
