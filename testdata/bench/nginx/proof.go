package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// duel is one run of Ansturm against nginx.
type duel struct {
	name     string
	arrivals int64
	over     time.Duration
	hurry    float64 // see shorten
	troubles []trouble
	closing  bool // nginx closes connections early, see configuration

	ansturm, nginx string // programs
	dir            string // for all files
	stderr         io.Writer
	killed         int // workers
}

// proof is what came of it: a line of testdata/proofs/nginx.jsonl.
type proof struct {
	Date    string   `json:"date"`
	Commit  string   `json:"commit"`
	Server  string   `json:"server"`
	CPUs    int      `json:"cpus"`
	Case    string   `json:"case"`
	Trouble []string `json:"trouble,omitempty"`

	Arrivals    int64            `json:"arrivals"`
	OverSeconds float64          `json:"over_seconds"`
	Seconds     float64          `json:"seconds"` // from the start to the last arrival's end
	Fates       map[string]int64 `json:"fates"`
	Shots       int64            `json:"shots"`
	Outcomes    map[string]int64 `json:"outcomes"`
	Retries     int64            `json:"retries"`
	Connections int64            `json:"connections"`

	LogLines       int64 `json:"log_lines"`
	Accepted       int64 `json:"accepted"`       // different arrivals, in the log
	AcceptedAgain  int64 `json:"accepted_again"` // … more than once
	LogConnections int64 `json:"log_connections"`
	WorkersKilled  int   `json:"workers_killed"`

	Agree       bool     `json:"agree"`
	Differences []string `json:"differences,omitempty"`

	LatenessP50us int64    `json:"lateness_p50_us"`
	LatenessP99us int64    `json:"lateness_p99_us"`
	Valid         bool     `json:"valid"`
	Reasons       []string `json:"reasons,omitempty"`

	warnings []string // the record's, for people
}

func (d *duel) say(format string, args ...any) {
	fmt.Fprintf(d.stderr, time.Now().Format("15:04:05 ")+d.name+": "+format+"\n", args...)
}

// fight starts nginx, fires, stops nginx, and holds the record against the log.
func (d *duel) fight(ctx context.Context) (p proof, err error) {
	if d.dir, err = os.MkdirTemp(d.dir, d.name+"-"); err != nil {
		return p, err
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return p, err
	}
	s, err := startServer(d.nginx, configuration{dir: d.dir, buffered: len(d.troubles) == 0, closing: d.closing})
	if err != nil {
		return p, err
	}
	err = d.fire(ctx, s)
	if err := errors.Join(err, s.stop(syscall.SIGQUIT)); err != nil {
		return p, err
	}
	return d.compare(s)
}

func (d *duel) recordDir() string { return filepath.Join(d.dir, "record") }

// fire runs Ansturm to its end, and makes trouble meanwhile.
func (d *duel) fire(ctx context.Context, s *server) error {
	scenario, err := shorten(d.arrivals, d.over, d.hurry)
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "briefwahl.yaml")
	if err := writeScenario(file, scenario); err != nil {
		return err
	}
	d.say("%d arrivals in %s", d.arrivals, d.over)
	cmd := exec.CommandContext(ctx, d.ansturm, "run", file, "--target", s.url(), "-o", d.recordDir())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = serverPatience
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	firing, over := context.WithCancel(ctx)
	defer over()
	troubled := make(chan error, 1)
	go func() { troubled <- d.makeTrouble(firing, s) }()
	err = cmd.Run()
	over()
	err = errors.Join(<-troubled, notInvalid(err))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	return ctx.Err()
}

// notInvalid lets Ansturm's exit code 4 pass: the generator was the limit, which is the run's own validity and nothing
// that ledger and log may differ for.
func notInvalid(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 4 {
		return nil
	}
	return err
}

// compare reads both sides.
func (d *duel) compare(s *server) (p proof, err error) {
	r, err := record.Open(d.recordDir())
	if err != nil {
		return p, err
	}
	l, err := readRecord(r)
	if err != nil {
		return p, err
	}
	f, err := os.Open(s.accessLog())
	if err != nil {
		return p, err
	}
	defer f.Close()
	b, err := readLog(f, r.Run.ID, r.Run.StartedAt)
	if err != nil {
		return p, err
	}
	return d.proof(r, l, b), nil
}

func (d *duel) proof(r *record.Record, l *ledger, b *logbook) proof {
	run := &r.Run
	p := proof{
		Date: run.StartedAt.UTC().Format(time.DateOnly), Server: nginxVersion(d.nginx), CPUs: runtime.NumCPU(), Case: d.name,
		Arrivals: l.total, OverSeconds: run.Scenario.Arrivals.Over.Seconds(),
		Seconds: math.Round(run.EndedAt.Sub(run.StartedAt).Seconds()*10) / 10, Fates: map[string]int64{},
		Shots: run.Totals.Shots, Outcomes: run.Totals.ByOutcome, Retries: run.Totals.Reloads + run.Totals.ComeBacks,
		Connections: run.Totals.Connections, LogLines: b.lines, Accepted: int64(b.accepted.GetCardinality()), AcceptedAgain: b.again,
		LogConnections: b.connections, WorkersKilled: d.killed, Differences: disagree(l, b, int64(d.killed)),
		LatenessP50us: run.Validity.LatenessP50.Microseconds(), LatenessP99us: run.Validity.LatenessP99.Microseconds(),
		Valid: run.Validity.Valid, Reasons: scenarios.AllIn(run.Validity.Reasons, "en"),
	}
	for f, set := range l.fates {
		p.Fates[record.Fate(f).String()] = int64(set.GetCardinality())
	}
	for _, t := range d.troubles {
		p.Trouble = append(p.Trouble, t.name)
	}
	for _, w := range run.Warnings {
		p.warnings = append(p.warnings, w.Code+": "+w.Text.In("en"))
	}
	p.Agree = len(p.Differences) == 0
	return p
}

// nginxVersion is like nginx/1.22.1.
func nginxVersion(program string) string {
	out, _ := exec.Command(program, "-v").CombinedOutput()
	_, version, _ := strings.Cut(strings.TrimSpace(string(out)), ": ")
	return version
}

// print says it to a person.
func (p proof) print(w io.Writer) {
	agree := "ledger and access log agree"
	if !p.Agree {
		agree = "LEDGER AND ACCESS LOG DISAGREE\n  " + strings.Join(p.Differences, "\n  ")
	}
	validity := "valid"
	if !p.Valid {
		validity = "invalid: " + strings.Join(p.Reasons, "; ")
	}
	fmt.Fprintf(w, "%s, %s: %s\n", p.Case, p.Server, agree)
	fmt.Fprintf(w, "  record: %d arrivals in %.1f s, %v; %d shots, %v; %d retries, %d connections\n", p.Arrivals, p.Seconds, p.Fates, p.Shots, p.Outcomes, p.Retries, p.Connections)
	fmt.Fprintf(w, "  log:    %d lines, %d arrivals accepted, %d times again, %d connections, %d workers killed\n", p.LogLines, p.Accepted, p.AcceptedAgain, p.LogConnections, p.WorkersKilled)
	fmt.Fprintf(w, "  lateness p50 %d µs, p99 %d µs, %s\n", p.LatenessP50us, p.LatenessP99us, validity)
	for _, warning := range p.warnings {
		fmt.Fprintf(w, "  %s\n", warning)
	}
}
