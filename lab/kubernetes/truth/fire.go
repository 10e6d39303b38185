package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ansturm/ansturm/lab/kubernetes/audit"
	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/testdata/labprocess"
)

// seen is a run's record, and the truth: what the cluster wrote down.
type seen struct {
	run     *record.Run
	account *record.Account
	events  []record.Event
	writes  []audit.Write
	pods    map[string]audit.Pod // by namespace/name
	journal []nodeagent.Entry
}

// patience bounds the lab's start.
const patience = 3 * time.Minute

// fire starts a lab, fires at it, and reads what both have written.
func (o *options) fire(ctx context.Context, w *world, stderr io.Writer) (s *seen, err error) {
	if err := errors.Join(os.WriteFile(o.path("world.yaml"), []byte(w.scenario), 0o600),
		os.WriteFile(o.path("world.platform.yaml"), []byte(w.platform), 0o600)); err != nil {
		return nil, err
	}
	l, process, err := o.startLab(ctx, w.lab, stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	args := []string{
		"run", o.path("world.yaml"), "--platform", o.path("world.platform.yaml"), "--kubeconfig", l.Kubeconfig,
		"--kube-context", controlplane.ObserverContext, "--linger", "20s", "-o", o.path("record"),
	}
	for _, arg := range w.run {
		args = append(args, strings.ReplaceAll(arg, "COUNTERS", l.Counters))
	}
	fired := exec.CommandContext(ctx, filepath.Join(o.bin, "ansturm"), args...)
	fired.Cancel = func() error { return fired.Process.Signal(os.Interrupt) }
	fired.Stdout, fired.Stderr = stderr, stderr
	if err := fired.Run(); err != nil && fired.ProcessState.ExitCode() != invalid {
		return nil, fmt.Errorf("ansturm run: %w", err)
	}
	return o.read(l)
}

// invalid is the exit code of a run whose generator was the limit: what was seen of the cluster is true all the same.
const invalid = 4

// readyLine is what a lab says when it stands.
type readyLine struct{ Kubeconfig, Audit, Counters string }

func (o *options) startLab(ctx context.Context, more []string, stderr io.Writer) (*readyLine, *labprocess.Lab, error) {
	ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not ready after %v", patience))
	defer stop()
	l := &readyLine{}
	args := append([]string{o.path("world.platform.yaml"), "--journal", o.path("pods.jsonl"), "--state", o.dir}, more...)
	process, err := labprocess.Start(ctx, stderr, l, filepath.Join(o.bin, "ansturm-lab"), args...)
	return l, process, err
}

// read reads everything while the lab is still there: its audit log goes with it.
func (o *options) read(l *readyLine) (*seen, error) {
	log, err := os.ReadFile(l.Audit)
	if err != nil {
		return nil, err
	}
	s := &seen{}
	writes, writesErr := audit.Read(bytes.NewReader(log))
	pods, podsErr := audit.Pods(bytes.NewReader(log))
	s.writes, s.pods = writes, pods
	if err := errors.Join(writesErr, podsErr, os.WriteFile(o.path("audit.log"), log, 0o600)); err != nil {
		return nil, err
	}
	if s.journal, err = readJournal(o.path("pods.jsonl")); err != nil {
		return nil, err
	}
	rec, err := record.Open(o.path("record"))
	if err != nil {
		return nil, err
	}
	s.run = &rec.Run
	if s.events, err = rec.Timeline(); err != nil {
		return nil, err
	}
	s.account, err = rec.Account()
	return s, err
}

func readJournal(path string) (entries []nodeagent.Entry, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var e nodeagent.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			if !bytes.HasSuffix(line, []byte("\n")) {
				break // half written: the lab still runs
			}
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
