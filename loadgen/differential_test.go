package loadgen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reading is what one of the two parsers made of an answer.
type reading struct {
	err      error
	status   int
	body     []byte
	used     int // bytes that belonged to the answer
	reusable bool
	header   func(name string) []string

	// Of net/http only: how each head began, with the interim ones; the last head's fields; all names of fields.
	firstLines []string
	lastHead   []byte
	fields     http.Header
	names      []string
	chunked    bool
}

// readOurs feeds the parser in pieces whose sizes next says.
func readOurs(p *parser, answer []byte, head bool, next func() int) reading {
	p.reset(head, true, true)
	r := reading{}
	for r.used < len(answer) && p.state != answered && r.err == nil {
		piece := answer[r.used:min(r.used+next(), len(answer))]
		n, err := p.feed(piece)
		r.used += n
		r.err = err
		if err == nil && n < len(piece) && p.state != answered {
			r.err = errors.New("bytes were left over before the end")
		}
		if !p.begun() && r.err == nil {
			r.err = errors.New("not begun, although it was fed")
		}
	}
	if r.err == nil && p.state != answered {
		r.err = p.end()
	}
	r.status, r.body, r.reusable = p.status, p.body, p.reusable
	r.header = func(name string) (values []string) {
		p.headerValues(name, func(v []byte) bool {
			values = append(values, string(v))
			return true
		})
		return values
	}
	return r
}

// reference reads by net/http. Its buffer is as large as our limits, so that its own limits, which are the buffer's, do
// not show.
type reference struct {
	from   bytes.Reader
	buffer *bufio.Reader
}

func newReference() *reference { return &reference{buffer: bufio.NewReaderSize(nil, 2*maxHeader)} }

var (
	get  = &http.Request{Method: http.MethodGet}
	head = &http.Request{Method: http.MethodHead}
)

func (f *reference) read(answer []byte, isHead bool) reading {
	f.from.Reset(answer)
	f.buffer.Reset(&f.from)
	used := func() int { return len(answer) - f.from.Len() - f.buffer.Buffered() }
	request := get
	if isHead {
		request = head
	}
	r := reading{}
	for {
		begin := used()
		line, _, _ := bytes.Cut(answer[begin:], []byte("\n"))
		r.firstLines = append(r.firstLines, strings.TrimSuffix(string(line), "\r"))
		answered, err := http.ReadResponse(f.buffer, request)
		if err != nil {
			r.err = err
			return r
		}
		for name := range answered.Header {
			r.names = append(r.names, name)
		}
		if answered.StatusCode >= 100 && answered.StatusCode < 200 && answered.StatusCode != 101 {
			continue // as its Transport does
		}
		r.lastHead = answer[begin:used()]
		r.chunked = len(answered.TransferEncoding) > 0
		r.body, r.err = io.ReadAll(answered.Body)
		for name := range answered.Trailer {
			r.names = append(r.names, name)
		}
		r.status, r.used, r.reusable, r.fields = answered.StatusCode, used(), !answered.Close, answered.Header
		r.header = func(name string) []string { return answered.Header[textproto.CanonicalMIMEHeaderKey(name)] }
		return r
	}
}

// aspect is one point in which two readings can differ.
type aspect string

const (
	onlyWeRefuse   aspect = "refused here alone"
	onlyTheyRefuse aspect = "refused by net/http alone"
	ofStatus       aspect = "status"
	ofBody         aspect = "body"
	ofLength       aspect = "bytes of the answer"
	ofReuse        aspect = "reuse of the connection"
	ofHeader       aspect = "header"
)

// rewritten are the fields that net/http changes or takes away while it reads, so that there is nothing to compare:
// those that frame the answer, and Cache-Control, which it makes up from Pragma.
var rewritten = []string{"Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Cache-Control"}

// compareReadings gives the aspects in which ours and theirs differ.
func compareReadings(ours, theirs *reading) (differ []aspect) {
	switch {
	case ours.err != nil && theirs.err != nil:
		return nil
	case ours.err != nil:
		return []aspect{onlyWeRefuse}
	case theirs.err != nil:
		return []aspect{onlyTheyRefuse}
	}
	add := func(a aspect, same bool) {
		if !same {
			differ = append(differ, a)
		}
	}
	add(ofStatus, ours.status == theirs.status)
	add(ofBody, bytes.Equal(ours.body, theirs.body))
	add(ofLength, ours.used == theirs.used)
	add(ofReuse, ours.reusable == theirs.reusable)
	for name, want := range theirs.fields {
		if slices.Contains(rewritten, name) {
			continue
		}
		got := ours.header(strings.ToLower(name))
		add(ofHeader, slices.EqualFunc(got, want, func(a, b string) bool {
			return a == strings.TrimRight(b, " \t") // net/http leaves what a last, empty folded line gave
		}))
	}
	return differ
}

// rule is one deliberate difference. It excuses one aspect, where it can show that it is the cause.
type rule struct {
	name    string
	aspect  aspect
	why     string
	excuses func(answer []byte, ours, theirs *reading) bool
}

func weSay(ours *reading, text string) bool  { return strings.Contains(ours.err.Error(), text) }
func theySay(theirs *reading, t string) bool { return strings.Contains(theirs.err.Error(), t) }
func anyLine(r *reading, pattern string) bool {
	return slices.ContainsFunc(r.firstLines, matcher(pattern))
}

// quotedValues are the different numbers that an error quotes.
func quotedValues(err error) map[string]bool {
	values := map[string]bool{}
	for _, m := range quotedNumber.FindAllStringSubmatch(err.Error(), -1) {
		values[m[1]] = true
	}
	return values
}

var quotedNumber = regexp.MustCompile(`"[ \t]*0*([^"]*?)[ \t]*"`)

var compiled = map[string]*regexp.Regexp{}

func matcher(pattern string) func(string) bool {
	if compiled[pattern] == nil {
		compiled[pattern] = regexp.MustCompile(pattern)
	}
	return compiled[pattern].MatchString
}

// rules are all deliberate differences between the parser and net/http.
var rules = []rule{
	{
		"limits", onlyWeRefuse, "memory and time of a shot are bounded (RFC 9110, 5.4 and 17.5); net/http leaves that to its caller",
		func(answer []byte, ours, _ *reading) bool {
			// A short answer can only announce too much, and then net/http finds it too short.
			return errors.Is(ours.err, errTooMuch) && len(answer) >= maxChunkLine
		},
	},
	{
		"major version", onlyWeRefuse, "an answer of another major version is framed in another way (RFC 9110, 2.5); ReadResponse serves old servers and HTTP/2 previews",
		func(_ []byte, ours, theirs *reading) bool {
			return weSay(ours, "no status line") && anyLine(theirs, `^HTTP/[^1]\.`)
		},
	},
	{
		"spaces in the status line", onlyWeRefuse, "one space is the grammar (RFC 9112, 4); reading on word boundaries is allowed to be lenient (RFC 9112, 3), not asked for",
		func(_ []byte, ours, theirs *reading) bool {
			return (weSay(ours, "no status line") || weSay(ours, "status ")) && anyLine(theirs, `^HTTP/\d\.\d  `)
		},
	},
	{
		"status of no class", onlyWeRefuse, "a status is three digits, the first not 0 (RFC 9110, 15); net/http takes +20 and 007",
		func(_ []byte, ours, theirs *reading) bool {
			return weSay(ours, "status ") && anyLine(theirs, `^HTTP/1\.\d [-+0]`)
		},
	},
	{
		"switching protocols", onlyWeRefuse, "nothing here asks for an upgrade, and then a server must not switch (RFC 9110, 15.2.2 and 7.8)",
		func(_ []byte, ours, theirs *reading) bool {
			return weSay(ours, "switches protocols") && theirs.status == 101
		},
	},
	{
		"space in a field name", onlyWeRefuse, "no name holds a space, and one before the colon has been used to hide a field (RFC 9112, 5.1)",
		func(_ []byte, ours, theirs *reading) bool {
			return slices.ContainsFunc(theirs.names, func(n string) bool {
				return strings.Contains(n, " ") && weSay(ours, strings.TrimSuffix(fmt.Sprintf("header line %.32q", n), `"`))
			})
		},
	},
	{
		"folded framing", onlyWeRefuse, "folding is obsolete (RFC 9112, 5.2); where it moves the end of the answer it is an attack or a fault",
		func(answer []byte, ours, _ *reading) bool {
			// the length or encoding may have been refused before, for its first line is empty
			return (weSay(ours, "a folded line") || weSay(ours, `content length ""`) || weSay(ours, `transfer encoding ""`)) && matcher(`(?i)\n(content-length|transfer-encoding|connection):[^\n]*\n[ \t]`)(string(answer))
		},
	},
	{
		"bare line feed in the trailers", onlyWeRefuse, "a lone line feed may end a line of the header (RFC 9112, 2.2), between chunks it is refused; net/http does so too, but for the trailers",
		func(_ []byte, ours, theirs *reading) bool {
			return weSay(ours, "without a carriage return") && theirs.chunked
		},
	},
	{
		"equal lengths written in two ways", onlyTheyRefuse, "two Content-Lengths of one value are that value (RFC 9112, 6.3, 5); net/http compares the digits: 5 and 05",
		func(_ []byte, _, theirs *reading) bool {
			return theySay(theirs, "multiple Content-Length") && len(quotedValues(theirs.err)) == 1
		},
	},
	{
		"space before a chunk extension", onlyTheyRefuse, "it must be read over (RFC 9112, 7.1.1)",
		func(answer []byte, _, theirs *reading) bool {
			return theySay(theirs, "invalid byte in chunk length") && matcher(`\n[0-9a-fA-F]+[ \t]+;`)(string(answer))
		},
	},
	{
		"chunk extensions", onlyTheyRefuse, "net/http allows 16 KiB more of them than of data, here they count as header, 64 KiB",
		func(_ []byte, _, theirs *reading) bool { return theySay(theirs, "too much non-data") },
	},
	{
		"announced trailers", onlyTheyRefuse, "nobody looks at trailers here, so that a Trailer field that announces framing means nothing (RFC 9110, 6.6.2)",
		func(_ []byte, _, theirs *reading) bool { return theySay(theirs, "bad trailer key") },
	},
	{
		"HTTP/1.0 with a transfer encoding", ofReuse, "its framing is faulty: the connection is closed afterwards (RFC 9112, 6.1)",
		func(_ []byte, ours, theirs *reading) bool {
			return !ours.reusable && matcher(`(?i)^HTTP/1\.0[^\n]*\n(?s:.*\n)?transfer-encoding:`)(string(theirs.lastHead))
		},
	},
	{
		"both framings", ofReuse, "an intermediary may have read the length where we read chunks (RFC 9112, 6.1 and 6.3, 3)",
		func(_ []byte, ours, theirs *reading) bool {
			return !ours.reusable && theirs.chunked && matcher(`(?i)\ncontent-length:`)(string(theirs.lastHead))
		},
	},
}

// excuse gives the rule that excuses the aspect; nil where there is none.
func excuse(a aspect, answer []byte, ours, theirs *reading) *rule {
	for i := range rules {
		if rules[i].aspect == a && rules[i].excuses(answer, ours, theirs) {
			return &rules[i]
		}
	}
	return nil
}

// differential compares the parser with net/http, and with itself on the same bytes torn in another way.
type differential struct {
	whole, torn parser
	reference   *reference
	excused     map[string]int64
	accepted    int64
}

func newDifferential() *differential {
	return &differential{reference: newReference(), excused: map[string]int64{}}
}

// check gives what is wrong; nil where every difference is excused.
func (d *differential) check(answer []byte, isHead bool, random *rand.Rand) error {
	ours := readOurs(&d.whole, answer, isHead, func() int { return len(answer) })
	most := 1 + random.IntN(len(answer)+1)
	torn := readOurs(&d.torn, answer, isHead, func() int { return 1 + random.IntN(most) })
	if err := sameReading(&ours, &torn); err != nil {
		return err
	}
	theirs := d.reference.read(answer, isHead)
	if ours.err == nil {
		d.accepted++
	}
	for _, a := range compareReadings(&ours, &theirs) {
		r := excuse(a, answer, &ours, &theirs)
		if r == nil {
			return fmt.Errorf("they differ in the %s of %.500q (HEAD %v): here %s, net/http %s", a, answer, isHead, ours.String(), theirs.String())
		}
		d.excused[r.name]++
	}
	return nil
}

// sameReading compares two readings of the parser. Garbage that is too long as well is the one or the other, depending
// on what was seen first.
func sameReading(whole, torn *reading) error {
	for _, kind := range []error{nil, errShort, errGarbage} {
		if errors.Is(whole.err, kind) != errors.Is(torn.err, kind) {
			return fmt.Errorf("in one piece: %v, in several: %v", whole.err, torn.err)
		}
	}
	if whole.err == nil && (whole.status != torn.status || !bytes.Equal(whole.body, torn.body) || whole.used != torn.used || whole.reusable != torn.reusable) {
		return fmt.Errorf("in one piece %s, in several %s", whole.String(), torn.String())
	}
	return nil
}

// String is the reading for messages.
func (r *reading) String() string {
	if r.err != nil {
		return fmt.Sprintf("refuses: %v", r.err)
	}
	return fmt.Sprintf("%d, %d bytes of body, %d in all, reusable %v", r.status, len(r.body), r.used, r.reusable)
}

// FuzzParserDifferential: the parser and net/http make the same of every input, however it is torn, but for the rules.
func FuzzParserDifferential(f *testing.F) {
	for i, a := range answers {
		if len(a.answer) < 2000 {
			f.Add([]byte(a.answer), a.head, uint64(i))
		}
	}
	for i, a := range deliberate {
		f.Add([]byte(a.answer), a.head, uint64(i))
	}
	for seed := range uint64(50) {
		g := newGrammar()
		answer, isHead := g.make(seed)
		f.Add(bytes.Clone(answer), isHead, seed)
	}
	d := newDifferential()
	f.Fuzz(func(t *testing.T, answer []byte, isHead bool, seed uint64) {
		if err := d.check(answer, isHead, rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatal(err)
		}
	})
}

// deliberate holds one answer for each rule.
var deliberate = []struct {
	rule, answer string
	head         bool
}{
	{rule: "limits", answer: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", maxLine) + "\r\nContent-Length: 0\r\n\r\n"},
	{rule: "major version", answer: "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{rule: "spaces in the status line", answer: "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"},
	{rule: "status of no class", answer: "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n"},
	{rule: "switching protocols", answer: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
	{rule: "space in a field name", answer: "HTTP/1.1 200 OK\r\nServer : x\r\nContent-Length: 0\r\n\r\n"},
	{rule: "folded framing", answer: "HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello"},
	{rule: "bare line feed in the trailers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\nY: z\r\n\r\n"},
	{rule: "equal lengths written in two ways", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 02\r\n\r\nok"},
	{rule: "space before a chunk extension", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 ;a=b\r\nok\r\n0\r\n\r\n"},
	{
		rule:   "chunk extensions",
		answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("e", 4000)+"\r\nx\r\n", 6) + "0\r\n\r\n",
	},
	{rule: "announced trailers", answer: "HTTP/1.1 200 OK\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{rule: "HTTP/1.0 with a transfer encoding", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok"},
	{rule: "both framings", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"},
}

// TestRulesAreNeeded: each rule excuses its own case, which would differ without it.
func TestRulesAreNeeded(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range deliberate {
		d := newDifferential()
		if err := d.check([]byte(c.answer), c.head, rand.New(rand.NewPCG(1, 1))); err != nil {
			t.Errorf("%s: %v", c.rule, err)
		}
		if d.excused[c.rule] != 1 || len(d.excused) != 1 {
			t.Errorf("%s: excused by %v", c.rule, d.excused)
		}
		shown[c.rule] = true
	}
	for _, r := range rules {
		if !shown[r.name] || r.why == "" {
			t.Errorf("no case shows the rule %q, or it has no reason", r.name)
		}
	}
}
