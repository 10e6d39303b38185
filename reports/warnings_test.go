package reports

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// TestEveryWarningOfAPlanIsShown plants each warning that the source of fit and planner can give, and looks for it in
// the JSON, on the terminal, in Markdown and on the page. A new code is planted as soon as it is written.
func TestEveryWarningOfAPlanIsShown(t *testing.T) {
	in := rushInput(t, 1200)
	planted := plant(t, in.Plan)
	raw, err := json.Marshal(in.Plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range planted {
		if !bytes.Contains(raw, []byte(`"code":"`+code+`"`)) {
			t.Errorf("JSON lacks the warning %s", code)
		}
	}
	words := map[string][]string{}
	for _, lang := range languages {
		for _, code := range planted {
			words[lang] = append(words[lang], shownAs(code, lang))
		}
	}
	says(t, in, words)
}

// plant gives a plan every warning there is, and the model that goes with them.
func plant(t *testing.T, p *planner.Plan) (codes []string) {
	t.Helper()
	reservation := func(code string) record.Warning {
		return record.Warning{Code: code, Text: scenarios.Text{"de": "Vorbehalt " + code, "en": "reservation " + code}}
	}
	ofFit, ofPlan := codesIn(t, "../planner/fit"), append(codesIn(t, "../planner"), "uncovered-keda")
	if len(ofFit) < 15 || len(ofPlan) < 4 {
		t.Fatalf("found only the codes %q and %q", ofFit, ofPlan)
	}
	for _, code := range ofFit {
		p.Model.Warnings = append(p.Model.Warnings, reservation(code))
	}
	for _, code := range ofPlan {
		p.Warnings = append(p.Warnings, reservation(code))
	}
	p.Model.Workloads["antrag"].Capacity.KneeObserved, p.Model.Workloads["antrag"].Capacity.AtLeast = false, 30
	p.Model.Demand = fit.Estimate{Value: 1, Low: 0.9, High: 1.1}
	return append(ofFit, ofPlan...)
}

// shownAs is what a reader sees of a planted warning: its own words, or the plainer ones of the catalogue.
func shownAs(code, lang string) string {
	t := speak(lang)
	switch code {
	case "knee-not-observed":
		return t.say("warnings.knee", t.number(30), "antrag")
	case "no-warm-up":
		return t.say("warnings.warmUp", "antrag")
	case "demand-assumed":
		return strings.ReplaceAll(t.say("warnings.demand", t.share(0.9), t.share(1.1)), nbsp, " ")
	case fit.CodeOpen:
		return t.say("warnings.open", "2")
	}
	return map[string]string{"de": "Vorbehalt ", "en": "reservation "}[lang] + code
}

// codesIn are the codes of all warnings that a package's source gives: what say is called with first, and every Code.
func codesIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	add := func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.BasicLit:
			if code, err := strconv.Unquote(e.Value); err == nil {
				codes = append(codes, code)
			}
		case *ast.Ident:
			if e.Name == "CodeOpen" {
				codes = append(codes, fit.CodeOpen)
			} else if e.Name != "code" { // say's own argument
				t.Errorf("%s: the code %s of a warning cannot be read from the source", dir, e.Name)
			}
		default:
			t.Errorf("%s: the code of a warning cannot be read from the source: %T", dir, e)
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "say" && len(n.Args) > 0 {
					add(n.Args[0])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					add(n.Value)
				}
			}
			return true
		})
	}
	return codes
}
