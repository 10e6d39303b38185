package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what one client's process took.
type usage struct {
	stdout, stderr []byte
	wall           time.Duration
	cpu            time.Duration // user and system, of the process and its children, as wait4 says
	peakKB         int64         // the most resident memory
	disturbed      float64       // percent of the cores that went to others meanwhile, see ticks
	exit           int
}

// onCPU gives the command that runs argv on one processor only, at the priority asked for.
func (b *bench) onCPU(ctx context.Context, cpu int, argv []string) *exec.Cmd {
	before := []string{"-c", strconv.Itoa(cpu)}
	if b.nice != 0 {
		before = append(before, "nice", "-n", strconv.Itoa(b.nice))
	}
	cmd := exec.CommandContext(ctx, "taskset", append(before, argv...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: b.nice != 0}
	return cmd
}

// start starts a command. Where Linux shares processors out by session first (autogroup), nice only counts within a
// session; so the command has a session of its own then, and that is given the priority.
func (b *bench) start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil || b.nice == 0 {
		return err
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid), []byte(strconv.Itoa(b.nice)), 0) // not there: not needed
	return nil
}

// runPinned runs one client to its end, at most for the time given. A client that exits with another code than 0 is no
// error here: some do for a run whose checks failed, Ansturm for one that it holds invalid.
func (b *bench) runPinned(ctx context.Context, argv, env []string, stdin string, most time.Duration) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := b.onCPU(ctx, b.clientCPU, argv)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	before, beforeSink, start := readTicks(b.clientCPU), readTicks(b.sinkCPU), time.Now()
	if err := b.start(cmd); err != nil {
		return usage{}, err
	}
	peak, stop := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	stop()
	u := usage{stdout: stdout.Bytes(), stderr: stderr.Bytes(), wall: time.Since(start), peakKB: <-peak, exit: cmd.ProcessState.ExitCode()}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.disturbed = max(readTicks(b.clientCPU).disturbed(before, u.busy()), readTicks(b.sinkCPU).stolenSince(beforeSink))
	if ctx.Err() != nil {
		return u, fmt.Errorf("%s: %w after %v", filepath.Base(argv[0]), ctx.Err(), most)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return u, err
	}
	return u, nil
}

// busy is the share of one processor that the client took, in percent.
func (u usage) busy() float64 { return 100 * u.cpu.Seconds() / u.wall.Seconds() }

// watchPeak follows a process's own peak of resident memory, ten times a second. wait4's figure would not do: it also
// counts the moment between fork and exec, when the child still is this program.
func watchPeak(pid int) (peak <-chan int64, stop func()) {
	result, quit := make(chan int64, 1), make(chan struct{})
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var most int64
		for {
			most = max(most, readPeak(pid))
			select {
			case <-tick.C:
			case <-quit:
				result <- most
				return
			}
		}
	}()
	return result, func() { close(quit) }
}

func readPeak(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kb
		}
	}
	return 0
}
