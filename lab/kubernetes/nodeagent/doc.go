// Package nodeagent is the kubelet of all the lab's nodes in one process. It keeps the nodes ready, runs the pods that the
// scheduler binds to them, each as a virtual pod of package lab or as a real process under a CPU quota, says what becomes of
// them as a kubelet does, and has lab's balancer follow the EndpointSlices.
//
// The way of a pod, each stage in the journal with the moment at which it came about:
//
//	bound (the watch shows it) → pulled → started → ready          package lab's physics, or the process's own
//	→ endpoint (an EndpointSlice holds it as ready) → rotation (the balancer sends it requests) → serving (the first came)
//	→ terminating (it was deleted) → stopped (within its grace) → deleted (its object is gone)
//
// What is watched arrives in one goroutine a kind. What a pod does is worked off by one of a few workers, what the API server
// is told of it by one of a few writers, a pod's own matters always by the same ones and in order: an API server that is away
// holds up the news of pods, not the pods, and the news say when it was.
package nodeagent
