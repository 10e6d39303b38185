// Package controlplane runs an unmodified Kubernetes control plane on loopback: etcd, the API server, the controllers
// that a tenant platform needs, the scheduler.
//
// Everything is in one process but the API server, which is the same binary executed again: so a run can have it killed
// and see it come back ([Plane] starts it again, on the same port, over the same store), and it dies with its parent.
// The controllers are imported one by one instead of as the controller manager's and the scheduler's commands: that leaves
// 230 of 2,480 packages out of the build (the API server alone needs most of the rest), and they share one cache.
//
// The steps of a start:
//
//	state folder → certificates, tokens → etcd (on a Unix socket) and API server at the same time → readyz
//	→ controllers and scheduler, each under the user that it is in a cluster, so that RBAC is the real one
package controlplane
