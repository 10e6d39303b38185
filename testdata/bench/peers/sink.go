package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sink is a running server of ours.
type sink struct {
	url    string
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	record string // file of what it saw; empty: it keeps none
}

// account is what a sink says at its end.
type account struct {
	Answered   int64 `json:"answered"`
	Unrecorded int64 `json:"unrecorded"`
	Unstamped  int64 `json:"unstamped"`
	Bad        int64 `json:"bad"`
	Refused    int64 `json:"refused"`
	MostOpen   int64 `json:"most_open"`
	MostHeld   int64 `json:"most_held"`
	StalledAt  int64 `json:"stalled_from_ns"`
	StalledTo  int64 `json:"stalled_to_ns"`
	requests   []request
}

// request is what the kernel and the sink noted of one request, in nanoseconds of the real-time clock.
type request struct{ sequence, arrival, answer int64 }

// startSink starts the server on its core; record asks for kernel stamps of every request.
func (b *bench) startSink(ctx context.Context, record bool, args ...string) (*sink, error) {
	s := &sink{}
	argv := append([]string{filepath.Join(b.cache, "sink")}, args...)
	if record {
		s.record = filepath.Join(b.dir, "sink.record")
		argv = append(argv, "--record", s.record)
	}
	s.cmd = b.onCPU(ctx, b.sinkCPU, argv)
	s.cmd.Stderr = b.stderr
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 5 * time.Second
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.start(s.cmd); err != nil {
		return nil, fmt.Errorf("start the sink: %w", err)
	}
	s.stdin, s.stdout = stdin, bufio.NewReader(stdout)
	line, err := s.stdout.ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "port ")
	if err != nil || !ok {
		s.stop()
		return nil, fmt.Errorf("the sink says %q instead of its port", line)
	}
	s.url = "http://127.0.0.1:" + port
	return s, nil
}

// stop ends the server and takes its account. It may be called after a failure too.
func (s *sink) stop() (account, error) {
	s.stdin.Close() // that ends it
	out, _ := io.ReadAll(s.stdout)
	if err := s.cmd.Wait(); err != nil {
		return account{}, fmt.Errorf("the sink: %w", err)
	}
	var a account
	if err := json.Unmarshal(out, &a); err != nil {
		return a, fmt.Errorf("the sink's account: %w", err)
	}
	if s.record == "" {
		return a, nil
	}
	defer os.Remove(s.record)
	raw, err := os.ReadFile(s.record)
	if err != nil {
		return a, err
	}
	a.requests, err = readRequests(raw)
	return a, err
}

func readRequests(raw []byte) ([]request, error) {
	if len(raw)%24 != 0 {
		return nil, fmt.Errorf("the sink's record is cut off: %d bytes", len(raw))
	}
	requests := make([]request, len(raw)/24)
	for i := range requests {
		at := func(field int) int64 { return int64(binary.LittleEndian.Uint64(raw[24*i+8*field:])) }
		requests[i] = request{at(0), at(1), at(2)}
	}
	return requests, nil
}
