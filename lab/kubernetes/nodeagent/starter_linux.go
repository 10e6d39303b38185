package nodeagent

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const terminate = syscall.SIGTERM

// starter starts processes, all from one thread that lives as long as the agent: the kernel ends them when that thread
// ends (PDEATHSIG), so that no process is left behind, not even by an agent that was killed.
type starter struct {
	groups *cgroups
	orders chan order
	over   chan struct{}
}

type order struct {
	process *process
	reply   chan error
}

func newStarter(groups *cgroups) *starter {
	return &starter{groups, make(chan order), make(chan struct{})}
}

// run starts what is ordered until ctx ends.
func (s *starter) run(ctx context.Context) {
	defer close(s.over)
	runtime.LockOSThread() // for good: the thread ends with this goroutine
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-s.orders:
			o.reply <- s.fork(o.process)
		}
	}
}

// start starts a process in its group, and has it waited for.
func (s *starter) start(ctx context.Context, p *process) error {
	o := order{p, make(chan error, 1)}
	select {
	case s.orders <- o:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := <-o.reply; err != nil {
		return err
	}
	go func() { // ends with the process, at the latest when run's thread ends
		_ = p.cmd.Wait()
		close(p.over)
	}()
	return nil
}

// fork starts the process within its group from its first instruction on: under cgroup v2 the kernel puts it there, under
// v1 this thread goes there for the moment in which it forks.
func (s *starter) fork(p *process) error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if p.group == nil {
		return p.cmd.Start()
	}
	if s.groups.version == 2 {
		dir, err := os.Open(p.group.dirs[0])
		if err != nil {
			return err
		}
		defer dir.Close()
		p.cmd.SysProcAttr.UseCgroupFD, p.cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
		return p.cmd.Start()
	}
	thread := unix.Gettid()
	for i, dir := range p.group.dirs {
		if err := write(dir, "tasks", strconv.Itoa(thread)); err != nil {
			return err
		}
		defer func() { _ = write(s.groups.homes[i], "tasks", strconv.Itoa(thread)) }()
	}
	return p.cmd.Start()
}

// resident is a process's resident memory in bytes, zero of one that is gone.
func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// ticks is a process's CPU time, to the hundredth of a second.
func ticks(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The second field, the name in brackets, may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
