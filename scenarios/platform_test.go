package scenarios

import (
	"strings"
	"testing"
	"time"
)

// basePlatform is a platform in which every table test below changes one thing.
const basePlatform = `name: test
pools:
  - name: vm
    count: 2
    capacity: {cpu: 16, memory: 64Gi}
    reserved: {cpu: 500m, memory: 4Gi}
    leadTime: 4h
backends:
  - {name: db, cores: 4}
workloads:
  - name: w
    resources:
      requests: {cpu: 250m, memory: 256Mi}
      limits: {cpu: 500m, memory: 512Mi}
    replicas: 1
    hpa:
      maxReplicas: 4
      metrics:
        - type: Resource
          resource: {name: cpu, target: {type: Utilization, averageUtilization: 90}}
      behavior:
        scaleUp:
          policies: [{type: Pods, value: 4, periodSeconds: 15}]
    steps:
      one: {cpu: {fixed: 5ms}}
      two: {cpu: {fixed: 150ms}, backends: {db: 8ms}, accepts: true}
disruptions:
  - {at: 9m, loseNode: vm-2}
`

func TestPlatformErrors(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{
			"unknown field inside the HPA", "maxReplicas: 4", "maxReplicas: 4\n      minReplica: 1",
			`p.yaml:18:7: unknown field "minReplica", did you mean "minReplicas"?`,
		},
		{
			"unknown field deep inside the HPA", "periodSeconds: 15", "periodSecond: 15",
			"p.yaml:23:22: workloads[0].hpa.behavior.scaleUp.policies[0].periodSeconds: is missing\n" +
				`p.yaml:23:45: unknown field "periodSecond", did you mean "periodSeconds"?`,
		},
		{
			"min above max", "maxReplicas: 4", "maxReplicas: 4\n      minReplicas: 5",
			"p.yaml:17:20: workloads[0].hpa.maxReplicas: is 4, must be at least 1 and at least minReplicas, 5",
		},
		{
			"no number where one must be", "averageUtilization: 90", "averageUtilization: high",
			`p.yaml:20:81: workloads[0].hpa.metrics[0].resource.target.averageUtilization: is "high", must be a whole number of at most 32 bits`,
		},
		{
			"no utilisation", "type: Utilization, averageUtilization: 90", "type: Utilization",
			"p.yaml:20:33: workloads[0].hpa.metrics[0].resource.target.averageUtilization: is missing or below 1, must be a percentage like 60",
		},
		{
			"unknown metric", "type: Resource", "type: Ressource",
			`p.yaml:19:17: workloads[0].hpa.metrics[0].type: there is no type of metric "Ressource", did you mean "Resource"?`,
		},
		{
			"a period too long", "periodSeconds: 15", "periodSeconds: 3600",
			"p.yaml:23:60: workloads[0].hpa.behavior.scaleUp.policies[0].periodSeconds: is 3600, must be 1 to 1800",
		},
		{"no quantity", "cpu: 16,", "cpu: 16 cores,", `p.yaml:5:21: pools[0].capacity.cpu: is "16 cores", must be a quantity, like 500m, 2 or 64Gi`},
		{"unknown resource", "reserved: {cpu:", "reserved: {cpus:", `p.yaml:6:22: pools[0].reserved.cpus: there is no resource "cpus", did you mean "cpu"?`},
		{"no memory", "capacity: {cpu: 16, memory: 64Gi}", "capacity: {cpu: 16}", "p.yaml:5:5: pools[0].capacity.memory: is 0, must be above 0"},
		{"all reserved", "reserved: {cpu: 500m", "reserved: {cpu: 16", "p.yaml:6:21: pools[0].reserved.cpu: is 16, must be below the node's capacity, 16"},
		{"request above limit", "requests: {cpu: 250m", "requests: {cpu: 600m", "p.yaml:13:23: workloads[0].resources.requests.cpu: is 600m, must be at most the limit, 500m"},
		{"unknown back end", "backends: {db: 8ms}", "backends: {bd: 8ms}", `p.yaml:26:49: workloads[0].steps.two.backends.bd: there is no back end "bd", did you mean "db"?`},
		{"unknown node", "vm-2", "vm-3", `p.yaml:28:24: disruptions[0].loseNode: there is no node "vm-3", did you mean "vm-1"?`},
		{"a count missing", "    count: 2\n", "", "p.yaml:3:5: pools[0].count: is missing"},
		{"no back end cores", "cores: 4", "cores: 0", "p.yaml:9:23: backends[0].cores: is 0, must be above 0 (and at most 1e15)"},
		{
			"two workloads for the rest", "disruptions:", "  - {name: v, resources: {limits: {cpu: 1}}, replicas: 1, steps: {one: {cpu: {fixed: 1ms}}}}\ndisruptions:",
			`p.yaml:27:5: workloads[1].tenants: is missing: "w" already serves all tenants that no workload names`,
		},
		{
			"no CPU", "requests: {cpu: 250m, memory: 256Mi}\n      limits: {cpu: 500m, memory: 512Mi}", "requests: {memory: 256Mi}",
			"p.yaml:13:7: workloads[0].resources.requests.cpu: is missing: nodes are counted by requests, and utilisation is measured against them",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(basePlatform, test.old) {
				t.Fatalf("the base has no %q", test.old)
			}
			_, err := ParsePlatform("p.yaml", []byte(strings.Replace(basePlatform, test.old, test.new, 1)))
			if err == nil || err.Error() != test.want {
				t.Errorf("error:\n%v\nwant:\n%s", err, test.want)
			}
		})
	}
}

func TestPlatformFigures(t *testing.T) {
	p, err := ParsePlatform("p.yaml", []byte(basePlatform))
	if err != nil {
		t.Fatal(err)
	}
	if cores, memory, pods := p.Pools[0].Allocatable(); cores != 15.5 || memory != 60<<30 || pods != 110 {
		t.Errorf("allocatable %v cores, %d bytes, %d pods", cores, memory, pods)
	}
	if nodes := p.Nodes(); len(nodes) != 2 || nodes[1].Name != "vm-2" || nodes[1].Pool != &p.Pools[0] {
		t.Errorf("nodes %+v", nodes)
	}
	w := p.WorkloadOf("anyone")
	if w == nil || w.CPULimit() != 0.5 || w.CPURequest() != 0.25 || w.MemoryRequest() != 256<<20 {
		t.Errorf("workload %+v", w)
	}
	w.Resources.Requests = nil
	if w.CPURequest() != 0.5 || w.MemoryRequest() != 512<<20 {
		t.Error("without requests the limits must count")
	}
	if a := p.Autoscaling; a.SyncPeriod != 15*time.Second || a.SchedulingDelay != 100*time.Millisecond || a.NodeLossDetection != 40*time.Second {
		t.Errorf("autoscaling %+v", a)
	}
	if w.Threads != 16 || w.Backlog != 32 || p.Backends[0].Most != 10_000 || p.Kubernetes != "1.35" {
		t.Errorf("defaults: %+v", p)
	}
}

func TestWorkloadOf(t *testing.T) {
	p := Platform{Workloads: []Workload{{Name: "big", Tenants: []string{"a"}}, {Name: "rest"}}}
	if p.WorkloadOf("a").Name != "big" || p.WorkloadOf("b").Name != "rest" {
		t.Error("a tenant goes to the wrong workload")
	}
	p.Workloads = p.Workloads[:1]
	if p.WorkloadOf("b") != nil {
		t.Error("a tenant without a workload has one")
	}
}

func TestCheckSaysWhatDoesNotFit(t *testing.T) {
	s, err := Parse("s.yaml", []byte(base), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePlatform("p.yaml", []byte(basePlatform))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(s); err != nil {
		t.Fatal(err)
	}
	split := p.Clone()
	split.Workloads = append(split.Workloads, *clone(&split.Workloads[0]))
	split.Workloads[0].Tenants = []string{"a"}
	if err := split.Check(s); err != nil {
		t.Errorf("two workloads of one name: %v", err)
	}
	delete(split.Workloads[0].Steps, "one")
	if err := split.Check(s); err == nil || !strings.Contains(err.Error(), `workloads[0].steps: step "one"`) {
		t.Errorf("a step without work in the first of two workloads of one name: %v", err)
	}
	delete(p.Workloads[0].Steps, "two")
	p.Workloads[0].Tenants = []string{"a", "c"}
	const want = `platform test does not serve scenario test: workloads: no workload serves tenant "b"
workloads[0].tenants[1]: there is no tenant "c", did you mean "a"?
workloads[0].steps: step "two" of the scenario has no work here`
	if err := p.Check(s); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestClonesAreIndependent(t *testing.T) {
	p, err := ParsePlatform("p.yaml", []byte(basePlatform))
	if err != nil {
		t.Fatal(err)
	}
	before := string(must(MarshalPlatform(p)))
	c := p.Clone()
	if string(must(MarshalPlatform(c))) != before {
		t.Error("a clone differs")
	}
	c.Pools[0].Count = 9
	delete(c.Pools[0].Capacity, "cpu")
	c.Workloads[0].HPA.MaxReplicas = 99
	*c.Workloads[0].HPA.Metrics[0].Resource.Target.AverageUtilization = 1
	c.Workloads[0].HPA.Behavior.ScaleUp.Policies[0].Value = 77
	*c.Workloads[0].Steps["one"].CPU.Fixed = time.Hour
	c.Workloads[0].Steps["two"].Backends["db"] = time.Hour
	if string(must(MarshalPlatform(p))) != before {
		t.Error("changing a clone changed the original")
	}
}
