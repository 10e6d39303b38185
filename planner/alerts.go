package planner

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// alerts are Prometheus rules that fire when what the plan assumes no longer holds.
type alerts struct {
	Groups []alertGroup `json:"groups"`
}

type alertGroup struct {
	Name  string      `json:"name"`
	Rules []alertRule `json:"rules"`
}

type alertRule struct {
	Record      string            `json:"record,omitempty"`
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// The recorded series: all tenants' requests per second, and the namespaces that the plan is about, so that their names
// stand in one rule and not in each.
const (
	requestRate = "ansturm:requests:rate1m"
	plannedFor  = "ansturm:planned:namespace"
	ofPlanned   = " and on (namespace) " + plannedFor
)

// alertsNote stands above the rules.
const alertsNote = `# Alert rules: the assumptions of the Ansturm plan beside this file no longer hold.
# Plain Prometheus rule groups: a rule_files entry of prometheus.yml, or, with the operator, the spec of a PrometheusRule.
# They read kube-state-metrics and the kubelet's cAdvisor. Requests per second are recorded by the first rule from
# ingress-nginx; with another ingress write its counter there.
`

// alerts makes the rules. Every threshold is a figure of the plan.
func (p *Plan) alerts() alerts {
	tenants := make([]string, len(p.Tenants))
	for i, t := range p.Tenants {
		tenants[i] = regexp.QuoteMeta(t.Tenant)
	}
	in := `namespace=~"` + strings.ReplaceAll(strings.Join(tenants, "|"), `\`, `\\`) + `"`
	return alerts{[]alertGroup{
		{"ansturm-recordings", []alertRule{
			{Record: requestRate, Expr: fmt.Sprintf("sum(rate(nginx_ingress_controller_requests{exported_%s}[1m]))", in)},
			{Record: plannedFor, Expr: fmt.Sprintf("group by (namespace) (kube_namespace_created{%s})", in)},
		}},
		{"ansturm-assumptions", append(p.demandAlerts(), p.platformAlerts()...)},
	}}
}

// demandAlerts are about what comes, and how busy it makes the pods.
func (p *Plan) demandAlerts() []alertRule {
	var out []alertRule
	if most := p.mostRequests(); most > 0 {
		out = append(out, alert("AnsturmDemandAbovePlan", "critical", "1m", fmt.Sprintf("%s > %.4g", requestRate, most),
			fmt.Sprintf("More requests than planned for: {{ $value | humanize }} a second, the plan reckons with %.4g at most.", most)))
	}
	target := int32(0)
	for _, t := range p.Tenants {
		target = max(target, t.Target)
	}
	busy := `sum by (namespace) (rate(container_cpu_usage_seconds_total{container!=""}[2m])) / sum by (namespace) (kube_pod_container_resource_requests{resource="cpu"})`
	return append(out,
		alert("AnsturmUtilisationAboveTarget", "warning", "5m", fmt.Sprintf("%s > %.3g%s", busy, (1+float64(target)/100)/2, ofPlanned),
			fmt.Sprintf("The pods of {{ $labels.namespace }} have been far busier than the autoscaler's target of %d %% for five minutes: it does not keep up.", target)),
		alert("AnsturmAutoscalerAtItsMaximum", "warning", "2m",
			"kube_horizontalpodautoscaler_status_desired_replicas >= kube_horizontalpodautoscaler_spec_max_replicas > kube_horizontalpodautoscaler_spec_min_replicas"+ofPlanned,
			"The autoscaler of {{ $labels.namespace }} is at its maximum: what comes on top waits."),
		alert("AnsturmThrottling", "warning", "5m",
			`sum by (namespace) (rate(container_cpu_cfs_throttled_periods_total{container!=""}[2m])) / sum by (namespace) (rate(container_cpu_cfs_periods_total{container!=""}[2m])) > 0.5`+ofPlanned,
			"The containers of {{ $labels.namespace }} are held back by their CPU limit in more than half of the periods: a request takes longer than the plan reckons with."))
}

// platformAlerts are about pods, nodes and settings.
func (p *Plan) platformAlerts() []alertRule {
	start := math.Ceil(p.slowStart())
	nodes, least := p.Decided(), int32(0)
	for _, t := range p.Tenants {
		least += t.Min
	}
	out := []alertRule{
		alert("AnsturmPodsPending", "warning", fmt.Sprintf("%.0fs", math.Max(60, start)),
			`sum by (namespace) (kube_pod_status_phase{phase="Pending"}) > 0`+ofPlanned,
			"{{ $value }} pods of {{ $labels.namespace }} are waiting for a node or an image for longer than a start takes."),
		alert("AnsturmNodesMissing", "critical", "2m", fmt.Sprintf(`sum(kube_node_status_condition{condition="Ready",status="true"}) < %d`, nodes),
			fmt.Sprintf("Only {{ $value }} nodes are ready, the plan has %d.", nodes)),
		alert("AnsturmSettingsNotAsPlanned", "warning", "10m", fmt.Sprintf("sum(kube_horizontalpodautoscaler_spec_min_replicas%s) < %d", ofPlanned, least),
			fmt.Sprintf("The autoscalers' minimum is {{ $value }} pods in all, the plan has %d.", least)),
	}
	if start > 0 {
		out = append(out, alert("AnsturmPodsStartSlowly", "warning", "0s",
			fmt.Sprintf("(kube_pod_status_ready_time - kube_pod_created) > %.0f and (time() - kube_pod_created) < 900%s", start, ofPlanned),
			fmt.Sprintf("Pod {{ $labels.namespace }}/{{ $labels.pod }} took {{ $value }} s to become ready, the plan reckons with %.0f s at most.", start)))
	}
	return out
}

func alert(name, severity, holds, expr, summary string) alertRule {
	return alertRule{
		Alert: name, Expr: expr, For: holds, Labels: map[string]string{"severity": severity},
		Annotations: map[string]string{"summary": summary, "description": "An assumption of the Ansturm plan no longer holds; plan anew with what is known now."},
	}
}

// mostRequests is the peak of requests/s at the demand the plan was made for; zero where it cannot be told.
func (p *Plan) mostRequests() float64 {
	f, err := newForge(p.Scenario, p.Model)
	if err != nil {
		return 0
	}
	sum := make([]float64, len(f.base.Shape[0]))
	for _, shape := range f.base.Shape {
		for s, x := range shape {
			sum[s] += x
		}
	}
	return busiest(sum, 60, len(sum)) * demandAt(p.Model, 0.95)
}

// slowStart is the upper quantile of a pod's way from created to ready, in seconds.
func (p *Plan) slowStart() float64 {
	params, err := paramsOf(p.Scenario, p.Platform, p.Model)
	if err != nil {
		return 0
	}
	slowest := 0.0
	for i := range params.Workloads {
		w := &params.Workloads[i]
		slowest = math.Max(slowest, w.Pull[60]+w.Start[60]+w.Ready[60])
	}
	return slowest + params.Control.SchedulingDelay
}
