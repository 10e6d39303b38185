package scenarios

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

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
		if j.Connections != "" && j.Connections != "shared" && j.Connections != "session" {
			c.add(path+".connections", "is %q, must be shared or session", j.Connections)
		}
		always := false
		for k, step := range j.Steps {
			at := fmt.Sprintf("%s.steps[%d]", path, k)
			c.unique(at+".name", step.Name, steps)
			step.validate(c, at)
			if step.Form != nil {
				step.validateForm(c, at, s.files)
			}
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
	if s.Follow < 0 || s.Follow > mostFollowed {
		c.add(path+".follow", "is %d, must be 0 to %d", s.Follow, mostFollowed)
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
	for _, source := range []string{e.JSON, e.Header, e.Cookie, e.Regexp, e.Field, e.Action, e.Link} {
		if source != "" {
			sources++
		}
	}
	if sources != 1 {
		c.add(path, "write one of json, header, cookie, regexp, field, action and link, here are %d", sources)
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
