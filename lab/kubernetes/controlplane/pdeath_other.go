//go:build !linux

package controlplane

import (
	"os"
	"syscall"
)

// dieWithParent: only Linux ends a child with its parent; elsewhere a killed lab leaves its API server behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func self() (string, error) { return os.Executable() }

func dozily() {}
