package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// ParseSource reads a local address that connections may come from: for now a loopback one, since only such targets can be
// reached from it.
func ParseSource(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, fmt.Errorf("source %q: not an IP address", text)
	}
	a = a.Unmap()
	return a, checkSources([]netip.Addr{a})
}

// checkSources says which source cannot be used.
func checkSources(sources []netip.Addr) error {
	for _, a := range sources {
		if !a.IsLoopback() || a.Is4In6() || a.Zone() != "" {
			return fmt.Errorf("source %s: not a loopback address, and only those can reach the targets that may be fired at", a)
		}
	}
	return nil
}

// checkFamilies says whether there is a source to reach every target from.
func (e *Engine) checkFamilies() error {
	if len(e.cfg.Sources) == 0 {
		return nil
	}
	for _, h := range e.hosts {
		if !hasFamily(e.cfg.Sources, h.at.Addr()) {
			return fmt.Errorf("no source address can reach %s: IPv4 and IPv6 need one of their own kind", h.at)
		}
	}
	return nil
}

func hasFamily(sources []netip.Addr, to netip.Addr) bool {
	for _, a := range sources {
		if a.Is4() == to.Is4() {
			return true
		}
	}
	return false
}

// turns gives sources in turn. The zero value gives none.
type turns struct {
	list []netip.Addr
	last atomic.Uint32
}

// next is a source of the family that an address has; invalid where there is none.
func (t *turns) next(to netip.Addr) netip.Addr {
	for range t.list {
		a := t.list[int(t.last.Add(1))%len(t.list)]
		if a.Is4() == to.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// tries is how often a connection is tried when ports are used up: once from each.
func (t *turns) tries() int { return max(1, len(t.list)) }

// tcp is the Transport of TCP where there is no epoll, and net/http's. It refuses everything but loopback itself, whoever
// calls it.
type tcp struct{ sources turns }

func newTCP(sources []netip.Addr) *tcp { return &tcp{turns{list: sources}} }

// Dial opens a connection to a literal loopback address.
func (t *tcp) Dial(ctx context.Context, address string) (conn net.Conn, err error) {
	literal, err := loopback(address)
	if err != nil {
		return nil, err
	}
	to := netip.MustParseAddrPort(literal).Addr()
	for range t.sources.tries() {
		// No keep-alive probes: they would cost four system calls a connection. No fallback: addresses are literal.
		d := net.Dialer{KeepAlive: -1, FallbackDelay: -1, Timeout: 2 * time.Minute}
		if from := t.sources.next(to); from.IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
			d.Control = func(_, _ string, c syscall.RawConn) error { return bindLater(c) }
		}
		if conn, err = d.DialContext(ctx, "tcp", literal); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
	}
	return conn, err
}
