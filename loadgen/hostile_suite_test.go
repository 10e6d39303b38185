//go:build linux

package loadgen

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	head200     = "HTTP/1.1 200 OK\r\n"
	headChunked = head200 + "Transfer-Encoding: chunked\r\n\r\n"
)

// TestHostileSlowness: who is too slow times out, whatever was said by then. All of them in one run.
func TestHostileSlowness(t *testing.T) {
	slow := []hostile{
		{name: "header by byte", serve: dripping(head200+strings.Repeat("X: y\r\n", 100), 20*time.Millisecond)},
		{name: "body by byte", serve: dripping(head200+"Content-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000), 5*time.Millisecond)},
		{name: "chunks by byte", serve: dripping(headChunked+strings.Repeat("1\r\nx\r\n", 1000), 5*time.Millisecond)},
		{name: "one byte, then silence", serve: saying("H")},
		{name: "header, then silence", serve: saying(head200 + "Content-Length: 5\r\n\r\n")},
		{name: "header without an end, then silence", serve: saying(head200 + "X: y\r\n")},
		{name: "body without length, then silence", serve: saying(head200 + "\r\nsome of it")},
		{name: "no last chunk, then silence", serve: saying(headChunked + "5\r\nhello\r\n")},
		{name: "interim, then silence", serve: saying("HTTP/1.1 100 Continue\r\n\r\n")},
		{name: "interim again and again", serve: func(c net.Conn) {
			for asked(c); said(c, "HTTP/1.1 102 Processing\r\n\r\n"); time.Sleep(10 * time.Millisecond) {
			}
		}},
		{name: "the answer after the time-out", serve: func(c net.Conn) {
			for asked(c) {
				time.Sleep(3 * shortly / 2)
				said(c, okAnswer)
			}
		}},
	}
	for i := range slow {
		slow[i].want = only(record.TimedOut)
	}
	street(t, posting(shortly), 110, 2*shortly, slow...)
	street(t, posting(patently), 5, shortly, hostile{name: "byte by byte, in time", serve: dripping(okAnswer, time.Millisecond), want: only(record.OK)})
}

func TestHostileExcess(t *testing.T) {
	for _, h := range []hostile{
		{name: "endless body", serve: repeating(head200+"\r\n", "x"), want: only(record.Failed)},
		{name: "endless chunked body", serve: repeating(headChunked, "1000\r\n"+strings.Repeat("x", 4096)+"\r\n"), want: only(record.Failed)},
		{name: "endless tiny chunks", serve: repeating(headChunked, "1\r\nx\r\n"), total: 1, want: only(record.Failed)},
		{name: "endless chunk extensions", serve: repeating(headChunked, "1;"+strings.Repeat("e", 1000)+"\r\nx\r\n"), want: only(record.Failed)},
		{name: "endless chunk size", serve: repeating(headChunked, "0"), want: only(record.Failed)},
		{name: "endless trailers", serve: repeating(headChunked+"0\r\n", "X: y\r\n"), want: only(record.Failed)},
		{name: "endless header", serve: repeating(head200, "X: y\r\n"), want: only(record.Failed)},
		{name: "endless header line", serve: repeating(head200+"X: ", "y"), want: only(record.Failed)},
		{name: "endless status line", serve: repeating(head200[:15], "y"), want: only(record.Failed)},
		{name: "endless interim answers", serve: repeating("", "HTTP/1.1 100 Continue\r\n\r\n"), want: only(record.Failed)},
		{name: "chunk of 2⁶³", serve: saying(headChunked + "8000000000000000\r\n"), want: only(record.Failed)},
		{name: "chunk of 2⁶⁴", serve: saying(headChunked + "10000000000000000\r\n"), want: only(record.Failed)},
		{name: "length of 2⁶²", serve: saying(head200 + "Content-Length: 4611686018427387904\r\n\r\n"), want: only(record.Failed)},
		{name: "length of 10²⁰", serve: saying(head200 + "Content-Length: 100000000000000000000\r\n\r\n"), want: only(record.Failed)},
		{name: "cookies below the limit", serve: answering(head200 + strings.Repeat("Set-Cookie: a="+strings.Repeat("c", 15_000)+"\r\n", 4) + "Content-Length: 0\r\n\r\n"), want: only(record.OK)},
		{name: "cookies beyond the limit", serve: answering(head200 + strings.Repeat("Set-Cookie: a="+strings.Repeat("c", 15_000)+"\r\n", 5) + "Content-Length: 0\r\n\r\n"), want: only(record.Failed)},
		{name: "one cookie beyond the limit", serve: answering(head200 + "Set-Cookie: a=" + strings.Repeat("c", maxLine) + "\r\nContent-Length: 0\r\n\r\n"), want: only(record.Failed)},
	} {
		h.step = post
		t.Run(h.name, h.try)
	}
}

func TestHostileLengths(t *testing.T) {
	long := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than that"
	head := scenarios.Step{Method: "HEAD", Timeout: patently}
	for _, h := range []hostile{
		{name: "body shorter than its length, closed", serve: once(head200 + "Content-Length: 10\r\n\r\nshort"), want: only(record.Lost)},
		{name: "chunk shorter than its size, closed", serve: once(headChunked + "a\r\nshort"), want: only(record.Lost)},
		{name: "chunk longer than its size", serve: saying(headChunked + "2\r\nlonger\r\n"), want: only(record.Failed)},
		{name: "closed without a last chunk", serve: once(headChunked + "2\r\nok\r\n"), want: only(record.Lost)},
		{name: "two lengths", serve: saying(head200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"), want: only(record.Failed)},
		{
			name: "more after the answer", serve: answering(long), over: 50 * time.Millisecond, want: only(record.OK),
			check: func(t testing.TB, _ *memory, r Result) {
				if r.Totals.Connections != 5 {
					t.Errorf("%d connections: one with bytes left over was used again", r.Totals.Connections)
				}
			},
		},
		{name: "two answers at once", serve: answering(okAnswer + okAnswer), over: 50 * time.Millisecond, want: only(record.OK)},
		{name: "answers unasked, then as asked", serve: func(c net.Conn) {
			said(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			answering(okAnswer)(c)
		}, want: only(record.Failed, record.OK)}, // it may come before or after the request is written
		{name: "a body with 204", serve: answering("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"), over: 50 * time.Millisecond, want: only(record.OK)},
		{name: "a body to HEAD", serve: answering(okAnswer), step: head, over: 50 * time.Millisecond, want: only(record.OK)},
		{name: "a length to HEAD", serve: answering(head200 + "Content-Length: 99999999999\r\n\r\n"), step: head, over: 50 * time.Millisecond, want: only(record.OK)},
	} {
		if h.step.Method == "" {
			h.step = post
		}
		t.Run(h.name, h.try)
	}
}

func TestHostileSpeech(t *testing.T) {
	for _, h := range []hostile{
		{name: "an alert of TLS", serve: saying("\x15\x03\x01\x00\x02\x02\x46"), want: only(record.Failed)},
		{name: "settings of HTTP/2", serve: saying("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"), want: only(record.Failed)},
		{name: "HTTP/0.9", serve: saying("<html>hello</html>"), want: only(record.Failed)},
		{name: "zeros", serve: saying(strings.Repeat("\x00", 100)), want: only(record.Failed)},
		{name: "a line end first", serve: saying("\r\n" + okAnswer), want: only(record.Failed)},
		{name: "switches protocols", serve: saying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), want: only(record.Failed)},
		{name: "interim answers, then the real one", serve: answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okAnswer), want: only(record.OK)},
		{name: "a thousand interim answers", serve: answering(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000) + okAnswer), want: only(record.OK)},
		{name: "a null in a header", serve: saying(head200 + "X: \x00\r\nContent-Length: 0\r\n\r\n"), want: only(record.Failed)},
		{name: "gzip framing", serve: saying(head200 + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), want: only(record.Failed)},
	} {
		h.step = post
		t.Run(h.name, h.try)
	}
}

// TestHostileGzip: nobody asks for compressed answers and nobody unpacks one: a bomb is the bytes that it has.
func TestHostileGzip(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	for range 64 { // MiB
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	answer := fmt.Sprintf(head200+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", bomb.Len(), bomb.Bytes())
	step := post
	step.Checks = []scenarios.Check{{Contains: "\x1f\x8b\x08"}} // its packed beginning: the body is looked at
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	hostile{serve: answering(answer), step: step, want: only(record.OK)}.try(t)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d bytes were allocated for five answers of %d", grown, len(answer))
	}
}

// cutAnswers are answers of every framing, to be cut off at every byte. whole is from which byte on an end of the
// connection, without a reset, is the end of the answer.
var cutAnswers = []struct {
	name, answer string
	whole        int
}{
	{"length", okAnswer, len(okAnswer)},
	{"chunks", headChunked + "2\r\nok\r\n0\r\nX: y\r\n\r\n", len(headChunked + "2\r\nok\r\n0\r\nX: y\r\n\r\n")},
	{"to the end", head200 + "\r\nall of it", len(head200 + "\r\n")},
	{"interim", "HTTP/1.1 100 Continue\r\n\r\n" + okAnswer, len("HTTP/1.1 100 Continue\r\n\r\n" + okAnswer)},
}

// cutting serves the first n bytes of the answer to the n-th arrival and then ends the connection.
func cutting(answer string, end func(*net.TCPConn)) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		at := -1
		if _, err := fmt.Sscanf(string(buf[:n]), "POST /%d ", &at); err != nil || at > len(answer) {
			return
		}
		said(c, answer[:at])
		end(c.(*net.TCPConn))
	}
}

// TestHostileCuts: an answer that is reset, or closed, after each of its bytes is lost unless it was whole.
func TestHostileCuts(t *testing.T) {
	step := scenarios.Step{Method: "POST", URL: "/{{seq}}", Body: "x", Timeout: patently}
	for _, a := range cutAnswers {
		for _, reset := range []bool{false, true} {
			end := func(*net.TCPConn) {}
			if reset {
				end = func(c *net.TCPConn) { _ = c.SetLinger(0) }
			}
			h := hostile{
				serve: cutting(a.answer, end), step: step, total: int64(len(a.answer) + 1), over: 50 * time.Millisecond,
				want: only(record.OK, record.Lost),
				check: func(t testing.TB, m *memory, _ Result) {
					for _, s := range m.samples {
						whole := int(s.Seq) >= a.whole
						// A reset may overtake the last bytes; without a length it is never the end of an answer.
						if reset && (int(s.Seq) == len(a.answer) && a.whole == len(a.answer)) {
							continue
						}
						if reset {
							whole = false
						}
						if (s.Outcome == record.OK) != whole {
							t.Errorf("cut after byte %d of %d: %s", s.Seq, len(a.answer), s.Outcome)
						}
					}
				},
			}
			t.Run(fmt.Sprintf("%s, reset %v", a.name, reset), h.try)
		}
	}
}

// bigBody is more than the buffers of a connection on loopback hold, so that writing it blocks.
var bigBody = strings.Repeat("0123456789abcdef", 12<<20/16)

func TestHostileReaders(t *testing.T) {
	big := func(timeout time.Duration) scenarios.Step {
		return scenarios.Step{Method: "POST", Body: bigBody, Timeout: timeout}
	}
	early := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
	for _, h := range []hostile{
		{name: "reads nothing", serve: func(c net.Conn) { waitForEnd(c) }, step: posting(shortly), want: only(record.TimedOut)},
		{name: "reads nothing of much", serve: func(c net.Conn) { waitForEnd(c) }, step: big(shortly), want: only(record.TimedOut)},
		{name: "stops reading", serve: func(c net.Conn) { asked(c); waitForEnd(c) }, step: big(shortly), want: only(record.TimedOut)},
		{name: "answers early, and reads on", serve: func(c net.Conn) {
			for said(c, early); asked(c); {
			}
		}, step: big(patently), want: only(record.OK)},
		{name: "answers early, and reads no more", serve: func(c net.Conn) { asked(c); said(c, early); waitForEnd(c) }, step: big(10 * time.Second), want: only(record.OK), check: beforeTimeOut},
		// what it has not read makes the kernel reset, which may take the answer along
		{name: "answers early, and closes", serve: func(c net.Conn) { asked(c); said(c, early) }, step: big(patently), want: only(record.OK, record.Lost)},
		{name: "resets while it is written to", serve: func(c net.Conn) { asked(c); _ = c.(*net.TCPConn).SetLinger(0) }, step: big(patently), want: only(record.Lost)},
	} {
		h.total = 3
		t.Run(h.name, h.try)
	}
}

// beforeTimeOut: the answer was there long before the request could have been written.
func beforeTimeOut(t testing.TB, m *memory, _ Result) {
	for _, s := range m.samples {
		if s.Done >= s.Due+10*time.Second {
			t.Errorf("shot %d was answered at once and done only after %s", s.Seq, s.Done-s.Due)
		}
	}
}

// waitForEnd waits until the other side has gone, without reading.
func waitForEnd(c net.Conn) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	// The poll is for hang-ups only; a read would take what the client must not get rid of.
	for gone := false; !gone; {
		err := raw.Control(func(fd uintptr) {
			list := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, _ := unix.Poll(list, 5)
			gone = n > 0
		})
		if err != nil {
			return
		}
	}
}

// TestHostileConnections: connections that cannot be had, or not kept.
func TestHostileConnections(t *testing.T) {
	storm := func(t testing.TB, _ *memory, r Result) {
		if r.Totals.Connections != 200 {
			t.Errorf("%d connections for 200 answers that each close one", r.Totals.Connections)
		}
	}
	get := scenarios.Step{Method: "GET", Timeout: patently}
	for _, h := range []hostile{
		{name: "each closes, and says so", serve: once(head200 + "Connection: close\r\nContent-Length: 0\r\n\r\n"), step: get, total: 200, over: 150 * time.Millisecond, want: only(record.OK), check: storm},
		{name: "each says that it closes, and does not", serve: saying(head200 + "Connection: close\r\nContent-Length: 0\r\n\r\n"), step: post, total: 200, over: 150 * time.Millisecond, want: only(record.OK), check: storm},
		{name: "each closes, and does not say so", serve: once(okAnswer), step: get, total: 200, over: 150 * time.Millisecond, want: only(record.OK)},
		{name: "each closes unanswered", serve: func(c net.Conn) { asked(c) }, step: post, total: 200, over: 150 * time.Millisecond, want: only(record.Lost)},
		{name: "IPv6", serve: answering(okAnswer), listen: func(t testing.TB) net.Listener { return listenOn(t, "[::1]:0") }, step: post, want: only(record.OK)},
	} {
		t.Run(h.name, h.try)
	}
}

// TestHostileBacklog: a server that never accepts and whose queue is full. The kernel completes the first handshakes,
// whose shots time out; to the others it does not answer, and nothing is sent.
func TestHostileBacklog(t *testing.T) {
	goroutines, descriptors := inUse(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	full := hostile{
		name: "full", want: only(record.TimedOut, record.Refused),
		check: func(t testing.TB, _ *memory, r Result) {
			if by := r.Totals.ByOutcome; by["refused"] == 0 {
				t.Errorf("outcomes %v, want some that found no place in the queue", by)
			}
		},
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	fireAt(t, posting(shortly), 20, 20*time.Millisecond, []string{address}, []hostile{full})
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	noLeaks(t, goroutines, descriptors)
}

// TestHostileNeighbours: one good server among bad ones, in one run: what those do is not felt next door.
func TestHostileNeighbours(t *testing.T) {
	street(t, posting(patently), 50, 200*time.Millisecond,
		hostile{name: "good", serve: answering(okAnswer), want: only(record.OK)},
		// A busy machine takes longer to read 16 MB of them than the shots have time.
		hostile{name: "flood", serve: repeating(head200+"\r\n", "x"), want: only(record.Failed, record.TimedOut)},
		hostile{name: "tiny chunks", serve: repeating(headChunked, "1\r\nx\r\n"), want: only(record.Failed, record.TimedOut)},
		hostile{name: "mute", serve: func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, want: only(record.Lost, record.Refused)},
		hostile{name: "babble", serve: saying(strings.Repeat("\x00", 1<<16)), want: only(record.Failed)},
	)
}
