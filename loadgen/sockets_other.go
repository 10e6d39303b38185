//go:build !linux

package loadgen

import "errors"

// newSockets is not there without epoll: a Transport takes its place.
func newSockets(_, _ bool) (network, error) { return nil, errors.ErrUnsupported }

func ownThread() {}
