package place

import (
	_ "embed" // for rbac.yaml
	"strings"
)

//go:embed rbac.yaml
var rbac string

// RBAC is the Role in the workers' namespace and its binding that a [Job] needs, as YAML for kubectl apply.
func RBAC(namespace string) string { return strings.ReplaceAll(rbac, "NAMESPACE", namespace) }
