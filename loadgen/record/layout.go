package record

import "math/bits"

// The histograms' range: one microsecond to one hour, and what lies beyond is counted as one hour.
const (
	lowestMicros  = 1
	highestMicros = 3_600_000_000

	// secondDigits and minuteDigits are the significant digits of the one-second windows of all tenants and of the
	// one-minute windows of single tenants.
	secondDigits = 3
	minuteDigits = 2
)

// layout is the geometry of an HdrHistogram whose lowest value is 1: which values share a counter.
//
// Below 2^bits every value has its own counter; from there each octave is halved into 2^half counters, where bits is
// the least number with 2^bits ≥ 2·10^digits and half = bits − 1 (G. Tene, HdrHistogram, "bucket" and "sub-bucket").
type layout struct {
	digits int
	half   int // log2 of the counters of one octave
	counts int // number of counters up to highestMicros
}

// mostDigits is the finest layout of the format.
const mostDigits = 5

// layouts by their digits; the first is not used.
var layouts = [mostDigits + 1]layout{1: newLayout(1), 2: newLayout(2), 3: newLayout(3), 4: newLayout(4), 5: newLayout(5)}

var (
	secondLayout = &layouts[secondDigits]
	minuteLayout = &layouts[minuteDigits]
)

func newLayout(digits int) layout {
	ten := uint64(2)
	for range digits {
		ten *= 10
	}
	l := layout{digits: digits, half: bits.Len64(ten-1) - 1}
	// Whole octaves, as the format has it: the last counter is the last of the octave that holds the highest value.
	l.counts = (l.index(highestMicros)>>l.half + 1) << l.half
	return l
}

// index is the counter of v ≥ 0.
func (l *layout) index(v int64) int {
	octave := bits.Len64(uint64(v)|(1<<(l.half+1)-1)) - (l.half + 1)
	return octave<<l.half + int(v>>octave)
}

// value is the least value that index i counts.
func (l *layout) value(i int) int64 {
	octave := i>>l.half - 1
	if octave <= 0 {
		return int64(i)
	}
	return int64(i-octave<<l.half) << octave
}
