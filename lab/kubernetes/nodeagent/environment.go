package nodeagent

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// environment is what the pod's container is given, and where it is to listen, who it is and what its steps cost. values are what the
// container's own variables have, for references to them.
func (p *pod) environment() (list []string, values map[string]string) {
	tenant := p.object.Labels[objects.LabelTenant]
	list = append(list, "ANSTURM_LISTEN="+p.address(), "ANSTURM_TENANT="+tenant, "POD_NAME="+p.name, "POD_NAMESPACE="+p.namespace,
		"HOSTNAME="+p.name)
	if w := p.a.config.Platform.WorkloadOf(tenant); w != nil {
		type step struct {
			CPU     string `json:"cpu"`
			Accepts bool   `json:"accepts,omitempty"`
		}
		steps := map[string]step{}
		for name, s := range w.Steps {
			steps[name] = step{s.CPU.Mean().String(), s.Accepts}
		}
		if text, err := json.Marshal(steps); err == nil {
			list = append(list, "ANSTURM_STEPS="+string(text))
		}
	}
	values = map[string]string{}
	mounts := p.mounts()
	for _, e := range p.object.Spec.Containers[0].Env {
		value := relocate(expansion.Expand(e.Value, expansion.MappingFuncFor(values)), mounts)
		switch from := e.ValueFrom; {
		case from != nil && from.FieldRef != nil:
			value = p.field(from.FieldRef.FieldPath)
		case referenceOf(e) != nil:
			given, there := p.supplies.value(e.Name)
			if !there { // optional
				continue
			}
			value = given
		}
		values[e.Name] = value
		list = append(list, e.Name+"="+value)
	}
	return list, values
}

// arguments are the process's: of an image's program those of Command, whose first names the program as it is called within the image, then Args.
func (p *pod) arguments(values map[string]string) []string {
	c := p.object.Spec.Containers[0]
	args := c.Args
	if p.object.Annotations[objects.AnnotationProcess] == "" && len(c.Command) > 0 {
		args = slices.Concat(c.Command[1:], c.Args)
	}
	list, mounts := make([]string, len(args)), p.mounts()
	for i, a := range args {
		list[i] = relocate(expansion.Expand(a, expansion.MappingFuncFor(values)), mounts)
	}
	return list
}

// field is what the downward API says of the pod.
func (p *pod) field(path string) string {
	keyed := func(prefix string) (string, bool) {
		rest, found := strings.CutPrefix(path, prefix+"['")
		return strings.TrimSuffix(rest, "']"), found
	}
	if key, found := keyed("metadata.annotations"); found {
		return p.object.Annotations[key]
	}
	if key, found := keyed("metadata.labels"); found {
		return p.object.Labels[key]
	}
	switch path {
	case "metadata.name":
		return p.name
	case "metadata.namespace":
		return p.namespace
	case "metadata.uid":
		return string(p.uid)
	case "spec.nodeName":
		return p.node
	case "status.hostIP":
		return hostIP
	case "status.podIP":
		return loopback(p.ip) // where it may listen and be reached
	}
	return ""
}
