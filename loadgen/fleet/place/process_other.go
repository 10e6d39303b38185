//go:build !linux

package place

import (
	"errors"
	"os/exec"
	"syscall"
)

var errGone = errors.New("gone")

// errLinux: without descriptors of processes no death is proved, and a number may be another's.
var errLinux = errors.New("local workers need Linux; elsewhere start ansturm worker by hand")

type process struct{ began uint64 }

func openProcess(int, uint64) (*process, error) { return nil, errLinux }

func (*process) await() error { return errLinux }

func (*process) ended() (bool, error) { return false, errLinux }

func (*process) signal(syscall.Signal) error { return errLinux }

func (*process) close() {}

func detach(*exec.Cmd) {}

func here() (string, error) { return "", errLinux }
