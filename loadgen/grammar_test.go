package loadgen

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// grammarVersion changes with what the grammar makes of a seed: proofs of another version say nothing about this one.
const grammarVersion = 1

// grammar makes answers as servers, proxies and attackers write them: a pure function of the seed. Most are right but
// for a detail or two, since two parsers that agree on noise agree on little.
type grammar struct {
	random *rand.Rand
	pcg    rand.PCG
	out    []byte
	length int // what the last Content-Length said; −1: none
	chunks bool
}

func newGrammar() *grammar {
	g := &grammar{}
	g.random = rand.New(&g.pcg)
	return g
}

// make gives the answer of a seed and whether it is one to a HEAD. It is valid until the next call.
func (g *grammar) make(seed uint64) (answer []byte, isHead bool) {
	g.pcg.Seed(seed, 0x616e737475726d)
	g.out = g.out[:0]
	for range g.pick(20, 3, 1, 1) { // how many interim answers
		g.head(g.one("100 Continue", "103 Early Hints", "102 Processing", "199", "101 Switching Protocols"))
	}
	g.head(g.one("200 OK", "200 OK", "200 OK", "201 Created", "204 No Content", "304 Not Modified", "404 Not Found", "503 Busy", "999 ?", "302"))
	g.body()
	if g.rarely(8) {
		g.add(g.one("HTTP/1.1 200 OK\r\n\r\n", "\r\n", "\n", "x", "0\r\n\r\n", "\r\n\r\n"))
	}
	if g.rarely(4) {
		for range 1 + g.random.IntN(3) {
			g.mutate()
		}
	}
	return g.out, g.rarely(8)
}

func (g *grammar) add(s string) { g.out = append(g.out, s...) }

// rarely is true once in n times.
func (g *grammar) rarely(n int) bool { return g.random.IntN(n) == 0 }

func (g *grammar) one(choices ...string) string { return choices[g.random.IntN(len(choices))] }

func (g *grammar) byteOf(choices string) byte { return choices[g.random.IntN(len(choices))] }

// pick gives an index by weight.
func (g *grammar) pick(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	x := g.random.IntN(sum)
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return 0
}

// eol ends a line, mostly as it should.
func (g *grammar) eol() {
	switch g.pick(60, 4, 1) {
	case 0:
		g.add("\r\n")
	case 1:
		g.add("\n")
	default:
		g.add(g.one("\r", "\r\r\n", "\n\r", " \r\n", "\x00\r\n", ""))
	}
}

// head writes the status line, the fields and the empty line.
func (g *grammar) head(status string) {
	g.length, g.chunks = -1, false
	version := "HTTP/1.1"
	if g.rarely(12) {
		version = g.one("HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.", "HTTP/11", "HTTP/0.9", "", "ICY")
	}
	g.add(version)
	g.add(" ")
	if g.rarely(30) {
		g.add(g.one(" ", "\t", "+", "0", "-", "1", "\r"))
	}
	g.add(status)
	g.eol()
	for range g.random.IntN(6) {
		g.field()
	}
	switch g.pick(10, 6, 3, 1) {
	case 0:
		g.contentLength()
	case 1:
		g.transferEncoding()
	case 2: // to the end
	default:
		g.contentLength()
		g.transferEncoding()
	}
	if g.rarely(8) {
		g.field()
	}
	g.eol()
}

func (g *grammar) contentLength() {
	g.length = g.pick(10, 1) * g.random.IntN(2000)
	if g.length == 0 {
		g.length = g.random.IntN(40)
	}
	value := strconv.Itoa(g.length)
	if g.rarely(12) {
		value = g.one("", "+"+value, "0"+value, value+" ", value+","+value, "-1", "0x10", "9223372036854775807", "9223372036854775808",
			"18446744073709551616", "00000000000000000000"+value, value+"\t", "1_0", value+"\r", "\u0663", "16777217", "1 2")
	}
	g.name("Content-Length")
	g.add(value)
	g.eol()
	if g.rarely(30) {
		g.name("Content-Length")
		g.add(g.one(value, value, "0"+value, "1"))
		g.eol()
	}
}

func (g *grammar) transferEncoding() {
	g.chunks = true
	value := "chunked"
	if g.rarely(12) {
		value = g.one("Chunked", "CHUNKED", "gzip, chunked", "chunked, chunked", "identity", "", " chunked", "chunked ", "\tchunked\t",
			"chunked;q=1", "xchunked", "chun\u212aed", "\"chunked\"", "\vchunked")
	}
	g.name("Transfer-Encoding")
	g.add(value)
	g.eol()
	if g.rarely(40) {
		g.name("Transfer-Encoding")
		g.add(g.one("chunked", "identity"))
		g.eol()
	}
}

// name writes a field's name as somebody writes it, with the colon.
func (g *grammar) name(name string) {
	switch g.pick(12, 3, 1) {
	case 1:
		name = strings.ToLower(name)
	case 2:
		name = strings.ToUpper(name)
	}
	g.add(name)
	if g.rarely(80) {
		g.add(g.one(" ", "\t", "\x00", ":", "\u00e4"))
	}
	g.add(":")
	if !g.rarely(6) {
		g.add(g.one(" ", " ", " ", "\t", "  "))
	}
}

// field writes any other field.
func (g *grammar) field() {
	switch g.pick(5, 3, 2, 2, 1, 1) {
	case 0:
		g.name(g.one("Server", "Date", "Content-Type", "X-Request-Id", "Cache-Control", "Pragma", "Vary", "Etag", "!#$%&'*+-.^_`|~", "x"))
		g.value()
	case 1:
		g.name("Connection")
		g.add(g.one("close", "keep-alive", "Keep-Alive", "Close", "close, keep-alive", "x,close", "x , close ,y", "upgrade", "",
			",,close", "closed", "close;x", "\"close\"", "close\u00a0", "clo se", "TE,\tclose"))
	case 2:
		g.name("Set-Cookie")
		g.add("sid=")
		g.value()
		g.add("; Path=/; HttpOnly")
	case 3:
		g.name(g.one("Location", "Link", "X-Token"))
		g.value()
		if g.rarely(3) { // folded
			g.eol()
			g.add(g.one(" ", "\t", "   "))
			g.value()
		}
	case 4:
		g.name("Trailer")
		g.add(g.one("X-Sum", "Content-Length", "x, Transfer-Encoding", "", "Trailer"))
	default:
		g.add(g.one("nonsense", ":", ": x", "X", " leading: space", "\tleading: tab", "a b: c", "X\x7f: y", "(x): y", "X:\x01", "X: \x7f", "X: a\x00b", "X: \u00fc", "X: \xff", "X: a\rb"))
	}
	g.eol()
}

// value writes some printable bytes.
func (g *grammar) value() {
	for range g.random.IntN(24) {
		g.out = append(g.out, byte(' '+g.random.IntN(0x7f-' ')))
	}
	if g.rarely(40) {
		g.out = append(g.out, byte(g.random.IntN(256)))
	}
}

// body writes what the head promised, or not.
func (g *grammar) body() {
	if g.chunks {
		g.chunked()
		return
	}
	n := g.length
	switch {
	case n < 0:
		n = g.random.IntN(100)
	case g.rarely(10):
		n = g.random.IntN(n + 1)
	case g.rarely(10):
		n += g.random.IntN(10)
	}
	g.bytes(n)
}

func (g *grammar) bytes(n int) {
	for range n {
		g.out = append(g.out, g.byteOf("0123456789abcdef\r\n ;:xHTP/1.\x00\xff"))
	}
}

func (g *grammar) chunked() {
	for range g.random.IntN(4) {
		n := 1 + g.random.IntN(40)
		g.chunkLine(n)
		if g.rarely(40) {
			n += g.random.IntN(3) - 1
		}
		g.bytes(n)
		g.eol()
	}
	if g.rarely(30) {
		return // the last chunk is missing
	}
	g.chunkLine(0)
	for range g.pick(12, 2, 1) {
		g.trailer()
	}
	g.eol()
}

func (g *grammar) chunkLine(n int) {
	size := strconv.FormatInt(int64(n), 16)
	switch g.pick(30, 3, 3, 1) {
	case 1:
		size = strings.ToUpper(size)
	case 2:
		size = strings.Repeat("0", g.random.IntN(18)) + size
	case 3:
		size = g.one("", "0x"+size, "-"+size, "+"+size, size+"g", " "+size, "ffffffffffffffff", "7fffffffffffffff", "10000000000000000", "\u0660", "fffffff")
	}
	g.add(size)
	switch g.pick(30, 2, 1, 1) {
	case 1:
		g.add(g.one(";a", ";a=b", ";a=\"b;c\"", ";", ";;", "; a = b", ";\x00", ";a\rb"))
	case 2:
		g.add(g.one(" ", "\t", "  ", " ;a", "\t;a=b", " x"))
	case 3:
		g.add(";" + strings.Repeat("e", g.random.IntN(300)))
	}
	g.eol()
}

func (g *grammar) trailer() {
	if g.rarely(4) {
		g.add(g.one("Content-Length: 5", "Transfer-Encoding: chunked", " folded", "nonsense", "X : y", "X: \x00"))
		g.eol()
		return
	}
	g.name(g.one("X-Sum", "Etag"))
	g.value()
	g.eol()
}

// mutate damages the answer at one place.
func (g *grammar) mutate() {
	if len(g.out) == 0 {
		return
	}
	at := g.random.IntN(len(g.out))
	if g.rarely(2) { // what matters is mostly in front
		at = g.random.IntN(min(len(g.out), 120))
	}
	end := min(len(g.out), at+1+g.random.IntN(8))
	switch g.pick(4, 4, 4, 3, 2, 1, 1) {
	case 0:
		g.out[at] = byte(g.random.IntN(256))
	case 1:
		g.out[at] = g.byteOf("\r\n :;,\t0159aF-+\x00\x7f\x80")
	case 2:
		g.out = append(g.out[:at], g.out[end:]...)
	case 3: // twice
		g.insert(at, string(g.out[at:end]))
	case 4:
		g.insert(at, g.one("\r\n", "\n", "\r", " ", ":", "\r\n\r\n", "0\r\n\r\n", "Content-Length: 3\r\n", "\r\n "))
	case 5:
		g.out = g.out[:at]
	default:
		g.large(at)
	}
}

func (g *grammar) insert(at int, s string) {
	tail := string(g.out[at:])
	g.out = append(append(g.out[:at], s...), tail...)
}

// large inserts, once in a long while, what is about as long as a limit.
func (g *grammar) large(at int) {
	if !g.rarely(40) {
		return
	}
	limit := []int{maxLine, maxChunkLine, maxHeader, 100}[g.random.IntN(4)]
	n := max(1, limit-40+g.random.IntN(80))
	switch g.random.IntN(3) {
	case 0:
		g.insert(at, strings.Repeat("y", n))
	case 1:
		g.insert(at, strings.Repeat("X: y\r\n", n/6))
	default:
		g.insert(at, strings.Repeat("1;"+strings.Repeat("e", 1+g.random.IntN(2000))+"\r\nx\r\n", 1+n/2000))
	}
}
