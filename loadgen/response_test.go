package loadgen

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// read feeds an answer in pieces of the given size and then the end of the connection.
func read(p *parser, answer []byte, piece int) error {
	for rest := answer; len(rest) > 0 && p.state != answered; {
		n := min(piece, len(rest))
		used, err := p.feed(rest[:n])
		if err != nil {
			return err
		}
		if used < n && p.state != answered {
			return errors.New("bytes were left over before the end")
		}
		rest = rest[n:]
	}
	if p.state == answered {
		return nil
	}
	return p.end()
}

var answers = []struct {
	name, answer string
	head         bool
	status       int
	body         string
	reusable     bool
	err          error
}{
	{name: "length", answer: okAnswer, status: 200, body: "ok", reusable: true},
	{name: "no reason", answer: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200, reusable: true},
	{name: "bare line feeds", answer: "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", status: 200, body: "x", reusable: true},
	{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", status: 200, body: "abc0123456789", reusable: true},
	{name: "to the end", answer: "HTTP/1.1 200 OK\r\n\r\nall of it", status: 200, body: "all of it"},
	{name: "close", answer: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
	{name: "1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
	{name: "1.0 kept alive", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", reusable: true},
	{name: "interim", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okAnswer, status: 200, body: "ok", reusable: true},
	{name: "head", answer: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", head: true, status: 200, reusable: true},
	{name: "204", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reusable: true},
	{name: "304 with a length", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, reusable: true},
	{name: "both framings", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", status: 200, body: "x"},
	{name: "twice the same length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x", reusable: true},

	{name: "nothing", answer: "", err: errShort},
	{name: "half a status line", answer: "HTTP/1.", err: errShort},
	{name: "half a body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", err: errShort},
	{name: "half a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", err: errShort},
	{name: "no last chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", err: errShort},
	{name: "mail", answer: "220 mail.example.org ESMTP\r\n", err: errGarbage},
	{name: "version 2", answer: "HTTP/2.0 200 OK\r\n\r\n", err: errGarbage},
	{name: "status of letters", answer: "HTTP/1.1 abc OK\r\n\r\n", err: errGarbage},
	{name: "status 99", answer: "HTTP/1.1 099 OK\r\n\r\n", err: errGarbage},
	{name: "switching", answer: "HTTP/1.1 101 Switching Protocols\r\n\r\n", err: errGarbage},
	{name: "header without colon", answer: "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", err: errGarbage},
	{name: "space before colon", answer: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", err: errGarbage},
	{name: "negative length", answer: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", err: errGarbage},
	{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", err: errGarbage},
	{name: "huge length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", err: errGarbage},
	{name: "gzip framing", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", err: errGarbage},
	{name: "folded length", answer: "HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello", err: errGarbage},
	{name: "bad chunk size", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", err: errGarbage},
	{name: "long chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", err: errGarbage},
	{name: "endless header", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100), err: errGarbage},
	{name: "endless line", answer: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", maxLine+1), err: errGarbage},
	{name: "endless interim", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 5000), err: errGarbage},
}

func TestParserReadsAnswers(t *testing.T) {
	for _, a := range answers {
		for _, piece := range []int{1, 2, 7, 1 << 20} {
			var p parser
			p.reset(a.head, true, true)
			err := read(&p, []byte(a.answer), piece)
			if !errors.Is(err, a.err) {
				t.Errorf("%s, pieces of %d: error %v, want %v", a.name, piece, err, a.err)
			}
			if a.err == nil && (p.status != a.status || string(p.body) != a.body || p.reusable != a.reusable) {
				t.Errorf("%s, pieces of %d: status %d, body %q, reusable %v, want %d, %q, %v",
					a.name, piece, p.status, p.body, p.reusable, a.status, a.body, a.reusable)
			}
		}
	}
}

func TestParserLeavesWhatComesAfter(t *testing.T) {
	var p parser
	p.reset(false, false, false)
	n, err := p.feed([]byte(okAnswer + "HTTP/1.1 200 again"))
	if n != len(okAnswer) || err != nil || p.state != answered {
		t.Errorf("took %d bytes, error %v, state %d, want %d bytes", n, err, p.state, len(okAnswer))
	}
}

// FuzzParser: an answer is read the same in one piece and byte by byte, and what net/http reads as a whole answer
// with plain framing is read the same here.
func FuzzParser(f *testing.F) {
	for _, a := range answers {
		if len(a.answer) < 2000 {
			f.Add([]byte(a.answer), a.head)
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, head bool) {
		var whole, bytewise parser
		whole.reset(head, true, true)
		bytewise.reset(head, true, true)
		err, err1 := read(&whole, answer, len(answer)+1), read(&bytewise, answer, 1)
		if (err == nil) != (err1 == nil) {
			t.Fatalf("in one piece: %v, byte by byte: %v", err, err1)
		}
		if err == nil && (whole.status != bytewise.status || !bytes.Equal(whole.body, bytewise.body) || whole.reusable != bytewise.reusable) {
			t.Fatalf("in one piece %d %q, byte by byte %d %q", whole.status, whole.body, bytewise.status, bytewise.body)
		}
		status, body, ok := readStandard(answer, head)
		if !ok {
			return
		}
		if err != nil {
			t.Fatalf("net/http reads %d %q, here: %v", status, body, err)
		}
		if whole.status != status || !bytes.Equal(whole.body, body) {
			t.Fatalf("net/http reads %d %q, here %d %q", status, body, whole.status, whole.body)
		}
	})
}

// readStandard reads by net/http; ok is false for what it refuses, and where its leniency goes beyond the protocol or
// beyond what is asked for here: folded lines, spaces before a colon, other versions and methods of framing, bare carriage returns.
func readStandard(answer []byte, head bool) (status int, body []byte, ok bool) {
	request := &http.Request{Method: "GET"}
	if head {
		request.Method = "HEAD"
	}
	from := bufio.NewReader(bytes.NewReader(answer))
	var r *http.Response
	for range 5 {
		var err error
		if r, err = http.ReadResponse(from, request); err != nil {
			return 0, nil, false
		}
		if r.StatusCode >= 200 || r.StatusCode == 101 {
			break
		}
	}
	body, err := io.ReadAll(r.Body)
	strict := bytes.HasPrefix(answer, []byte("HTTP/1.")) && r.ProtoMajor == 1 && r.ProtoMinor <= 1 && r.StatusCode >= 200 &&
		!bytes.Contains(answer, []byte(" :")) && !bytes.Contains(answer, []byte("\n ")) && !bytes.Contains(answer, []byte("\n\t")) &&
		!bytes.Contains(bytes.ReplaceAll(answer, []byte("\r\n"), nil), []byte("\r")) && isPlain(answer)
	return r.StatusCode, body, err == nil && strict
}

func isPlain(answer []byte) bool {
	for _, c := range answer {
		if c != '\r' && c != '\n' && (c < ' ' || c >= 0x7f) {
			return false
		}
	}
	return true
}
