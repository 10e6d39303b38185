//go:build linux

package netlab

import (
	"errors"
	"io"
	"net"
	"net/netip"
)

// Relay returns an address on the party's own loopback that reaches the Unix socket, whose path is the same in every network namespace.
// So a target that listens on one Unix socket is on every party's loopback, which is all that the engine fires at, and neither delay nor
// cuts are between them. Where the socket refuses, the caller's connection is reset.
func (n *Net) Relay(name, socket string) netip.AddrPort {
	n.t.Helper()
	var listener *net.TCPListener
	err := n.Within(name, func() (err error) {
		listener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return err
	})
	if err != nil {
		n.t.Fatalf("a relay for %s: %v", name, err)
	}
	n.all.Go(func() { <-n.done; _ = listener.Close() })
	n.all.Go(func() {
		for {
			near, err := listener.AcceptTCP()
			if errors.Is(err, net.ErrClosed) {
				return
			} else if err != nil {
				n.t.Errorf("the relay of %s takes no more connections: %v", name, err)
				return
			}
			n.all.Go(func() { n.join(near, socket) })
		}
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// join connects the two until both directions have ended, one has failed, or the network ends.
func (n *Net) join(near *net.TCPConn, socket string) {
	far, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		_ = near.SetLinger(0)
		_ = near.Close()
		return
	}
	up, down := make(chan error, 1), make(chan error, 1)
	n.all.Go(func() {
		_, err := io.Copy(far, near)
		up <- errors.Join(err, far.CloseWrite())
	})
	n.all.Go(func() {
		_, err := io.Copy(near, far)
		down <- errors.Join(err, near.CloseWrite())
	})
	for ended := 0; ended < 2; ended++ {
		select {
		case err = <-up:
		case err = <-down:
		case <-n.done:
			err = net.ErrClosed
		}
		if err != nil {
			break
		}
	}
	_ = near.Close()
	_ = far.Close()
}
