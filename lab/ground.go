package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// Ground is the embedded platform without a control plane: somebody outside brings nodes, puts pods on them and says
// which of them the balancer knows. What a pod does on its node (pull, start, warm up, share the node's cores, serve)
// is the platform's own, the same code that [Serve] runs; so are balancer, back ends, desk and account.
//
// A Ground lives longer than a run: [Client.Begin] starts a new account and a new timeline, [Client.Finish] ends them,
// and the pods go on. The platform's own disruptions and autoscalers do nothing here. All methods may be called at any
// time from any goroutine, but not from a notice.
type Ground struct{ s *server }

// NewGround makes the ground for cfg's tenants, without nodes; its time starts at once. begun is called when a client
// begins a run, with the moment of offset 0; nil means that nobody wants to know.
func NewGround(cfg Config, begun func(start time.Time)) (*Ground, error) {
	if cfg.Platform != nil && cfg.Platform.Admission != nil {
		return nil, fmt.Errorf("lab: platform %q has a waiting room (admission): that is the embedded platform's alone, or whatever stands before a cluster", cfg.Platform.Name)
	}
	s, err := newServer(cfg, newGround)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	s.clock.timeline.end()
	if err := s.clock.begin(now, now); err != nil {
		return nil, err
	}
	s.begin = func(start, now time.Time) error {
		s.renew(start, now)
		if begun != nil {
			begun(start)
		}
		return nil
	}
	s.finish = func() { s.clock.look(func(*core) { s.clock.timeline.end() }) }
	return &Ground{s}, nil
}

// renew begins a run whose offset 0 is at start.
func (s *server) renew(start, now time.Time) {
	s.clock.act(func(c *core) {
		s.clock.timeline.end()
		s.clock.timeline = newTimeline()
		s.clock.origin = s.clock.platform(now.Add(start.Sub(now)))
		c.renew()
		c.inventory()
	})
	s.turnedAway.Store(0)
	s.lateMu.Lock()
	s.late.forget()
	s.lateMu.Unlock()
}

// Serve is the ground on loopback until ctx ends; ready gets the addresses once all are listened on.
func (g *Ground) Serve(ctx context.Context, ready func(Endpoints)) error {
	return g.s.serve(ctx, ready)
}

// AddNode brings a node. An error means that one of that name is alive.
func (g *Ground) AddNode(ref scenarios.NodeRef) (err error) {
	g.s.clock.act(func(c *core) { err = c.arrive(ref) })
	return err
}

// LoseNode ends a node: its pods die at once, their connections are cut. A node that is not there is none to lose.
func (g *Ground) LoseNode(name string) { g.s.clock.act(func(c *core) { c.lose(name) }) }

// PodSpec is a pod to be run.
type PodSpec struct {
	// Name is what answers and timeline call it.
	Name string
	// Tenant's workload says what its requests cost and how long it takes to start.
	Tenant string
	// Node it was bound to.
	Node string
	// Image is pulled once a node, behind the pulls queued there.
	Image string
	// Limit and Request are the CPU limit and request in cores. A Limit of 0 means none.
	Limit, Request float64
	// Warm: its image is there, it starts and is ready at once and needs no warm-up, as the initial replicas of [Serve]'s
	// platform.
	Warm bool
	// Process is the address, host:port on loopback, of a real process that answers for it. Such a pod's image is
	// pulled as any other's; who runs the process then says when it is started and ready. Empty means a virtual pod.
	Process string
	// Notice is told of every phase the pod enters. It must not block and must not call the Ground. Nil is allowed.
	Notice func(Notice)
}

// Notice is a pod's entering a phase.
type Notice struct {
	// Phase is one of the record package's Phase constants, from PhaseScheduled to PhaseDeleted.
	Phase string
	// Message says why, where that is not plain.
	Message string
	// At is the moment on the wall clock.
	At time.Time
	// Pull is how the image comes; set from PhaseScheduled on.
	Pull Pull
}

// Pull is how an image came to its node.
type Pull struct {
	// Present: it was there already.
	Present bool
	// Took is the pull's own time, zero if another pod's pull brought it; Waited is all the time this pod waited for it.
	// Both are platform time.
	Took, Waited time.Duration
}

// Pod is a pod on a Ground.
type Pod struct {
	g *Ground
	p *pod
}

// RunPod puts a pod onto its node and sets it on its way. An error means that there is no such node or tenant.
func (g *Ground) RunPod(spec PodSpec) (*Pod, error) {
	handle, k := &Pod{g: g}, &g.s.clock
	var err error
	alive := k.act(func(c *core) {
		handle.p, err = c.place(spec, handle, func(p *pod, phase, message string) {
			if spec.Notice != nil {
				spec.Notice(Notice{Phase: phase, Message: message, At: k.wall(p.c.now).Round(0), Pull: p.fetched})
			}
		})
	})
	if !alive {
		err = errOver
	}
	if err != nil {
		return nil, err
	}
	return handle, nil
}

// Started says that the pod's process runs.
func (p *Pod) Started() { p.act(func(v *pod) { v.start() }) }

// Ready says whether the pod's process is ready.
func (p *Pod) Ready(ready bool) {
	p.act(func(v *pod) {
		switch {
		case ready && !v.ready && !v.leaving:
			v.becomeReady()
		case !ready && v.ready:
			v.unready()
		}
	})
}

// InRotation says whether the balancer sends the pod requests.
func (p *Pod) InRotation(in bool) { p.act(func(v *pod) { v.rotate(in) }) }

// Terminate asks the pod to go. It goes (PhaseDeleted) as soon as it is out of rotation and its requests are finished,
// and after grace in any case, its connections cut.
func (p *Pod) Terminate(grace time.Duration) { p.act(func(v *pod) { v.terminate(grace) }) }

// Kill ends the pod now.
func (p *Pod) Kill(why string) { p.act(func(v *pod) { v.kill(why) }) }

func (p *Pod) act(f func(*pod)) {
	p.g.s.clock.act(func(*core) {
		if !p.p.dead {
			f(p.p)
		}
	})
}

// Usage is what a running pod has used.
type Usage struct {
	Pod *Pod
	// At is the moment on the wall.
	At time.Time
	// CPU is used since the start, Memory the working set in bytes.
	CPU    time.Duration
	Memory int64
}

// Usage appends the running virtual pods' usage to list, all of this moment. Whoever runs a process knows its usage better.
func (g *Ground) Usage(list []Usage) []Usage {
	k := &g.s.clock
	k.look(func(c *core) {
		at := k.wall(c.now).Round(0)
		c.each(func(p *pod) {
			if p.process == "" && p.handle != nil {
				list = append(list, Usage{p.handle, at, time.Duration(p.used * 1e9), int64(p.memory())})
			}
		})
	})
	return list
}

// Readings appends what the kubelets read last of the running virtual pods, each at a moment of its own: what a scrape of
// the nodes finds, for it does not make them look anew.
func (g *Ground) Readings(list []Usage) []Usage {
	k := &g.s.clock
	k.look(func(c *core) {
		c.each(func(p *pod) {
			if p.process == "" && p.handle != nil {
				list = append(list, Usage{p.handle, k.wall(p.reading.At).Round(0), p.reading.CPU, p.reading.Memory})
			}
		})
	})
	return list
}
