package planner

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"
)

// checkAlerts holds alerts.yaml to what Prometheus' own reader of rule files asks for: no unknown field, names once in a
// file and in a group, either alert or record, metric and label names, durations, balanced expressions.
func checkAlerts(t *testing.T, p *Plan, dir string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var read alerts
	if err := yaml.UnmarshalStrict(raw, &read); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range read.Groups {
		if g.Name == "" || seen[g.Name] {
			t.Errorf("group %q", g.Name)
		}
		seen[g.Name] = true
		for _, r := range g.Rules {
			if (r.Alert == "") == (r.Record == "") || seen[r.Alert+r.Record] {
				t.Errorf("alert %q, record %q", r.Alert, r.Record)
			}
			seen[r.Alert+r.Record] = true
			if r.Record != "" && !model.LegacyValidation.IsValidMetricName(r.Record) {
				t.Errorf("metric %q", r.Record)
			}
			if _, err := model.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
			for name := range r.Labels {
				if !model.LegacyValidation.IsValidLabelName(name) {
					t.Errorf("%s: label %q", r.Alert, name)
				}
			}
			if !balanced(r.Expr) || strings.Contains(r.Expr, "NaN") || strings.Contains(r.Expr, "%!") {
				t.Errorf("%s: %s", r.Alert, r.Expr)
			}
		}
	}
	for _, want := range []string{
		"AnsturmDemandAbovePlan", "AnsturmUtilisationAboveTarget", "AnsturmThrottling", "AnsturmPodsPending",
		"AnsturmPodsStartSlowly", "AnsturmNodesMissing", "AnsturmSettingsNotAsPlanned", requestRate, plannedFor,
	} {
		if !seen[want] {
			t.Errorf("no rule %s", want)
		}
	}
	for _, tenant := range p.Tenants {
		if !strings.Contains(string(raw), tenant.Tenant) {
			t.Errorf("no rule is about %s", tenant.Tenant)
		}
	}
}

var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// balanced says whether quotes and brackets pair up.
func balanced(expr string) bool {
	var open []rune
	closes := map[rune]rune{')': '(', '}': '{', ']': '['}
	rest := quoted.ReplaceAllString(expr, "")
	for _, c := range rest {
		switch c {
		case '(', '{', '[':
			open = append(open, c)
		case ')', '}', ']':
			if len(open) == 0 || open[len(open)-1] != closes[c] {
				return false
			}
			open = open[:len(open)-1]
		case '"':
			return false
		}
	}
	return len(open) == 0 && strings.TrimSpace(expr) != ""
}

// nodes.yaml says what to order, and by when: the lead time before the day.
func TestOrdersHaveDates(t *testing.T) {
	p := smallPlan(t)
	p.Scenario.On = time.Date(2027, 3, 5, 14, 0, 0, 0, time.UTC)
	p.Pools[0].OrderBy = p.Scenario.On.Add(-4 * time.Hour)
	p.Platform.Pools[0].Site = "nord"
	dir := t.TempDir()
	if err := p.Write(dir); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "nodes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pool: vm", "site: nord", "now: 1", "nodes: 3", "order: 2", "leadTime: 4h0m0s", `orderBy: "2027-03-05T10:00:00Z"`, `inService: "2027-03-05T14:00:00Z"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("nodes.yaml lacks %q:\n%s", want, raw)
		}
	}
}
