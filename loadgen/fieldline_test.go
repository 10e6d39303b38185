package loadgen

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestControlsAreFound: eight bytes at once say what one by one says.
func TestControlsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// mostly bytes near the limits, so that carries have something to go wrong with
		near := rapid.SampledFrom([]byte{0, 1, 8, '\t', '\n', '\r', 0x1f, ' ', '!', 0x7e, 0x7f, 0x80, 0x81, 0xff, 'a'})
		b := rapid.SliceOfN(rapid.OneOf(near, rapid.Byte()), 0, 40).Draw(t, "value")
		want := bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
		if got := hasControl(b); got != want {
			t.Fatalf("%q has a control character: %v, want %v", b, got, want)
		}
	})
}

// TestNamesAreTokens holds the name before the colon against the definition (RFC 9110, 5.6.2).
func TestNamesAreTokens(t *testing.T) {
	for c := range 256 {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		want := 0
		if letter || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 {
			want = 3
		}
		if got := nameLength([]byte{'X', byte(c), 'y', ':', 'z'}); c != ':' && got != want {
			t.Errorf("a name with %q has the length %d, want %d", byte(c), got, want)
		}
	}
	for line, want := range map[string]int{"": 0, ":": 0, "X": 0, "X:": 1, "X::": 1, "X Y: z": 0} {
		if got := nameLength([]byte(line)); got != want {
			t.Errorf("%q has a name of %d bytes, want %d", line, got, want)
		}
	}
}

// TestParserAllocatesNothing once its buffers have their size, whatever the framing and however the answer is torn.
func TestParserAllocatesNothing(t *testing.T) {
	for name, answer := range map[string]string{
		"length": okAnswer, "chunks": headOfChunks + "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"interim": "HTTP/1.1 100 Continue\r\n\r\n" + okAnswer, "folded": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
	} {
		for _, piece := range []int{1, 7, 1000} {
			var p parser
			whole := []byte(answer)
			if n := testing.AllocsPerRun(20, func() {
				p.reset(false, true, true)
				for rest := whole; len(rest) > 0; {
					n, err := p.feed(rest[:min(piece, len(rest))])
					if err != nil || n == 0 {
						t.Fatalf("%s: %d bytes taken, %v", name, n, err)
					}
					rest = rest[n:]
				}
			}); n != 0 || p.state != answered {
				t.Errorf("%s in pieces of %d: %v allocations, state %d", name, piece, n, p.state)
			}
		}
	}
}

const headOfChunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// TestTornBeginning: another protocol is refused by its first bytes, and a slow one that is ours is not.
func TestTornBeginning(t *testing.T) {
	for begin, good := range map[string]bool{
		"H": true, "HTTP": true, "HTTP/1.": true, "HTTP/1.1 200": true, "\x15": false, "h": false, "HTTP/2": false, "SSH-2.0": false, "\n": false,
	} {
		var p parser
		p.reset(false, false, false)
		if _, err := p.feed([]byte(begin)); (err == nil) != good {
			t.Errorf("%q: error %v, want one: %v", begin, err, !good)
		}
	}
}

func BenchmarkParserChunked(b *testing.B) {
	answer := []byte(headOfChunks + strings.Repeat("40\r\n"+strings.Repeat("x", 64)+"\r\n", 16) + "0\r\n\r\n")
	var p parser
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		p.reset(false, false, true)
		if n, err := p.feed(answer); n != len(answer) || err != nil || p.state != answered {
			b.Fatal(n, err, p.state)
		}
	}
}
