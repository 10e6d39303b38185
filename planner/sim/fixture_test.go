package sim

import (
	"fmt"
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// scaling is an autoscaler's spec with behavior written out: up at once, down after five minutes.
func scaling(target, least, most int32) *autoscalingv2.HorizontalPodAutoscalerSpec {
	choose := autoscalingv2.MaxChangePolicySelect
	return &autoscalingv2.HorizontalPodAutoscalerSpec{
		MinReplicas: &least, MaxReplicas: most,
		Metrics: []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
				Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target,
			}},
		}},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: new(int32(0)), SelectPolicy: &choose,
				Policies: []autoscalingv2.HPAScalingPolicy{
					{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
					{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
				},
			},
			ScaleDown: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: new(int32(300)), SelectPolicy: &choose,
				Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}},
			},
		},
	}
}

func fixed(s float64) Delay { return NewDelay(func(float64) float64 { return s }) }

// small is one tenant of one step at a constant rate, with pods of half a core and requests of 150 ms of CPU.
func small(rate, length float64, replicas int) *Params {
	shape := make([]float64, int(length))
	for i := range shape {
		shape[i] = rate
	}
	return &Params{
		Length: length, Steps: []string{"submit"}, Shape: [][]float64{shape},
		Tenants: []Tenant{{Name: "t-1", Weight: 1}},
		Workloads: []Workload{{
			Name: "app", Request: 0.5, Limit: 0.5, Memory: 256 << 20, Replicas: replicas, Threads: 16, Backlog: 32,
			Pull: fixed(8), Start: fixed(2), Ready: fixed(5), WarmFactor: 1,
			Work: []Work{{Mean: 0.15, Tail: LogNormalTail(0.3)}},
		}},
		Nodes:    []Node{{Name: "vm-1", Pool: "vm", Cores: 15, Memory: 60 << 30, Pods: 110}, {Name: "vm-2", Pool: "vm", Cores: 15, Memory: 60 << 30, Pods: 110}},
		Control:  Control{Sync: 15, Scrape: 15, Housekeeping: 10, Lag: 1, EndpointDelay: 1, SchedulingDelay: 0.1, LossDetection: 40, HPA: hpa.Default()},
		Promises: []Promise{{Step: 0, Who: EachTenant, Within: 2, Slow: 0.05, Errors: 0.01, Window: 1, Least: 20}},
	}
}

// rush is the shape of the main job: 150 tenants by Zipf's law, 18 minutes, a bell, two steps, nodes with 15 cores.
func rush(nodes int) *Params {
	p := small(1, 1080, 2)
	p.Steps = []string{"form", "submit"}
	p.Shape = [][]float64{make([]float64, 1080), make([]float64, 1080)}
	for s := range p.Shape[0] {
		x := (float64(s) - 700) / 200
		p.Shape[1][s] = 250 + 500*math.Exp(-x*x/2)
		p.Shape[0][s] = 0.15 * p.Shape[1][s]
	}
	p.Workloads[0].HPA = scaling(65, 2, 60)
	p.Workloads[0].Work = []Work{{Mean: 0.06, Tail: LogNormalTail(0.3)}, {Mean: 0.15, Tail: LogNormalTail(0.3)}}
	p.Promises = append(p.Promises, p.Promises[0])
	p.Promises[1].Step = 1
	p.Tenants = nil
	sum := 0.0
	for i := range 150 {
		w := math.Pow(float64(i+1), -0.8)
		sum += w
		p.Tenants = append(p.Tenants, Tenant{Name: fmt.Sprintf("t-%03d", i+1), Weight: w})
	}
	for i := range p.Tenants {
		p.Tenants[i].Weight /= sum
	}
	p.Nodes = nil
	for i := range nodes {
		p.Nodes = append(p.Nodes, Node{Name: fmt.Sprintf("vm-%d", i+1), Pool: "vm", Cores: 15, Memory: 60 << 30, Pods: 110})
	}
	patience := NewDelay(func(u float64) float64 { return -30 * math.Log1p(-u) })
	p.Impatience = &Impatience{Patience: patience, Reload: 0.5, ComeBack: 0.3, After: fixed(60), Most: 3}
	return p
}

// day is the main job's 600,000 persons over a whole day, its curve stretched: a slow rise, a long stream, a last rush.
func day() *Params {
	const length = 24 * 3600
	p := rush(12)
	p.Length, p.Persons = length, 600_000
	shape, sum := make([]float64, length), 0.0
	for s := range shape {
		x := (float64(s)/length - 16.0/18) / (5.0 / 18)
		shape[s] = 11*math.Min(1, 0.35+0.65*float64(s)/(length*4/18)) + math.Exp(-x*x/2)
		sum += shape[s]
	}
	p.Shape = [][]float64{make([]float64, length), shape}
	for s := range shape {
		shape[s] *= p.Persons / sum
		p.Shape[0][s] = 0.15 * shape[s]
	}
	for i := range p.Promises {
		p.Promises[i].Window = 3
	}
	return p
}
