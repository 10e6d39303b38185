// Command same fires one surge at life's speed at both platforms of the house, the embedded one (`ansturm lab`) and the real
// control plane (`ansturm-lab`), one after the other and with the same seed, and holds the replicas of the two records against
// each other, tenant by tenant and second by second. The embedded platform stands in for a cluster in every plan; here it
// shows that it may.
//
// It lives under testdata so that ./... leaves it alone: it measures, it is no part of the product. `make same-surge` runs it
// from the top of the source tree.
//
//  1. fire.go: starts the platforms and fires.
//  2. compare.go: two records in, their replicas and how far they go together out.
//  3. chart.go: both in one drawing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ansturm/ansturm/testdata/command"
	"github.com/ansturm/ansturm/testdata/proofs"
)

func main() { command.Main(run) }

// goal is the share of the seconds in which the replicas are to be within one.
const goal = 0.95

// settings is what the command line says.
type settings struct {
	ansturm, lab       string // the binaries
	scenario, platform string
	proofs, chart      string
	dir                string
	fire               bool
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("same", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.ansturm, "ansturm", "bin/ansturm", "the binary that fires, and is the embedded platform")
	flags.StringVar(&s.lab, "lab", "bin/ansturm-lab", "the binary of the real control plane")
	flags.StringVar(&s.scenario, "scenario", "testdata/bench/same/same.yaml", "the surge")
	flags.StringVar(&s.platform, "platform", "testdata/bench/same/same.platform.yaml", "the platform")
	flags.StringVar(&s.proofs, "proofs", "testdata/proofs/same.jsonl", "a JSON line is appended here; empty: nowhere")
	flags.StringVar(&s.chart, "chart", "docs/same-surge.svg", "where to draw the chart; empty: nowhere")
	flags.StringVar(&s.dir, "keep", "", "keep the records in this folder")
	flags.BoolVar(&s.fire, "fire", true, "fire; if not, compare the records in -keep")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if !s.fire && s.dir == "" {
		return s, errors.New("-fire=false: -keep says where the records are")
	}
	return s, nil
}

// proof is a line of testdata/proofs/same.jsonl. Counts are of tenants and seconds.
type proof struct {
	Date    string  `json:"date"`
	Commit  string  `json:"commit"`
	CPUs    int     `json:"cpus"`
	Seed    uint64  `json:"seed"`
	Seconds int     `json:"seconds"`
	Goal    float64 `json:"goal"`
	together
	Tenants []together `json:"tenants"`
	Valid   bool       `json:"valid"` // both runs
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "same:", err)
		return 2
	}
	p, err := s.prove(ctx, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "same:", err)
		return 1
	}
	if p.Ready < goal {
		return 1
	}
	return 0
}

// prove fires, compares, draws and writes the proof down.
func (s settings) prove(ctx context.Context, stdout, stderr io.Writer) (p proof, err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "ansturm-same-"); err != nil {
			return p, err
		}
		defer os.RemoveAll(s.dir)
	}
	commit := proofs.Commit()
	if s.fire {
		if err := s.fireAtBoth(ctx, stderr); err != nil {
			return p, err
		}
	}
	embedded, err := readSide(filepath.Join(s.dir, embeddedDir))
	if err != nil {
		return p, err
	}
	cluster, err := readSide(filepath.Join(s.dir, clusterDir))
	if err != nil {
		return p, err
	}
	total, tenants, err := compare(embedded, cluster)
	if err != nil {
		return p, err
	}
	p = proof{
		Date: cluster.began.UTC().Format(time.DateOnly), Commit: commit, CPUs: runtime.NumCPU(), Seed: cluster.seed,
		Seconds: cluster.seconds, Goal: goal, together: total, Tenants: tenants, Valid: embedded.valid && cluster.valid,
	}
	p.print(stdout)
	if s.chart != "" {
		if err := os.WriteFile(s.chart, draw(embedded, cluster, tenants), 0o644); err != nil {
			return p, err
		}
	}
	if !s.fire {
		return p, nil
	}
	return p, proofs.Append(s.proofs, p)
}

// print says it to a person.
func (p *proof) print(w io.Writer) {
	fmt.Fprintf(w, "replicas within one of each other, in %d seconds:\n", p.Seconds)
	for _, t := range append(p.Tenants, p.together) {
		name := t.Tenant
		if name == "" {
			name = "all"
		}
		fmt.Fprintf(w, "  %-10s ready %5.1f %%, created %5.1f %%, ready within a sync period %5.1f %%, on average %+.2f ready ones in the embedded platform\n",
			name, 100*t.Ready, 100*t.Current, 100*t.ReadyNearby, t.Difference)
	}
	if !p.Valid {
		fmt.Fprintln(w, "  one of the runs is not valid: what they felt is the machine's, what was scaled may be")
	}
}
