// Command quota holds the generator's own verdict against a CPU quota that is known: a generator that needs more than its
// control group gives must call its run invalid, one that has enough must not.
//
// It measures what a run costs, then fires the same run again and again in a control group whose quota is a given part of
// that. It needs root and a writable cpu controller (control groups v1 or v2), the sink of testdata/bench, and two processors.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ansturm/ansturm/testdata/command"
	"github.com/ansturm/ansturm/testdata/proofs"
)

func main() { command.Main(run) }

// trial is what all runs have in common.
type trial struct {
	ansturm, sink string
	rate          float64
	length        time.Duration
	nice          int
}

// outcome is one run.
type outcome struct {
	Valid    bool     `json:"valid"`
	Reasons  []string `json:"reasons"`
	Advice   []string `json:"advice"`
	Lateness struct {
		P99 float64 `json:"p99_us"`
	} `json:"lateness"`
	Cores float64 `json:"generator_cores"` // that the generator took while it fired
}

// proof is a line of testdata/proofs/quota.jsonl.
type proof struct {
	At     time.Time `json:"at"`
	Rate   float64   `json:"rate"`
	Demand float64   `json:"demand_cores"`
	// Ratio is the demand over the quota; Runs of which Invalid were called so, Named with the quota as a reason.
	Ratio   float64 `json:"ratio"`
	Runs    int     `json:"runs"`
	Invalid int     `json:"invalid"`
	Named   int     `json:"named"`
	Stolen  int     `json:"stolen"` // further runs that were invalid because the hypervisor took the processors
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var t trial
	flags := flag.NewFlagSet("quota", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&t.ansturm, "ansturm", "bin/ansturm", "the binary under test")
	flags.StringVar(&t.sink, "sink", "bin/peers/sink", "the server, compiled")
	flags.Float64Var(&t.rate, "rate", 10_000, "arrivals a second")
	flags.DurationVar(&t.length, "for", 3*time.Second, "length of a run")
	flags.IntVar(&t.nice, "nice", -20, "priority of client and server")
	over, under := flags.Float64("over", 1.3, "demand over quota at which every run must be invalid"), flags.Float64("under", 0.7, "… and at which none may be")
	invalid, clean := flags.Int("invalid", 30, "runs over the quota"), flags.Int("clean", 100, "runs under it")
	file := flags.String("proofs", "testdata/proofs/quota.jsonl", "lines are appended here; empty: nowhere")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	failed := false
	for _, part := range []struct {
		ratio      float64
		runs, want int
	}{{*over, *invalid, *invalid}, {*under, *clean, 0}} {
		p, err := t.fireUnder(ctx, part.ratio, part.runs, stderr)
		if err != nil {
			fmt.Fprintln(stderr, "quota:", err)
			return 1
		}
		fmt.Fprintf(stdout, "%.0f/s need %.3f cores, %.2f × quota: %d of %d runs invalid, %d name the quota; %d more were the hypervisor's\n", p.Rate, p.Demand, p.Ratio, p.Invalid, p.Runs, p.Named, p.Stolen)
		failed = failed || p.Invalid != part.want
		if err := proofs.Append(*file, p); err != nil {
			fmt.Fprintln(stderr, "quota:", err)
			return 1
		}
	}
	if failed {
		return 1
	}
	return 0
}

// demandRuns is how many runs tell the demand.
const demandRuns = 20

// demand is what runs without a quota took, in cores. The machine's noise only adds to it: where the quota is to be too
// small the least of them counts, else the most.
func (t trial) demand(ctx context.Context, tooSmall bool) (float64, error) {
	var took []float64
	for range demandRuns {
		o, err := t.fire(ctx, "")
		if err != nil {
			return 0, err
		}
		took = append(took, o.Cores)
	}
	if tooSmall {
		return slices.Min(took), nil
	}
	return slices.Max(took), nil
}

// fireUnder fires runs whose demand is that many times their quota.
func (t trial) fireUnder(ctx context.Context, ratio float64, runs int, stderr io.Writer) (proof, error) {
	demand, err := t.demand(ctx, ratio > 1)
	if err != nil {
		return proof{}, err
	}
	p := proof{At: time.Now().UTC().Truncate(time.Second), Rate: t.rate, Demand: demand, Ratio: ratio, Runs: runs}
	group, err := newGroup(demand / ratio)
	if err != nil {
		return p, err
	}
	defer os.Remove(group)
	for i := 0; i < runs; {
		o, err := t.fire(ctx, group)
		if err != nil {
			return p, err
		}
		said := strings.Join(append(o.Reasons, o.Advice...), "; ")
		switch {
		case !o.Valid && ratio < 1 && strings.Contains(said, "hypervisor") && p.Stolen < runs:
			p.Stolen++ // the machine was somebody else's: that says nothing about the quota, and is fired again
		default:
			i++
			if !o.Valid {
				p.Invalid++
			}
			if strings.Contains(said, "quota") {
				p.Named++
			}
		}
		fmt.Fprintf(stderr, "demand %.2f × quota, run %d of %d: valid %v, lateness p99 %.1f ms, %.3f cores %s\n", ratio, i, runs, o.Valid, o.Lateness.P99/1000, o.Cores, said)
	}
	return p, nil
}

// fire fires one run, in the control group if there is one, at a sink of its own.
func (t trial) fire(ctx context.Context, group string) (o outcome, err error) {
	url, stop, err := t.startSink(ctx)
	if err != nil {
		return o, err
	}
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 20*t.length+30*time.Second)
	defer cancel()
	cmd := t.command(ctx, 1, t.ansturm, "fire", url, "--rate", strconv.FormatFloat(t.rate, 'f', -1, 64), "--for", t.length.String(), "--json", "-q")
	if group != "" {
		enter := `echo $$ > "$0" && exec "$@"`
		cmd = exec.CommandContext(ctx, "sh", append([]string{"-c", enter, filepath.Join(group, "cgroup.procs")}, cmd.Args...)...)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := t.start(cmd); err != nil {
		return o, err
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return o, err
	}
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		return o, fmt.Errorf("ansturm: %w: %s", err, said.String())
	}
	return o, nil
}

func (t trial) command(ctx context.Context, cpu int, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(cpu), "nice", "-n", strconv.Itoa(t.nice)}, argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// start starts a command. Where Linux shares processors out by session first (autogroup), the session needs the priority.
func (t trial) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid), []byte(strconv.Itoa(t.nice)), 0) // not there: not needed
	return nil
}

func (t trial) startSink(ctx context.Context) (url string, stop func(), err error) {
	cmd := t.command(ctx, 0, t.sink)
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := t.start(cmd); err != nil {
		return "", nil, fmt.Errorf("the sink (make bench-peers compiles it): %w", err)
	}
	from := bufio.NewReader(out)
	stop = func() {
		_ = in.Close() // that ends it
		_, _ = io.Copy(io.Discard, from)
		_ = cmd.Wait()
	}
	line, err := from.ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "port ")
	if err != nil || !ok {
		stop()
		return "", nil, fmt.Errorf("the sink says %q instead of its port", line)
	}
	return "http://127.0.0.1:" + port + "/", stop, nil
}

// period is that of the quotas, the kernel's own default.
const period = 100 * time.Millisecond

// newGroup makes a control group that gives that many cores, version 2 or 1.
func newGroup(cores float64) (string, error) {
	quota, name := int64(cores*float64(period.Microseconds())), fmt.Sprintf("ansturm-quota-%d", os.Getpid())
	limits, root := map[string]string{"cpu.max": fmt.Sprintf("%d %d", quota, period.Microseconds())}, "/sys/fs/cgroup"
	if _, err := os.Stat("/sys/fs/cgroup/cpu"); err == nil {
		root += "/cpu"
		limits = map[string]string{"cpu.cfs_quota_us": strconv.FormatInt(quota, 10)}
	}
	group := filepath.Join(root, name)
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("control groups are not ours to write: %w", err)
	}
	for file, value := range limits {
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0); err != nil {
			return "", errors.Join(fmt.Errorf("control group: %w", err), os.Remove(group))
		}
	}
	return group, nil
}
