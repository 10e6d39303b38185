package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

// micro draws a duration in µs, as likely small as large.
func micro(t *rapid.T) int64 {
	return rapid.Custom(func(t *rapid.T) int64 {
		octave := rapid.IntRange(0, 31).Draw(t, "octave")
		return min(rapid.Int64Range(0, 1<<octave).Draw(t, "value"), highestMicros)
	}).Draw(t, "micros")
}

func TestLayoutIsThatOfTheLibrary(t *testing.T) {
	for digits := 1; digits <= 5; digits++ {
		l := newLayout(digits)
		h := hdrhistogram.NewPacked(lowestMicros, highestMicros, digits)
		// A payload with a count in the library's last counter decodes only if both have as many.
		if err := h.RecordValues(l.value(l.counts-1), 1); err != nil {
			t.Errorf("%d digits: last counter: %v", digits, err)
		}
		if err := h.RecordValues(l.value(l.counts), 1); err == nil {
			t.Errorf("%d digits: the library has more than %d counters", digits, l.counts)
		}
		for i := range l.counts {
			if v := l.value(i); l.index(v) != i {
				t.Fatalf("%d digits: counter %d begins at %d, which is in counter %d", digits, i, v, l.index(v))
			}
		}
	}
}

func TestLayoutKeepsItsPrecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLayout(rapid.IntRange(1, 5).Draw(t, "digits"))
		v := micro(t)
		i := l.index(v)
		least, next := l.value(i), l.value(i+1)
		if v < least || v >= next {
			t.Fatalf("%d is counted as %d to %d", v, least, next-1)
		}
		if width := float64(next - least); width > 1 && width > float64(v)/math.Pow10(l.digits) {
			t.Fatalf("counter of %d is %g wide, more than %d digits allow", v, width, l.digits)
		}
	})
}

// count adds the value v (µs) to a cell.
func count(c *cell, v int64, s *shelf) { c.add(uint32(c.layout.index(v)), 1, s) }

// drawCell draws values, counts them in a cell, and gives both.
func drawCell(t *rapid.T) (*cell, []int64) {
	var s shelf
	c := s.cell(rapid.Bool().Draw(t, "minute"))
	values := rapid.SliceOfN(rapid.Custom(micro), 0, 300).Draw(t, "values")
	for _, v := range values {
		count(c, v, &s)
	}
	return c, values
}

// libraryCounts lists the counters of a dense histogram that are not zero.
func libraryCounts(h *hdrhistogram.Histogram) map[int64]int64 {
	counts := map[int64]int64{}
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			counts[b.From] += b.Count
		}
	}
	return counts
}

func TestLibraryReadsOurPayload(t *testing.T) {
	var e encoder // one for all cases: its buffers are used again
	rapid.Check(t, func(t *rapid.T) {
		c, values := drawCell(t)
		payload, err := e.append(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := hdrhistogram.Decode(payload)
		if err != nil {
			t.Fatalf("the library does not read it: %v", err)
		}
		want := hdrhistogram.New(lowestMicros, highestMicros, c.layout.digits)
		for _, v := range values {
			if err := want.RecordValue(v); err != nil {
				t.Fatal(err)
			}
		}
		if !got.Equals(want) || fmt.Sprint(libraryCounts(got)) != fmt.Sprint(libraryCounts(want)) {
			t.Fatalf("counts differ: %v\nwant %v", libraryCounts(got), libraryCounts(want))
		}
	})
}

func TestWeReadTheLibrarysPayload(t *testing.T) {
	var d decoder
	rapid.Check(t, func(t *rapid.T) {
		want := hdrhistogram.New(lowestMicros, highestMicros, rapid.IntRange(1, 3).Draw(t, "digits"))
		for range rapid.IntRange(0, 50).Draw(t, "values") {
			if err := want.RecordValues(micro(t), rapid.Int64Range(1, 1<<40).Draw(t, "count")); err != nil {
				t.Fatal(err)
			}
		}
		payload, err := want.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[int64]int64{}
		got.Each(func(v time.Duration, n int64) { counts[v.Microseconds()] = n })
		if fmt.Sprint(counts) != fmt.Sprint(libraryCounts(want)) {
			t.Fatalf("counts %v, want %v", counts, libraryCounts(want))
		}
	})
}

func TestLibrarysLogReaderReadsOurLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	writeRecord(t, dir, 800)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := r.Windows(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for _, w := range ours {
		start := started.Add(w.Start).UnixMilli()
		want[fmt.Sprint(w.tag(), start, start+w.Length.Milliseconds())] += w.Histogram.Count()
	}
	f, err := os.Open(filepath.Join(dir, latencyFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := map[string]int64{}
	for reader := hdrhistogram.NewHistogramLogReader(f); ; {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		got[fmt.Sprint(h.Tag(), h.StartTimeMs(), h.EndTimeMs())] += h.TotalCount()
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: the library counts %d, want %d", k, got[k], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the library reads %d windows, want %d", len(got), len(want))
	}
}

func TestZigZagReadsWhatItWrites(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 1 << 20, 1 << 48, 1 << 55, math.MaxInt64, math.MinInt64} {
		b := appendZigZag(nil, v)
		got, n, err := zigZag(append(b, 0x55))
		if got != v || n != len(b) || n > 9 || err != nil {
			t.Errorf("%d: read %d of %d bytes, %d, %v", v, n, len(b), got, err)
		}
		for cut := 1; cut < len(b); cut++ {
			if _, _, err := zigZag(b[:cut]); err == nil {
				t.Errorf("%d cut to %d bytes was read", v, cut)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	var e encoder
	var s shelf
	c := s.cell(false)
	for v := range int64(100) {
		count(c, v*v*v, &s)
	}
	payload, err := e.append(nil, c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte("HISTFAAAABl42pNpmSzMwMDAxAABzFCaEUoz2X+AsQA="))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d decoder
		h, err := d.decode(b)
		if err == nil {
			sum := int64(0)
			h.Each(func(_ time.Duration, n int64) { sum += n })
			if sum != h.Count() {
				t.Errorf("counters sum to %d, count is %d", sum, h.Count())
			}
		}
		// The same bytes as counts under a header that holds, which a mutated payload hardly ever reaches.
		inner := append(bytes.Clone(e.inner[:innerHeader]), b...)
		binary.BigEndian.PutUint32(inner[4:], uint32(len(b)))
		if l, counts, err := fromInner(inner); err == nil {
			if h, err := newHistogram(l, counts); err == nil && h.Count() < 0 {
				t.Errorf("count %d", h.Count())
			}
		}
	})
}

// busyCell is a second of 900 answers around 200 ms with a long tail: 9,000 a second on the wall at speed 10.
func busyCell(s *shelf) *cell {
	c := s.cell(false)
	random := rand.New(rand.NewPCG(1, 2))
	for range 900 {
		count(c, int64(200_000*math.Exp(random.NormFloat64()*0.6)), s)
	}
	return c
}

func BenchmarkEncodeWindow(b *testing.B) {
	var s shelf
	c := busyCell(&s)
	var e encoder
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if line, err = e.append(line[:0], c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(line)), "bytes/line")
}

// BenchmarkEncodeWindowByLibrary is what BenchmarkEncodeWindow is measured against.
func BenchmarkEncodeWindowByLibrary(b *testing.B) {
	var s shelf
	c := busyCell(&s)
	h := hdrhistogram.New(lowestMicros, highestMicros, secondDigits)
	var e encoder
	c.each(e.scratch(c.layout), func(i int, n uint32) {
		if err := h.RecordValues(secondLayout.value(i), int64(n)); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err != nil {
			b.Fatal(err)
		}
	}
}
