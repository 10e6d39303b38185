// Command mutate changes planner/hpa in every small way, one at a time, and shows that some test notices: first the
// package's own tests, then, for the changes that these let pass, the differential test against the controller. What no
// test notices must be in the list of equivalents, with the reason why it changes nothing that anyone can see; the
// command fails unless the survivors are exactly those of the list.
//
//	go run ./differential/mutate -o mutants.jsonl
//
// A mutant is an edit of the source's text at a place that the syntax tree names. All of them go into one binary: each
// function becomes a switch over its copies, one for each of its mutants, and an environment variable says which of them
// is alive; so a mutant costs a run of the tests, not a build. It is compiled through an overlay: no file of the project
// is touched. A mutant that does not compile counts for nothing. Mutants are told apart by function and text, not by line,
// so that the list of equivalents outlives edits elsewhere.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ansturm/ansturm/testdata/command"
	"github.com/ansturm/ansturm/testdata/proofs"
)

func main() { command.Main(run) }

// options are the command's flags.
type options struct {
	root, equivalents, out, only, again string
	worlds                              int
	list                                bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.root, "root", "../..", "the main module's directory")
	flags.StringVar(&o.equivalents, "equivalents", "differential/mutate/equivalents.txt", "the list of mutants that change nothing")
	flags.StringVar(&o.out, "o", "", "append a line of JSON for each mutant to this file")
	flags.StringVar(&o.only, "only", "", "only mutants whose name matches this expression")
	flags.StringVar(&o.again, "again", "", "only the survivors of an earlier -o file")
	flags.IntVar(&o.worlds, "worlds", 3000, "how many worlds the differential test plays to a survivor; 0: it is left out")
	flags.BoolVar(&o.list, "list", false, "only list the mutants")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ok, err := mutate(ctx, o, stdout, stderr)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "mutate:", err)
		return 2
	case !ok:
		return 1
	}
	return 0
}

func mutate(ctx context.Context, o options, stdout, stderr io.Writer) (bool, error) {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return false, err
	}
	mutants, err := mutantsOf(filepath.Join(root, "planner", "hpa"))
	if err != nil {
		return false, err
	}
	if mutants, err = chosen(mutants, o); err != nil {
		return false, err
	}
	if o.list {
		for _, m := range mutants {
			fmt.Fprintf(stdout, "%s:%d: %s\n", m.File, m.Line, m.Name)
		}
		fmt.Fprintf(stderr, "%d mutants\n", len(mutants))
		return true, nil
	}
	known, err := readEquivalents(o.equivalents)
	if err != nil {
		return false, err
	}
	l, err := newLab(ctx, root, o.worlds, mutants)
	if err != nil {
		return false, err
	}
	defer l.close()
	return trial(ctx, l, mutants, known, o, stdout, stderr)
}

// chosen are the mutants that the flags leave.
func chosen(mutants []mutant, o options) ([]mutant, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	again, err := survivorsOf(o.again)
	if err != nil {
		return nil, err
	}
	var out []mutant
	for _, m := range mutants {
		if only.MatchString(m.Name) && (o.again == "" || again[m.Name]) {
			out = append(out, m)
		}
	}
	return out, nil
}

// survivorsOf are the names of those that lived in an earlier run.
func survivorsOf(path string) (map[string]bool, error) {
	if path == "" {
		return nil, nil
	}
	results, err := proofs.Read[result](path)
	out := map[string]bool{}
	for _, r := range results {
		out[r.Name] = r.Fate == survived
	}
	return out, err
}

// trial tries every mutant and holds the survivors against the list.
func trial(ctx context.Context, l *lab, mutants []mutant, known map[string]string, o options, stdout, stderr io.Writer) (bool, error) {
	if err := l.sane(ctx); err != nil {
		return false, err
	}
	fates, unexplained, seen := map[fate]int{}, 0, map[string]bool{}
	for i, m := range mutants {
		f, err := l.try(ctx, m)
		if err != nil {
			return false, err
		}
		fates[f]++
		if err := proofs.Append(o.out, result{mutant: m, Fate: f}); err != nil {
			return false, err
		}
		if f == survived {
			seen[m.Name] = true
			if why := known[m.Name]; why != "" {
				fmt.Fprintf(stdout, "equivalent: %s:%d: %s (%s)\n", m.File, m.Line, m.Name, why)
			} else {
				unexplained++
				fmt.Fprintf(stdout, "SURVIVED: %s:%d: %s\n", m.File, m.Line, m.Name)
			}
		}
		if (i+1)%50 == 0 {
			fmt.Fprintf(stderr, "%d of %d mutants\n", i+1, len(mutants))
		}
	}
	stale := 0
	if o.only == "" && o.again == "" {
		for name := range known {
			if !seen[name] {
				stale++
				fmt.Fprintf(stdout, "listed as equivalent, but killed or not there: %s\n", name)
			}
		}
	}
	able := len(mutants) - fates[stillborn] - (fates[survived] - unexplained)
	fmt.Fprintf(stdout, "%d mutants: %d do not compile, %d killed by the package's tests, %d by the differential test, %d equivalent, %d survived: score %.1f %%\n",
		len(mutants), fates[stillborn], fates[killed], fates[differed], fates[survived]-unexplained, unexplained, 100*float64(able-unexplained)/float64(max(1, able)))
	return unexplained == 0 && stale == 0, nil
}

// readEquivalents reads the list: a mutant's name, a tab, the reason; lines that begin with # are comments.
func readEquivalents(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, why, ok := strings.Cut(line, "\t")
		if !ok || strings.TrimSpace(why) == "" {
			return nil, fmt.Errorf("%s: %q has no reason behind a tab", path, line)
		}
		out[name] = strings.TrimSpace(why)
	}
	return out, nil
}
