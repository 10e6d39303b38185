// Package lab is the embedded platform: tenants' virtual pods served over real HTTP on loopback, with a balancer,
// autoscaling, a scheduler, image pulls, warm-up, shared back ends and node loss, so that a whole data centre fits
// into a laptop.
//
// Nothing is burnt: a pod is a processor-sharing server whose work is a timer. All of it is one deterministic event
// core in platform time that knows neither sockets nor the wall clock ([Serve] drives it live, the tests in virtual
// time), so that what the tests prove about the physics is what a live run does.
//
// The way of a request:
//
//	socket → tenant (by port) and step (by header or path) → waiting room, where there is one → balancer: the ready pod with the fewest open requests
//	→ thread or backlog, else 503 → CPU phase (processor sharing under limit and node share) → back ends in order
//	→ application kept (its idempotency key enters the accepted set) → answer
//
// and of the control loop, all in platform time:
//
//	kubelet reads → scrape → served MetricLag later → planner/hpa at each tenant's own phase → pods created or removed
//	→ planner/pack → pull queued on the node → start → ready → balancer EndpointDelay later
//
// That loop is the embedded control plane. A [Ground] is the same platform without it: nodes and pods come from outside,
// which is how package lab/kubernetes/nodeagent puts virtual pods under a real Kubernetes.
//
// Beside the generator there is only one more core, so a request must cost little: fasthttp carries the sockets, one
// lock guards the core, and a completion is one event in a heap of pods, not of requests.
package lab
