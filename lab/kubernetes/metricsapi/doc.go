// Package metricsapi is the aggregated metrics.k8s.io of the lab: what metrics-server is in a cluster, by the same rules
// (planner/hpa's Meter), fed by a function instead of by kubelets.
//
// The real one is not used because a release of it fits one release of Kubernetes only, and because its scraper speaks to
// kubelets, which the lab does not have.
//
// The way of a sample:
//
//	scrape each Resolution → after Lag into the Store → the rate over the last two samples of a container
//	→ the API server's aggregator (which has authenticated and authorised the caller) → HPA controller, kubectl top
package metricsapi
