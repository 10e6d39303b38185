package controlplane

import "syscall"

// dieWithParent: the kernel kills the child when the thread that started it ends, and keeps Ctrl-C from it, which is for
// the parent to answer.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// self is the running binary, even when its file has been replaced since.
func self() (string, error) { return "/proc/self/exe", nil }
