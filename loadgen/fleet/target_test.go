package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// target answers the request of an arrival after a time, and with a status, that are functions of its Seq; it counts who has asked.
type target struct {
	mu    sync.Mutex
	begun map[uint32]int
	when  map[uint32]time.Time
}

func newTarget() *target { return &target{begun: map[uint32]int{}, when: map[uint32]time.Time{}} }

func (t *target) Dial(ctx context.Context, _ string) (net.Conn, error) {
	return &exchangeOf{target: t, answers: make(chan []byte, 4), closed: make(chan struct{})}, ctx.Err()
}

// took is how long a Seq's answer takes, ok whether it is one.
func took(seq uint32) (d time.Duration, ok bool) {
	h := seq * 2654435761
	return time.Millisecond + time.Duration(h>>20)*100*time.Microsecond, h>>8&15 > 0
}

type exchangeOf struct {
	net.Conn
	target  *target
	answers chan []byte
	rest    []byte
	closed  chan struct{}
	once    sync.Once
}

// Write takes a whole request, as the engine writes it: GET /SEQ HTTP/1.1.
func (x *exchangeOf) Write(b []byte) (int, error) {
	path, _, _ := bytes.Cut(bytes.TrimPrefix(b, []byte("GET /")), []byte(" "))
	n, err := strconv.ParseUint(string(path), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("request %q: %w", b, err)
	}
	seq := uint32(n)
	x.target.mu.Lock()
	x.target.begun[seq]++
	x.target.when[seq] = time.Now()
	x.target.mu.Unlock()
	wait, ok := took(seq)
	status := "200 OK"
	if !ok {
		status = "500 No"
	}
	time.AfterFunc(wait, func() { x.answers <- []byte("HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n\r\nok") })
	return len(b), nil
}

func (x *exchangeOf) Read(b []byte) (int, error) {
	if len(x.rest) == 0 {
		select {
		case x.rest = <-x.answers:
		case <-x.closed:
			return 0, io.EOF
		}
	}
	n := copy(b, x.rest)
	x.rest = x.rest[n:]
	return n, nil
}

func (x *exchangeOf) Close() error {
	x.once.Do(func() { close(x.closed) })
	return nil
}
