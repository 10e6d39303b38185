package scenarios

import "io/fs"

// StepRef is one step with its place: Journeys[Journey].Steps[Index].
type StepRef struct {
	Journey, Index int
	*Step
}

// AllSteps lists the steps of all journeys, journey after journey. Samples and persons name a step by its index in
// this list.
func (s *Scenario) AllSteps() []StepRef {
	var refs []StepRef
	for j := range s.Journeys {
		for i := range s.Journeys[j].Steps {
			refs = append(refs, StepRef{Journey: j, Index: i, Step: &s.Journeys[j].Steps[i]})
		}
	}
	return refs
}

// StepName is the name of step i of AllSteps, or "" where there is no such step.
func (s *Scenario) StepName(i int) string {
	for j := range s.Journeys {
		steps := s.Journeys[j].Steps
		if i >= 0 && i < len(steps) {
			return steps[i].Name
		}
		i -= len(steps)
	}
	return ""
}

// TenantIndex is the index of the tenant in Tenants.List.
func (s *Scenario) TenantIndex(name string) (int, bool) {
	for i := range s.Tenants.List {
		if s.Tenants.List[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// Files is where the files beside the scenario are (its CSVs); nil for a scenario that was not read from files.
func (s *Scenario) Files() fs.FS { return s.files }
