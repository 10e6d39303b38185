// Command truth shows how good the planner's predictions are, on platforms that nothing was fitted to before. Each seed draws
// a platform; it is calibrated as `ansturm calibrate` does, a rehearsal is fired, fit.Fit makes a model of the records, and
// planner/sim foresees with that model a surge that is then fired: how far are the two apart?
//
// The platforms are package lab's, request by request in virtual time, which shares no code with planner/sim but the
// autoscaler's rule and the scheduler; or processes that burn CPU under cgroup quotas, governed by a real control plane. What
// the fit and the simulator are told of them is off (see subject).
//
// It lives under testdata so that ./... leaves it alone: it measures, it is no part of the product. `make planner-truth` runs
// it from the top of the source tree.
//
//  1. draw.go, drawplatform.go: a seed's platform and surges.
//  2. person.go, fire.go: a surge on it, and its record; processes.go: the same with processes.
//  3. course.go: what is compared of a surge, fired or foreseen.
//  4. prove.go: one platform, and a line of proof for some.
//  5. table.go: the table of docs/planner-truth.md.
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
	"time"

	"github.com/ansturm/ansturm/testdata/command"
	"github.com/ansturm/ansturm/testdata/proofs"
)

func main() { command.Main(run) }

// kind is a kind of platforms.
type kind struct {
	name string
	// first is the proof's first seed: those before it were looked at while fit and simulator were mended. goal is how many
	// platforms the table wants, piece how many a line of proof has.
	first, goal, piece int64
	draw               func(seed int64) (*subject, error)
}

var kinds = []kind{
	{virtual, 1000, 200, 5, draw},
	{processes, 1000, 5, 1, drawProcesses},
}

// settings is what the command line says.
type settings struct {
	from, to    int64
	seed        int64
	minutes     float64
	proofs, doc string
	keep        string
	kind        kind
	bin         string
}

func parseSettings(args []string, stderr io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("truth", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&s.from, "from", -1, "first seed; -1: after the last one that the proofs have")
	flags.Int64Var(&s.to, "to", -1, "the seed after the last; -1: the proof's own goal")
	flags.Int64Var(&s.seed, "seed", -1, "one platform alone, which is no proof; -1: none")
	flags.Float64Var(&s.minutes, "minutes", 55, "no line of proof is begun after so many")
	flags.StringVar(&s.proofs, "proofs", "testdata/proofs/truth.jsonl", "JSON lines are appended here")
	flags.StringVar(&s.doc, "doc", "docs/planner-truth.md", "the page whose table is made anew; empty: none")
	flags.StringVar(&s.keep, "keep", "", "keep the records in this folder, one for each seed")
	flags.StringVar(&s.bin, "bin", "bin", "where ansturm, ansturm-lab and burner are, for processes")
	name := flags.String("kind", virtual, "the platforms: virtual ones in virtual time, or processes on lab/kubernetes at life's speed")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	at := slices.IndexFunc(kinds, func(k kind) bool { return k.name == *name })
	if at < 0 {
		fmt.Fprintf(stderr, "-kind %s: there are only %s and %s\n", *name, virtual, processes)
		return s, flag.ErrHelp
	}
	s.kind = kinds[at]
	return s, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, stderr)
	if err != nil {
		return 2
	}
	say := func(text string) { fmt.Fprintln(stderr, text) }
	if s.seed >= 0 {
		var t trial
		if t, err = s.try(ctx, s.seed); err == nil {
			say(t.say())
			fmt.Fprintf(stdout, "%+v\n", t)
		}
	} else {
		err = s.prove(ctx, say)
		err = errors.Join(err, s.table(stdout))
	}
	if err != nil {
		say("truth: " + err.Error())
		return 1
	}
	return 0
}

// prove goes through the seeds piece by piece and appends a line of proof for each. What was ended goes on with the first
// piece that is not there.
func (s settings) prove(ctx context.Context, say func(string)) error {
	began, k := time.Now(), s.kind
	lines, err := s.lines()
	if err != nil {
		return err
	}
	done := []proofs.Span{{From: 0, To: k.first}}
	for _, l := range lines {
		done = append(done, proofs.Span{From: l.From, To: l.To})
	}
	commit := proofs.Commit()
	for from, to := range proofs.Pieces(s.from, s.to, k.first+k.goal, k.piece, done) {
		if time.Since(began).Minutes() >= s.minutes {
			break
		}
		say(fmt.Sprintf("seeds %d to %d, after %s", from, to-1, time.Since(began).Round(time.Second)))
		l, err := pieceOf(ctx, s, from, to, say)
		if err != nil {
			return err
		}
		l.Commit, l.Method = commit, truthMethod
		if err := proofs.Append(s.proofs, l); err != nil {
			return err
		}
	}
	return nil
}

// try proves one platform.
func (s settings) try(ctx context.Context, seed int64) (trial, error) {
	x, err := s.kind.draw(seed)
	if err != nil {
		return trial{}, err
	}
	if s.kind.name == processes {
		x.ground = cluster{s.bin, os.Stderr}.fire
	}
	dir := filepath.Join(s.keep, fmt.Sprintf("seed-%d", seed))
	if s.keep == "" {
		if dir, err = os.MkdirTemp("", "ansturm-truth-"); err != nil {
			return trial{}, err
		}
		defer os.RemoveAll(dir)
	}
	return x.prove(ctx, dir, nil)
}
