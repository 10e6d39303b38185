package scenarios

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
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

// positive checks a weight or the like.
func (c *checker) positive(path string, x float64) {
	if !(x > 0) || math.IsInf(x, 0) {
		c.add(path, "is %v, must be above 0", x)
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
	for i, shape := range a.Curve {
		path := fmt.Sprintf("arrivals.curve[%d]", i)
		before := len(c.problems)
		shape.validate(c, path, a.Over)
		if len(c.problems) == before {
			if _, err := shape.pieces(a.Over); err != nil {
				c.add(path, "%v", err)
			}
		}
	}
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
			if table, err := openTable(s.files, f.CSV); err != nil {
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

func (s *Scenario) validateJourneys(c *checker) {
	if len(s.Journeys) == 0 {
		c.add("journeys", "there is none: at least one journey with one step is needed")
	}
	names, steps := map[string]bool{}, map[string]bool{}
	for i, j := range s.Journeys {
		path := fmt.Sprintf("journeys[%d]", i)
		c.label(path+".name", j.Name)
		c.unique(path+".name", j.Name, names)
		if j.Weight != 0 {
			c.positive(path+".weight", j.Weight)
		}
		always := false
		for k, step := range j.Steps {
			at := fmt.Sprintf("%s.steps[%d]", path, k)
			c.unique(at+".name", step.Name, steps)
			step.validate(c, at)
			always = always || step.Share == nil || *step.Share == 1
		}
		switch {
		case len(j.Steps) == 0:
			c.add(path+".steps", "there is none: a journey has at least one step")
		case !always:
			c.add(path+".steps", "every step has a share below 1, so that some would come and do nothing: one step must be for all")
		}
		if j.Impatience != nil {
			j.Impatience.validate(c, path+".impatience")
		}
	}
	if len(steps) > math.MaxUint16 {
		c.add("journeys", "have %d steps, must have at most %d", len(steps), math.MaxUint16)
	}
}

// methods are those a step may use.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func (s *Step) validate(c *checker, path string) {
	c.label(path+".name", s.Name)
	if s.Share != nil {
		c.share(path+".share", *s.Share)
	}
	if s.Method != "" && !slices.Contains(methods, s.Method) {
		c.add(path+".method", "is %q, must be one of %s", s.Method, strings.Join(methods, ", "))
	}
	if !urlStart.MatchString(s.URL) {
		c.add(path+".url", "is %q, must be a path like /antrag or begin with http:// or https://", s.URL)
	}
	for _, name := range sortedKeys(s.Headers) {
		if !headerName.MatchString(name) {
			c.add(path+".headers."+name, "%q is no header name", name)
		}
		if strings.ContainsAny(s.Headers[name], "\r\n\x00") {
			c.add(path+".headers."+name, "must be one line")
		}
	}
	c.distribution(path+".think", s.Think)
	c.notNegative(path+".timeout", s.Timeout)
	for i, e := range s.Extract {
		e.validate(c, fmt.Sprintf("%s.extract[%d]", path, i))
	}
	for i, check := range s.Checks {
		check.validate(c, fmt.Sprintf("%s.checks[%d]", path, i))
	}
}

var (
	urlStart   = regexp.MustCompile(`^(/|https?://|\{\{)[^\s\x00-\x1f]*`)
	headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	extracted  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (e *Extract) validate(c *checker, path string) {
	if !extracted.MatchString(e.Name) {
		c.add(path+".name", "is %q, must be a name of letters, digits and underscores", e.Name)
	}
	sources := 0
	for _, source := range []string{e.JSON, e.Header, e.Cookie, e.Regexp} {
		if source != "" {
			sources++
		}
	}
	if sources != 1 {
		c.add(path, "write one of json, header, cookie and regexp, here are %d", sources)
	}
	if _, err := regexp.Compile(e.Regexp); err != nil {
		c.add(path+".regexp", "%v", err)
	}
}

func (k *Check) validate(c *checker, path string) {
	if len(k.Status) == 0 && k.Contains == "" && k.JSON == "" {
		c.add(path, "checks nothing: write status, contains or json")
	}
	if k.Equals != "" && k.JSON == "" {
		c.add(path+".equals", "is there without json: which value must be equal?")
	}
	for i, status := range k.Status {
		if status < 100 || status > 599 {
			c.add(fmt.Sprintf("%s.status[%d]", path, i), "is %d, must be 100 to 599", status)
		}
	}
}

func (m *Impatience) validate(c *checker, path string) {
	c.distribution(path+".patience", &m.Patience)
	c.share(path+".reload", m.Reload)
	c.share(path+".comeBack", m.ComeBack)
	c.share(path+".giveUp", m.GiveUp)
	if total := m.Reload + m.ComeBack + m.GiveUp; !(math.Abs(total-1) < 1e-6) {
		c.add(path, "reload, comeBack and giveUp sum to %.6g, must sum to 1", total)
	}
	c.distribution(path+".after", m.After)
	if m.ComeBack > 0 && m.After == nil {
		c.add(path+".after", "is missing: after which pause do those come back?")
	}
	if m.Most < 0 || m.Most > 100 {
		c.add(path+".most", "is %d, must be 0 (that is %d) to 100", m.Most, DefaultMostRetries)
	}
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
