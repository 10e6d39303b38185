package reports

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// Residuals of known figures: mean 1, alternating by 1 around it, in halves.
func TestDiagnosisOfKnownResiduals(t *testing.T) {
	var all []fit.Residual
	for i := range 10 {
		all = append(all, fit.Residual{Observed: 10 + 4*float64(i%2), Predicted: 10})
	}
	d := diagnose(all, 0.5)
	// Deviation: ten squares of 1 over nine; nine products of −1 over ten.
	if d.n != 10 || d.mean != 1 || d.most != 2 || math.Abs(d.deviation-math.Sqrt(10./9)) > 1e-12 || math.Abs(d.neighbour+0.9) > 1e-12 {
		t.Errorf("%+v", d)
	}
	if d = diagnose(all[:1], 1); d.deviation != 0 || d.neighbour != 0 {
		t.Errorf("one residual: %+v", d)
	}
}

// A run is named by its directory, and every fit that left something has its charts and figures.
func TestResidualsAndParametersOfAModel(t *testing.T) {
	m := rushModel()
	m.Runs = []fit.Source{{ID: "cal-1", Dir: "demo/runs/calibration-1"}, {ID: "cal-2"}}
	m.Workloads["idle"] = &fit.WorkloadModel{Memory: &fit.Memory{Residuals: []fit.Residual{{At: time.Second}}}} // not known: no chart
	for _, lang := range languages {
		f := &figurist{tongue: speak(lang)}
		figs := f.residuals(m)
		if len(figs) != 2 || f.err != nil {
			t.Fatalf("%s: %d figures, %v", lang, len(figs), f.err)
		}
		for _, fig := range figs {
			if len(fig.Panels) != 2 || len(fig.Table.Rows) != 2 || fig.Table.Rows[0][0].Text != "calibration-1" || fig.Table.Rows[1][0].Text != "cal-2" {
				t.Errorf("%s: %d panels, %v", lang, len(fig.Panels), fig.Table.Rows)
			}
			if len(fig.Table.Rows[0]) != len(fig.Table.Head) {
				t.Errorf("%s: %d columns under %d heads", lang, len(fig.Table.Rows[0]), len(fig.Table.Head))
			}
		}
		known := f.parameters(m.Parameters)
		if len(known.Table.Rows) != len(m.Parameters) || known.Table.Rows[0][1].Grade != "good" || known.Table.Rows[3][2].Text != fit.RunLoud {
			t.Errorf("%s: %v", lang, known.Table.Rows)
		}
		if all := known.Table.Rows[1][3].Text; !strings.HasSuffix(all, "MiB") {
			t.Errorf("%s: memory written as %q", lang, all)
		}
	}
}

// What is open is said shortly among the warnings, and item by item in a terminal's evidence.
func TestWhatIsOpenIsSaid(t *testing.T) {
	p := rushPlan(6000)
	p.Model.Warnings = []record.Warning{{Code: fit.CodeOpen, Text: scenarios.Text{"de": "lang", "en": "long"}}}
	for lang, want := range map[string]string{"de": "zu klären durch calibration-loud", "en": "would be settled by calibration-loud"} {
		var out strings.Builder
		if err := PlanText(&out, p, lang); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		if !strings.Contains(text, want) || strings.Count(text, "calibration-loud") != 2 || !strings.Contains(text, ": 2 (") || strings.Contains(text, "meldung: known") {
			t.Errorf("%s: %s", lang, text)
		}
	}
}
