package reports_test

import (
	"fmt"
	"os"
	"time"

	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/reports"
	"github.com/ansturm/ansturm/scenarios"
)

func ExampleVerdictText() {
	verdict := &gate.Verdict{
		Result:  gate.Pass,
		Reasons: []scenarios.Text{{"de": "Alle Zusagen wurden gehalten.", "en": "All promises were kept."}},
		SLOs: []gate.SLOResult{{
			SLO: scenarios.SLO{Step: "submit", Percentile: 95, Within: 2 * time.Second, Errors: 0.01}, Result: gate.Pass, Judged: 2700, Tenants: 150,
		}},
	}
	if err := reports.VerdictText(os.Stdout, verdict, "en"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Verdict: PASS
	//   - All promises were kept.
	//
	// Promises
	//   ✓ submit: 95 % of the requests within 2 s, at most 1 % failed – all 2,700 windows kept
}
