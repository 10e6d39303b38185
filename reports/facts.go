package reports

import (
	"cmp"

	"github.com/ansturm/ansturm/loadgen/record"
)

// titleOf names the surge and the platform it hit.
func titleOf(run *record.Run, t tongue) string {
	title := cmp.Or(t.text(run.Scenario.Title), run.Scenario.Name)
	if run.Platform != nil {
		if on := cmp.Or(t.text(run.Platform.Title), run.Platform.Name); on != "" {
			title = t.say("subject", title, on)
		}
	}
	return title
}

// factsOf are the few numbers that say how large the matter is.
func factsOf(m *measured, t tongue) []string {
	a := m.run.Scenario.Arrivals
	_, peak := extent(m.offered)
	facts := []string{
		t.say("facts.persons", t.count(a.Total), t.length(a.Over)),
		t.say("facts.peak", t.decimal(peak, 0)),
		t.tenants(len(m.run.Scenario.Tenants.List)),
	}
	if !m.run.Scenario.On.IsZero() {
		facts = append(facts, t.say("facts.on", t.stamp(m.run.Scenario.On)))
	}
	return facts
}
