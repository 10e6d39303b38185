package controlplane

import (
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"os"
	"strings"
)

// The users of a lab beside its own components.
const (
	// Admin may do everything.
	Admin = "ansturm:admin"
	// Observer may read what a load test watches, and nothing else.
	Observer = "ansturm:observer"
	// Agent runs the nodes.
	Agent = "ansturm:node-agent"
)

const (
	controllerPrefix = "system:serviceaccount:kube-system:"
	masters          = "system:masters"
	controllerGroups = "system:serviceaccounts,system:serviceaccounts:kube-system"
)

// controllerUsers are the service accounts of the controllers, as in a cluster: RBAC's bootstrap roles are bound to them,
// and the audit log names them.
var controllerUsers = []string{
	"clusterrole-aggregation-controller", "deployment-controller", "endpointslice-controller", "generic-garbage-collector",
	"horizontal-pod-autoscaler", "job-controller", "namespace-controller", "node-controller", "pod-garbage-collector",
	"replicaset-controller", "root-ca-cert-publisher", "service-account-controller", "ttl-after-finished-controller",
}

// users are every user's groups, separated by commas.
func users() map[string]string {
	all := map[string]string{
		Admin: masters, Agent: masters, Observer: "ansturm:observers",
		"system:kube-scheduler": "", "system:kube-controller-manager": masters, // caches, and the tokens controller, which is root in a cluster too
	}
	for _, name := range controllerUsers {
		all[controllerPrefix+name] = controllerGroups
	}
	return all
}

// writeTokens gives every user a token, and writes the API server's list of them.
func writeTokens(s *State) (map[string]string, error) {
	f, err := os.OpenFile(s.Path(fileTokens), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tokens, w := map[string]string{}, csv.NewWriter(f)
	for name, groups := range users() {
		tokens[name] = rand.Text()
		if err := w.Write([]string{tokens[name], name, strings.ReplaceAll(name, ":", "-"), groups}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("write tokens: %w", err)
	}
	return tokens, nil
}
