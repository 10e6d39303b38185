package reports

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// worstTenants orders broken tenants: most windows first, then the earliest.
func worstTenants(hit map[string]gate.TenantBreak) []gate.TenantBreak {
	return slices.SortedFunc(maps.Values(hit), func(a, b gate.TenantBreak) int {
		return cmp.Or(cmp.Compare(b.Broken, a.Broken), cmp.Compare(a.First, b.First), cmp.Compare(a.Tenant, b.Tenant))
	})
}

// The elements of JUnit XML that build servers read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Failure *junitReason `xml:"failure,omitempty"`
		Error   *junitReason `xml:"error,omitempty"`
		Skipped *junitReason `xml:"skipped,omitempty"`
		Out     string       `xml:"system-out,omitempty"`
	}
	junitReason struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a verdict as JUnit XML, in English as build servers are: one testcase for the run as a whole, and one
// for each promise. A broken promise is a failure, an invalid run an error, a promise without enough data skipped; the
// verdict's own testcase is an error where the run is inconclusive, so that nothing passes unseen.
func JUnit(w io.Writer, v *gate.Verdict) error {
	suites := junitOf(v)
	raw, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		return fmt.Errorf("reports: junit: %w", err)
	}
	if _, err := io.WriteString(w, xml.Header+string(raw)+"\n"); err != nil {
		return fmt.Errorf("reports: writing junit: %w", err)
	}
	return nil
}

func junitOf(v *gate.Verdict) junitSuites {
	t := speak("en")
	if v == nil {
		v = &gate.Verdict{Result: gate.Inconclusive}
	}
	suite := junitSuite{Name: cmp.Or(v.Run, "run"), Properties: []junitProperty{{"verdict", string(known(v.Result))}}}
	var warnings []string
	for _, warning := range v.Warnings {
		warnings = append(warnings, t.text(warning.Text))
	}
	suite.add(t.verdictCase(v, suite.Name, strings.Join(warnings, "\n")))
	for i := range v.SLOs {
		suite.add(t.promiseCase(&v.SLOs[i], suite.Name))
	}
	if len(v.SLOs) == 0 {
		suite.add(junitCase{Name: "promises", Class: suite.Name, Skipped: &junitReason{Message: t.say("junit.noSLOs")}})
	}
	return junitSuites{
		Name: "ansturm gate", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Skipped: suite.Skipped, Suites: []junitSuite{suite},
	}
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func (t tongue) verdictCase(v *gate.Verdict, suite, warnings string) junitCase {
	c := junitCase{Name: "verdict", Class: suite, Out: warnings}
	var reasons []string
	for _, reason := range v.Reasons {
		reasons = append(reasons, t.text(reason))
	}
	if len(reasons) == 0 {
		reasons = []string{t.say("why.unjudged")}
	}
	why := &junitReason{Message: reasons[0], Type: string(known(v.Result)), Text: strings.Join(reasons, "\n")}
	switch known(v.Result) {
	case gate.Fail:
		c.Failure = why
	case gate.Inconclusive, gate.Invalid:
		c.Error = why
	}
	return c
}

func (t tongue) promiseCase(r *gate.SLOResult, suite string) junitCase {
	promise := strings.ReplaceAll(t.promised(r), nbsp, " ")
	c := junitCase{Name: cmp.Or(r.SLO.Name, promise), Class: suite}
	why := &junitReason{Message: strings.ReplaceAll(t.outcome(r), nbsp, " "), Type: string(known(r.Result)), Text: promise + "\n" + t.breaks(r)}
	switch known(r.Result) {
	case gate.Fail:
		c.Failure = why
	case gate.Invalid:
		why.Message = t.say("answer.now.invalid")
		c.Error = why
	case gate.Inconclusive:
		why.Message = t.say("answer.now.unknown")
		c.Skipped = why
	default:
		c.Out = promise + " – " + t.outcome(r)
	}
	return c
}

// breaks lists the tenants whose promise was broken, at most twenty.
func (t tongue) breaks(r *gate.SLOResult) string {
	const shown = 20
	var lines []string
	for i, b := range r.BrokenTenants {
		if i == shown {
			lines = append(lines, t.say("text.more", t.count(int64(len(r.BrokenTenants)-shown))))
			break
		}
		lines = append(lines, t.say("text.tenantLine", b.Tenant, t.count(int64(b.Broken)), scenarios.Clock(b.First)))
	}
	return strings.Join(lines, "\n")
}
