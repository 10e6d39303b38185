package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/reports"
)

func (a *app) gateCommand() *cobra.Command {
	var baseline, junit, lang string
	c := &cobra.Command{
		Use:   "gate RUN",
		Short: "One verdict and one exit code from a run and its promises",
		Long: `Judges the scenario's SLOs on the record. Exits 0 pass, 1 fail, 3 inconclusive (data is missing),
4 invalid (the generator, or the embedded platform's own timers, were the limit).`,
		Example: "  ansturm gate runs/quick --junit verdict.xml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			rec, err := openRecord(args[0])
			if err != nil {
				return err
			}
			var base *record.Record
			if baseline != "" {
				if base, err = openRecord(baseline); err != nil {
					return err
				}
			}
			verdict, err := gate.Judge(rec, base)
			if err != nil {
				return inputError(err, "")
			}
			if junit != "" {
				if err := writeFile(junit, func(w io.Writer) error { return reports.JUnit(w, verdict) }); err != nil {
					return err
				}
			}
			if err := a.print(verdict, func(w io.Writer) error { return reports.VerdictText(w, verdict, lang) }); err != nil {
				return err
			}
			return ended(verdict.Result.ExitCode())
		},
	}
	c.Flags().StringVar(&baseline, "baseline", "", "an earlier run of the same scenario to compare with")
	c.Flags().StringVar(&junit, "junit", "", "write the verdict to this file as JUnit XML")
	addLang(c, &lang, "en")
	return c
}
