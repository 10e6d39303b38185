package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

var kubernetesVersion = regexp.MustCompile(`^1\.[0-9]{1,2}$`)

// Validate says everything that is wrong with the platform; it never changes it. Each problem is a [*Problem] in the
// joined error.
func (p *Platform) Validate() error {
	c := &checker{}
	p.validate(c)
	return c.err()
}

func (p *Platform) validate(c *checker) {
	c.label("name", p.Name)
	if p.Kubernetes != "" && !kubernetesVersion.MatchString(p.Kubernetes) {
		c.add("kubernetes", "is %q, must be a minor version like %s", p.Kubernetes, DefaultKubernetes)
	}
	a := p.Autoscaling
	c.notNegative("autoscaling.syncPeriod", a.SyncPeriod)
	c.notNegative("autoscaling.metricResolution", a.MetricResolution)
	c.notNegative("autoscaling.housekeeping", a.Housekeeping)
	c.notNegative("autoscaling.metricLag", a.MetricLag)
	c.notNegative("autoscaling.endpointDelay", a.EndpointDelay)
	c.notNegative("autoscaling.schedulingDelay", a.SchedulingDelay)
	c.notNegative("autoscaling.nodeLossDetection", a.NodeLossDetection)
	p.validatePools(c)
	p.validateBackends(c)
	p.validateWorkloads(c)
	p.validateDisruptions(c)
	if a := p.Admission; a != nil {
		if !(a.Rate > 0) || math.IsInf(a.Rate, 1) {
			c.add("admission.rate", "is %v, must be more than 0 persons a second", a.Rate)
		}
		c.notNegative("admission.from", a.From)
	}
}

func (p *Platform) validatePools(c *checker) {
	if len(p.Pools) == 0 {
		c.add("pools", "there is none: at least one pool of nodes is needed")
	}
	seen := map[string]bool{}
	for i, n := range p.Pools {
		path := fmt.Sprintf("pools[%d]", i)
		c.label(path+".name", n.Name)
		c.unique(path+".name", n.Name, seen)
		if n.Count < 0 || n.Count > 10_000 {
			c.add(path+".count", "is %d, must be 0 to 10000", n.Count)
		}
		c.resources(path+".capacity", n.Capacity, corev1.ResourceCPU, corev1.ResourceMemory)
		c.resources(path+".reserved", n.Reserved)
		for _, name := range sortedKeys(byString(n.Reserved)) {
			taken, have := n.Reserved[corev1.ResourceName(name)], n.Capacity[corev1.ResourceName(name)]
			if _, said := n.Capacity[corev1.ResourceName(name)]; said && taken.Cmp(have) >= 0 {
				c.add(path+".reserved."+name, "is %s, must be below the node's capacity, %s", taken.String(), have.String())
			}
		}
		c.notNegative(path+".leadTime", n.LeadTime)
		if n.Kind != "" && n.Kind != "vm" && n.Kind != "dedicated" {
			c.add(path+".kind", "is %q, must be vm or dedicated", n.Kind)
		}
		if n.Most != 0 && n.Most < n.Count {
			c.add(path+".most", "is %d, must be at least count, %d (or 0: no limit is known)", n.Most, n.Count)
		}
		if n.Cost != 0 {
			c.positive(path+".cost", n.Cost)
		}
	}
}

func byString(list corev1.ResourceList) map[string]bool {
	names := make(map[string]bool, len(list))
	for name := range list {
		names[string(name)] = true
	}
	return names
}

// resources checks a list of cpu, memory and pods; the needed ones must be above zero.
func (c *checker) resources(path string, list corev1.ResourceList, needed ...corev1.ResourceName) {
	known := []string{"cpu", "memory", "pods", "ephemeral-storage"}
	for _, name := range sortedKeys(byString(list)) {
		q := list[corev1.ResourceName(name)]
		switch {
		case !slices.Contains(known, name):
			c.known(path+"."+name, "resource", name, known)
		case q.Sign() < 0:
			c.add(path+"."+name, "is %s, must not be negative", q.String())
		}
	}
	for _, name := range needed {
		if q := list[name]; q.Sign() <= 0 {
			c.add(path+"."+string(name), "is %s, must be above 0", q.String())
		}
	}
}

func (p *Platform) validateBackends(c *checker) {
	seen := map[string]bool{}
	for i, b := range p.Backends {
		path := fmt.Sprintf("backends[%d]", i)
		c.label(path+".name", b.Name)
		c.unique(path+".name", b.Name, seen)
		c.positive(path+".cores", b.Cores)
		c.share(path+".contention", b.Contention)
		c.share(path+".coherency", b.Coherency)
		if b.Most < 0 {
			c.add(path+".most", "is %d, must be 0 (that is %d) or more", b.Most, DefaultMostServed)
		}
	}
}

func (p *Platform) validateWorkloads(c *checker) {
	if len(p.Workloads) == 0 {
		c.add("workloads", "there is none: who serves the tenants?")
	}
	served, rest := map[string]string{}, "" // names may come again: other settings for other tenants
	for i, w := range p.Workloads {
		path := fmt.Sprintf("workloads[%d]", i)
		c.label(path+".name", w.Name)
		for k, tenant := range w.Tenants {
			at := fmt.Sprintf("%s.tenants[%d]", path, k)
			c.label(at, tenant)
			if other, twice := served[tenant]; twice {
				c.add(at, "tenant %q is served by %q already", tenant, other)
			}
			served[tenant] = w.Name
		}
		if len(w.Tenants) == 0 {
			if rest != "" {
				c.add(path+".tenants", "is missing: %q already serves all tenants that no workload names", rest)
			}
			rest = w.Name
		}
		p.validateWorkload(c, path, &w)
	}
}

func (p *Platform) validateWorkload(c *checker, path string, w *Workload) {
	c.resources(path+".resources.requests", w.Resources.Requests)
	c.resources(path+".resources.limits", w.Resources.Limits)
	for _, name := range sortedKeys(byString(w.Resources.Requests)) {
		request := w.Resources.Requests[corev1.ResourceName(name)]
		if limit, said := w.Resources.Limits[corev1.ResourceName(name)]; said && request.Cmp(limit) > 0 {
			c.add(path+".resources.requests."+name, "is %s, must be at most the limit, %s", request.String(), limit.String())
		}
	}
	if w.CPURequest() <= 0 {
		c.add(path+".resources.requests.cpu", "is missing: nodes are counted by requests, and utilisation is measured against them")
	}
	if w.Replicas < 0 || w.Replicas > 100_000 {
		c.add(path+".replicas", "is %d, must be 0 to 100000", w.Replicas)
	}
	c.distribution(path+".start.pull", w.Start.Pull)
	c.distribution(path+".start.start", w.Start.Start)
	c.distribution(path+".start.ready", w.Start.Ready)
	c.notNegative(path+".start.warmUp.for", w.Start.WarmUp.For)
	if f := w.Start.WarmUp.Factor; f != 0 && !(f >= 1 && f <= 1000) {
		c.add(path+".start.warmUp.factor", "is %v, must be 1 (no dearer) to 1000", f)
	}
	if w.Memory.Base < 0 || w.Memory.PerRequest < 0 {
		c.add(path+".memory", "bytes must not be negative")
	}
	c.share(path+".memory.ratchet", w.Memory.Ratchet)
	if w.Threads < 0 || w.Threads > 100_000 || w.Backlog < 0 || w.Backlog > 1_000_000 {
		c.add(path, "threads and backlog are %d and %d, must be 0 to 100000 and 0 to 1000000", w.Threads, w.Backlog)
	}
	if w.HPA != nil {
		validateHPA(c, path+".hpa", w.HPA)
	}
	p.validateWork(c, path+".steps", w)
}

func (p *Platform) validateWork(c *checker, path string, w *Workload) {
	if len(w.Steps) == 0 {
		c.add(path, "there is none: what does a request of each step cost?")
	}
	var backends []string
	for _, b := range p.Backends {
		backends = append(backends, b.Name)
	}
	for _, step := range sortedKeys(w.Steps) {
		work := w.Steps[step]
		c.distribution(path+"."+step+".cpu", &work.CPU)
		for _, name := range sortedKeys(work.Backends) {
			at := path + "." + step + ".backends." + name
			c.known(at, "back end", name, backends)
			c.notNegative(at, work.Backends[name])
		}
	}
}

func (p *Platform) validateDisruptions(c *checker) {
	total := 0
	for _, pool := range p.Pools {
		total += max(0, pool.Count)
	}
	if len(p.Disruptions) == 0 || total > math.MaxInt16 {
		return
	}
	var nodes []string
	for _, n := range p.Nodes() {
		nodes = append(nodes, n.Name)
	}
	for i, d := range p.Disruptions {
		path := fmt.Sprintf("disruptions[%d]", i)
		c.notNegative(path+".at", d.At)
		if d.LoseNode == "" {
			c.add(path, "says nothing: write loseNode")
			continue
		}
		c.known(path+".loseNode", "node", d.LoseNode, nodes)
	}
}

// Check says whether the platform serves the scenario: every tenant has exactly one workload, every workload's
// tenants are the scenario's, every step has work there, and a waiting room lets all in within LongestDrain.
func (p *Platform) Check(s *Scenario) error {
	c := &checker{}
	used := map[*Workload]bool{}
	var tenants []string
	for _, t := range s.Tenants.List {
		tenants = append(tenants, t.Name)
		w := p.WorkloadOf(t.Name)
		used[w] = true
		if w == nil {
			c.add("workloads", "no workload serves tenant %q", t.Name)
		}
	}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		for k, tenant := range w.Tenants {
			c.known(fmt.Sprintf("workloads[%d].tenants[%d]", i, k), "tenant", tenant, tenants)
		}
		for _, step := range s.AllSteps() {
			if _, found := w.Steps[step.Name]; used[w] && !found {
				c.add(fmt.Sprintf("workloads[%d].steps", i), "step %q of the scenario has no work here", step.Name)
			}
		}
	}
	if a := p.Admission; a != nil && a.Rate > 0 && float64(s.Arrivals.Total)/a.Rate > LongestDrain.Seconds() {
		c.add("admission.rate", "is %v persons a second: to let in the scenario's %d takes more than %v hours; at least %.3g are needed",
			a.Rate, s.Arrivals.Total, LongestDrain.Hours(), float64(s.Arrivals.Total)/LongestDrain.Seconds())
	}
	if err := c.err(); err != nil {
		return fmt.Errorf("platform %s does not serve scenario %s: %w", p.Name, s.Name, err)
	}
	return nil
}
