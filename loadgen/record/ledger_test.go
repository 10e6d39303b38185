package record

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"
)

// frameOf is a frame that says where the given Seqs ended.
func frameOf(t interface{ Fatal(...any) }, id FrameID, ended map[Fate][]uint32) []byte {
	sets := NewLedger(0).Sets
	for f, seqs := range ended {
		sets[f].AddMany(seqs)
	}
	b, err := appendFates(nil, id, &sets)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLedgerMergesFramesInAnyOrderAndOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const total = 500
		want := NewLedger(total)
		var frames [][]byte
		seq := uint32(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "frames") {
			ended := map[Fate][]uint32{}
			for range rapid.IntRange(0, 40).Draw(t, "fates") {
				f := Fate(rapid.IntRange(0, int(fates)-1).Draw(t, "fate"))
				ended[f] = append(ended[f], seq)
				want.Sets[f].Add(seq)
				seq++
			}
			id := FrameID{uint32(i % 3), 1, uint64(i / 3)}
			frames = append(frames, frameOf(t, id, ended))
		}
		told := slices.Concat(frames, frames[:rapid.IntRange(0, len(frames)).Draw(t, "told twice")])
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		random.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		r := newLedgerReader(total)
		whole := r.file("w0-e1.log", slices.Concat(told...))
		if whole != int64(len(slices.Concat(told...))) || len(r.damage.broken)+len(r.damage.torn)+len(r.gaps()) > 0 {
			t.Fatalf("damage in a sound ledger: %v, gaps %v", r.damage, r.gaps())
		}
		for f := range want.Sets {
			if !r.ledger.Sets[f].Equals(want.Sets[f]) {
				t.Fatalf("%v: %v, want %v", Fate(f), r.ledger.Sets[f], want.Sets[f])
			}
		}
		a := r.ledger.account()
		if a.Completed+a.Failed+a.Indeterminate+a.Unsent+a.Missing != total || a.Missing != total-int64(seq) {
			t.Fatalf("the account does not add up: %+v, %d told", a, seq)
		}
	})
}

func threeFrames(t *testing.T) [][]byte {
	return [][]byte{
		frameOf(t, FrameID{0, 1, 0}, map[Fate][]uint32{Completed: {0, 1, 2}}),
		frameOf(t, FrameID{0, 1, 1}, map[Fate][]uint32{FailedArrival: {3}, Unsent: {4}}),
		frameOf(t, FrameID{0, 1, 2}, map[Fate][]uint32{Indeterminate: {5}}),
	}
}

func TestLedgerLeavesOutATornEnd(t *testing.T) {
	frames := threeFrames(t)
	b := slices.Concat(frames...)
	sound := len(b) - len(frames[2])
	for cut := sound + 1; cut < len(b); cut++ {
		r := newLedgerReader(6)
		if whole := r.file("w0-e1.log", b[:cut]); whole != int64(sound) {
			t.Fatalf("cut at %d: %d bytes are whole, want %d", cut, whole, sound)
		}
		if len(r.damage.torn) != 1 || len(r.damage.broken) != 0 || !r.ledger.All().Equals(roaring.BitmapOf(0, 1, 2, 3, 4)) {
			t.Fatalf("cut at %d: %v, ledger %v", cut, r.damage, r.ledger.All())
		}
	}
}

func TestLedgerNamesABrokenFrameAndReadsOn(t *testing.T) {
	frames := threeFrames(t)
	at := len(frames[0])
	for i := range frames[1] {
		b := slices.Concat(frames...)
		b[at+i] ^= 0x10
		r := newLedgerReader(6)
		r.file("ledger/w0-e1.log", b)
		if err := r.damage.err(); err == nil || !strings.Contains(err.Error(), "ledger/w0-e1.log: frame at byte "+itoa(at)) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if !r.ledger.All().Equals(roaring.BitmapOf(0, 1, 2, 5)) {
			t.Fatalf("byte %d: ledger %v", i, r.ledger.All())
		}
		if gaps := r.gaps(); len(gaps) != 1 || !strings.Contains(gaps[0], "worker 0, epoch 1: 1 of 3 frames are missing") {
			t.Fatalf("byte %d: gaps %v", i, gaps)
		}
	}
}

func TestLedgerTellsOverlapsAndStrangers(t *testing.T) {
	r := newLedgerReader(4)
	r.file("x", frameOf(t, FrameID{}, map[Fate][]uint32{Completed: {0, 1}, Indeterminate: {1}, Unsent: {9}}))
	if got := r.ledger.Overlaps().ToArray(); !slices.Equal(got, []uint32{1}) {
		t.Errorf("overlaps %v, want 1", got)
	}
	if got := r.ledger.Missing().ToArray(); !slices.Equal(got, []uint32{2, 3}) {
		t.Errorf("missing %v, want 2 and 3", got)
	}
	if got := r.ledger.Foreign(); got != 1 {
		t.Errorf("%d strangers, want Seq 9 alone", got)
	}
}

func TestLedgerRefusesTheSameFrameWithOtherContents(t *testing.T) {
	r := newLedgerReader(4)
	r.file("a", frameOf(t, FrameID{1, 2, 3}, map[Fate][]uint32{Completed: {0}}))
	r.file("b", frameOf(t, FrameID{1, 2, 3}, map[Fate][]uint32{Unsent: {0}}))
	if err := r.damage.err(); err == nil || !strings.Contains(err.Error(), "worker 1, epoch 2, sequence 3 was told before with other contents") {
		t.Errorf("damage: %v", err)
	}
	if !r.ledger.Overlaps().IsEmpty() {
		t.Error("the second frame was merged")
	}
}

func itoa(n int) string { return ranges([]int{n}) }

func FuzzLedger(f *testing.F) {
	var t testing.T
	f.Add(slices.Concat(threeFrames(&t)...))
	f.Add([]byte("\xa5ALG\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newLedgerReader(100)
		if whole := r.file("w0-e1.log", b); whole < 0 || whole > int64(len(b)) {
			t.Errorf("%d of %d bytes are whole", whole, len(b))
		}
		// The same bytes as a payload whose checksum holds: what a hostile file would bring.
		payload := make([]byte, 0, len(b)+64)
		payload = append(payload, ledgerMagic...)
		payload = binary.LittleEndian.AppendUint32(payload, uint32(len(b)))
		payload = append(append(payload, make([]byte, 16)...), b...)
		payload = binary.LittleEndian.AppendUint32(payload, crc32.Checksum(payload, castagnoli))
		r.file("w0-e2.log", payload)
		a := r.ledger.account()
		if a.Missing > a.Total || a.Missing < 0 || a.Overlaps < 0 {
			t.Errorf("account %+v", a)
		}
		if set, err := parseBitmap(b); err == nil {
			again, err := set.ToBytes()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseBitmap(again); err != nil {
				t.Errorf("a bitmap that was read cannot be read again: %v", err)
			}
		}
	})
}
