//go:build !linux

package loadgen

import (
	"errors"
	"net/netip"
	"syscall"
)

// newSockets is not there without epoll: a Transport takes its place.
func newSockets(bool, []netip.Addr) (network, error) { return nil, errors.ErrUnsupported }

func ownThread() {}

func bindLater(syscall.RawConn) error { return nil }
