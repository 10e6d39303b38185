package place

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errGone says that a process has ended, or that its number is another's now.
var errGone = errors.New("gone")

// process is a process by a descriptor that stays its own, whatever becomes of its number.
type process struct {
	began uint64
	fd    *os.File
}

// openProcess opens the process of that number that began then; began 0 stands for any.
func openProcess(pid int, began uint64) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d, which needs Linux 5.10: %w", pid, err)
	}
	p := &process{fd: os.NewFile(uintptr(fd), "pidfd")}
	// Looked at after it was opened: if it began when it should, the descriptor is its own.
	if p.began, err = beganAt(pid); err == nil && (began == 0 || p.began == began) {
		return p, nil
	}
	p.close()
	if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	return nil, err
}

// beganAt is when a process began, in ticks since the machine did.
func beganAt(pid int) (uint64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The second field, the name in brackets, may hold anything; the 22nd is wanted.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: no start in %q", pid, text)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// await returns nil when the process has ended.
func (p *process) await() error {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(readable)
}

// ended says whether it has.
func (p *process) ended() (ended bool, err error) {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Control(func(fd uintptr) { ended = readable(fd) })
	return ended, err
}

// readable: nothing is ever read of a process' descriptor, it only says so.
func readable(fd uintptr) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// signal sends a signal to this process, to no other that has its number later.
func (p *process) signal(s syscall.Signal) error {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	return errors.Join(err, failed)
}

func (p *process) close() { _ = p.fd.Close() }

// detach has a program begin a session of its own, which no Ctrl-C of ours reaches.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// here names what processes' numbers and starts hold within: this boot of this machine, and the namespace of the numbers.
func here() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	numbers, err := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + " " + numbers, err
}
