package observe

import _ "embed"

// RBAC is the ClusterRole and its binding that a run against a cluster needs, as YAML for kubectl apply: get, list and
// watch, nothing else. It can be narrowed to Roles in the tenants' namespaces; only nodes need the cluster.
//
//go:embed rbac.yaml
var RBAC string
