package lab

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// Lateness is counted in buckets of an eighth of an octave of microseconds: coarse, but two instructions a request.
const (
	eighths = 8
	buckets = 28 * eighths
)

// lateness counts how late answers left, second by second.
type lateness struct {
	limit  time.Duration
	second [buckets]atomic.Int64

	// The rest belongs to who calls turn: all answers, and those not judged yet.
	total, open           [buckets]int64
	seconds, judged, over int64
}

// fewest is the least number of answers a lateness quantile is judged on: with fewer in a second it is their maximum,
// and one hiccup would condemn it. Such seconds are joined to the next.
const fewest = 100

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < eighths {
		return int(us)
	}
	octave := bits.Len64(us) - 4 // us>>octave is 8 to 15
	return min(buckets-1, (octave+1)*eighths+int(us>>octave)-eighths)
}

// upper is the largest lateness of bucket i.
func upper(i int) time.Duration {
	if i < eighths {
		return time.Duration(i) * time.Microsecond
	}
	octave := i/eighths - 1
	return time.Duration((uint64(i%eighths+eighths+1)<<octave)-1) * time.Microsecond
}

func (l *lateness) add(d time.Duration) { l.second[bucketOf(d)].Add(1) }

// forget begins anew.
func (l *lateness) forget() {
	l.turn()
	l.total, l.open = [buckets]int64{}, [buckets]int64{}
	l.seconds, l.judged, l.over = 0, 0, 0
}

// turn closes a second and gives its 99 % quantile; zero where nothing was answered in it.
func (l *lateness) turn() time.Duration {
	var counts [buckets]int64
	for i := range counts {
		counts[i] = l.second[i].Swap(0)
		l.total[i] += counts[i]
		l.open[i] += counts[i]
	}
	p99, answers := quantile(&counts, 0.99)
	if answers > 0 {
		l.seconds++
	}
	if together, n := quantile(&l.open, 0.99); n >= fewest {
		l.judged += l.seconds
		if together > l.limit {
			l.over += l.seconds
		}
		l.seconds, l.open = 0, [buckets]int64{}
	}
	return p99
}

// quantile is the upper end of the bucket in which the q-quantile lies, and how many values there are.
func quantile(counts *[buckets]int64, q float64) (d time.Duration, n int64) {
	var below int64
	for _, c := range counts {
		n += c
	}
	if n == 0 {
		return 0, 0
	}
	for i, c := range counts {
		below += c
		if float64(below) >= q*float64(n) {
			return upper(i), n
		}
	}
	return upper(buckets - 1), n
}

// judge says whether the lab kept up.
func (l *lateness) judge(a *Account) {
	a.LatenessP99, _ = quantile(&l.total, 0.99)
	a.Limit, a.Valid = l.limit, true
	if l.over > 1 && float64(l.over) > SecondsOverMost*float64(l.judged) {
		a.Valid = false
		a.Reason = scenarios.Text{
			"de": fmt.Sprintf("die eingebettete Plattform war die Grenze: in %d von %d Sekunden lag das 99-%%-Quantil der Verspätung ihrer Antworten über %s (in wirklicher Zeit)",
				l.over, l.judged, scenarios.Span(l.limit, "de")),
			"en": fmt.Sprintf("lab-limited: in %d of %d seconds the 99 %% quantile of its answers' lateness was above %s (wall time)",
				l.over, l.judged, scenarios.Span(l.limit, "en")),
		}
	}
}
