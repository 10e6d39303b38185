package cluster

import _ "embed" // for rbac.yaml

// RBAC is the ClusterRole and its binding that applying and restoring autoscalers needs, beside those of watching, as YAML
// for kubectl apply.
//
//go:embed rbac.yaml
var RBAC string
