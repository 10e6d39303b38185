package arrivals

import "math/bits"

// mostBuckets bounds the stack that order uses.
const mostBuckets = 1 << 12

// order sorts arrivals by Due, then Seq, where the Dues are even draws of 53 bits: one pass deals them in place to as
// many buckets as there are arrivals, after which an insertion sort has next to nothing to do. A comparison sort takes
// four times as long, and simulations make the schedule hundreds of times.
func order(list []Arrival) {
	if len(list) > 32 {
		scatter(list)
	}
	for i := 1; i < len(list); i++ {
		a := list[i]
		k := i
		for ; k > 0 && a.before(list[k-1]); k-- {
			list[k] = list[k-1]
		}
		list[k] = a
	}
}

func (a Arrival) before(b Arrival) bool { return a.Due < b.Due || a.Due == b.Due && a.Seq < b.Seq }

// scatter moves every arrival into its bucket, the top bits of Due, by following the cycles of the permutation
// (McIlroy, Bostic, McIlroy 1993, American flag sort).
func scatter(list []Arrival) {
	width := min(bits.Len(uint(len(list)-1)), bits.Len(mostBuckets-1))
	shift := 53 - width
	var next, end [mostBuckets]int32
	for i := range list {
		end[list[i].Due>>shift]++
	}
	sum := int32(0)
	for b := range 1 << width {
		next[b] = sum
		sum += end[b]
		end[b] = sum
	}
	for b := range 1 << width {
		for next[b] < end[b] {
			a := list[next[b]]
			for to := int(a.Due >> shift); to != b; to = int(a.Due >> shift) {
				a, list[next[to]] = list[next[to]], a
				next[to]++
			}
			list[next[b]] = a
			next[b]++
		}
	}
}
