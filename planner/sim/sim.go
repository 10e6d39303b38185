// Package sim runs a platform under a surge in virtual time: persons with their patience, pods with their queues and
// the whole way from created to in rotation, the metrics pipeline, the autoscaler, the scheduler, shared back ends and
// the loss of a node.
package sim
