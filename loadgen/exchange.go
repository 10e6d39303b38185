package loadgen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// exchange says requests of HTTP/1.1 again by net/http, and its answers again as HTTP/1.1. Bodies are streamed both ways.
type exchange struct {
	link *relay
	conn *http.ClientConn
	host *host
	in   *bufio.Reader
	out  *bufio.Writer
	sent atomic.Bool
	// toProxy: the connection ends at a proxy that reads the requests.
	toProxy bool
}

func newExchange(l *relay, conn *http.ClientConn, h *host) *exchange {
	return &exchange{link: l, conn: conn, host: h, in: bufio.NewReader(l), out: bufio.NewWriter(l)}
}

// errThrough says that all is well but the connection carries no further request.
var errThrough = io.EOF

// garbage is written in the place of an answer that net/http did not take for one, so that it is judged as it would
// have been by the shard.
const garbage = "?\r\n"

// relay sends one request and passes its answer on. An error ends the connection, and is what the shard reads.
func (x *exchange) relay(ctx context.Context) error {
	r, err := http.ReadRequest(x.in)
	if err != nil {
		return &relayError{text: "the request cannot be relayed: " + err.Error(), unsent: true}
	}
	body := &countedBody{ReadCloser: r.Body}
	body.left.Store(r.ContentLength)
	if r.ContentLength > 0 {
		r.Body = body
	}
	x.sent.Store(false)
	trace := &httptrace.ClientTrace{WroteHeaders: func() { x.sent.Store(true) }}
	answer, err := x.conn.RoundTrip(x.aim(r).WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return x.blame(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols { // unasked; its body would be the connection itself
		return x.garbage()
	}
	last := answer.Close || body.left.Load() > 0
	return x.pass(answer, r.Method, last)
}

// aim directs a request at the host. Its Host header stays; a proxy must not follow that, which may be any name, so that it
// is given the address in the request line.
func (x *exchange) aim(r *http.Request) *http.Request {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = x.host.scheme(), x.host.address
	if x.toProxy {
		r.URL.Opaque = "//" + x.host.address + path
	}
	return r
}

// pass writes an answer as HTTP/1.1.
func (x *exchange) pass(answer *http.Response, method string, last bool) error {
	none := method == http.MethodHead || answer.StatusCode == http.StatusNoContent || answer.StatusCode == http.StatusNotModified
	chunked := !none && (answer.ContentLength < 0 || len(answer.Trailer) > 0)
	fmt.Fprintf(x.out, "HTTP/1.1 %03d %s\r\n", answer.StatusCode, http.StatusText(answer.StatusCode))
	x.header(answer.Header)
	switch {
	case chunked:
		x.out.WriteString("Transfer-Encoding: chunked\r\n")
	case answer.ContentLength >= 0 && answer.StatusCode != http.StatusNoContent:
		fmt.Fprintf(x.out, "Content-Length: %d\r\n", answer.ContentLength)
	}
	if last {
		x.out.WriteString("Connection: close\r\n")
	}
	x.out.WriteString("\r\n")
	if !none {
		if err := x.copy(answer.Body, chunked); err != nil {
			return x.blame(err)
		}
	}
	if chunked {
		x.out.WriteString("0\r\n")
		x.header(answer.Trailer)
		x.out.WriteString("\r\n")
	}
	if err := x.out.Flush(); err != nil {
		return err
	}
	if last {
		return errThrough
	}
	return nil
}

// header writes header lines but for those that concern the connection only.
func (x *exchange) header(h http.Header) {
	for name, values := range h {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Content-Length", "Trailer", "Upgrade":
			continue
		}
		for _, value := range values {
			for _, s := range []string{name, ": ", value, "\r\n"} {
				x.out.WriteString(s)
			}
		}
	}
}

// pieces are buffers for parts of answers: most relays wait, and need none.
var pieces = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// copy passes a body on as it comes.
func (x *exchange) copy(body io.Reader, chunked bool) error {
	piece := pieces.Get().(*[16 << 10]byte)
	defer pieces.Put(piece)
	for {
		if x.out.Buffered() > 0 { // the header must not wait for a slow body
			if err := x.out.Flush(); err != nil {
				return err
			}
		}
		n, err := body.Read(piece[:])
		if n > 0 && chunked {
			x.out.WriteString(strconv.FormatInt(int64(n), 16) + "\r\n")
		}
		x.out.Write(piece[:n]) // an error stays, and comes with the next Flush
		if n > 0 && chunked {
			x.out.WriteString("\r\n")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// blame says of an error of net/http what it means for the shot.
func (x *exchange) blame(err error) error {
	var reset streamReset
	var bad textproto.ProtocolError
	text := err.Error()
	switch {
	case errors.As(err, &reset) && reset.ours():
		return x.garbage()
	case errors.As(err, &reset):
		return &relayError{text: reset.Error(), unsent: reset.Code == refusedStream}
	case strings.Contains(text, "GOAWAY") && !strings.Contains(text, "ErrCode"), strings.Contains(text, "client conn not usable"):
		return &relayError{text: "the server closed the HTTP/2 connection before it took the request", unsent: true}
	case !x.sent.Load():
		return &relayError{text: text, unsent: true}
	case errors.As(err, &bad), strings.Contains(text, "malformed"), strings.Contains(text, "chunk"), strings.Contains(text, "http2: response header list"),
		strings.Contains(text, "server response headers exceeded"):
		return x.garbage()
	}
	return io.ErrUnexpectedEOF
}

func (x *exchange) garbage() error {
	x.out.Reset(x.link)
	x.out.WriteString(garbage)
	if err := x.out.Flush(); err != nil {
		return err
	}
	return errThrough
}

// relayError is a shot's end that the target, or net/http, gave a reason for.
type relayError struct {
	text string
	// unsent: nothing of the request was worked off, so that it may be sent once more whatever it does.
	unsent bool
}

func (e *relayError) Error() string { return e.text }

// streamReset is what errors.As finds of net/http's unexported error of the same fields.
type streamReset struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// refusedStream is REFUSED_STREAM (RFC 9113, 7): the request was not worked off.
const refusedStream = 0x7

// ours says that it is not the server's reset but what net/http found wrong with its frames.
func (r streamReset) ours() bool { return r.Cause == nil || r.Cause.Error() != "received from peer" }

func (r streamReset) Error() string {
	names := []string{
		"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
		"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
	}
	if int64(r.Code) < int64(len(names)) {
		return "the server reset the HTTP/2 stream: " + names[r.Code]
	}
	return fmt.Sprintf("the server reset the HTTP/2 stream: code %d", r.Code)
}

// countedBody knows how much of a request's body has not been taken yet.
type countedBody struct {
	io.ReadCloser
	left atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left.Add(int64(-n))
	return n, err
}
