//go:build linux

package netlab

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// program is this test's binary in another role, see TestMain.
func program(role string, args ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", args...)
	command.Env = append(os.Environ(), "NETLAB_ROLE="+role)
	command.Stderr = os.Stderr
	return command
}

// serve starts a process in the party that echoes whatever connects, and returns its address.
func serve(t *testing.T, n *Net, name string) string {
	t.Helper()
	address := netip.AddrPortFrom(n.Address(name), 7000).String()
	server := program("echo", address)
	ready, err := server.StdoutPipe()
	if err == nil {
		err = n.Start(name, server)
	}
	if err == nil {
		_, err = ready.Read(make([]byte, 1))
	}
	if err != nil {
		t.Fatalf("the server in %s: %v", name, err)
	}
	return address
}

// dial opens a connection of this process' from within the party.
func dial(t *testing.T, n *Net, name, address string) net.Conn {
	t.Helper()
	var connection net.Conn
	if err := n.Within(name, func() (err error) { connection, err = net.Dial("tcp", address); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// echoed sends the text and reads it back.
func echoed(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(c, back); err != nil || string(back) != text {
		t.Fatalf("%q came back as %q, %v", text, back, err)
	}
}

func TestARoundTripTakesBothDelays(t *testing.T) {
	n := New(t, 1, "a", "b", "near")
	n.Link("a", "b", Path{Delay: 30 * time.Millisecond, Jitter: 5 * time.Millisecond})
	n.Link("b", "a", Path{Delay: 10 * time.Millisecond})
	c := dial(t, n, "a", serve(t, n, "b"))
	for range 5 {
		begin := time.Now()
		echoed(t, c, "?")
		if took := time.Since(begin); took < 35*time.Millisecond {
			t.Errorf("a round trip took %v, its ways at least 25 and 10 ms", took)
		}
	}
	if counts := n.Counts("near", "b"); counts != (Counts{}) {
		t.Errorf("%+v on a way that nobody took", counts)
	}
}

// TestLossTakesTheSeedsPackets sends numbered datagrams and predicts, by the seed alone, which of them arrive.
func TestLossTakesTheSeedsPackets(t *testing.T) {
	const sent, seed = 400, 7 // the device's own queue holds 500, so none is lost elsewhere
	n := New(t, seed, "a", "b")
	n.Link("a", "b", Path{Loss: 0.2, Jitter: time.Millisecond})
	predicted, arrives := newWire(n.party("a"), n.party("b"), seed), []byte(nil)
	predicted.path.Loss = 0.2
	for i := range sent {
		if _, lost := predicted.draw(time.Now()); !lost {
			arrives = append(arrives, byte(i))
		}
	}
	if len(arrives) < 290 || len(arrives) > 350 { // 320 ± 4 standard deviations
		t.Fatalf("%d of %d arrive where a fifth is lost", len(arrives), sent)
	}
	receiver, sender := datagrams(t, n, "b"), datagrams(t, n, "a")
	for i := range sent {
		if _, err := sender.WriteTo([]byte{byte(i)}, receiver.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	var arrived []byte
	for range arrives {
		one := make([]byte, 1)
		if _, _, err := receiver.ReadFrom(one); err != nil {
			t.Fatal(err)
		}
		arrived = append(arrived, one[0])
	}
	n.Await("a", "b", func(c Counts) bool { return c.Delivered+c.Lost == sent })
	if want := (Counts{Delivered: len(arrives), Lost: sent - len(arrives)}); !slices.Equal(arrived, arrives) || n.Counts("a", "b") != want {
		t.Errorf("counted %+v, predicted %+v; in order of the sending: %v", n.Counts("a", "b"), want, slices.Equal(arrived, arrives))
	}
}

// datagrams opens a UDP socket in the party that holds all of a test's datagrams unread.
func datagrams(t *testing.T, n *Net, name string) *net.UDPConn {
	t.Helper()
	var socket *net.UDPConn
	err := n.Within(name, func() (err error) {
		socket, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.Address(name), 7000)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var refused error
	err = raw.Control(func(descriptor uintptr) {
		refused = unix.SetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	})
	if err := errors.Join(err, refused); err != nil {
		t.Fatal(err)
	}
	return socket
}

func TestTCPGetsThroughLoss(t *testing.T) {
	n := New(t, 3, "a", "b")
	for _, way := range [][2]string{{"a", "b"}, {"b", "a"}} {
		n.Link(way[0], way[1], Path{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.05})
	}
	body := make([]byte, 200_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
	client, back := program("ask", serve(t, n, "b")), bytes.Buffer{}
	client.Stdin, client.Stdout = bytes.NewReader(body), &back
	if err := n.Start("a", client); err != nil {
		t.Fatal(err)
	}
	if err := client.Wait(); err != nil || !bytes.Equal(back.Bytes(), body) {
		t.Errorf("%d bytes came back of %d, %v", back.Len(), len(body), err)
	}
	if n.Counts("a", "b").Lost == 0 || n.Counts("b", "a").Lost == 0 {
		t.Errorf("nothing was lost: %+v and %+v", n.Counts("a", "b"), n.Counts("b", "a"))
	}
}

func TestACutPartyGetsNothingAndGoesOnWhenHealed(t *testing.T) {
	n := New(t, 1, "a", "b", "c")
	n.Link("a", "b", Path{Delay: 5 * time.Millisecond})
	address := serve(t, n, "b")
	c, other := dial(t, n, "a", address), dial(t, n, "c", address)
	echoed(t, c, "before")

	n.Cut("a")
	delivered := n.Counts("a", "b").Delivered
	if _, err := io.WriteString(c, "while"); err != nil {
		t.Fatal(err)
	}
	n.Await("a", "b", func(c Counts) bool { return c.Cut >= 2 }) // at least the text, besides what was still to be acknowledged
	echoed(t, other, "the others")
	if now := n.Counts("a", "b").Delivered; now != delivered {
		t.Errorf("%d packets of a party that was cut off were delivered", now-delivered)
	}
	n.Heal("a")
	back := make([]byte, len("while"))
	if _, err := io.ReadFull(c, back); err != nil || string(back) != "while" {
		t.Errorf("after the cut %q came back, %v", back, err)
	}
}

// TestWhatIsUnderWayIsCutToo is about a packet that set out before its receiver was cut off.
func TestWhatIsUnderWayIsCutToo(t *testing.T) {
	n := New(t, 1, "a", "b")
	n.Cut("b")
	n.deliver(n.wire("a", "b"), make([]byte, 20))
	if c := n.Counts("a", "b"); c != (Counts{Cut: 1}) {
		t.Errorf("%+v", c)
	}
}

func TestARelayReachesTheUnixSocket(t *testing.T) {
	directory, err := os.MkdirTemp("", "netlab") // the test's own directory has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	target, err := net.Listen("unix", filepath.Join(directory, "target"))
	if err != nil {
		t.Fatal(err)
	}
	go echo(target) // ends with the target
	t.Cleanup(func() { _ = target.Close() })

	n := New(t, 1, "a", "b")
	n.Cut("a") // which its own loopback does not feel
	for _, name := range []string{"a", "b"} {
		client, back := program("ask", n.Relay(name, target.Addr().String()).String()), bytes.Buffer{}
		client.Stdin, client.Stdout = bytes.NewReader([]byte("hello from "+name)), &back
		if err := errors.Join(n.Start(name, client), client.Wait()); err != nil || back.String() != "hello from "+name {
			t.Errorf("through the relay of %s came back %q, %v", name, back.String(), err)
		}
	}
	refusing := n.Relay("b", filepath.Join(directory, "nobody")).String()
	err = n.Within("b", func() error {
		c, err := net.Dial("tcp", refusing)
		if err == nil { // the reset is still to come
			_, err = c.Read(make([]byte, 1))
			_ = c.Close()
		}
		return err
	})
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("where nobody listens the caller got %v, not a reset", err)
	}
}

func TestThereIsNoWayToTheHost(t *testing.T) {
	before := host(t)
	n := New(t, 1, "a")
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for address, want := range map[string]error{
		listener.Addr().String(): unix.ECONNREFUSED, // its loopback is its own
		"192.0.2.1:80":           unix.ENETUNREACH,  // for documentation, RFC 5737
	} {
		if err := n.Within("a", func() error { _, err := net.Dial("tcp4", address); return err }); !errors.Is(err, want) {
			t.Errorf("dialling %s: %v, not %v", address, err, want)
		}
	}
	if now := host(t); now != before {
		t.Errorf("the host's addresses, links and routes were\n%s\nand are\n%s", before, now)
	}
}

// TestTheMainThreadStaysHome takes so many threads that the main one is free, and would be taken, again and again.
func TestTheMainThreadStaysHome(t *testing.T) {
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			aside(func() bool {
				if unix.Gettid() == unix.Getpid() {
					t.Error("the main thread was taken")
				}
				return true
			})
		})
		runtime.Gosched()
	}
	all.Wait()
}

// TestDrawKeepsOrderAndShare is the law of a direction, without a network.
func TestDrawKeepsOrderAndShare(t *testing.T) {
	const packets = 100_000
	p := &party{address: netip.MustParseAddr("198.18.0.1")}
	w, now, lost := newWire(p, p, 1), time.Unix(0, 0), 0
	w.path = Path{Delay: 40 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.02}
	for range packets {
		now = now.Add(time.Millisecond)
		before := w.last
		due, gone := w.draw(now)
		if due.Before(now) || due.Before(before) || due.After(now.Add(90*time.Millisecond)) {
			t.Fatalf("sent at %v, due at %v, the one before at %v", now, due, before)
		}
		if gone {
			lost++
		}
	}
	if lost < 1800 || lost > 2200 { // 2,000 ± 4.5 standard deviations
		t.Errorf("%d of %d lost", lost, packets)
	}
}
