// Package cluster is the way to a Kubernetes cluster: kubeconfig and context, the tenants' consent, the addresses they
// are served at, and the Platform as far as a live cluster tells it.
//
// The steps, each before the next:
//
//	Connect (no context, no API server: a clear error) → Consent (a namespace without the label gets not one packet)
//	→ Targets → Platform
//
// A run writes nothing: get, list and watch are enough. A verification on a cluster does:
//
//	Prepare (reads what is there, dry run on the server's side) → [what is there is saved] → Apply → Settled → … → Restore
//
// Only the API groups that are needed are known here, through one REST client for each: the generated clientset would bring
// every group of Kubernetes into the binary.
package cluster
