// Package reports tells people what a run, a plan and a verdict say: as one self-contained HTML file for a head of
// department, as text for a terminal, as Markdown for a wiki or a ticket, and as JUnit XML for a build server.
//
// Reports never recompute. Every judgement comes from the verdict, every recommendation from the plan; the record is
// only summed into series that can be drawn. What is missing is named as missing.
//
// The way of the data: [Input] → measured (the record as series, see measured.go) → answer (page one, see answer.go)
// and figures (charts with their tables, see figures.go) → page.gohtml, once a language, in one file. go-echarts
// builds the options of the charts, the embedded script draws them; its own templates are not used because they load
// the script from another host. All words stand in one catalogue a language, messages_de.go and messages_en.go.
package reports

import (
	"errors"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
)

// Fired is a run that was fired, and what was judged of it.
type Fired struct {
	Record *record.Record
	// Verdict is nil where the run was not judged; the answer is then unknown.
	Verdict *gate.Verdict
}

// Input is everything a report may tell of. Only Surge is needed.
type Input struct {
	// Surge is the run on the platform as it is.
	Surge *Fired
	// Plan, Verify and VerifyRun are the recommendation, its proof, and the run that proof was fired in; nil where there is none.
	Plan      *planner.Plan
	Verify    *planner.Verification
	VerifyRun *Fired
	// Calibration runs are only named as evidence.
	Calibration []*record.Record
	// Made is when the report is made, printed on it.
	Made time.Time
}

// Languages are the languages reports speak, the first being the default.
var languages = []string{"de", "en"}

var errNoRun = errors.New("reports: no surge run with a record given")

// check says whether there is enough to tell of, and gives a language that reports speak.
func (in *Input) check(lang string) (string, error) {
	if in == nil || in.Surge == nil || in.Surge.Record == nil {
		return "", errNoRun
	}
	return spoken(lang), nil
}

// spoken is lang where reports speak it, else German.
func spoken(lang string) string {
	for _, l := range languages {
		if l == lang {
			return l
		}
	}
	return languages[0]
}
