// Command truth fires a surge at a lab of its own and holds what the run saw of the cluster against what the cluster itself
// wrote down: the API server's audit log and the node agent's journal.
//
//	go run ./truth -case chain       the reaction chain of every scale-up, and the ledger against the platform's account
//	go run ./truth -case throttling  what CPU quotas did to real processes, against the kernel's counters
//
// The way: world (scenario and platform) → start the lab → fire `ansturm run`, as a user would who may only look → keep the
// audit log → stop the lab → compare, a pure function of the files → a line of proof. It fails where the two do not agree.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ansturm/ansturm/testdata/command"
	"github.com/ansturm/ansturm/testdata/proofs"
)

func main() { command.Main(run) }

// options are the command's flags.
type options struct {
	what, bin, dir, proof string
	tenants               int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("truth", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.what, "case", "chain", "chain or throttling")
	flags.StringVar(&o.bin, "bin", "../../bin", "where ansturm, ansturm-lab and burner are")
	flags.StringVar(&o.dir, "o", "", "keep the files in this directory, which must not exist (default: a temporary one)")
	flags.StringVar(&o.proof, "proof", "", "append a line of proof to this file")
	flags.IntVar(&o.tenants, "tenants", 60, "how many tenants the chain's surge meets, at most 200")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := o.prove(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "truth:", err)
		return 1
	}
	return 0
}

// prove fires one case and compares.
func (o *options) prove(ctx context.Context, stdout, stderr io.Writer) error {
	w, err := worldOf(o.what, o.tenants)
	if err != nil {
		return err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "ansturm-truth-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	} else if err := os.Mkdir(o.dir, 0o755); err != nil {
		return err
	}
	begun := time.Now()
	s, err := o.fire(ctx, w, stderr)
	if err != nil {
		return err
	}
	proof := newProof(o.what, begun, s)
	err = w.compare(s, proof)
	fmt.Fprintln(stdout, proof)
	return errors.Join(err, proofs.Append(o.proof, proof))
}

func (o *options) path(name string) string { return filepath.Join(o.dir, name) }
