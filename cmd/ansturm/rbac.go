package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/ansturm/ansturm/loadgen/observe"
)

func (a *app) rbacCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rbac",
		Short: "Print the rights in a cluster that run --kube-context needs",
		Long: `Prints a namespace, a service account, a ClusterRole and its binding as YAML. They only read: get, list and watch.
Nothing is sent to any cluster.`,
		Example: "  ansturm rbac | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !a.json {
				_, err := fmt.Fprint(a.stdout, observe.RBAC)
				return err
			}
			var list []json.RawMessage
			for doc := range strings.SplitSeq(observe.RBAC, "\n---\n") {
				object, err := yaml.YAMLToJSON([]byte(doc))
				if err != nil {
					return fmt.Errorf("rbac: %w", err)
				}
				list = append(list, object)
			}
			return a.printJSON(list)
		},
	}
}
