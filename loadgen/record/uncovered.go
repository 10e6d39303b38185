package record

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/scenarios"
)

// uncovered begins the codes of warnings about what no model of ours covers.
const uncovered = "uncovered-"

// Uncovered says whether the warning is about something on the platform that no model covers, so that it holds for a
// plan as for the run.
func (w Warning) Uncovered() bool { return strings.HasPrefix(w.Code, uncovered) }

// NotCovered is the warning that a platform has something that no model covers, with its consequence.
func NotCovered(what, de, en string) Warning {
	return Warning{Code: uncovered + what, Text: scenarios.Text{"de": de, "en": en}}
}

// UncoveredMetrics warns of autoscalers that look at more than CPU and memory; none where no workload has one.
func UncoveredMetrics(p *scenarios.Platform) []Warning {
	var names, tenants []string
	for i := range p.Workloads {
		w := &p.Workloads[i]
		if w.HPA == nil {
			continue
		}
		found := false
		for _, m := range w.HPA.Metrics {
			if name := foreign(m); name != "" {
				found = true
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		if found {
			tenants = append(tenants, w.Tenants...)
		}
	}
	if len(names) == 0 {
		return nil
	}
	of, ofEn := Some(tenants)
	if len(tenants) == 0 {
		of, ofEn = "alle Mandanten", "all tenants"
	}
	list := strings.Join(names, ", ")
	return []Warning{NotCovered(
		"metrics",
		fmt.Sprintf("Die Autoskalierung (%s) richtet sich auch nach %s; das Modell kennt nur CPU und Speicher. Vorhergesagt wird, als gäbe es diese Metriken nicht, und ein Plan ersetzt sie durch ein CPU-Ziel: Wer sie behält, muss ihn mit einem eigenen Lauf prüfen.", of, list),
		fmt.Sprintf("The autoscaling (%s) also looks at %s; the model knows CPU and memory only. Predictions are made as if these metrics did not exist, and a plan replaces them by a CPU target: who keeps them must check it with a run of their own.", ofEn, list),
	)}
}

// foreign names a metric that is neither CPU nor memory of the pods.
func foreign(m autoscalingv2.MetricSpec) string {
	known := func(name corev1.ResourceName) bool {
		return name == corev1.ResourceCPU || name == corev1.ResourceMemory
	}
	switch {
	case m.Pods != nil:
		return m.Pods.Metric.Name + " (Pods)"
	case m.Object != nil:
		return m.Object.Metric.Name + " (Object)"
	case m.External != nil:
		return m.External.Metric.Name + " (External)"
	case m.ContainerResource != nil && !known(m.ContainerResource.Name):
		return string(m.ContainerResource.Name) + " (ContainerResource)"
	case m.Resource != nil && !known(m.Resource.Name):
		return string(m.Resource.Name) + " (Resource)"
	}
	return ""
}

// Some names the first three and counts the others, in German and in English.
func Some(names []string) (de, en string) {
	const most = 3
	list := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s und %d weitere", list, more), fmt.Sprintf("%s and %d more", list, more)
	}
	return list, list
}
