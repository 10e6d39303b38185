// Command figures measures what ansturm-lab costs: how long it takes until a platform stands, what memory it then holds
// and what processor time it takes while nothing happens, with the demo's platform and with 60 nodes and 1,000 pods.
//
// Each figure is a median of several starts, the load of the machine beside it. One line for each platform is appended to
// testdata/proofs/lab.jsonl.
package main

import (
	"context"
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

// The limits of docs and issues: none of the figures may be above.
const (
	mostSeconds  = 10
	mostResident = 700 // MB
	mostIdle     = 10  // percent of a core
)

// proof is a line of testdata/proofs/lab.jsonl.
type proof struct {
	At       time.Time `json:"at"`
	Commit   string    `json:"commit"`
	Platform string    `json:"platform"`
	Nodes    int       `json:"nodes"`
	Tenants  int       `json:"tenants"`
	Pods     int       `json:"pods"`
	// Ready is the median time from the program's start to its ready line, Starts are all of them.
	Ready  float64   `json:"ready_seconds"`
	Starts []float64 `json:"starts_seconds"`
	// Loads are the machine's load averages over the minute before each start; Work is the median processor time until ready.
	Loads []float64 `json:"loads"`
	Work  float64   `json:"work_seconds"`
	// Resident is the resident memory of both processes together, what they share counted twice; Own has it counted once,
	// Most is the largest that they ever held.
	Resident float64 `json:"resident_mb"`
	Own      float64 `json:"own_mb"`
	Most     float64 `json:"most_mb"`
	// Idle is the share of one core that both take while nothing happens.
	Idle float64 `json:"idle_percent"`
}

func (p proof) within() bool {
	return p.Ready <= mostSeconds && p.Resident <= mostResident && p.Idle <= mostIdle
}

func (p proof) String() string {
	verdict := "within the limits"
	if !p.within() {
		verdict = fmt.Sprintf("NOT within the limits: %d s, %d MB, %d %%", mostSeconds, mostResident, mostIdle)
	}
	return fmt.Sprintf("%s: %d nodes, %d tenants, %d pods: ready after %.1f s (%.1f, loads %.1f; %.1f s of processor time), resident %.0f MB (%.0f with what is shared counted once, %.0f at the most), idle %.1f %% of a core: %s",
		p.Platform, p.Nodes, p.Tenants, p.Pods, p.Ready, p.Starts, p.Loads, p.Work, p.Resident, p.Own, p.Most, p.Idle, verdict)
}

// session is what all starts have in common.
type session struct {
	lab         string
	starts      int
	rest, watch time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s session
	flags := flag.NewFlagSet("figures", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.lab, "lab", "../../bin/ansturm-lab", "the binary under test")
	flags.IntVar(&s.starts, "starts", 5, "how many starts of each platform")
	flags.DurationVar(&s.rest, "rest", time.Minute, "from ready to the beginning of idleness")
	flags.DurationVar(&s.watch, "watch", time.Minute, "how long idleness is watched")
	only := flags.String("only", "", "only the platform of that name: briefwahl or large")
	file := flags.String("proofs", "../../testdata/proofs/lab.jsonl", "lines are appended here; empty: nowhere")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	dir, err := os.MkdirTemp("", "figures-")
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 5
	}
	defer func() { _ = os.RemoveAll(dir) }()
	large := filepath.Join(dir, "large.platform.yaml")
	if err := os.WriteFile(large, []byte(largePlatform()), 0o600); err != nil {
		fmt.Fprintln(stderr, err)
		return 5
	}
	code := 0
	for _, platform := range []struct{ name, argument string }{{"briefwahl", "briefwahl"}, {"large", large}} {
		if *only != "" && *only != platform.name {
			continue
		}
		p, err := s.measure(ctx, platform.argument)
		if err == nil {
			p.Platform = platform.name
			err = proofs.Append(*file, p)
		}
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 5
		}
		fmt.Fprintln(stdout, p)
		if !p.within() {
			code = 1
		}
	}
	return code
}

// largePlatform is 60 nodes with 1,000 pods of 100 tenants.
func largePlatform() string {
	var tenants []string
	for n := range 100 {
		tenants = append(tenants, fmt.Sprintf("tenant-%d", n+1))
	}
	return `name: large
pools: [{name: vm, count: 60, capacity: {cpu: 16, memory: 64Gi}, reserved: {cpu: 500m, memory: 2Gi}}]
workloads:
  - name: antrag
    tenants: [` + strings.Join(tenants, ", ") + `]
    resources: {requests: {cpu: 500m, memory: 512Mi}, limits: {cpu: 500m, memory: 512Mi}}
    replicas: 10
    hpa:
      minReplicas: 10
      maxReplicas: 20
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
    start: {pull: {fixed: 3s}, start: {fixed: 1s}, ready: {fixed: 2s}}
    steps: {submit: {cpu: {fixed: 150ms}, accepts: true}}
`
}

// measure starts the lab again and again, and watches the last one while it idles.
func (s session) measure(ctx context.Context, platform string) (proof, error) {
	p := proof{At: time.Now().UTC(), Commit: proofs.Commit()}
	var work []float64
	for n := range s.starts {
		load, err := loadAverage()
		if err != nil {
			return p, err
		}
		l, err := start(ctx, s.lab, platform)
		if err != nil {
			return p, err
		}
		p.Nodes, p.Tenants, p.Pods = l.Nodes, l.Tenants, l.Pods
		p.Starts, p.Loads, work = append(p.Starts, l.took.Seconds()), append(p.Loads, load), append(work, l.busy().Seconds())
		if n == s.starts-1 {
			err = s.idle(ctx, l, &p)
		}
		if err := l.stop(err); err != nil {
			return p, err
		}
	}
	p.Ready, p.Work = median(p.Starts), median(work)
	return p, nil
}

// idle lets the lab rest, and then watches it.
func (s session) idle(ctx context.Context, l *lab, p *proof) error {
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(s.rest); err != nil {
		return err
	}
	before, begun := l.busy(), time.Now()
	if err := wait(s.watch); err != nil {
		return err
	}
	p.Idle = 100 * (l.busy() - before).Seconds() / time.Since(begun).Seconds()
	for _, pid := range l.pids() {
		resident, own, most, err := memory(pid)
		if err != nil {
			return err
		}
		p.Resident, p.Own, p.Most = p.Resident+resident, p.Own+own, p.Most+most
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
