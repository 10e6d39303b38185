package loadgen

import (
	"bytes"
	"errors"
	"fmt"
)

// The limits of an answer. Past them it is no answer in the sense of a check: the shot has failed.
const (
	maxHeader = 64 << 10 // bytes of all header lines together, interim answers and trailers included
	maxBody   = 16 << 20 // bytes of body
	maxLine   = 16 << 10 // bytes of one line
)

// errGarbage is wrapped by every error of an answer that is none.
var errGarbage = errors.New("not an HTTP answer")

// errShort says that the connection ended before the answer was whole.
var errShort = errors.New("the connection ended before the answer was whole")

type parseState uint8

const (
	inStatus parseState = iota
	inHeader
	inBody
	inBodyToClose
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
	answered
)

// parser reads one HTTP/1.x answer out of bytes that come in pieces of any size (RFC 9112). It is pushed, not
// pulling: the goroutine that owns the connection reads into one buffer and the parser works on it in place; only
// a line that is torn between two pieces is copied.
type parser struct {
	state parseState
	// head: the request's method was HEAD, so that no body follows whatever the header says.
	head bool
	// keepHeader and keepBody: somebody will look at them, so that they are copied.
	keepHeader, keepBody bool

	status int
	// reusable: the connection may carry another request after this answer.
	reusable bool
	header   []byte // kept header lines, each ended by \n
	body     []byte

	line       []byte // the torn beginning of a line
	seen       int    // bytes of header lines so far
	taken      int64  // bytes of body so far
	left       int64  // bytes to come of the body or chunk
	http10     bool
	keepAlive  bool
	closing    bool
	chunked    bool
	hasLength  bool
	lastFrames bool // the last header line said how the body is framed: it may not be folded
}

// reset makes the parser ready for the answer to a request.
func (p *parser) reset(head, keepHeader, keepBody bool) {
	*p = parser{
		head: head, keepHeader: keepHeader, keepBody: keepBody,
		header: p.header[:0], body: p.body[:0], line: p.line[:0],
	}
}

// feed takes the next bytes; it gives how many belonged to this answer, which is whole when p.state is answered.
func (p *parser) feed(b []byte) (int, error) {
	all := len(b)
	for p.state != answered {
		switch p.state {
		case inBody, inBodyToClose, inChunk:
			if len(b) == 0 {
				return all, nil
			}
			n, err := p.takeBody(b)
			b = b[n:]
			if err != nil {
				return all - len(b), err
			}
		default:
			line, n, whole, err := p.takeLine(b)
			b = b[n:]
			if err == nil && whole {
				err = p.onLine(line)
				p.line = p.line[:0]
			}
			if err != nil || !whole {
				return all - len(b), err
			}
		}
	}
	return all - len(b), nil
}

// end says what the closing of the connection means: nil where it ends the body.
func (p *parser) end() error {
	if p.state == inBodyToClose {
		p.state = answered
		p.reusable = false
		return nil
	}
	return errShort
}

// begun says whether a byte of the answer has come.
func (p *parser) begun() bool { return p.state != inStatus || len(p.line) > 0 || p.seen > 0 }

func (p *parser) takeBody(b []byte) (int, error) {
	n := len(b)
	if p.state != inBodyToClose && int64(n) > p.left {
		n = int(p.left)
	}
	p.taken += int64(n)
	if p.taken > maxBody {
		return n, fmt.Errorf("%w: its body is longer than %d bytes", errGarbage, maxBody)
	}
	if p.keepBody {
		p.body = append(p.body, b[:n]...)
	}
	if p.state == inBodyToClose {
		return n, nil
	}
	if p.left -= int64(n); p.left == 0 {
		if p.state == inChunk {
			p.state = inChunkEnd
		} else {
			p.state = answered
		}
	}
	return n, nil
}

// takeLine gives the next line without its end, which may be \r\n or \n alone.
func (p *parser) takeLine(b []byte) (line []byte, n int, whole bool, err error) {
	i := bytes.IndexByte(b, '\n')
	n = i + 1
	if i < 0 {
		n = len(b)
	}
	if p.state != inChunkSize && p.state != inChunkEnd {
		p.seen += n
	}
	if p.seen > maxHeader || len(p.line)+n > maxLine {
		return nil, n, false, fmt.Errorf("%w: its header is too long", errGarbage)
	}
	if i < 0 {
		p.line = append(p.line, b...)
		return nil, n, false, nil
	}
	line = b[:i]
	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line = p.line
	}
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	}
	return line, n, true, nil
}

func (p *parser) onLine(line []byte) error {
	switch p.state {
	case inStatus:
		return p.onStatus(line)
	case inHeader:
		if len(line) > 0 {
			return p.onHeader(line)
		}
		return p.onHeaderEnd()
	case inChunkSize:
		return p.onChunkSize(line)
	case inChunkEnd:
		if len(line) > 0 {
			return fmt.Errorf("%w: a chunk is longer than it says", errGarbage)
		}
		p.state = inChunkSize
	case inTrailer:
		if len(line) == 0 {
			p.state = answered
		} else if _, _, err := splitHeader(line); err != nil {
			return err
		}
	}
	return nil
}

// onStatus reads "HTTP/1.1 200 OK"; the reason may be missing.
func (p *parser) onStatus(line []byte) error {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || (len(line) > 12 && line[12] != ' ') {
		return fmt.Errorf("%w: its first line is no status line", errGarbage)
	}
	switch line[7] {
	case '0':
		p.http10 = true
	case '1':
	default:
		return fmt.Errorf("%w: HTTP/1.%c", errGarbage, line[7])
	}
	p.status = 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: its status is no number", errGarbage)
		}
		p.status = p.status*10 + int(c-'0')
	}
	if p.status < 100 {
		return fmt.Errorf("%w: status %d", errGarbage, p.status)
	}
	p.state = inHeader
	return nil
}

func (p *parser) onHeader(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' {
		if p.lastFrames || p.seen == 0 {
			return fmt.Errorf("%w: a folded framing header", errGarbage)
		}
		return nil
	}
	name, value, err := splitHeader(line)
	if err != nil {
		return err
	}
	if p.keepHeader {
		p.header = append(append(p.header, line...), '\n')
	}
	p.lastFrames = true
	switch {
	case len(name) == 14 && equalFold(name, "content-length"):
		return p.onContentLength(value)
	case len(name) == 17 && equalFold(name, "transfer-encoding"):
		if p.http10 {
			p.closing = true // framing that HTTP/1.0 does not know is not to be relied on
			return nil
		}
		if p.chunked || !equalFold(value, "chunked") {
			return fmt.Errorf("%w: transfer encoding %.32q", errGarbage, value)
		}
		p.chunked = true
	case len(name) == 10 && equalFold(name, "connection"):
		p.onConnection(value)
	default:
		p.lastFrames = false
	}
	return nil
}

func (p *parser) onContentLength(value []byte) error {
	if len(value) == 0 || len(value) > 18 {
		return fmt.Errorf("%w: content length %.32q", errGarbage, value)
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: content length %.32q", errGarbage, value)
		}
		n = n*10 + int64(c-'0')
	}
	if p.hasLength && n != p.left {
		return fmt.Errorf("%w: two content lengths, %d and %d", errGarbage, p.left, n)
	}
	p.hasLength, p.left = true, n
	return nil
}

func (p *parser) onConnection(value []byte) {
	for len(value) > 0 {
		token, rest, _ := bytes.Cut(value, []byte(","))
		value = rest
		token = bytes.TrimSpace(token)
		switch {
		case equalFold(token, "close"):
			p.closing = true
		case equalFold(token, "keep-alive"):
			p.keepAlive = true
		}
	}
}

// onHeaderEnd decides how the body is framed (RFC 9112, 6.3).
func (p *parser) onHeaderEnd() error {
	if p.status == 101 {
		return fmt.Errorf("%w: it switches protocols unasked", errGarbage)
	}
	if p.status < 200 { // an interim answer: the real one follows
		seen := p.seen
		p.reset(p.head, p.keepHeader, p.keepBody)
		p.seen = seen
		return nil
	}
	p.reusable = !p.closing && (!p.http10 || p.keepAlive)
	switch {
	case p.head || p.status == 204 || p.status == 304:
		p.state = answered
	case p.chunked:
		p.reusable = p.reusable && !p.hasLength // both at once: somebody on the way may have read it differently
		p.left = 0
		p.state = inChunkSize
	case p.hasLength && p.left == 0:
		p.state = answered
	case p.hasLength:
		p.state = inBody
	default:
		p.state = inBodyToClose
	}
	return nil
}

func (p *parser) onChunkSize(line []byte) error {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 15 {
		return fmt.Errorf("%w: chunk size %.32q", errGarbage, line)
	}
	n := int64(0)
	for _, c := range line {
		d, ok := hexDigit(c)
		if !ok {
			return fmt.Errorf("%w: chunk size %.32q", errGarbage, line)
		}
		n = n<<4 | int64(d)
	}
	p.left = n
	p.state = inChunk
	if n == 0 {
		p.state = inTrailer
	}
	return nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// splitHeader cuts "Name: value"; a name is a token (RFC 9110, 5.6.2).
func splitHeader(line []byte) (name, value []byte, err error) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return nil, nil, fmt.Errorf("%w: header line %.32q", errGarbage, line)
	}
	for _, c := range line[:i] {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return nil, nil, fmt.Errorf("%w: header line %.32q", errGarbage, line)
		}
	}
	return line[:i], bytes.Trim(line[i+1:], " \t"), nil
}

// equalFold compares b with lower, which is ASCII in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// headerValues calls each with every value of the kept header lines named lower, until it says false.
func (p *parser) headerValues(lower string, each func(value []byte) bool) {
	for rest := p.header; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		name, value, err := splitHeader(line)
		if err == nil && equalFold(name, lower) && !each(value) {
			return
		}
	}
}
