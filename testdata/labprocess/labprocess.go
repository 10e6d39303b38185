// Package labprocess keeps ansturm-lab, the real control plane, as a process beside a program that measures it: it is
// started, it says in one line of JSON that it is ready, and it ends when it is asked to.
package labprocess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long a lab may take to end, and then its children to let go of its output.
const patience = 3 * time.Minute

// Lab is a lab that stands.
type Lab struct {
	process *exec.Cmd
	ended   chan error
	said    chan struct{} // closed when all of its output is read
}

// Start starts a lab with these arguments and --json, and decodes its ready line into ready. The context bounds the wait
// for that line; the lab itself stays until Stop. What it says on the way goes to stderr.
func Start(ctx context.Context, stderr io.Writer, ready any, program string, args ...string) (*Lab, error) {
	out, in := io.Pipe()
	l := &Lab{process: exec.Command(program, append(args, "--json")...), ended: make(chan error, 1), said: make(chan struct{})}
	l.process.Stdout, l.process.Stderr, l.process.WaitDelay = in, stderr, patience
	if err := l.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		err := l.process.Wait()
		_ = in.Close()
		l.ended <- err
	}()
	line := make(chan error, 1)
	go func() {
		line <- json.NewDecoder(out).Decode(ready)
		_, _ = io.Copy(io.Discard, out)
		close(l.said)
	}()
	var err error
	select {
	case err = <-line:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("no ready line of %s: %w", program, err), l.Stop())
	}
	return l, nil
}

// Stop asks the lab to end and waits until it has; one that does not end is killed. The error is that of its end.
func (l *Lab) Stop() error { return l.stop(patience) }

func (l *Lab) stop(patience time.Duration) error {
	_ = l.process.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	kill := time.AfterFunc(patience, func() { _ = l.process.Process.Kill() })
	defer kill.Stop()
	err := <-l.ended
	<-l.said
	if err != nil {
		return fmt.Errorf("%s: %w", l.process.Path, err)
	}
	return nil
}
