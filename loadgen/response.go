package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// The limits of an answer. Past them it is no answer in the sense of a check: the shot has failed.
const (
	maxHeader    = 64 << 10 // bytes of all header lines together, interim answers, trailers and chunk extensions included
	maxBody      = 16 << 20 // bytes of body, with the lines between its chunks
	maxLine      = 16 << 10 // bytes of one line
	maxChunkLine = 4 << 10  // bytes of one line that says a chunk's size
)

var (
	// errGarbage is wrapped by every error of an answer that is none.
	errGarbage = errors.New("not an HTTP answer")
	// errTooMuch is the garbage that only is too much of it.
	errTooMuch = fmt.Errorf("%w: past a limit", errGarbage)
	// errShort says that the connection ended before the answer was whole.
	errShort = errors.New("the connection ended before the answer was whole")
)

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
// pulling: whoever owns the connection reads into one buffer and the parser works on it in place; only a line that is
// torn between two pieces is copied.
//
// It reads what net/http reads, but for the differences that its fuzz target lists.
type parser struct {
	framing
	header []byte // kept header lines, each ended by \n
	body   []byte
	line   []byte // the torn beginning of a line
	// podHeader is the field that names the pod behind an answer, in lower case, empty for none; pod is what it said.
	podHeader string
	pod       []byte
}

// framing is what a parser knows about the answer under way, but for its bytes.
type framing struct {
	state parseState
	// head: the request's method was HEAD, so that no body follows whatever the header says.
	head bool
	// keepHeader and keepBody: somebody will look at them, so that they are copied.
	keepHeader, keepBody bool
	// reusable: the connection may carry another request after this answer.
	reusable bool

	http10    bool
	keepAlive bool
	closing   bool
	chunked   bool
	hasLength bool
	noFold    bool // the next line may not be folded: before it is none, or one that frames the body

	status int
	seen   int   // bytes of header lines so far
	taken  int64 // bytes of body and of chunks' frames so far
	left   int64 // bytes to come of the body or chunk
}

// reset makes the parser ready for the answer to a request.
func (p *parser) reset(head, keepHeader, keepBody bool) {
	p.framing = framing{head: head, keepHeader: keepHeader, keepBody: keepBody}
	p.header, p.body, p.line, p.pod = p.header[:0], emptied(p.body), p.line[:0], p.pod[:0]
}

// keptBuffer is the most of a buffer that is kept for the next answer, in bytes: a long one would stay with every
// connection.
const keptBuffer = 64 << 10

func emptied(b []byte) []byte {
	if cap(b) > keptBuffer {
		return nil
	}
	return b[:0]
}

// feed takes the next bytes; it gives how many belonged to this answer, which is whole when p.state is answered.
func (p *parser) feed(b []byte) (int, error) {
	at := 0
	for at < len(b) && p.state != answered {
		n, err := p.take(b[at:])
		at += n
		if err != nil {
			return at, err
		}
	}
	return at, nil
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

// take takes one line, or as much of the body as there is.
func (p *parser) take(b []byte) (int, error) {
	switch p.state {
	case inBody, inBodyToClose, inChunk:
		return p.takeBody(b)
	case inChunkEnd:
		return p.takeChunkEnd(b)
	}
	return p.takeLine(b)
}

func (p *parser) takeBody(b []byte) (int, error) {
	n := len(b)
	if p.state != inBodyToClose && int64(n) > p.left {
		n = int(p.left)
	}
	p.taken += int64(n)
	if p.taken > maxBody {
		return n, p.tooLong()
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

func (p *parser) tooLong() error {
	return fmt.Errorf("%w: its body is longer than %d bytes", errTooMuch, maxBody)
}

// takeChunkEnd takes \r, then \n; the line remembers the \r.
func (p *parser) takeChunkEnd(b []byte) (int, error) {
	switch {
	case len(p.line) == 0 && b[0] == '\r':
		p.line = append(p.line, '\r')
	case len(p.line) == 1 && b[0] == '\n':
		p.line = p.line[:0]
		p.state = inChunkSize
	default:
		return 0, fmt.Errorf("%w: a chunk is longer than it says", errGarbage)
	}
	return 1, nil
}

// takeLine takes the next line, or what there is of it.
func (p *parser) takeLine(b []byte) (int, error) {
	n := bytes.IndexByte(b, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(b)
	}
	most := maxLine
	if p.state == inChunkSize {
		most = maxChunkLine
	} else {
		p.seen += n
	}
	if p.seen > maxHeader || len(p.line)+n > most {
		return n, fmt.Errorf("%w: its header is too long", errTooMuch)
	}
	if !whole {
		p.line = append(p.line, b...)
		return n, p.beginsWell()
	}
	line := b[:n]
	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line, p.line = p.line, p.line[:0]
	}
	return n, p.onLine(line)
}

// beginsWell looks at the torn beginning of an answer: who speaks another protocol may never end a line, and is not to
// be waited for.
func (p *parser) beginsWell() error {
	const begin = "HTTP/1."
	if n := min(len(p.line), len(begin)); p.state == inStatus && string(p.line[:n]) != begin[:n] {
		return fmt.Errorf("%w: its first line is no status line: %.32q", errGarbage, p.line)
	}
	return nil
}

// onLine handles a line with its end: \r\n, or in the header \n alone (RFC 9112, 2.2).
func (p *parser) onLine(line []byte) error {
	line = line[:len(line)-1]
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	} else if p.state >= inChunkSize {
		return fmt.Errorf("%w: a line between chunks ends without a carriage return", errGarbage)
	}
	switch p.state {
	case inStatus:
		return p.onStatus(line)
	case inChunkSize:
		return p.onChunkSize(line)
	case inTrailer:
		return p.onTrailer(line)
	}
	if len(line) == 0 {
		return p.onHeaderEnd()
	}
	return p.onHeader(line)
}

// onStatus reads "HTTP/1.1 200 OK"; the reason may be missing. A minor version that is not known yet is taken for the
// last that is (RFC 9110, 2.5).
func (p *parser) onStatus(line []byte) error {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7]-'0' > 9 || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return fmt.Errorf("%w: its first line is no status line: %.32q", errGarbage, line)
	}
	a, b, c := line[9]-'0', line[10]-'0', line[11]-'0'
	if a == 0 || a > 9 || b > 9 || c > 9 {
		return fmt.Errorf("%w: status %q", errGarbage, line[9:12])
	}
	p.status = int(a)*100 + int(b)*10 + int(c)
	p.http10 = line[7] == '0'
	p.noFold = true
	p.state = inHeader
	return nil
}

func (p *parser) onHeader(line []byte) error {
	if isSpace(line[0]) {
		return p.onFolded(line)
	}
	name, err := checkField(line)
	if err != nil {
		return err
	}
	if p.keepHeader {
		p.header = append(append(p.header, trimRight(line)...), '\n')
	}
	p.noFold = false
	if name == len(p.podHeader) && equalFold(line[:name], p.podHeader) {
		p.pod = append(p.pod[:0], podName(line[name+1:])...)
	}
	switch name { // all else that is looked at frames the answer
	case len("connection"), len("content-length"), len("transfer-encoding"):
		return p.onFraming(splitField(line, name))
	}
	return nil
}

// onFolded handles the continuation of a header line, which counts as one space (RFC 9112, 5.2). What frames the body
// may not be folded: too many on the way have read that in a way of their own.
func (p *parser) onFolded(line []byte) error {
	if p.noFold || hasControl(line) {
		return fmt.Errorf("%w: a folded line %.32q", errGarbage, line)
	}
	if p.keepHeader && p.state == inHeader {
		p.header[len(p.header)-1] = ' '
		p.header = append(append(p.header, trimSpace(line)...), '\n')
	}
	return nil
}

func (p *parser) onFraming(name, value []byte) error {
	switch {
	case equalFold(name, "connection"):
		p.onConnection(value)
	case equalFold(name, "content-length"):
		p.noFold = true
		return p.onContentLength(value)
	case equalFold(name, "transfer-encoding"):
		p.noFold = true
		if p.http10 {
			p.closing = true // framing that HTTP/1.0 does not know is not to be relied on (RFC 9112, 6.1)
			return nil
		}
		if p.chunked || !equalFold(value, "chunked") {
			return fmt.Errorf("%w: transfer encoding %.32q", errGarbage, value)
		}
		p.chunked = true
	}
	return nil
}

func (p *parser) onContentLength(value []byte) error {
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' || n > (math.MaxInt64-int64(c-'0'))/10 {
			return fmt.Errorf("%w: content length %.32q", errGarbage, value)
		}
		n = n*10 + int64(c-'0')
	}
	if len(value) == 0 {
		return fmt.Errorf("%w: content length %.32q", errGarbage, value)
	}
	if p.hasLength && n != p.left {
		return fmt.Errorf("%w: two content lengths, %d and %d", errGarbage, p.left, n)
	}
	p.hasLength, p.left = true, n
	return nil
}

func (p *parser) onConnection(value []byte) {
	p.noFold = true
	for len(value) > 0 {
		token, rest, _ := bytes.Cut(value, []byte(","))
		value = rest
		token = trimSpace(token)
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
		p.state = inChunkSize
	case p.hasLength && p.left == 0:
		p.state = answered
	case p.hasLength && p.left > maxBody:
		return p.tooLong()
	case p.hasLength:
		p.state = inBody
	default:
		p.state = inBodyToClose
	}
	return nil
}

// onChunkSize reads "1f;name=value"; extensions mean nothing here, but count as header.
func (p *parser) onChunkSize(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";"))
	size = trimRight(size)
	n, ok := parseHex(size)
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return fmt.Errorf("%w: chunk size %.32q", errGarbage, line)
	}
	p.taken += int64(len(line) + len("\r\n\r\n")) // or tiny chunks would bring many times the limit
	if p.taken > maxBody || n > uint64(maxBody-p.taken) {
		return p.tooLong()
	}
	if p.seen += len(line) - len(size); p.seen > maxHeader {
		return fmt.Errorf("%w: its chunks' extensions are too long", errTooMuch)
	}
	p.left = int64(n)
	p.state = inChunk
	if n == 0 {
		p.state, p.noFold = inTrailer, true
	}
	return nil
}

// onTrailer checks a line after the last chunk; nobody looks at trailers.
func (p *parser) onTrailer(line []byte) error {
	switch {
	case len(line) == 0:
		p.state = answered
		return nil
	case isSpace(line[0]):
		return p.onFolded(line)
	}
	_, err := checkField(line)
	p.noFold = false
	return err
}

// parseHex reads 1 to 16 hexadecimal digits.
func parseHex(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, len(b) > 0 && len(b) <= 16
}
