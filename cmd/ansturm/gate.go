package main

import (
	"fmt"
	"io"
	"os"

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
			if err := checkLang(lang); err != nil {
				return err
			}
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
			if a.json {
				err = a.printJSON(verdict)
			} else {
				err = reports.VerdictText(a.stdout, verdict, lang)
			}
			if err != nil {
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

func addLang(c *cobra.Command, lang *string, preset string) {
	c.Flags().StringVar(lang, "lang", preset, "language: de or en")
	_ = c.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"de", "en"}, cobra.ShellCompDirectiveNoFileComp))
}

func checkLang(lang string) error {
	if lang != "de" && lang != "en" {
		return inputError(fmt.Errorf("--lang %q: must be de or en", lang), "")
	}
	return nil
}

// writeFile writes a product to a file; what stood there before goes only when the new one is whole. A name that is no
// regular file (a device, a pipe) is written to as it is.
func writeFile(name string, write func(io.Writer) error) error {
	draft := name
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() {
		draft = name + ".draft"
	}
	f, err := os.Create(draft)
	if err != nil {
		return inputError(err, "")
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && draft != name {
		err = os.Rename(draft, name)
	}
	if err != nil {
		if draft != name {
			_ = os.Remove(draft) // the error to tell is the one above
		}
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
