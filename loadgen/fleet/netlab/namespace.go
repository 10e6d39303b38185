//go:build linux

package netlab

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// enter makes a party: a namespace with a loopback and a device of that number, and a thread that stays in it until the network ends.
func (n *Net) enter(number byte) (*party, error) {
	// 198.18.0.0/15 is for tests of networks, RFC 2544
	p := &party{address: netip.AddrFrom4([4]byte{198, 18, 0, number}), work: make(chan func())}
	made := make(chan error)
	n.all.Go(func() { aside(func() bool { return n.stay(p, made) }) })
	return p, <-made
}

// aside calls f on a thread that runs nothing else meanwhile; f says whether it leaves the thread as it was, else the thread ends with
// this goroutine. It is never the main thread, whose namespace /proc shows as the whole process': the engine reads
// /proc/net/sockstat.
func aside(f func() (restored bool)) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		var elsewhere sync.WaitGroup
		elsewhere.Go(func() { aside(f) })
		elsewhere.Wait()
		runtime.UnlockOSThread()
	} else if f() {
		runtime.UnlockOSThread()
	}
}

// stay takes the thread into a namespace of its own, tells made when it is furnished, works there, and takes the thread home.
func (n *Net) stay(p *party, made chan<- error) (restored bool) {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err == nil {
		defer home.Close()
		err = os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET))
	}
	if err != nil {
		made <- err
		return true
	}
	p.tun, err = furnish(p.address)
	made <- err
	if err == nil {
		n.serve(p)
		_ = p.tun.Close() // its reader ends
	}
	return unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil
}

func (n *Net) serve(p *party) {
	for {
		select {
		case f := <-p.work:
			f()
		case <-n.done:
			return
		}
	}
}

// furnish gives the thread's namespace its loopback and a TUN device with the address, and returns the device's other end.
func furnish(address netip.Addr) (*os.File, error) {
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(tun)
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(control)
	four := func(b ...byte) func(*unix.Ifreq) error { return func(r *unix.Ifreq) error { return r.SetInet4Addr(b) } }
	flags := func(v uint16) func(*unix.Ifreq) error {
		return func(r *unix.Ifreq) error { r.SetUint16(v); return nil }
	}
	for _, step := range []struct {
		what, link string
		descriptor int
		request    uint
		value      func(*unix.Ifreq) error
	}{
		{"make", "tun0", tun, unix.TUNSETIFF, flags(unix.IFF_TUN | unix.IFF_NO_PI)},
		{"address of", "tun0", control, unix.SIOCSIFADDR, four(address.AsSlice()...)},
		{"mask of", "tun0", control, unix.SIOCSIFNETMASK, four(255, 255, 255, 0)},
		{"raise", "tun0", control, unix.SIOCSIFFLAGS, flags(unix.IFF_UP | unix.IFF_NOARP)},
		{"raise", "lo", control, unix.SIOCSIFFLAGS, flags(unix.IFF_UP)}, // which gives it 127.0.0.1
	} {
		request, err := unix.NewIfreq(step.link)
		if err == nil {
			err = step.value(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(step.descriptor, step.request, request)
		}
		if err != nil {
			_ = unix.Close(tun)
			return nil, fmt.Errorf("%s %s: %w", step.what, step.link, err)
		}
	}
	// only now: Go's poller is told at once, and a descriptor that has no device yet counts as broken
	return os.NewFile(uintptr(tun), "/dev/net/tun"), nil
}
