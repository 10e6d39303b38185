// Package differential holds planner/hpa against the controller it stands for: the unmodified HorizontalPodAutoscaler
// controller of Kubernetes runs in a bubble of virtual time (testing/synctest), its clients and informers are a plant
// that plays a random world, and every sync of planner/hpa on the same world must come to the same: count written, cause,
// conditions with their reasons, events, errors, and what the metrics stand at in the status.
//
// A world is plain data drawn from a seed, so that a difference can be minimised and played again:
//
//	draw a world → play it to both → on a difference drop whatever it does not need → print it as JSON
//
// What the plant plays that is not the autoscaler's own doing: conflicts on the write of the scale (rule 21), scales and
// statuses that cannot be read or written, edits of the spec, restarts of the controller (rule 2), objects deleted and
// made anew, metrics APIs that take their time within a sync, and a rival whose selector finds the same pods, or some of
// them (rule 6). Rules are those of docs/autoscaler.md, as in planner/hpa.
//
// The folder mutate has the tool that changes planner/hpa in every small way and shows that some test notices.
package differential
