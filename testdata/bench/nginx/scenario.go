package main

import (
	"fmt"
	"os"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// created is the name under which the record lists what a run made at nginx.
const created = "application"

// shorten makes the library's briefwahl into one of another total and length. Curve, tenants, journey, checks and seed
// stay as they are, the curve's times are scaled with the length. What persons take their time for (filling in the form,
// patience, coming back) is theirs and stays as long as it is, divided by hurry: 1 but for small tests. The submit step
// also extracts the application's id, so that the record's list of created things can be held against the log too.
func shorten(total int64, over time.Duration, hurry float64) (*scenarios.Scenario, error) {
	entry, err := scenarios.Open("briefwahl")
	if err != nil {
		return nil, err
	}
	s, err := entry.Scenario()
	if err != nil {
		return nil, err
	}
	s.Name = "briefwahl-nginx"
	s.Title = scenarios.Text{"de": "Briefwahlunterlagen gegen nginx", "en": "Absentee-ballot papers against nginx"}
	s.Description = nil
	faster := float64(s.Arrivals.Over) / float64(over)
	s.Arrivals.Total, s.Arrivals.Over = total, over
	for i := range s.Arrivals.Curve {
		shape := &s.Arrivals.Curve[i]
		for _, at := range []*time.Duration{&shape.From, &shape.To, &shape.At, &shape.Width} {
			divide(at, faster)
		}
		for k := range shape.Points {
			divide(&shape.Points[k].At, faster)
		}
		if n := len(shape.Points); n > 0 {
			shape.Points[n-1].At = over
		}
	}
	for j := range s.Journeys {
		journey := &s.Journeys[j]
		for i := range journey.Steps {
			if step := &journey.Steps[i]; step.Name == submitStep {
				step.Extract = append(step.Extract, scenarios.Extract{Name: created, JSON: "id", Created: true})
			}
			hasten(journey.Steps[i].Think, hurry)
		}
		if x := journey.Impatience; x != nil {
			hasten(&x.Patience, hurry)
			hasten(x.After, hurry)
		}
	}
	return s, nil
}

func divide(d *time.Duration, by float64) {
	*d = time.Duration(float64(*d) / by).Round(time.Millisecond)
}

// hasten divides a distribution.
func hasten(d *scenarios.Distribution, by float64) {
	switch {
	case d == nil:
	case d.Uniform != nil:
		divide(&d.Uniform.Min, by)
		divide(&d.Uniform.Max, by)
	case d.LogNormal != nil:
		divide(&d.LogNormal.Median, by)
		divide(&d.LogNormal.P95, by)
		divide(&d.LogNormal.Shift, by)
	}
}

// writeScenario writes a scenario that `ansturm run` reads.
func writeScenario(path string, s *scenarios.Scenario) error {
	text, err := scenarios.Marshal(s)
	if err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	return os.WriteFile(path, text, 0o644)
}
