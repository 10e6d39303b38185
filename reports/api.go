package reports

import (
	"errors"
	"io"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
)

var errNotBuilt = errors.New("reports: not built yet")

// Text writes a summary for a terminal, at most 100 columns wide.
func Text(w io.Writer, in *Input, lang string) error { return errNotBuilt }

// VerdictText writes a verdict for a terminal.
func VerdictText(w io.Writer, v *gate.Verdict, lang string) error { return errNotBuilt }

// PlanText writes a plan for a terminal.
func PlanText(w io.Writer, p *planner.Plan, lang string) error { return errNotBuilt }

// JUnit writes a verdict as JUnit XML, one testcase a promise.
func JUnit(w io.Writer, v *gate.Verdict) error { return errNotBuilt }
