package main

import (
	"fmt"
	"strings"
)

// world is what is fired at what, and how the outcome is held against the truth.
type world struct {
	scenario, platform string // YAML
	// lab and run are more of the programs' arguments; COUNTERS stands for the address of the containers' counters.
	lab, run []string
	compare  func(s *seen, p *proof) error
}

func worldOf(name string, tenants int) (*world, error) {
	switch name {
	case "chain":
		if tenants < 1 || tenants > 200 {
			return nil, fmt.Errorf("%d tenants, wanted 1 to 200", tenants)
		}
		return chainWorld(tenants), nil
	case "throttling":
		return throttlingWorld(), nil
	}
	return nil, fmt.Errorf("there is no case %q, only chain and throttling", name)
}

// The persons come in half a minute's calm and then at ten times that rate. A tenant needs six pods then, and gets one at a
// time: five or six scale-ups each.
const chainScenario = `
name: chain
arrivals:
  total: %d
  over: 270s
  process: poisson
  curve: [{kind: points, points: [{at: 0s, rate: 1}, {at: 30s, rate: 1}, {at: 60s, rate: 10}, {at: 270s, rate: 10}]}]
tenants: {list: [%s]}
journeys:
  - name: antrag
    steps:
      - {name: submit, method: POST, url: /submit, headers: {Idempotency-Key: "{{seq}}"}, timeout: 20s, checks: [{status: [201]}]}
slos: [{step: submit, percentile: 95, within: 10s, errors: 0.5}]
`

const chainPlatform = `
name: chain
kubernetes: "1.35"
pools: [{name: vm, count: %d, capacity: {cpu: 16, memory: 64Gi}, leadTime: 1h}]
workloads:
  - name: antrag
    tenants: [%s]
    resources: {requests: {cpu: 500m, memory: 256Mi}, limits: {cpu: 500m, memory: 256Mi}}
    replicas: 1
    hpa:
      minReplicas: 1
      maxReplicas: 8
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
      behavior: {scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 1, periodSeconds: 15}]}}
    start: {pull: {uniform: {min: 1s, max: 2s}}, start: {uniform: {min: 300ms, max: 800ms}}, ready: {uniform: {min: 1s, max: 3s}}}
    steps: {submit: {cpu: {fixed: 200ms}, accepts: true}}
`

func chainWorld(tenants int) *world {
	names := make([]string, tenants)
	list := make([]string, tenants)
	for i := range names {
		names[i] = fmt.Sprintf("t-%03d", i+1)
		list[i] = fmt.Sprintf("{name: %s}", names[i])
	}
	const atPeak, seconds = 9, 229.5 // arrivals a second of a tenant, and how many such seconds the curve amounts to
	return &world{
		scenario: fmt.Sprintf(chainScenario, int(float64(tenants)*atPeak*seconds), strings.Join(list, ", ")),
		platform: fmt.Sprintf(chainPlatform, 2+tenants*8/30, strings.Join(names, ", ")),
		compare:  compareChains,
	}
}

// A tenant whose pods are processes that burn 20 ms for each of 15 requests a second: three tenths of a core, of which each
// pod may have two.
const throttlingScenario = `
name: throttling
arrivals: {total: 1800, over: 120s, process: poisson}
tenants: {list: [{name: ofen}]}
journeys:
  - name: antrag
    steps:
      - {name: submit, method: POST, url: /submit, headers: {Idempotency-Key: "{{seq}}"}, timeout: 20s, checks: [{status: [201]}]}
slos: [{step: submit, percentile: 95, within: 10s, errors: 0.9}]
`

const throttlingPlatform = `
name: throttling
kubernetes: "1.35"
pools: [{name: vm, count: 1, capacity: {cpu: 4, memory: 16Gi}, leadTime: 1h}]
workloads:
  - name: brenner
    tenants: [ofen]
    resources: {requests: {cpu: 200m, memory: 64Mi}, limits: {cpu: 200m, memory: 64Mi}}
    replicas: 1
    hpa:
      minReplicas: 1
      maxReplicas: 3
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
    start: {}
    steps: {submit: {cpu: {fixed: 20ms}, accepts: true}}
`

func throttlingWorld() *world {
	return &world{
		scenario: throttlingScenario, platform: throttlingPlatform, compare: compareThrottling,
		lab: []string{"--process", "brenner=burner"}, run: []string{"--scrape", "COUNTERS", "--scrape-every", "5s"},
	}
}
