package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/hpa"
)

// A kubelet's back-off between two starts of a container that does not stay.
const (
	firstBackOff = 10 * time.Second
	mostBackOff  = 5 * time.Minute
)

// process is a container as a real process of this machine.
type process struct {
	cmd   *exec.Cmd
	group *cgroup // nil: without a quota
	said  tail
	over  chan struct{} // closed when it has ended
	read  atomic.Pointer[reading]
}

// address is where the pod's process listens: its first port, else 8080, at an address of its own.
func (p *pod) address() string {
	return net.JoinHostPort(loopback(p.ip), strconv.Itoa(p.port()))
}

func (p *pod) port() int {
	if ports := p.object.Spec.Containers[0].Ports; len(ports) > 0 {
		return int(ports[0].ContainerPort)
	}
	return 8080
}

// launch starts the pod's process.
func (p *pod) launch(ctx context.Context) {
	if p.ending || p.finished || p.dead.Load() {
		return
	}
	proc, err := p.start(ctx)
	now := time.Now()
	if err != nil {
		p.warn(now, "Failed", "Error: "+err.Error())
		p.log(now, StageError, err.Error())
		p.state.exit(128, "StartError", err.Error(), "CreateContainerError", now, now)
		p.again()
		return
	}
	p.life.Store(&life{started: now, process: proc})
	if ctx.Err() != nil { // who ends all processes may have looked before
		proc.kill()
	}
	p.a.done.Go(func() {
		<-proc.over
		ended := time.Now()
		p.post(func(context.Context) { p.exited(proc, ended) })
	})
	if p.body != nil {
		p.body.Started()
	} else {
		p.noticed(ctx, lab.Notice{Phase: record.PhaseStarted, At: now})
	}
	p.a.done.Go(func() { p.probe(ctx, proc) })
	p.a.done.Go(func() { proc.keepHouse(ctx, p.a.auto.Housekeeping) })
}

func (p *pod) start(ctx context.Context) (*process, error) {
	c := p.object.Spec.Containers[0]
	path, err := p.a.programPath(p.program)
	if err != nil {
		return nil, err
	}
	quota, weight := c.Resources.Limits.Cpu().AsApproximateFloat64(), c.Resources.Requests.Cpu().AsApproximateFloat64()
	proc := &process{over: make(chan struct{})}
	if p.a.cgroups.usable() {
		if proc.group, err = p.a.cgroups.create(string(p.uid), quota, weight); err != nil {
			return nil, err
		}
	} else if quota > 0 {
		return nil, fmt.Errorf("a CPU limit of %v is asked for, and %s", c.Resources.Limits.Cpu(), p.a.cgroups)
	}
	environment, values := p.environment()
	proc.cmd = exec.Command(path, p.arguments(values)...)
	proc.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, environment...)
	proc.cmd.Stdout, proc.cmd.Stderr = &proc.said, &proc.said
	proc.cmd.WaitDelay = 2 * time.Second
	if err := p.a.starter.start(ctx, proc); err != nil {
		proc.group.remove()
		return nil, err
	}
	return proc, nil
}

// programPath finds the program of a process pod: a path, or a bare name in the folder of programs.
func (a *Agent) programPath(program string) (string, error) {
	if strings.ContainsRune(program, filepath.Separator) {
		return program, nil
	}
	dir := a.config.Processes
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("where programs are: %w", err)
		}
		dir = filepath.Dir(self)
	}
	path := filepath.Join(dir, program)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the pod's program: %w", err)
	}
	return path, nil
}

// probe finds out when the process is ready: at once without ports, else when it takes connections and, if a readiness
// probe names a path, answers there with less than 400.
func (p *pod) probe(ctx context.Context, proc *process) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !p.answers(ctx) {
		select {
		case <-proc.over:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	now := time.Now()
	p.post(func(ctx context.Context) {
		switch {
		case p.ending || p.finished || p.life.Load().process != proc || p.life.Load().ended:
		case p.body != nil:
			p.body.Ready(true)
		default:
			p.noticed(ctx, lab.Notice{Phase: record.PhaseReady, At: now})
		}
	})
}

func (p *pod) answers(ctx context.Context) bool {
	c := p.object.Spec.Containers[0]
	if len(c.Ports) == 0 {
		return true
	}
	if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet == nil {
		conn, err := net.DialTimeout("tcp", p.address(), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address()+c.ReadinessProbe.HTTPGet.Path, http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode < 400
}

// exited follows the process's end: the pod's, or the beginning of another try.
func (p *pod) exited(proc *process, at time.Time) {
	started := p.life.Load().started
	p.life.Store(&life{started, proc, true})
	proc.group.remove()
	if p.finished {
		return
	}
	code, reason := proc.cmd.ProcessState.ExitCode(), "Completed"
	if code != 0 {
		reason = "Error"
	}
	if code < 0 { // a signal
		code = 137
	}
	why := fmt.Sprintf("exit code %d %s", code, proc.said.String())
	policy := p.object.Spec.RestartPolicy
	final := p.ending || p.dead.Load() || policy == corev1.RestartPolicyNever || policy == corev1.RestartPolicyOnFailure && code == 0
	if final {
		p.state.exit(code, reason, proc.said.String(), "", started, at)
		p.stopped(at, why)
		return
	}
	p.log(at, StageStopped, why)
	if at.Sub(started) > 10*time.Minute {
		p.backOff = 0
	}
	p.state.exit(code, reason, proc.said.String(), "CrashLoopBackOff", started, at)
	p.again()
}

// again has the process started once more, later and later.
func (p *pod) again() {
	if p.body != nil {
		p.body.Ready(false)
	}
	p.restarts++
	p.backOff = min(max(firstBackOff, 2*p.backOff), mostBackOff)
	p.write()
	time.AfterFunc(p.backOff, func() { p.post(p.launch) })
}

// end asks the process to end, and ends it after grace.
func (proc *process) end(grace time.Duration) {
	_ = proc.cmd.Process.Signal(terminate)
	time.AfterFunc(grace, proc.kill) // of one that has ended nothing is left to kill
}

// kill ends the process now; one that has ended stays so.
func (proc *process) kill() {
	if err := proc.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	proc.group.kill()
}

// reading is what the kubelet read of a process, and when.
type reading struct {
	at     time.Time
	cpu    time.Duration
	memory int64
}

// keepHouse reads the process as the kubelet does, until it ends.
func (proc *process) keepHouse(ctx context.Context, period time.Duration) {
	for {
		cpu, memory := proc.usage()
		proc.read.Store(&reading{time.Now(), cpu, memory})
		select {
		case <-time.After(hpa.Housekeeping(period, rand.Float64())):
		case <-proc.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// usage is the CPU time it used and the memory that it holds.
func (proc *process) usage() (cpu time.Duration, memory int64) {
	pids := []int{proc.cmd.Process.Pid}
	if proc.group != nil {
		if s, err := proc.group.stat(); err == nil {
			cpu = s.cpu
		}
		if list := proc.group.processes(); len(list) > 0 {
			pids = list
		}
	}
	for _, pid := range pids {
		memory += resident(pid)
		if proc.group == nil {
			cpu += ticks(pid)
		}
	}
	return cpu, memory
}

// tail keeps the last of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write takes all of b.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if most := 2048; len(t.text) > most {
		t.text = slices.Clone(t.text[len(t.text)-most:])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSpace(string(t.text)), "?")
}
