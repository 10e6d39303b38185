package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// findNginx finds nginx, or installs Debian's where that is possible.
func findNginx(ctx context.Context, install bool, stderr io.Writer) (string, error) {
	if path, ok := lookNginx(); ok {
		return path, nil
	}
	if !install || os.Getuid() != 0 {
		return "", errors.New("nginx is not installed (apt-get install nginx-light)")
	}
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", "nginx-light"}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1") // 1: no service is started
		cmd.Stderr = stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	if path, ok := lookNginx(); ok {
		return path, nil
	}
	return "", errors.New("nginx was installed and is not there")
}

func lookNginx() (string, bool) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// server is nginx, running.
type server struct {
	configuration
	program string
	cmd     *exec.Cmd
	exited  chan error
}

// serverPatience bounds every wait for nginx.
const serverPatience = 20 * time.Second

// startServer starts nginx in a folder, and gives it when it answers.
func startServer(program string, c configuration) (*server, error) {
	var err error
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	s := &server{configuration: c, program: program}
	return s, s.start()
}

// freePort finds a port below those that the kernel gives to outgoing connections: while nginx is down for a moment,
// one of the generator's own connections must not take it. Where it begins to look depends on the process, so that two of
// them at one time do not find the same.
func freePort() (int, error) {
	const first, ports = 18_000, 10_000
	for i := range ports {
		port := first + (os.Getpid()*61+i)%ports
		if l, err := net.Listen("tcp", address(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no port is free from %d to %d", first, first+ports-1)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (s *server) url() string { return "http://" + address(s.port) }

func (s *server) accessLog() string { return filepath.Join(s.dir, "access.log") }

func (s *server) start() error {
	if err := s.configure(); err != nil {
		return err
	}
	var said bytes.Buffer
	s.cmd = exec.Command(s.program, s.arguments()...)
	s.cmd.Stderr = &said
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(s.cmd, s.exited)
	for deadline := time.Now().Add(serverPatience); time.Now().Before(deadline); {
		select {
		case err := <-s.exited:
			s.cmd = nil
			return fmt.Errorf("nginx did not start: %w: %s", err, bytes.TrimSpace(said.Bytes()))
		case <-time.After(20 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", address(s.port)); err == nil { // says nothing, so that nothing is logged
			return c.Close()
		}
	}
	return errors.Join(errors.New("nginx does not listen"), s.stop(syscall.SIGTERM))
}

func (s *server) arguments() []string {
	return []string{"-p", s.dir, "-c", filepath.Join(s.dir, "nginx.conf"), "-e", filepath.Join(s.dir, "error.log")}
}

func (s *server) configure() error {
	return os.WriteFile(filepath.Join(s.dir, "nginx.conf"), []byte(s.text()), 0o644)
}

// reload gives nginx its configuration anew: a new worker takes over, the old one ends what it has begun.
func (s *server) reload() error {
	if err := s.configure(); err != nil {
		return err
	}
	out, err := exec.Command(s.program, append(s.arguments(), "-s", "reload")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("nginx -s reload: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// stop ends nginx: with SIGQUIT it ends what it has begun, with SIGTERM it does not. The log is written out then.
func (s *server) stop(how syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	defer func() { s.cmd = nil }()
	if err := s.cmd.Process.Signal(how); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		return err
	case <-time.After(serverPatience):
		s.signalWorkers(syscall.SIGKILL)
		return errors.Join(errors.New("nginx did not end"), s.cmd.Process.Kill())
	}
}

// signalWorkers sends a signal to the workers, and gives how many there are: two for a moment after a reload.
func (s *server) signalWorkers(what syscall.Signal) int {
	n := 0
	for _, pid := range childrenOf(s.cmd.Process.Pid) {
		if syscall.Kill(pid, what) == nil {
			n++
		}
	}
	return n
}

// childrenOf reads the processes' parents from /proc.
func childrenOf(parent int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ") // the name before it may hold anything but this, for nginx
		fields := strings.Fields(after)
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) || fields[0] == "Z" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			children = append(children, pid)
		}
	}
	return children
}
