package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Validate says everything that is wrong with the scenario; it never changes it. Each problem is a [*Problem] in the
// joined error.
func (s *Scenario) Validate() error {
	c := &checker{}
	if forms := s.Tenants.forms(); forms != 1 {
		c.add("tenants", "write one of list, count and population, here are %d", forms)
	} else if s.Tenants.Count != 0 {
		s.Tenants.validateCount(c, "tenants")
	}
	s.validate(c)
	return c.err()
}

func (s *Scenario) validate(c *checker) {
	c.label("name", s.Name)
	s.Arrivals.validate(c)
	s.validateTenants(c)
	s.validateFeeders(c)
	s.validateHosts(c)
	s.validateJourneys(c)
	for i, slo := range s.SLOs {
		slo.validate(c, fmt.Sprintf("slos[%d]", i), s)
	}
}

// label checks a name that must be a DNS label.
func (c *checker) label(path, name string) {
	switch {
	case name == "":
		c.add(path, "is missing")
	case !isLabel(name):
		c.add(path, "is %q, must be lower-case letters, digits and inner hyphens, at most 63 (a DNS label)", name)
	}
}

// unique checks that a name comes once; where says what it names.
func (c *checker) unique(path, name string, seen map[string]bool) {
	if name != "" && seen[name] {
		c.add(path, "%q is there twice, names must differ", name)
	}
	seen[name] = true
}

// positive checks a weight or the like. Sums of what it lets through are finite.
func (c *checker) positive(path string, x float64) {
	if !(x > 0 && x <= 1e15) {
		c.add(path, "is %v, must be above 0 (and at most 1e15)", x)
	}
}

// share checks a number from 0 to 1.
func (c *checker) share(path string, x float64) {
	if !(x >= 0 && x <= 1) {
		c.add(path, "is %v, must be 0 to 1", x)
	}
}

// notNegative checks a duration.
func (c *checker) notNegative(path string, d time.Duration) {
	if d < 0 {
		c.add(path, "is %s, must not be negative", brief(d))
	}
}

// distribution checks one that may be left out.
func (c *checker) distribution(path string, d *Distribution) {
	if d != nil {
		if err := d.Validate(); err != nil {
			c.add(path, "%v", err)
		}
	}
}

func (a *Arrivals) validate(c *checker) {
	if a.Total < 1 || a.Total > math.MaxUint32 {
		c.add("arrivals.total", "is %d, must be 1 to %d", a.Total, uint32(math.MaxUint32))
	}
	if a.Over <= 0 || a.Over > longest {
		c.add("arrivals.over", "is %s, must be above 0 and at most %s (90 days)", brief(a.Over), brief(longest))
		return
	}
	if a.Process != "" && a.Process != "poisson" && a.Process != "uniform" {
		c.add("arrivals.process", "is %q, must be poisson or uniform", a.Process)
	}
	validateShapes(c, "arrivals.curve", a.Curve, a.Over)
}

func (s *Scenario) validateTenants(c *checker) {
	seen := make(map[string]bool, len(s.Tenants.List))
	if len(s.Tenants.List) > mostTenants {
		c.add("tenants.list", "has %d tenants, must have at most %d", len(s.Tenants.List), mostTenants)
		return
	}
	for i, t := range s.Tenants.List {
		path := fmt.Sprintf("tenants.list[%d]", i)
		c.label(path+".name", t.Name)
		c.unique(path+".name", t.Name, seen)
		if t.Name == "each" || t.Name == "all" {
			c.add(path+".name", "%q has a meaning in SLOs, choose another name", t.Name)
		}
		if t.Weight != 0 {
			c.positive(path+".weight", t.Weight)
		}
	}
}

func (s *Scenario) validateFeeders(c *checker) {
	for _, name := range sortedKeys(s.Feeders) {
		f, path := s.Feeders[name], "feeders."+name
		switch {
		case (f.CSV == "") == (f.Synthetic == ""):
			c.add(path, "write either csv (a file) or synthetic (person)")
		case f.Synthetic != "" && f.Synthetic != "person":
			c.add(path+".synthetic", "is %q, must be person", f.Synthetic)
		case f.CSV != "" && s.files != nil:
			if table, err := OpenTable(s.files, f.CSV); err != nil {
				c.add(path+".csv", "%v", err)
			} else if len(table.Rows) == 0 {
				c.add(path+".csv", "%s has a header but no row", f.CSV)
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (o *SLO) validate(c *checker, path string, s *Scenario) {
	if o.Step != "" {
		var names []string
		for _, step := range s.AllSteps() {
			names = append(names, step.Name)
		}
		c.known(path+".step", "step", o.Step, names)
	}
	if o.Tenant != "" && o.Tenant != "each" && o.Tenant != "all" && len(s.Tenants.List) > 0 {
		names := []string{"each", "all"}
		for _, t := range s.Tenants.List {
			names = append(names, t.Name)
		}
		c.known(path+".tenant", "tenant", o.Tenant, names)
	}
	if !(o.Percentile > 0 && o.Percentile < 100) {
		c.add(path+".percentile", "is %v, must be above 0 and below 100, like 95", o.Percentile)
	}
	if o.Within <= 0 {
		c.add(path+".within", "is %s, must be above 0", brief(o.Within))
	}
	c.share(path+".errors", o.Errors)
	if o.Window < 0 || o.Window%time.Minute != 0 {
		c.add(path+".window", "is %s, must be whole minutes", brief(o.Window))
	}
	if o.Least < 0 {
		c.add(path+".least", "is %d, must be 0 (that is %d) or more", o.Least, DefaultLeast)
	}
}

// known checks that a name is one of those there are.
func (c *checker) known(path, what, name string, names []string) {
	if slices.Contains(names, name) {
		return
	}
	if near := nearest(name, names); near != "" {
		c.add(path, "there is no %s %q, did you mean %q?", what, name, near)
		return
	}
	if len(names) > 10 {
		names = append(slices.Clone(names[:10]), "…")
	}
	c.add(path, "there is no %s %q, there are: %s", what, name, strings.Join(names, ", "))
}
