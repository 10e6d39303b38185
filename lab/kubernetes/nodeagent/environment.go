package nodeagent

import (
	"encoding/json"
	"strings"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// environment is what the pod's container is given, and where it is to listen, who it is and what its steps cost.
func (p *pod) environment() (list []string) {
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
	for _, e := range p.object.Spec.Containers[0].Env {
		value := e.Value
		if from := e.ValueFrom; from != nil && from.FieldRef != nil {
			value = p.field(from.FieldRef.FieldPath)
		}
		list = append(list, e.Name+"="+value)
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
