package record

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// Delta is what was counted and told since the delta before it: counters that add up, whoever counted them. A record is
// the sum of its deltas, those of its own shards and those that [Writer.Merge] is given; in which order they come, and
// how often each, changes nothing.
type Delta struct {
	FrameID
	// At is the platform time up to which it reaches.
	At time.Duration
	// Final says that it is the last of its epoch.
	Final bool
	// Fates are the Seqs that ended since the delta before, by fate.
	Fates [fates]*roaring.Bitmap

	latest       time.Duration // of its shots
	counted      [outcomes]int64
	oddity       oddities
	made, events []byte // whole lines
	attested     []byte // what the epoch's engine knows of itself by then; empty where that is not news
	windows      []cellID
	hits         []hits
	sum          uint32 // of its frame

	ended [fates][]uint32 // Fates before they are sealed
	full  []*buffer       // whose windows are not among its own yet
}

// hits are n values more in one counter of a window, that of this index in its delta.
type hits struct{ window, counter, n uint32 }

// place orders hits by window and counter.
func (h hits) place() uint64 { return uint64(h.window)<<32 | uint64(h.counter) }

// rank orders windows by series and start.
func (id cellID) rank() uint64 { return uint64(id.series)<<32 | uint64(id.slot) }

// take adds what a shard has counted; the windows stay where they are.
func (d *Delta) take(b *buffer) {
	d.latest = max(d.latest, b.latest)
	d.At = max(d.At, d.latest)
	d.full = append(d.full, b)
	for o, n := range b.counted {
		d.counted[o] += n
	}
	for f, seqs := range b.ended {
		d.ended[f] = append(d.ended[f], seqs...)
	}
	d.made = b.appendCreated(d.made)
	d.oddity.add(b.oddity)
}

// unpack makes the shards' windows its own.
func (d *Delta) unpack() {
	for _, b := range d.full {
		first := uint32(len(d.windows))
		b.eachWindow(func(series, slot uint32) { d.windows = append(d.windows, cellID{series, slot}) })
		b.eachPage(func(window, counter uint32, page *counters) { d.hits = page.appendHits(d.hits, first+window, counter) })
		b.eachCarry(func(window, counter uint32) { d.hits = append(d.hits, hits{first + window, counter, laneMax + 1}) })
	}
	d.letGo()
}

// letGo empties the shards' buffers and gives them back.
func (d *Delta) letGo() {
	for _, b := range d.full {
		b.empty()
	}
	d.full = d.full[:0]
}

// seal makes sets of the fates.
func (d *Delta) seal() {
	for f, seqs := range d.ended {
		d.Fates[f] = roaring.BitmapOf(seqs...)
		d.Fates[f].RunOptimize()
		d.ended[f] = seqs[:0]
	}
}

// reset forgets everything but the memory.
func (d *Delta) reset() {
	*d = Delta{
		made: d.made[:0], events: d.events[:0], attested: d.attested[:0], windows: d.windows[:0], hits: d.hits[:0], ended: d.ended, full: d.full[:0],
	}
	for f, seqs := range d.ended {
		d.ended[f] = seqs[:0]
	}
}

// empty says that a delta tells nothing of the run; a window that is not empty is of shots that are counted.
func (d *Delta) empty() bool {
	for f, seqs := range d.ended {
		if len(seqs) > 0 || d.Fates[f] != nil && !d.Fates[f].IsEmpty() {
			return false
		}
	}
	return len(d.windows) == 0 && len(d.made) == 0 && len(d.events) == 0 && d.counted == [outcomes]int64{} && d.oddity == oddities{}
}

// tidy puts windows and hits in order, each window and each counter once: several shards may have counted the same.
func (d *Delta) tidy() {
	order := make([]int, len(d.windows))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(d.windows[a].rank(), d.windows[b].rank()) })
	windows, at := d.windows[:0:0], make([]uint32, len(d.windows))
	for _, i := range order {
		if n := len(windows); n == 0 || windows[n-1] != d.windows[i] {
			windows = append(windows, d.windows[i])
		}
		at[i] = uint32(len(windows) - 1)
	}
	for i := range d.hits {
		d.hits[i].window = at[d.hits[i].window]
	}
	slices.SortFunc(d.hits, func(a, b hits) int { return cmp.Compare(a.place(), b.place()) })
	n := 0
	for _, h := range d.hits {
		if n > 0 && d.hits[n-1].place() == h.place() {
			d.hits[n-1].n += h.n
			continue
		}
		d.hits[n] = h
		n++
	}
	d.windows, d.hits = windows, d.hits[:n]
}

// What parts of a delta take in a frame at most, in bytes.
const (
	headBytes   = 256 // all that is not counted below
	windowBytes = 16
	hitBytes    = 8
	seqBytes    = 16 // a Seq alone in its part of a bitmap
)

// cut moves from d, sealed and tidy, what fits into a frame of room bytes; nothing where the first thing is longer. What
// is not counted by window goes with the first piece.
func (d *Delta) cut(room int) *Delta {
	piece := &Delta{FrameID: d.FrameID, At: d.At, latest: d.latest, counted: d.counted, oddity: d.oddity}
	d.counted, d.oddity = [outcomes]int64{}, oddities{}
	room -= headBytes
	for f, set := range d.Fates {
		piece.Fates[f] = cutSet(set, room)
		room -= int(piece.Fates[f].GetSerializedSizeInBytes())
	}
	piece.made = cutLines(&d.made, room)
	room -= len(piece.made)
	piece.events = cutLines(&d.events, room)
	room -= len(piece.events)
	piece.windows, piece.hits = d.cutWindows(room)
	return piece
}

// cutWindows takes the first windows with their hits, as many as surely fit into room bytes.
func (d *Delta) cutWindows(room int) (windows []cellID, taken []hits) {
	n, k := 0, 0
	for at := range d.windows {
		end := k
		for end < len(d.hits) && d.hits[end].window == uint32(at) {
			end++
		}
		if room -= windowBytes + hitBytes*(end-k); room < 0 {
			break
		}
		n, k = at+1, end
	}
	windows, taken = d.windows[:n], d.hits[:k]
	d.windows, d.hits = d.windows[n:], d.hits[k:]
	for i := range d.hits {
		d.hits[i].window -= uint32(n)
	}
	return windows, taken
}

// cutSet takes the lowest Seqs off a set, as many as surely fit into room bytes.
func cutSet(set *roaring.Bitmap, room int) *roaring.Bitmap {
	if int(set.GetSerializedSizeInBytes()) <= room {
		all := set.Clone()
		set.Clear()
		return all
	}
	head := roaring.New()
	if room < seqBytes {
		return head
	}
	last, err := set.Select(uint32(room/seqBytes - 1))
	if err != nil { // it has no more than that
		last = set.Maximum()
	}
	head.Or(set)
	head.RemoveRange(uint64(last)+1, 1<<32)
	set.RemoveRange(0, uint64(last)+1)
	return head
}

// cutLines takes whole lines off the head of text, as many as fit into room bytes.
func cutLines(text *[]byte, room int) []byte {
	n := len(*text)
	if n > room {
		n = bytes.LastIndexByte((*text)[:max(room, 0)], '\n') + 1
	}
	head := (*text)[:n:n]
	*text = (*text)[n:]
	return head
}
