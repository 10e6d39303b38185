package objects

import "fmt"

const (
	// AnnotationProcess on a pod asks for a real process: the program's path, or its name beside ansturm-lab.
	AnnotationProcess = "ansturm.dev/process"
	// AnnotationDesk is on every Service, with the address where the lab's own account of the run is asked for.
	AnnotationDesk = "ansturm.dev/desk"
)

// RunAsProcess has a workload's pods be real processes of that program.
func (s *Set) RunAsProcess(workload, program string) error {
	found := false
	for _, t := range s.Tenants {
		if t.Deployment.Name == workload {
			found = true
			t.Deployment.Spec.Template.Annotations = map[string]string{AnnotationProcess: program}
		}
	}
	if !found {
		return fmt.Errorf("there is no workload %q to run as a process", workload)
	}
	return nil
}

// SayDesk puts the desk's address on every Service.
func (s *Set) SayDesk(url string) {
	for _, t := range s.Tenants {
		if t.Service.Annotations == nil {
			t.Service.Annotations = map[string]string{}
		}
		t.Service.Annotations[AnnotationDesk] = url
	}
}
