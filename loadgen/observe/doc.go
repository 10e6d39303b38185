// Package observe watches what a Kubernetes cluster does during a run and writes it as the run's timeline, in the same
// words as the embedded platform, so that fits, verdicts and reports read either.
//
// The way of a change:
//
//	API server → line (survives disconnects, knows gaps) → table (what changed, told once) → moment (when, within what
//	bounds) → timeline
//
// and beside it metrics.k8s.io is polled, a Prometheus may be asked and targets' metrics may be scraped.
//
// client-go's reflectors are used without its informers: a reflector hands a change over in the moment it arrives, which
// is evidence here, and tells a relist from a change; an informer queues it behind a lock and hides the relist. Objects
// are trimmed before they are kept.
//
// Times are honest: a watch gives the moment of arrival, most stamps in objects have whole seconds. An event's At is the
// best estimate and Within holds the truth, as far as the cluster's clock agrees with ours; by how much it does not is
// recorded too. Whatever happened while the watching was interrupted is marked late, and the interruption is an event of
// its own (a gap). Only get, list and watch are needed, see [RBAC].
package observe
