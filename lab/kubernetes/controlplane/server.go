package controlplane

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A dead API server is started again at once; one that lived shorter than quick is given pause first.
const (
	quick     = 5 * time.Second
	pause     = time.Second
	graceTerm = 3 * time.Second
)

// keepServer runs the API server and starts it again whenever it ends, until ctx ends. The thread is locked: the kernel
// counts the thread that started a child as its parent.
func (p *Plane) keepServer(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dozily()
	for ctx.Err() == nil {
		begun := time.Now()
		err := p.runServer(ctx)
		if ctx.Err() != nil {
			return
		}
		p.restarts.Add(1)
		p.config.Say("API server ended (%v); it is started again", err)
		if time.Since(begun) < quick {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

func (p *Plane) runServer(ctx context.Context) error {
	log, err := os.OpenFile(p.state.Path("apiserver.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	path, err := self()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = append([]string{childName}, p.serverArgs()...)
	// Every request begins on a new stack and needs a deep one: copying it over and over was a twentieth of its time.
	cmd.Env = append(os.Environ(), "GOGC="+wastefulGC, "GOMEMLIMIT="+wastefulLimit, "GODEBUG=adaptivestackstart=1")
	cmd.Stdin = p.settled
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = graceTerm
	if err := cmd.Start(); err != nil {
		return err
	}
	p.serverPID.Store(int64(cmd.Process.Pid))
	defer p.serverPID.Store(0)
	err = cmd.Wait()
	if err == nil {
		err = fmt.Errorf("exit status 0")
	}
	return err
}

// freePort is a port on 127.0.0.1 that nobody listens on. It stays the API server's, so that clients find it again. It is
// below those that the kernel gives to outgoing connections: while the API server is away, a client that dials it could
// otherwise be given the port itself, and be connected with itself.
func freePort() (int, error) {
	const lowest, ports, tries = 20_000, 10_000, 100
	for range tries {
		port := lowest + rand.IntN(ports)
		if l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", lowest, lowest+ports-1)
}

// logTail is the end of a log, for the message when a start fails.
func logTail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
