package scenarios

import "time"

// What a zero value means; loading fills these in, so that consumers of a loaded scenario or platform see them.
const (
	DefaultProcess     = "poisson"
	DefaultMethod      = "GET"
	DefaultFormMethod  = "POST" // of a step with a form
	DefaultTimeout     = 60 * time.Second
	DefaultFollow      = 10 // redirects, where follow is true
	DefaultConnections = "shared"
	DefaultMostRetries = 3
	DefaultSLOTenant   = "each"
	DefaultLeast       = 20
	DefaultKubernetes  = "1.35"
	DefaultThreads     = 16
	DefaultBacklog     = 32
	DefaultMostServed  = 10_000 // requests in service at a back end
	DefaultPods        = 110    // a node's capacity, the kubelet's default
)

// longest is the longest surge: within it nanoseconds are exact in a float64.
const longest = 90 * 24 * time.Hour

// WithDefaults is a copy of a scenario that was built in Go, filled in as loading does: the tenants are listed, and
// process, weights, shares, methods, timeouts, retries and SLOs have the values that their zero stands for.
func (s *Scenario) WithDefaults() (*Scenario, error) {
	filled := clone(s)
	filled.files = s.files
	c := &checker{}
	filled.expand(c)
	if err := c.err(); err != nil {
		return nil, err
	}
	filled.fill()
	return filled, nil
}

// WithDefaults is a copy of a platform that was built in Go, filled in as loading does.
func (p *Platform) WithDefaults() *Platform {
	filled := clone(p)
	filled.fill()
	return filled
}

// standard fills a zero value.
func standard[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

func (s *Scenario) fill() {
	standard(&s.Arrivals.Process, DefaultProcess)
	if len(s.Arrivals.Curve) == 0 {
		s.Arrivals.Curve = []Shape{{Kind: "constant"}}
	}
	for i := range s.Arrivals.Curve {
		standard(&s.Arrivals.Curve[i].Weight, 1)
	}
	for i := range s.Tenants.List {
		standard(&s.Tenants.List[i].Weight, 1)
		standard(&s.Tenants.List[i].Title, s.Tenants.List[i].Name)
	}
	for i := range s.Journeys {
		s.Journeys[i].fill()
	}
	for i := range s.SLOs {
		standard(&s.SLOs[i].Tenant, DefaultSLOTenant)
		standard(&s.SLOs[i].Least, DefaultLeast)
	}
}

func (j *Journey) fill() {
	standard(&j.Weight, 1)
	standard(&j.Connections, DefaultConnections)
	for i := range j.Steps {
		step := &j.Steps[i]
		if step.Share == nil {
			whole := 1.0
			step.Share = &whole
		}
		if step.Form != nil {
			standard(&step.Method, DefaultFormMethod)
		}
		standard(&step.Method, DefaultMethod)
		standard(&step.Timeout, DefaultTimeout)
	}
	if j.Impatience != nil {
		standard(&j.Impatience.Most, DefaultMostRetries)
	}
}

func (p *Platform) fill() {
	standard(&p.Kubernetes, DefaultKubernetes)
	p.Autoscaling = p.Autoscaling.WithDefaults()
	for i := range p.Pools {
		standard(&p.Pools[i].Kind, "vm")
		standard(&p.Pools[i].Cost, 1)
	}
	for i := range p.Backends {
		standard(&p.Backends[i].Most, DefaultMostServed)
	}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		standard(&w.Threads, DefaultThreads)
		standard(&w.Backlog, DefaultBacklog)
		standard(&w.Start.WarmUp.Factor, 1)
	}
}
