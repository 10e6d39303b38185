package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/scenarios"
)

func (a *app) scenarioCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "scenario",
		Short: "The library of scenarios: ls, show, lint, schema",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.scenarioList(), a.scenarioShow(), a.scenarioLint(), a.scenarioSchema())
	return c
}

func (a *app) scenarioList() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "The scenarios that ship",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			entries := scenarios.Library()
			if a.json {
				type row struct {
					Name        string         `json:"name"`
					Title       scenarios.Text `json:"title"`
					Description scenarios.Text `json:"description"`
				}
				rows := make([]row, len(entries))
				for i, e := range entries {
					rows[i] = row{e.Name, e.Title, e.Description}
				}
				return a.printJSON(rows)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			for _, e := range entries {
				fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Title.In("en"))
			}
			return w.Flush()
		},
	}
}

func (a *app) scenarioShow() *cobra.Command {
	var platform bool
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "The file of a scenario that ships, or of its platform, to start from",
		Example: "  ansturm scenario show briefwahl > mine.yaml\n" +
			"  ansturm scenario show briefwahl --platform > mine.platform.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			entry, err := scenarios.Open(args[0])
			if err != nil {
				return inputError(err, "ansturm scenario ls shows those that ship")
			}
			text := entry.YAML
			if platform {
				text = entry.PlatformYAML
			}
			if a.json {
				return a.printJSON(map[string]string{"name": entry.Name, "yaml": string(text)})
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&platform, "platform", false, "show its platform")
	return c
}

func (a *app) scenarioLint() *cobra.Command {
	var platform string
	c := &cobra.Command{
		Use:   "lint SCENARIO",
		Short: "Check a scenario, and with --platform the platform it lands on",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := loadScenario(args[0])
			if err == nil && platform != "" {
				w, err = loadWorld(args[0], platform)
			}
			if err != nil {
				return err
			}
			s := w.scenario
			curve, err := s.Curve()
			if err != nil {
				return inputError(err, "")
			}
			at, rate := curve.Peak()
			if a.json {
				return a.printJSON(map[string]any{
					"name": s.Name, "total": s.Arrivals.Total, "over_seconds": s.Arrivals.Over.Seconds(),
					"tenants": len(s.Tenants.List), "peak_per_second": rate, "peak_at_seconds": at.Seconds(),
				})
			}
			_, err = fmt.Fprintf(a.stdout, "%s: %d arrivals of %d tenants in %s; the peak is %.0f arrivals/s at %s\n",
				s.Name, s.Arrivals.Total, len(s.Tenants.List), scenarios.Span(s.Arrivals.Over, "en"), rate, scenarios.Clock(at))
			return err
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "platform file or library name to check with it")
	return c
}

func (a *app) scenarioSchema() *cobra.Command {
	var platform bool
	c := &cobra.Command{
		Use:   "schema",
		Short: "The JSON Schema of scenario files, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema := scenarios.Schema()
			if platform {
				schema = scenarios.PlatformSchema()
			}
			_, err := a.stdout.Write(schema)
			return err
		},
	}
	c.Flags().BoolVar(&platform, "platform", false, "the schema of platform files")
	return c
}
