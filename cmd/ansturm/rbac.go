package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/fleet/place"
	"github.com/ansturm/ansturm/loadgen/observe"
)

func (a *app) rbacCommand() *cobra.Command {
	var verify bool
	var workers string
	c := &cobra.Command{
		Use:   "rbac",
		Short: "Print the rights in a cluster that run --kube-context needs",
		Long: `Prints a namespace, a service account, a ClusterRole and its binding as YAML. They only read: get, list and watch.
Nothing is sent to any cluster.

--verify adds what verify --kube-context writes: autoscalers, and the scale of Deployments. --workers adds the Job, the
Secret and the pods of run --workers-on kubernetes, in one namespace.`,
		Example: "  ansturm rbac | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := observe.RBAC
			if verify {
				text += "---\n" + cluster.RBAC
			}
			if workers != "" {
				text += "---\n" + place.RBAC(workers)
			}
			if !a.json {
				_, err := fmt.Fprint(a.stdout, text)
				return err
			}
			var list []json.RawMessage
			for doc := range strings.SplitSeq(text, "\n---\n") {
				object, err := yaml.YAMLToJSON([]byte(doc))
				if err != nil {
					return fmt.Errorf("rbac: %w", err)
				}
				list = append(list, object)
			}
			return a.printJSON(list)
		},
	}
	c.Flags().StringVar(&workers, "workers", "", "also the rights that run --workers-on kubernetes needs in this namespace")
	c.Flags().BoolVar(&verify, "verify", false, "also the rights to write that verify --kube-context needs")
	return c
}
