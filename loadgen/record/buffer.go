package record

import (
	"math/bits"
	"slices"
	"time"
)

// buffer is what one shard has counted since the writer last came: sparse histograms without a pointer in them, so that
// the garbage collector has nothing to follow and emptying them costs what was filled.
//
//	head by series and slot ──► table of the window: page numbers, 0 where nothing was counted ──► pages of counters
//
// A head knows the window that was opened last at its place; others of the same place hang behind it, so that a late
// answer finds its window too, with some steps more. What a full counter carries over is noted aside: no count is lost.
type buffer struct {
	names  *numbering
	closed bool // the record is closed: what comes is lost
	latest time.Duration

	heads   []head
	tables  []uint32
	pages   []counters
	homes   []home // of pages
	windows uint32
	carries []carry

	counted [outcomes]int64
	ended   [fates][]uint32
	created []creation
	values  []byte // of created
	oddity  oddities
}

// head is the place of a window: slot, and where the page numbers of its table begin; 0 where there is no window.
type head struct{ slot, at uint32 }

// home is what a page belongs to: the number of the window in the buffer, and of the page in the window.
type home struct{ window, page uint32 }

// carry says that a counter of a page is to be read as 65,536 more.
type carry struct{ page, counter uint32 }

// Before the page numbers of a table stand the window's series and slot, where the next window of the same place begins,
// and the window's number in the buffer.
const (
	tableHead   = 4
	tableSeries = 4
	tableSlot   = 3
	tableNext   = 2
	tableWindow = 1
)

const (
	// secondPlaces one-second windows of a series are found without a search: those of a busy moment.
	secondPlaces = 16
	// fullPages and fullTables are when the writer is called without waiting for the second to end: at 1 MiB of counters
	// or of page numbers.
	fullPages  = 1 << 13
	fullTables = 1 << 18
)

func newBuffer(n *numbering) *buffer {
	b := &buffer{names: n, heads: make([]head, n.places())}
	b.tables, b.pages, b.homes = make([]uint32, 0, 1<<12), make([]counters, 1, 1<<8), make([]home, 1, 1<<8)
	return b
}

// full says that the writer should come soon.
func (b *buffer) full() bool { return len(b.pages) > fullPages || len(b.tables) > fullTables }

// sample counts one shot.
func (b *buffer) sample(s *Sample, early time.Duration) {
	n := b.names
	switch {
	case b.closed:
		return
	case s.Outcome >= outcomes || uint(s.Step) >= uint(len(n.steps)) || uint(s.Tenant) >= uint(len(n.row)):
		b.oddity.unknown++
		return
	}
	b.latest = max(b.latest, s.Done)
	b.counted[s.Outcome]++
	all, one := n.all(s.Step, s.Outcome), n.one(n.row[s.Tenant], s.Step, s.Outcome)
	sent := secondOf(s.Sent)
	b.second(lateness, sent, b.micros(s.Lateness(), early))
	if s.Connect != 0 {
		b.second(connect, sent, b.micros(s.Connect, early))
	}
	if s.Handshake != 0 {
		b.second(handshake, sent, b.micros(s.Handshake, early))
	}
	if s.Waited != 0 {
		b.second(atDoor, secondOf(s.Due), b.micros(s.Waited, early))
	}
	response := b.micros(s.Response(), early)
	b.second(all+byResponse, secondOf(s.Due), response)
	b.minute(one+byResponse, minuteOf(s.Due), response)
	if s.Outcome == Refused {
		return // nothing was sent, so nothing was served
	}
	done := secondOf(s.Done)
	service := b.micros(s.Service(), early)
	b.second(all+byService, done, service)
	b.minute(one+byService, minuteOf(s.Done), service)
	if s.FirstByte != 0 {
		b.second(all+byFirstByte, done, b.micros(s.FirstByte-s.Sent, early))
	}
}

// micros is d as the histograms count it, and notes what does not fit.
func (b *buffer) micros(d, early time.Duration) int64 {
	v, clamped := micros(d)
	if clamped && d < -early {
		b.oddity.negative++
	} else if clamped && d > 0 {
		b.oddity.long++
	}
	return v
}

// mostSlots bounds the numbers of windows: thirty years of seconds.
const mostSlots = 1<<30 - 1

// secondOf and minuteOf are the number of the window that holds at; a time before the start belongs to the first.
func secondOf(at time.Duration) uint32 { return uint32(min(max(at, 0)/time.Second, mostSlots)) }
func minuteOf(at time.Duration) uint32 { return uint32(min(max(at, 0)/time.Minute, mostSlots)) }

// second counts v (µs) in a one-second window.
func (b *buffer) second(series, slot uint32, v int64) {
	h := &b.heads[series*secondPlaces+slot%secondPlaces]
	at := h.at
	if h.slot != slot || at == 0 {
		at = b.window(h, series, slot, secondPages)
	}
	b.count(at, uint32(secondLayout.index(v)))
}

// minute counts v (µs) in a one-minute window.
func (b *buffer) minute(series, slot uint32, v int64) {
	h := &b.heads[b.names.place(series, 0)]
	at := h.at
	if h.slot != slot || at == 0 {
		at = b.window(h, series, slot, minutePages)
	}
	b.count(at, uint32(minuteLayout.index(v)))
}

// count adds one to counter i of the window whose page numbers begin at at.
func (b *buffer) count(at, i uint32) {
	number := b.tables[at+i/countersPerPage]
	if number == 0 {
		number = b.page(at, i/countersPerPage)
	}
	if b.pages[number].add(i % countersPerPage) {
		b.carries = append(b.carries, carry{number, i % countersPerPage})
	}
}

// window finds or opens the window of series and slot behind h.
func (b *buffer) window(h *head, series, slot, pages uint32) uint32 {
	for at := h.at; at != 0; at = b.tables[at-tableNext] {
		if b.tables[at-tableSlot] == slot {
			return at
		}
	}
	at := uint32(len(b.tables)) + tableHead
	end := int(at + pages)
	b.tables = slices.Grow(b.tables, end-len(b.tables))[:end]
	clear(b.tables[at:])
	b.tables[at-tableSeries], b.tables[at-tableSlot] = series, slot
	b.tables[at-tableNext], b.tables[at-tableWindow] = h.at, b.windows
	b.windows++
	*h = head{slot, at}
	return at
}

// page adds an empty page to a window.
func (b *buffer) page(at, page uint32) uint32 {
	number := uint32(len(b.pages))
	b.pages = append(b.pages, counters{})
	b.homes = append(b.homes, home{b.tables[at-tableWindow], page})
	b.tables[at+page] = number
	return number
}

// eachWindow calls do with the windows in the order of their numbers.
func (b *buffer) eachWindow(do func(series, slot uint32)) {
	for at := uint32(tableHead); int(at) < len(b.tables); {
		series := b.tables[at-tableSeries]
		do(series, b.tables[at-tableSlot])
		at += b.names.pages(series) + tableHead
	}
}

// eachPage calls do with the pages: the window's number, the number of the page's first counter, and the counters.
func (b *buffer) eachPage(do func(window, first uint32, page *counters)) {
	for number := 1; number < len(b.pages); number++ {
		do(b.homes[number].window, b.homes[number].page*countersPerPage, &b.pages[number])
	}
}

// eachCarry calls do with the counters that were full, once for each laneMax+1 they are to be read as more.
func (b *buffer) eachCarry(do func(window, i uint32)) {
	for _, c := range b.carries {
		home := b.homes[c.page]
		do(home.window, home.page*countersPerPage+c.counter)
	}
}

// empty forgets everything but the memory, and makes room for half as much again: that is cheaper here than where shots
// are counted.
func (b *buffer) empty() {
	b.pages = slices.Grow(b.pages, len(b.pages)/2)
	b.homes = slices.Grow(b.homes, len(b.homes)/2)
	b.tables = slices.Grow(b.tables, len(b.tables)/2)
	b.eachWindow(func(series, slot uint32) { b.heads[b.names.place(series, slot)] = head{} })
	b.latest, b.windows = 0, 0
	b.tables, b.pages, b.homes, b.carries = b.tables[:0], b.pages[:1], b.homes[:1], b.carries[:0]
	b.counted, b.oddity = [outcomes]int64{}, oddities{}
	for f := range b.ended {
		b.ended[f] = b.ended[f][:0]
	}
	clear(b.created) // the names
	b.created, b.values = b.created[:0], b.values[:0]
}

// counters is a page: four counters of 16 bits to the word, so that empty ones are passed over four at a time.
type counters [countersPerPage / lanes]uint64

const (
	countersPerPage = 64
	laneBits        = 16
	lanes           = 64 / laneBits
	laneMax         = 1<<laneBits - 1
)

// add adds one to counter i and says whether it was full: it then is zero again.
func (c *counters) add(i uint32) (full bool) {
	word, shift := &c[i/lanes], i%lanes*laneBits
	if *word>>shift&laneMax == laneMax {
		*word -= laneMax << shift
		return true
	}
	*word += 1 << shift
	return false
}

// next is the first counter of a word that is not zero, its count, and the word without it.
func next(word uint64) (lane, n uint32, rest uint64) {
	lane = uint32(bits.TrailingZeros64(word)) / laneBits
	return lane, uint32(word>>(lane*laneBits)) & laneMax, word &^ (laneMax << (lane * laneBits))
}

// appendHits adds the counters of the page that are not zero; first is the number of its first.
func (c *counters) appendHits(to []hits, window, first uint32) []hits {
	for w, word := range c {
		for word != 0 {
			var lane, n uint32
			lane, n, word = next(word)
			to = append(to, hits{window, first + uint32(w)*lanes + lane, n})
		}
	}
	return to
}

// The pages of one window's table.
var (
	secondPages = uint32(secondLayout.counts+countersPerPage-1) / countersPerPage
	minutePages = uint32(minuteLayout.counts+countersPerPage-1) / countersPerPage
)
