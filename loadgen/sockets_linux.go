package loadgen

import (
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shardNice lets a shard, which works for some µs at a time, run before a server on the same processor. Where the
// process may not have it, nothing changes but the lateness, which is measured.
const shardNice = -10

// sockets is the network of TCP sockets: edge-triggered epoll, and system calls that do not block and so need not tell
// Go's scheduler, which would cost a third of a shot's processor time. See docs/decisions/0005-epoll-shards.md.
type sockets struct {
	inbox
	epoll, event int
	events       [256]unix.EpollEvent
	// stamped: bytes come with the instant at which the kernel received them.
	stamped bool
	look    bool    // what came during a quiet sleep has not been looked at
	message message // of all reads in the shard
	sources turns
}

// quiet is the longest sleep in which nothing that comes in wakes a shard: when the next shot is due so soon, waking up
// for every answer would double the work.
const quiet = 200 * time.Microsecond

// eventPlace is the place of the eventfd's token, that of no connection.
const eventPlace = ^uint32(0)

// newSockets opens the network. stamped asks for the kernel's time stamps, which cost a little for each read; without them
// there are no naps. Connections come from the sources in turn, where there are any.
func newSockets(stamped bool, sources []netip.Addr) (network, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	s := &sockets{epoll: epoll, event: event, stamped: stamped, sources: turns{list: sources}}
	s.message.prepare()
	if err := s.add(event, token{place: eventPlace}, unix.EPOLLIN|unix.EPOLLET); err != nil {
		s.close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return s, nil
}

func (s *sockets) add(fd int, t token, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(t.place), Pad: int32(t.generation)}
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &e)
}

// ownThread binds the calling goroutine to its thread for good (the thread ends with it) and makes its timers exact.
func ownThread() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it, wake-ups are 50 µs later, and counted as that
	// the call gives 20 − nice, for want of negative results
	if had, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid()); err == nil && 20-had > shardNice {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), shardNice)
	}
}

func (s *sockets) dial(h *host, t token, _ time.Duration) (link, error) {
	if !h.at.Addr().IsLoopback() { // whoever calls
		return nil, fmt.Errorf("%s: %w", h.at, ErrNoConsent)
	}
	fd, err := s.connect(h.at)
	if err != nil {
		return nil, err
	}
	if err := s.add(fd, t, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	c := &socket{fd: fd}
	if !s.stamped || unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) != nil {
		return c, nil
	}
	if c.message = &s.message; h.secure != nil { // whose handshake reads beside the shard
		c.message = newMessage()
	}
	return c, nil
}

// connect begins to connect a socket, from one source after the other where the ports of one are used up.
func (s *sockets) connect(to netip.AddrPort) (fd int, err error) {
	for range s.sources.tries() {
		if fd, err = connectFrom(s.sources.next(to.Addr()), to); err != unix.EADDRNOTAVAIL {
			break
		}
	}
	return fd, err
}

// connectFrom begins to connect a socket; an invalid source lets the system choose.
func connectFrom(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	family, address := sockaddr(to)
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // without it a long request waits for an acknowledgement
	if from.IsValid() {
		bindFrom(fd)
		_, source := sockaddr(netip.AddrPortFrom(from, 0))
		err = unix.Bind(fd, source)
	}
	if err == nil {
		err = unix.Connect(fd, address)
	}
	if err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindFrom leaves the choice of the port to connect, which only then may take one that serves another target already:
// there are as many for each target as the range has.
func bindFrom(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) }

// bindLater is bindFrom for the sockets of package net.
func bindLater(c syscall.RawConn) error { return c.Control(func(fd uintptr) { bindFrom(int(fd)) }) }

// sockaddr is a literal address as the system calls have it.
func sockaddr(a netip.AddrPort) (family int, address unix.Sockaddr) {
	if ip := a.Addr(); ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (s *sockets) wait(now, at time.Duration, nap bool, to []ready) []ready {
	d := at - now
	if nap && s.stamped && !s.look && d > 0 && d <= quiet {
		s.nap(d)
		s.look = true
		return to // what is due comes first
	}
	if s.look {
		s.look, d = false, 0
	}
	n := s.poll(max(d, 0))
	for i := range n {
		e := &s.events[i]
		t := token{uint32(e.Fd), uint32(e.Pad)}
		if t.place == eventPlace {
			var counter [8]byte
			_, _ = unix.Read(s.event, counter[:])
			to = s.take(to)
			continue
		}
		to = append(to, ready{t, e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0})
	}
	return to
}

// coarse says that there is no epoll_pwait2: before Linux 5.11, or where a container may not call it.
var coarse = sync.OnceValue(func() bool {
	_, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, ^uintptr(0), 0, 0, 0, 0, 0)
	narrow := unsafe.Sizeof(unix.Timespec{}) < 16 // the call takes 64 bits on every machine
	return narrow || errno != unix.EBADF && errno != unix.EINVAL
})

// poll asks what is ready, and sleeps for d at most where nothing is. An interrupted sleep has found nothing. Go's
// scheduler is not told: a shard's thread keeps its place in it, and every 10 ms a signal ends the sleep so that the garbage
// collector gets its turn.
func (s *sockets) poll(d time.Duration) int {
	timeout := unix.NsecToTimespec(int64(d))
	if d > 0 && !coarse() {
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.events)),
			uintptr(len(s.events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
		return found(n, errno)
	}
	if d > 0 {
		fds := [1]unix.PollFd{{Fd: int32(s.epoll), Events: unix.POLLIN}}
		_, _ = unix.Ppoll(fds[:], &timeout, nil)
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.events)), uintptr(len(s.events)), 0, 0, 0)
	return found(n, errno)
}

// found is how many events a call has given.
func found(n uintptr, errno syscall.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}

// nap sleeps without listening.
func (s *sockets) nap(d time.Duration) {
	timeout := unix.NsecToTimespec(int64(d))
	_, _, _ = syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&timeout)), 0, 0) // interrupted: the shard looks at the clock
}

func (s *sockets) wake() {
	_, _ = unix.Write(s.event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // fails only where it has been woken often and not read
}

func (s *sockets) post(t token) {
	s.put(t)
	s.wake()
}

func (s *sockets) close() {
	_ = unix.Close(s.event)
	_ = unix.Close(s.epoll)
}

// socket is one TCP connection.
type socket struct {
	fd      int
	message *message // nil: without time stamps
}

func (c *socket) opened() error {
	var errno, size int32 = 0, 4
	if _, _, failed := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(c.fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&errno)), uintptr(unsafe.Pointer(&size)), 0); failed != 0 {
		return failed
	}
	if errno != 0 {
		return syscall.Errno(errno)
	}
	if _, err := unix.Getpeername(c.fd); err != nil { // not connected: the event was of another kind
		return errAgain
	}
	return nil
}

func (c *socket) read(b []byte) (n int, stamp int64, err error) {
	var errno syscall.Errno
	if c.message != nil {
		n, stamp, errno = c.message.receive(c.fd, b)
	} else {
		n, errno = raw(unix.SYS_RECVFROM, c.fd, b, 0)
	}
	switch {
	case errno == unix.EAGAIN:
		return 0, 0, errAgain
	case errno != 0:
		return 0, 0, errno
	case n == 0:
		return 0, 0, io.EOF
	}
	return n, stamp, nil
}

// message is what recvmsg fills.
type message struct {
	header  unix.Msghdr
	vector  unix.Iovec
	control [64]byte
}

func newMessage() *message {
	m := new(message)
	m.prepare()
	return m
}

func (m *message) prepare() {
	m.header.Iov, m.header.Iovlen, m.header.Control = &m.vector, 1, &m.control[0]
}

// receive reads into b, and gives the kernel's receive time stamp of its last bytes.
func (m *message) receive(fd int, b []byte) (n int, stamp int64, errno syscall.Errno) {
	m.vector.Base = unsafe.SliceData(b)
	m.vector.SetLen(len(b))
	m.header.SetControllen(len(m.control))
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.header)), 0)
		if errno != unix.EINTR {
			return int(n), m.stamp(), errno
		}
	}
}

// stamp is the time stamp in the first control message, which is the only one that was asked for; 0 without one.
func (m *message) stamp() int64 {
	const size = unix.SizeofCmsghdr + int(unsafe.Sizeof(unix.Timespec{}))
	first := (*unix.Cmsghdr)(unsafe.Pointer(&m.control))
	if uint64(m.header.Controllen) < uint64(size) || first.Level != unix.SOL_SOCKET || first.Type != unix.SO_TIMESTAMPNS {
		return 0
	}
	at := (*unix.Timespec)(unsafe.Pointer(&m.control[unix.SizeofCmsghdr]))
	return at.Nano()
}

func (c *socket) write(b []byte) (int, error) {
	n, errno := raw(unix.SYS_SENDTO, c.fd, b, unix.MSG_NOSIGNAL)
	switch {
	case errno == unix.EAGAIN:
		return 0, errAgain
	case errno != 0:
		return 0, errno
	}
	return n, nil
}

// raw receives or sends; an interrupted call is made again, since no edge would announce what it has left.
func raw(call uintptr, fd int, b []byte, flags uintptr) (n int, errno syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func (c *socket) close() { _ = unix.Close(c.fd) }
