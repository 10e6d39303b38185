// Command nginx fires the main job's 600,000 arrivals at a server of somebody else, nginx as Debian ships it, and then holds
// the record against the server's own access log: what the one says was completed, the other must have accepted, and the
// other way round. The embedded platform does the same in every run (record.Account); here the second witness has no
// line of code in common with the first.
//
// It lives under testdata so that ./... leaves it alone: it measures, it is no part of the product. `make nginx` runs it
// from the top of the source tree, `make test` a small version of it.
//
//  1. scenario.go: makes a shorter briefwahl of the library's, since only the embedded platform can go faster than life.
//  2. server.go, config.go: starts nginx with a configuration of its own, and stops it so that its log is whole.
//  3. trouble.go: what may be done to nginx while the shots fly.
//  4. log.go, agree.go: reads the log and says where it and the record differ.
//  5. proof.go: a JSON line in testdata/proofs/nginx.jsonl.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/testdata/command"
	"github.com/ansturm/ansturm/testdata/proofs"
)

func main() { command.Main(run) }

// settings is what the command line says.
type settings struct {
	only       string
	arrivals   int64
	over       time.Duration
	ansturm    string // the binary under test
	proofsFile string
	install    bool
	keep       string // a folder to keep the records in; empty keeps none
}

// The cases: nginx left in peace, nginx that closes connections early, and with everything in allTroubles.
const (
	calm     = "calm"
	closing  = "closing"
	troubled = "trouble"
)

var caseNames = []string{calm, closing, troubled}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("nginx", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.only, "only", "", "one case: "+strings.Join(caseNames, ", ")+" (default: all)")
	flags.Int64Var(&s.arrivals, "arrivals", 600_000, "arrivals of the calm case; a tenth of them in the others")
	flags.DurationVar(&s.over, "over", 5*time.Minute, "length of the calm case; a fifth of it in the others")
	flags.StringVar(&s.ansturm, "ansturm", "bin/ansturm", "the binary under test")
	flags.StringVar(&s.proofsFile, "proofs", "testdata/proofs/nginx.jsonl", "JSON lines are appended here; empty: nowhere")
	flags.BoolVar(&s.install, "install", true, "install nginx where it is missing (root on Debian)")
	flags.StringVar(&s.keep, "keep", "", "keep records and logs in this folder")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.only != "" && !slices.Contains(caseNames, s.only) {
		return s, fmt.Errorf("-only %s: there are %s", s.only, strings.Join(caseNames, ", "))
	}
	if s.arrivals < 1000 || s.arrivals > 10_000_000 || s.over < 10*time.Second || s.over > time.Hour {
		return s, errors.New("-arrivals must be between 1,000 and 10,000,000, -over between 10s and 1h")
	}
	return s, nil
}

// cases are the runs that settings ask for.
func (s settings) cases() []duel {
	all := []duel{
		{name: calm, arrivals: s.arrivals, over: s.over},
		{name: closing, arrivals: s.arrivals / 10, over: s.over / 5, closing: true},
		{name: troubled, arrivals: s.arrivals / 10, over: s.over / 5, troubles: allTroubles},
	}
	return slices.DeleteFunc(all, func(d duel) bool { return s.only != "" && s.only != d.name })
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "nginx:", err)
		return 2
	}
	program, err := findNginx(ctx, s.install, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "nginx:", err)
		return 2
	}
	agreed := true
	for _, d := range s.cases() {
		d.nginx, d.stderr, d.hurry = program, stderr, 1
		p, err := s.prove(ctx, d)
		if err != nil {
			fmt.Fprintf(stderr, "nginx: %s: %v\n", d.name, err)
			return 1
		}
		p.print(stdout)
		agreed = agreed && p.Agree
	}
	if !agreed {
		return 1
	}
	return 0
}

// prove runs one case and writes its proof down.
func (s settings) prove(ctx context.Context, d duel) (p proof, err error) {
	if d.ansturm, err = filepath.Abs(s.ansturm); err != nil {
		return p, err
	}
	d.dir = s.keep
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "ansturm-nginx-"); err != nil {
			return p, err
		}
		defer os.RemoveAll(d.dir)
	} else if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return p, err
	}
	fired := proofs.Commit()
	if p, err = d.fight(ctx); err != nil {
		return p, err
	}
	p.Commit = fired
	return p, proofs.Append(s.proofsFile, p)
}
