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
	// Fleet may run a fleet's workers in [FleetNamespace], and nothing else.
	Fleet = "ansturm:fleet"
	// Agent runs the nodes.
	Agent = "ansturm:node-agent"
)

// The users of the parts that are no controller with an account of its own.
const (
	userManager   = "system:kube-controller-manager"
	userScheduler = "system:kube-scheduler"
)

// users are every user's groups, separated by commas.
func users() map[string]string {
	const masters, accounts = "system:masters", "system:serviceaccounts,system:serviceaccounts:kube-system"
	all := map[string]string{Admin: masters, Agent: masters, Observer: "ansturm:observers", Fleet: "ansturm:fleets"}
	for _, controller := range table {
		all[controller.user] = accounts
	}
	all[userManager], all[userScheduler] = masters, "" // the first owns the cache that all controllers share
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
