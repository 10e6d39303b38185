package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Ledger is where every arrival ended. The sets are kept each for itself, none is computed as the rest, so that what
// is missing or told twice can be seen.
type Ledger struct {
	// Total is the number of arrivals of the scenario.
	Total int64
	// Sets are the Seqs by Fate; disjoint, unless Overlaps says otherwise.
	Sets [fates]*roaring.Bitmap
}

// NewLedger is a ledger of total arrivals, none of which has ended.
func NewLedger(total int64) *Ledger {
	l := &Ledger{Total: total}
	for f := range l.Sets {
		l.Sets[f] = roaring.New()
	}
	return l
}

// All is the set of arrivals with any fate.
func (l *Ledger) All() *roaring.Bitmap { return roaring.FastOr(l.Sets[:]...) }

// Overlaps is the set of arrivals with more than one fate; empty in a sound record.
func (l *Ledger) Overlaps() *roaring.Bitmap {
	seen, twice := roaring.New(), roaring.New()
	for _, set := range l.Sets {
		twice.Or(roaring.And(seen, set))
		seen.Or(set)
	}
	return twice
}

// Missing is the set of arrivals without a fate.
func (l *Ledger) Missing() *roaring.Bitmap {
	missing := roaring.New()
	missing.AddRange(0, uint64(l.Total))
	missing.AndNot(l.All())
	return missing
}

// Foreign is the number of Seqs in the ledger that the scenario does not have.
func (l *Ledger) Foreign() int64 {
	known := roaring.New()
	known.AddRange(0, uint64(l.Total))
	return int64(roaring.AndNot(l.All(), known).GetCardinality())
}

// appendFates adds the frame of the ledger that says where arrivals ended since the frame before it. Its payload is, for
// each fate, length 4 · Roaring bitmap of the Seqs that ended so.
func appendFates(buf []byte, id FrameID, sets *[fates]*roaring.Bitmap) ([]byte, error) {
	return appendFrame(buf, ledgerMagic, id, func(buf []byte) ([]byte, error) {
		for _, set := range sets {
			b, err := set.ToBytes()
			if err != nil {
				return buf, fmt.Errorf("record: encode a ledger frame: %w", err)
			}
			buf = binary.LittleEndian.AppendUint32(buf, uint32(len(b)))
			buf = append(buf, b...)
		}
		return buf, nil
	})
}

// parseSets reads a frame's payload.
func parseSets(payload []byte) (sets [fates]*roaring.Bitmap, err error) {
	for f := range sets {
		if len(payload) < 4 {
			return sets, errors.New("a set is missing")
		}
		n := binary.LittleEndian.Uint32(payload)
		payload = payload[4:]
		if int64(n) > int64(len(payload)) {
			return sets, errors.New("a set is longer than its frame")
		}
		if sets[f], err = parseBitmap(payload[:n]); err != nil {
			return sets, err
		}
		payload = payload[n:]
	}
	if len(payload) > 0 {
		return sets, fmt.Errorf("%d bytes too many", len(payload))
	}
	return sets, nil
}

// parseBitmap reads a serialized Roaring bitmap of any origin. The library's own reader may panic on bytes that are
// none, so the call is guarded and its result validated.
func parseBitmap(b []byte) (set *roaring.Bitmap, err error) {
	defer func() {
		if p := recover(); p != nil {
			set, err = nil, fmt.Errorf("not a Roaring bitmap: %v", p)
		}
	}()
	set = roaring.New()
	n, err := set.ReadFrom(bytes.NewReader(b))
	if err == nil && n != int64(len(b)) {
		err = fmt.Errorf("%d of %d bytes are a bitmap", n, len(b))
	}
	if err == nil && !set.IsEmpty() { // an empty bitmap fails the library's validation
		err = set.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("not a Roaring bitmap: %w", err)
	}
	return set, nil
}

// ledgerReader merges files into one ledger.
type ledgerReader struct {
	ledger *Ledger
	seen   map[FrameID]uint32 // to the payload's checksum
	damage damage
}

func newLedgerReader(total int64) *ledgerReader {
	return &ledgerReader{ledger: NewLedger(total), seen: map[FrameID]uint32{}}
}

// endClosedLoop gives the ledger of a closed loop that was killed its total: the arrivals up to the last one of which
// anything is told. Before the close the scenario holds more than any run gets through.
func (r *ledgerReader) endClosedLoop(run *Run) {
	if run.Closed == 0 || run.Complete() {
		return
	}
	r.ledger.Total = 0
	if told := r.ledger.All(); !told.IsEmpty() {
		r.ledger.Total = int64(told.Maximum()) + 1
	}
}

// file merges the frames of one file and gives the length of its whole part: all but a torn end.
func (r *ledgerReader) file(name string, b []byte) (whole int64) {
	at := 0
	for at < len(b) {
		id, payload, size, err := parseFrame(b[at:], ledgerMagic)
		if err == nil {
			r.frame(fmt.Sprintf("%s: frame at byte %d", name, at), id, payload)
			at += size
			continue
		}
		next := nextFrame(b, ledgerMagic, at+1)
		if next < 0 {
			r.damage.add(false, "%s: frame at byte %d: %v", name, at, err)
			return int64(at)
		}
		r.damage.add(true, "%s: frame at byte %d: %v; read on at byte %d", name, at, errFrameBad, next)
		at = next
	}
	return int64(at)
}

// frame merges one frame, once.
func (r *ledgerReader) frame(where string, id FrameID, payload []byte) {
	sum := crc32.Checksum(payload, castagnoli)
	if before, told := r.seen[id]; told {
		if before != sum {
			r.damage.add(true, "%s: worker %d, epoch %d, sequence %d was told before with other contents",
				where, id.Worker, id.Epoch, id.Sequence)
		}
		return
	}
	sets, err := parseSets(payload)
	if err != nil {
		r.damage.add(true, "%s: %v", where, err)
		return
	}
	r.seen[id] = sum
	for f, set := range sets {
		r.ledger.Sets[f].Or(set)
	}
}

// gaps names the frames that are missing between others of the same worker and epoch.
func (r *ledgerReader) gaps() []string {
	type run struct{ worker, epoch uint32 }
	count, last := map[run]uint64{}, map[run]uint64{}
	for id := range r.seen {
		k := run{id.Worker, id.Epoch}
		count[k]++
		last[k] = max(last[k], id.Sequence)
	}
	var out []string
	for k, n := range count {
		if last[k] >= n { // sequences count from 0
			out = append(out, fmt.Sprintf("ledger: worker %d, epoch %d: %d of %d frames are missing",
				k.worker, k.epoch, last[k]+1-n, last[k]+1))
		}
	}
	slices.Sort(out)
	return out
}
