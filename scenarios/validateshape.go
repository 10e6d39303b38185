package scenarios

import (
	"fmt"
	"strings"
	"time"
)

// shapeFields are the fields each kind reads, besides kind, weight, from and to.
var shapeFields = map[string]string{
	"constant": "", "ramp": "start end", "step": "at start end", "spike": "at width", "gaussian": "at width",
	"daily": "at base", "deadline": "at width", "points": "points",
}

// narrowest is the least Width: below it the knots of a smooth shape would fall together.
const narrowest = time.Millisecond

// check is validate for callers without a file.
func (s Shape) check(over time.Duration) error {
	c := &checker{}
	s.validate(c, s.Kind, over)
	return c.err()
}

func (s Shape) validate(c *checker, path string, over time.Duration) {
	if _, known := kinds[s.Kind]; !known {
		if s.Kind == "" {
			c.add(path+".kind", "is missing, must be one of %s", strings.Join(kindNames(), ", "))
			return
		}
		c.known(path+".kind", "kind of shape", s.Kind, kindNames())
		return
	}
	s.validateUnread(c, path)
	if s.Weight != 0 && !(s.Weight >= 1e-9 && s.Weight <= 1e9) {
		c.add(path+".weight", "is %v, must be 1e-9 to 1e9", s.Weight)
	}
	if s.From < 0 || s.From >= over {
		c.add(path+".from", "is %s, must be inside the surge, 0s to %s", brief(s.From), brief(over))
	}
	if s.To != 0 && (s.To <= s.From || s.To > over) {
		c.add(path+".to", "is %s, must be after from and at most %s", brief(s.To), brief(over))
	}
	if s.At < 0 || s.At > over {
		c.add(path+".at", "is %s, must be inside the surge, 0s to %s", brief(s.At), brief(over))
	}
	if s.reads("width") && (s.Width < narrowest || s.Width > longest) {
		c.add(path+".width", "is %s, must be at least %s and at most %s", brief(s.Width), narrowest, brief(longest))
	}
	rate(c, path+".start", s.Start)
	rate(c, path+".end", s.End)
	c.share(path+".base", s.Base)
	if s.Kind == "points" {
		s.validatePoints(c, path+".points", over)
	}
}

// rate checks one rate of a curve. The bounds keep squares and integrals of rates within what a float64 holds.
func rate(c *checker, path string, r float64) {
	if r != 0 && !(r >= 1e-9 && r <= 1e9) {
		c.add(path, "is %v, a rate must be 0 or 1e-9 to 1e9; only its relation to the others counts", r)
	}
}

func (s Shape) validatePoints(c *checker, path string, over time.Duration) {
	if len(s.Points) < 2 {
		c.add(path, "has %d, at least 2 are needed", len(s.Points))
	}
	for i, p := range s.Points {
		at := fmt.Sprintf("%s[%d]", path, i)
		if p.At < 0 || p.At > over {
			c.add(at+".at", "is %s, must be inside the surge, 0s to %s", brief(p.At), brief(over))
		}
		if i > 0 && p.At < s.Points[i-1].At {
			c.add(at+".at", "is %s, before the point above it, %s: points go forward in time", brief(p.At), brief(s.Points[i-1].At))
		}
		if i > 1 && p.At == s.Points[i-2].At {
			c.add(at+".at", "is %s, for the third time: a jump has two points", brief(p.At))
		}
		rate(c, at+".rate", p.Rate)
	}
}

func (s Shape) reads(field string) bool {
	for name := range strings.FieldsSeq(shapeFields[s.Kind]) {
		if name == field {
			return true
		}
	}
	return false
}

// validateUnread says which fields are written that the kind does not read.
func (s Shape) validateUnread(c *checker, path string) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"at", s.At != 0},
		{"width", s.Width != 0},
		{"start", s.Start != 0},
		{"end", s.End != 0},
		{"base", s.Base != 0},
		{"points", len(s.Points) > 0},
	} {
		if f.set && !s.reads(f.name) {
			reads := "none besides weight, from and to"
			if names := strings.Fields(shapeFields[s.Kind]); len(names) > 0 {
				reads = strings.Join(names, ", ")
			}
			c.add(path+"."+f.name, "is not read by the shape %s; it reads %s", s.Kind, reads)
		}
	}
}
