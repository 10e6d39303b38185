//go:build linux

package netlab

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Net is a network of parties. Any goroutine may call its methods; a name that is no party's ends the test.
type Net struct {
	t       testing.TB
	parties map[string]*party
	wires   map[[2]netip.Addr]*wire // by sender and receiver
	done    chan struct{}           // closed at the end of the test
	all     sync.WaitGroup          // every goroutine of this network

	mu      sync.Mutex // guards started, the parties' cut, and what changes of a wire
	changed *sync.Cond // a packet was counted
	started []*os.Process
}

// party is one namespace and the thread that is in it.
type party struct {
	address netip.Addr
	tun     *os.File
	work    chan func() // for the thread
	cut     bool
}

// New makes a network of these parties, each with a loopback of its own and one address, all of which reach each other at once
// and without loss. It ends with the test, and with it every process that Start started. Where the test may not make namespaces
// it is skipped.
func New(t testing.TB, seed uint64, names ...string) *Net {
	t.Helper()
	n := &Net{t: t, parties: map[string]*party{}, wires: map[[2]netip.Addr]*wire{}, done: make(chan struct{})}
	n.changed = sync.NewCond(&n.mu)
	t.Cleanup(n.close)
	for _, name := range names {
		p, err := n.enter(byte(len(n.parties) + 1))
		if unable(err) {
			t.Skipf("NOTHING OF THIS WAS TESTED: no network namespace can be made here (%v). Run as root with CAP_SYS_ADMIN and CAP_NET_ADMIN "+
				"where there is /dev/net/tun (modprobe tun; for a container: --cap-add SYS_ADMIN,NET_ADMIN --device /dev/net/tun)", err)
		} else if err != nil {
			t.Fatalf("a namespace for %s: %v", name, err)
		}
		if n.parties[name] != nil || len(n.parties) == 250 {
			t.Fatalf("party %q: its name must be its own, and there may be 250 parties", name)
		}
		n.parties[name] = p
	}
	for _, from := range n.parties {
		for _, to := range n.parties {
			if from != to {
				n.wires[[2]netip.Addr{from.address, to.address}] = newWire(from, to, seed)
			}
		}
	}
	for _, w := range n.wires {
		n.all.Go(func() { n.carry(w) })
	}
	for _, p := range n.parties {
		n.all.Go(func() { n.forward(p) })
	}
	return n
}

// unable says whether the machine or the user's rights are what was missing.
func unable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// close returns when every goroutine and thread has left the network, and what ran in it is killed and reaped.
func (n *Net) close() {
	close(n.done)
	n.all.Wait() // from here on nothing is started
	for _, p := range n.started {
		_ = p.Kill()    // an error: it has ended
		_, _ = p.Wait() // an error: the test has reaped it
	}
}

func (n *Net) party(name string) *party {
	n.t.Helper()
	p := n.parties[name]
	if p == nil {
		n.t.Fatalf("no party %q", name)
	}
	return p
}

func (n *Net) wire(from, to string) *wire {
	n.t.Helper()
	w := n.wires[[2]netip.Addr{n.party(from).address, n.party(to).address}]
	if w == nil {
		n.t.Fatalf("%s reaches itself by its own loopback", from)
	}
	return w
}

// Address is the party's, at which the others reach it.
func (n *Net) Address(name string) netip.Addr {
	n.t.Helper()
	return n.party(name).address
}

// Start starts the command inside the party's namespace. At the end of the test its process is killed if it still runs; the kernel
// kills it if the test itself is killed. Processes that it starts are its own affair.
func (n *Net) Start(name string, command *exec.Cmd) error {
	n.t.Helper()
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL // of the thread that starts it, which stays until close
	return n.Within(name, func() error {
		if err := command.Start(); err != nil {
			return err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.started = append(n.started, command.Process)
		return nil
	})
}

// Within calls f on the thread that is in the party's namespace, so that a socket which f opens, by a literal address, is the
// party's. It is for short calls, which must not end the goroutine as t.Fatal does.
func (n *Net) Within(name string, f func() error) error {
	n.t.Helper()
	result := make(chan error, 1)
	select {
	case n.party(name).work <- func() { result <- f() }:
		return <-result
	case <-n.done:
		return errors.New("the network has been taken down")
	}
}

// Link sets the path of the packets that one party sends to another from now on; the way back has one of its own.
func (n *Net) Link(from, to string, p Path) {
	n.t.Helper()
	w := n.wire(from, to)
	n.mu.Lock()
	defer n.mu.Unlock()
	w.path = p
}

// Cut takes the party off the network: after it has returned no packet reaches the party or leaves it, not even one that was under way.
func (n *Net) Cut(name string) {
	n.t.Helper()
	n.setCut(name, true)
}

// Heal puts the party back.
func (n *Net) Heal(name string) {
	n.t.Helper()
	n.setCut(name, false)
}

func (n *Net) setCut(name string, cut bool) {
	n.t.Helper()
	p := n.party(name)
	n.mu.Lock()
	defer n.mu.Unlock()
	p.cut = cut
}

// Counts says what has become of the packets from one party to another.
func (n *Net) Counts(from, to string) Counts {
	n.t.Helper()
	w := n.wire(from, to)
	n.mu.Lock()
	defer n.mu.Unlock()
	return w.counts
}

// Await waits until what has become of the packets from one party to another is enough.
func (n *Net) Await(from, to string, enough func(Counts) bool) {
	n.t.Helper()
	w := n.wire(from, to)
	n.mu.Lock()
	defer n.mu.Unlock()
	for !enough(w.counts) {
		n.changed.Wait()
	}
}

// forward reads what the party sends. What is for nobody here, such as IPv6's announcements, is nobody's packet.
func (n *Net) forward(p *party) {
	buffer := make([]byte, 1<<16)
	for {
		size, err := p.tun.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		} else if err != nil {
			n.t.Errorf("what %v sends is lost from now on: %v", p.address, err)
			return
		}
		if size < 20 || buffer[0]>>4 != 4 {
			continue
		}
		to := netip.AddrFrom4([4]byte(buffer[16:20])) // RFC 791, section 3.1
		if w := n.wires[[2]netip.Addr{p.address, to}]; w != nil {
			n.send(w, append([]byte(nil), buffer[:size]...))
		}
	}
}

// send decides about a packet at the beginning of its way.
func (n *Net) send(w *wire, body []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	due, lost := w.draw(time.Now())
	switch {
	case w.severed():
		w.counts.Cut++
	case lost:
		w.counts.Lost++
	default:
		select {
		case w.queue <- packet{due, body}:
			return // it is counted at its end
		default:
			w.counts.Full++
		}
	}
	n.changed.Broadcast()
}

// carry delivers a wire's packets when they are due.
func (n *Net) carry(w *wire) {
	for {
		select {
		case <-n.done:
			return
		case p := <-w.queue:
			select {
			case <-n.done:
				return
			case <-time.After(time.Until(p.due)):
				n.deliver(w, p.body)
			}
		}
	}
}

func (n *Net) deliver(w *wire, body []byte) {
	n.mu.Lock() // held while it writes: that makes Cut exact
	defer n.mu.Unlock()
	if w.severed() {
		w.counts.Cut++
	} else if _, err := w.to.tun.Write(body); err != nil {
		w.counts.Full++
	} else {
		w.counts.Delivered++
	}
	n.changed.Broadcast()
}
