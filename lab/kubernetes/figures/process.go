package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ansturm/ansturm/testdata/labprocess"
)

// lab is a lab that stands.
type lab struct {
	process *labprocess.Lab
	said    bytes.Buffer
	took    time.Duration

	// What its ready line says.
	Nodes, Tenants, Pods int
	PID, ServerPID       int
}

// start starts a lab and waits for its ready line.
func start(ctx context.Context, program, platform string) (*lab, error) {
	l := &lab{}
	begun := time.Now()
	process, err := labprocess.Start(ctx, &l.said, l, program, platform)
	if err != nil {
		return nil, errors.Join(err, errors.New(l.said.String()))
	}
	l.process, l.took = process, time.Since(begun)
	return l, nil
}

// stop ends the lab; with an error it gives that, and what the lab said.
func (l *lab) stop(err error) error {
	if err = errors.Join(err, l.process.Stop()); err != nil {
		err = errors.Join(err, errors.New(l.said.String()))
	}
	return err
}

func (l *lab) pids() []int { return []int{l.PID, l.ServerPID} }

// busy is the processor time that both processes have taken.
func (l *lab) busy() (sum time.Duration) {
	for _, pid := range l.pids() {
		var t unix.Timespec
		if unix.ClockGettime(^int32(pid)<<3|unix.CLOCK_PROCESS_CPUTIME_ID, &t) == nil { // clock_getcpuclockid(3)
			sum += time.Duration(t.Nano())
		}
	}
	return sum
}

// memory is a process's resident memory in MB: now, now with what is shared divided among the sharers, at the most ever.
func memory(pid int) (resident, own, most float64, err error) {
	rollup, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, 0, err
	}
	status, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, 0, err
	}
	const mega = 1024 / 1e6
	return rollup["Rss"] * mega, rollup["Pss"] * mega, status["VmHWM"] * mega, nil
}

// kilobytes reads a file of lines like "Rss:  123 kB".
func kilobytes(path string) (map[string]float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "kB" {
			if v, err := strconv.ParseFloat(f[1], 64); err == nil {
				values[strings.TrimSuffix(f[0], ":")] = v
			}
		}
	}
	return values, nil
}

// loadAverage is the machine's over the last minute.
func loadAverage() (float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	return strconv.ParseFloat(first, 64)
}
