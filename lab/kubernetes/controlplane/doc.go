// Package controlplane runs an unmodified Kubernetes control plane on loopback: etcd, the API server, the controllers
// that a tenant platform needs, the scheduler.
//
// Everything is in one process but the API server, which is the same binary executed again: so a run can have it killed
// and see it come back ([Plane] starts it again, on the same port, over the same store), and it dies with its parent.
// The controllers are imported one by one instead of as the controller manager's and the scheduler's commands: that leaves
// 230 of 2,480 packages out of the build, and they share one cache. What is left cannot be cut without another code than
// Kubernetes' own: the API server's command alone brings 817 packages, etcd 91, the garbage collector 58, the scheduler 48,
// all other controllers together 20.
//
// The steps of a start:
//
//	state folder → certificates, tokens → etcd (on a Unix socket) and API server at the same time → readyz
//	→ the makers: scheduler and controllers without which no pod comes about, each under the user that it is in a cluster,
//	so that RBAC is the real one → (the caller brings its platform in) → Follow: the others → Settled: life begins
package controlplane
