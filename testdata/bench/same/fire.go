package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ansturm/ansturm/testdata/labprocess"
)

// The records' folders.
const (
	embeddedDir = "lab"
	clusterDir  = "kubernetes"
)

const (
	// settling is from the ready line to the surge: by then the first pods have samples, as those of the embedded platform
	// have from its start.
	settling = 75 * time.Second
	// patience is how long a program may take to end when it is asked to.
	patience = time.Minute
)

func (s settings) fireAtBoth(ctx context.Context, stderr io.Writer) error {
	if err := s.fireAtCluster(ctx, stderr); err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	if err := s.fireAt(ctx, stderr, embeddedDir, "--lab", "--speed", "1"); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// fireAt runs `ansturm run` with these flags. That the generator was the limit is the record's to say.
func (s settings) fireAt(ctx context.Context, stderr io.Writer, dir string, flags ...string) error {
	args := append([]string{"run", s.scenario, "--platform", s.platform, "-o", filepath.Join(s.dir, dir)}, flags...)
	cmd := exec.CommandContext(ctx, s.ansturm, args...)
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, patience
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	fmt.Fprintf(stderr, "%s %s: firing\n", time.Now().Format(time.TimeOnly), dir)
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 4 {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	return ctx.Err()
}

// fireAtCluster starts the real control plane, fires at it, and stops it.
func (s settings) fireAtCluster(ctx context.Context, stderr io.Writer) (err error) {
	var ready struct {
		Kubeconfig string   `json:"kubeconfig"`
		Contexts   []string `json:"contexts"`
	}
	lab, err := labprocess.Start(ctx, stderr, &ready, s.lab, s.platform)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Stop()) }()
	if len(ready.Contexts) == 0 {
		return fmt.Errorf("the ready line of %s names no context", s.lab)
	}
	select {
	case <-time.After(settling):
	case <-ctx.Done():
		return ctx.Err()
	}
	observer := ready.Contexts[len(ready.Contexts)-1]
	return s.fireAt(ctx, stderr, clusterDir, "--kubeconfig", ready.Kubeconfig, "--kube-context", observer)
}
