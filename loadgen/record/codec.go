package record

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The compressed V2 encoding of HdrHistogram, as read by every implementation of it:
//
//	base64( cookie 4 · length 4 · zlib( header 40 · counts ) )
//	header: cookie 4 · length of counts 4 · normalizing offset 4 · digits 4 · lowest 8 · highest 8 · ratio 8, big-endian
//	counts: ZigZag LEB128 (at most 9 bytes each); a negative number is a run of that many zero counters
//
// The library's encoder makes 820 kB of garbage and takes 0.3 to 0.9 ms a line, too dear beside a generator; this one
// keeps its buffers and its zlib writer.
const (
	cookieInner      = 0x1c849303 | 0x10
	cookieCompressed = 0x1c849304 | 0x10
	cookieMask       = 0xf0 // the word size some writers put there
	innerHeader      = 40
	outerHeader      = 8
)

// encoder writes cells as log payloads. Not safe for concurrent use.
type encoder struct {
	counts []uint32 // all zero between cells
	inner  []byte
	outer  bytes.Buffer
	zipper *zlib.Writer
}

// append adds c's payload to line.
func (e *encoder) append(line []byte, c *cell) ([]byte, error) {
	e.inner = appendCounts(append(e.inner[:0], make([]byte, innerHeader)...), c, e.scratch(c.layout))
	h := e.inner
	binary.BigEndian.PutUint32(h[0:], cookieInner)
	binary.BigEndian.PutUint32(h[4:], uint32(len(e.inner)-innerHeader))
	binary.BigEndian.PutUint32(h[8:], 0)
	binary.BigEndian.PutUint32(h[12:], uint32(c.layout.digits))
	binary.BigEndian.PutUint64(h[16:], lowestMicros)
	binary.BigEndian.PutUint64(h[24:], highestMicros)
	binary.BigEndian.PutUint64(h[32:], math.Float64bits(1))

	e.outer.Reset()
	e.outer.Write(make([]byte, outerHeader))
	if err := e.zip(); err != nil {
		return line, fmt.Errorf("record: compress a window: %w", err)
	}
	out := e.outer.Bytes()
	binary.BigEndian.PutUint32(out[0:], cookieCompressed)
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-outerHeader))
	return base64.StdEncoding.AppendEncode(line, out), nil
}

// scratch is room for the counters of a layout, all zero.
func (e *encoder) scratch(l *layout) []uint32 {
	if len(e.counts) < l.counts {
		e.counts = make([]uint32, l.counts)
	}
	return e.counts[:l.counts]
}

func (e *encoder) zip() error {
	if e.zipper == nil {
		// Counts hardly repeat: without looking for it a line is shorter than at the fastest level, and made in half the time.
		w, err := zlib.NewWriterLevel(&e.outer, zlib.HuffmanOnly)
		if err != nil {
			return err
		}
		e.zipper = w
	} else {
		e.zipper.Reset(&e.outer)
	}
	if _, err := e.zipper.Write(e.inner); err != nil {
		return err
	}
	return e.zipper.Close()
}

// appendCounts encodes the counters up to the last that is not zero.
func appendCounts(buf []byte, c *cell, scratch []uint32) []byte {
	next := 0
	c.each(scratch, func(i int, n uint32) {
		buf = appendZeros(buf, int64(i-next))
		buf = appendZigZag(buf, int64(n))
		next = i + 1
	})
	return buf
}

// appendZeros encodes a run of zero counters; a single zero is written as itself.
func appendZeros(buf []byte, run int64) []byte {
	switch run {
	case 0:
		return buf
	case 1:
		return append(buf, 0)
	default:
		return appendZigZag(buf, -run)
	}
}

// appendZigZag encodes v in groups of 7 bits, least first; the ninth byte, where there is one, holds 8 bits.
func appendZigZag(buf []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	for range 8 {
		if u < 0x80 {
			return append(buf, byte(u))
		}
		buf = append(buf, byte(u)|0x80)
		u >>= 7
	}
	return append(buf, byte(u))
}

var errCutNumber = errors.New("a number is cut off")

// zigZag decodes the number at the head of buf and says how many bytes it took.
func zigZag(buf []byte) (v int64, n int, err error) {
	var u uint64
	for n < len(buf) {
		b := buf[n]
		if n == 8 {
			u |= uint64(b) << 56
			n++
			break
		}
		u |= uint64(b&0x7f) << (7 * n)
		n++
		if b < 0x80 {
			break
		}
		if n == len(buf) {
			return 0, n, errCutNumber
		}
	}
	return int64(u>>1) ^ -int64(u&1), n, nil
}

// decoder reads log payloads. Not safe for concurrent use.
type decoder struct {
	outer, inner []byte
	source       bytes.Reader
	unzipper     io.ReadCloser
}

// maxInner bounds what a payload may unpack to: nine bytes for each counter of the finest layout that is read.
var maxInner = innerHeader + 9*layouts[mostDigits].counts

// decode reads one payload into a histogram of its own.
func (d *decoder) decode(payload []byte) (*Histogram, error) {
	l, counts, err := d.open(payload)
	if err != nil {
		return nil, err
	}
	return newHistogram(l, counts)
}

// count is the number of values in a payload.
func (d *decoder) count(payload []byte) (sum int64, err error) {
	l, counts, err := d.open(payload)
	if err != nil {
		return 0, err
	}
	err = eachCount(l, counts, func(_ int, n int64) error {
		if sum += n; sum < 0 {
			return errors.New("more values than can be counted")
		}
		return nil
	})
	return sum, err
}

// open unpacks a payload: its layout and encoded counters, which hold until the next call.
func (d *decoder) open(payload []byte) (l *layout, counts []byte, err error) {
	if d.outer, err = base64.StdEncoding.AppendDecode(d.outer[:0], payload); err != nil {
		return nil, nil, err
	}
	if len(d.outer) < outerHeader {
		return nil, nil, fmt.Errorf("payload of %d bytes is too short", len(d.outer))
	}
	if cookie := binary.BigEndian.Uint32(d.outer); cookie&^cookieMask != cookieCompressed&^cookieMask {
		return nil, nil, fmt.Errorf("cookie %#x is not that of a compressed V2 histogram", cookie)
	}
	if n := binary.BigEndian.Uint32(d.outer[4:]); int64(n) != int64(len(d.outer)-outerHeader) {
		return nil, nil, fmt.Errorf("payload has %d bytes, says %d", len(d.outer)-outerHeader, n)
	}
	if err := d.unzip(d.outer[outerHeader:]); err != nil {
		return nil, nil, err
	}
	return fromInner(d.inner)
}

func (d *decoder) unzip(packed []byte) error {
	d.source.Reset(packed)
	if d.unzipper == nil {
		r, err := zlib.NewReader(&d.source)
		if err != nil {
			return err
		}
		d.unzipper = r
	} else if err := d.unzipper.(zlib.Resetter).Reset(&d.source, nil); err != nil {
		return err
	}
	buf := bytes.NewBuffer(d.inner[:0])
	n, err := io.Copy(buf, io.LimitReader(d.unzipper, int64(maxInner)+1))
	d.inner = buf.Bytes()
	if err == nil && n > int64(maxInner) {
		err = fmt.Errorf("payload unpacks to more than %d bytes", maxInner)
	}
	return err
}

// fromInner reads the unpacked form: header and counts.
func fromInner(b []byte) (l *layout, counts []byte, err error) {
	if len(b) < innerHeader {
		return nil, nil, fmt.Errorf("histogram of %d bytes is too short", len(b))
	}
	cookie, length := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	digits := int64(int32(binary.BigEndian.Uint32(b[12:])))
	lowest, highest := int64(binary.BigEndian.Uint64(b[16:])), int64(binary.BigEndian.Uint64(b[24:]))
	switch {
	case cookie&^cookieMask != cookieInner&^cookieMask:
		return nil, nil, fmt.Errorf("cookie %#x is not that of a V2 histogram", cookie)
	case int64(length) != int64(len(b)-innerHeader):
		return nil, nil, fmt.Errorf("counts have %d bytes, the header says %d", len(b)-innerHeader, length)
	case lowest != lowestMicros || highest != highestMicros || digits < 1 || digits > mostDigits:
		return nil, nil, fmt.Errorf("layout %d to %d µs with %d digits is not one of a record", lowest, highest, digits)
	}
	return &layouts[digits], b[innerHeader:], nil
}

// newHistogram counts what the encoded counters say.
func newHistogram(l *layout, counts []byte) (*Histogram, error) {
	h := &Histogram{hdrhistogram.NewPacked(lowestMicros, highestMicros, l.digits)}
	err := eachCount(l, counts, func(i int, n int64) error { return h.h.RecordValues(l.value(i), n) })
	return h, err
}

// eachCount calls do with the encoded counters that are not zero, in ascending order.
func eachCount(l *layout, b []byte, do func(i int, n int64) error) error {
	i := int64(0)
	for len(b) > 0 {
		v, n, err := zigZag(b)
		if err != nil {
			return err
		}
		b = b[n:]
		if v <= 0 {
			i += max(-v, 1)
			if v == math.MinInt64 || i > int64(l.counts) {
				return fmt.Errorf("zero counters past the end, %d", l.counts)
			}
			continue
		}
		if i >= int64(l.counts) {
			return fmt.Errorf("counter %d is past the end, %d", i, l.counts)
		}
		if err := do(int(i), v); err != nil {
			return err
		}
		i++
	}
	return nil
}
