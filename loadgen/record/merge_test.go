package record

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// fleetFrames are the frames of two workers of a run of 200 arrivals, second by second.
func fleetFrames(t testing.TB, run Run) (frames [][]byte) {
	t.Helper()
	var collectors []*Collector
	var shards []*Shard
	for worker := range uint32(2) {
		c, err := NewCollector(run, worker+1, 1, keeping(&frames))
		if err != nil {
			t.Fatal(err)
		}
		collectors, shards = append(collectors, c), append(shards, c.Shard())
	}
	for k := range 200 {
		h := happening{shots: []Sample{testSample(k, 200)}, fate: testFate(k)}
		h.happens(collectors[k%2], shards[k%2], k)
		collectors[k%2].Attest([]byte(itoa(k)))
		if k%25 == 24 {
			for _, c := range collectors {
				if err := c.Flush(testSample(k, 200).Due); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range collectors {
		if err := c.Close(3 * time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	return frames
}

// Between two flushes the order of deltas does not show in the files either.
func TestTheBytesDoNotTellTheOrder(t *testing.T) {
	run := testRun(200)
	frames := fleetFrames(t, run)
	var before map[string][]byte
	for range 3 {
		dir := filepath.Join(t.TempDir(), "run")
		w, err := Fold(dir, run)
		if err != nil {
			t.Fatal(err)
		}
		mergeAll(t, w, frames, len(frames)+1)
		if err := w.Close(started, nil); err != nil {
			t.Fatal(err)
		}
		files := snapshot(t, dir)
		if before != nil && !maps.EqualFunc(files, before, slices.Equal[[]byte]) {
			t.Error("in another order other bytes")
		}
		before = files
		slices.Reverse(frames)
		frames = append(frames[3:], frames[:5]...)
	}
}

// A run that fires by itself is a fleet of one worker: where both are flushed at the same moments, their files are the
// same, byte for byte, but for the worker's number.
func TestARunByItselfIsAFleetOfOne(t *testing.T) {
	run := testRun(3000)
	dirs := []string{filepath.Join(t.TempDir(), "own"), filepath.Join(t.TempDir(), "merged")}
	own, err := Fold(dirs[0], run)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := Fold(dirs[1], run)
	if err != nil {
		t.Fatal(err)
	}
	var d Delta
	c, err := NewCollector(run, 1, 1, func(_ FrameID, frame []byte) error {
		if err := merged.Parse(frame, &d); err != nil {
			return err
		}
		_, err := merged.Merge(&d)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for to, keeper := range map[taker]*Writer{own: own, c: merged} {
		shards := []*Shard{to.Shard(), to.Shard()}
		for k := range 3000 {
			h := happening{shots: []Sample{testSample(k, 3000)}, fate: testFate(k)}
			h.happens(to, shards[k%2], k)
			if k%100 != 99 {
				continue
			}
			for _, x := range []taker{to, keeper} {
				if err := x.Flush(h.shots[0].Due); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, w := range []*Writer{own, merged} {
		if err := w.Close(started, nil); err != nil {
			t.Fatal(err)
		}
	}
	a, b := snapshot(t, dirs[0]), snapshot(t, dirs[1])
	for _, name := range []string{runFile, latencyFile, timelineFile, createdFile, metricsFile} {
		if string(a[name]) != string(b[name]) {
			t.Errorf("%s is another", name)
		}
	}
	if x, y := payloads(t, a[filepath.Join(ledgerDir, "w0-e1.log")]), payloads(t, b[filepath.Join(ledgerDir, "w1-e1.log")]); !slices.Equal(x, y) {
		t.Errorf("%d and %d frames of the ledger are not the same", len(x), len(y))
	}
}

// payloads are the payloads of a ledger file's frames.
func payloads(t *testing.T, b []byte) (out []string) {
	for len(b) > 0 {
		id, payload, size, err := parseFrame(b, ledgerMagic)
		if err != nil || id.Sequence != uint64(len(out)) {
			t.Fatal(id, err)
		}
		out, b = append(out, string(payload)), b[size:]
	}
	return out
}

// rawFrame is a sound frame of fates alone.
func rawFrame(t testing.TB, w *Writer, id FrameID, ended map[Fate][]uint32) []byte {
	t.Helper()
	d := &Delta{FrameID: id}
	for f, seqs := range ended {
		d.ended[f] = seqs
	}
	return framed(t, w, d)
}

// framed is a delta made by hand as its worker sends it.
func framed(t testing.TB, w *Writer, d *Delta) []byte {
	t.Helper()
	d.seal()
	frame, err := d.appendTo(nil, w.mark)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// mergeFramed merges a delta made by hand, read from its frame.
func mergeFramed(t testing.TB, w *Writer, d *Delta) (news bool, err error) {
	t.Helper()
	if err := w.Parse(framed(t, w, d), d); err != nil {
		t.Fatal(err)
	}
	return w.Merge(d)
}

func TestMergeRefusesWhatContradicts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	first := FrameID{1, 1, 0}
	mergeAll(t, w, [][]byte{rawFrame(t, w, first, map[Fate][]uint32{Completed: {0, 1}})}, 1)
	before := snapshot(t, dir)
	for want, frame := range map[string][]byte{
		"was told before with other contents":        rawFrame(t, w, first, map[Fate][]uint32{Completed: {0, 2}}),
		"gives arrival 3 two fates":                  rawFrame(t, w, FrameID{1, 1, 1}, map[Fate][]uint32{Completed: {3}, Unsent: {3, 4}}),
		"tells of arrival 1, which has a fate":       rawFrame(t, w, FrameID{2, 1, 0}, map[Fate][]uint32{Unsent: {1, 5}}),
		"tells of arrival 10, the run has 10":        rawFrame(t, w, FrameID{2, 1, 1}, map[Fate][]uint32{Indeterminate: {5, 10}}),
		"worker 0, epoch 1, delta 0: it is not a wo": rawFrame(t, w, FrameID{0, 1, 0}, map[Fate][]uint32{Indeterminate: {5}}),
	} {
		var d Delta
		if err := w.Parse(frame, &d); err != nil {
			t.Fatal(err)
		}
		if news, err := w.Merge(&d); err == nil || news || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if news, err := w.Merge(&Delta{FrameID: FrameID{1, 1, 1}}); err == nil || news {
		t.Error("a delta that nobody parsed is merged")
	}
	for what, err := range map[string]error{
		"settled twice":      w.Settle(Unsent, roaring.BitmapOf(1)),
		"settled by nothing": w.Settle(fates, roaring.BitmapOf(2)),
		"settled, no such":   w.Settle(Unsent, roaring.BitmapOf(10)),
		"flush":              w.Flush(time.Second),
	} {
		if (err == nil) != (what == "flush") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !maps.EqualFunc(snapshot(t, dir), before, slices.Equal[[]byte]) {
		t.Error("something of it was merged")
	}
	if got := w.Missing().ToArray(); !slices.Equal(got, []uint32{2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("missing: %v", got)
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	var d Delta
	if err := w.Parse(rawFrame(t, w, FrameID{2, 1, 0}, nil), &d); err != nil {
		t.Fatal(err)
	}
	if news, err := w.Merge(&d); news || err == nil || !strings.Contains(err.Error(), "after the record was closed") {
		t.Errorf("after the close: %v", err)
	}
	if err := w.Settle(Unsent, roaring.BitmapOf(5)); err == nil {
		t.Error("settled after the close")
	}
}

// A delta that never came is a hole that the account names.
func TestAHoleIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	run := testRun(200)
	w, err := Fold(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	mergeAll(t, w, slices.Delete(fleetFrames(t, run), 2, 3), 4)
	if next, all := w.Told(1, 1); next != 1 || all {
		t.Errorf("without a gap up to %d, all: %v; want up to 1", next, all)
	}
	if err := w.Settle(Indeterminate, w.Missing()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	a := account(t, dir)
	if len(a.Problems) != 1 || !strings.Contains(a.Problems[0], "worker 1, epoch 1: 1 of 9 frames are missing") || a.Ledger.Missing != 0 {
		t.Errorf("problems %q, ledger %+v", a.Problems, a.Ledger)
	}
}

// Nothing comes after the last delta of an epoch, in whatever order they come.
func TestTheLastDeltaIsTheLast(t *testing.T) {
	type delta struct {
		sequence uint64
		final    bool
	}
	for name, test := range map[string]struct {
		merged []delta
		next   delta
		want   string
	}{
		"after the last":            {[]delta{{0, false}, {1, true}}, delta{2, false}, "delta 1 was the last"},
		"far after the last":        {[]delta{{1, true}}, delta{math.MaxUint64 - 1, false}, "delta 1 was the last"},
		"the last again, elsewhere": {[]delta{{1, true}}, delta{3, true}, "delta 1 was the last"},
		"a last one before it":      {[]delta{{5, true}}, delta{3, true}, "delta 5 is merged"},
		"a last one before others":  {[]delta{{0, false}, {1, false}}, delta{1, true}, "with other contents"},
		"a last one before a gap":   {[]delta{{0, false}, {4, false}}, delta{2, true}, "delta 4 is merged"},
		"no number":                 {nil, delta{math.MaxUint64, false}, "the largest there is"},
		"no number, the last":       {nil, delta{math.MaxUint64, true}, "the largest there is"},
		"the only one":              {nil, delta{0, true}, ""},
		"before the last":           {[]delta{{5, true}}, delta{4, false}, ""},
		"the last, late":            {[]delta{{0, false}, {4, false}}, delta{5, true}, ""},
	} {
		w, err := Fold(filepath.Join(t.TempDir(), "run"), testRun(10))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range append(test.merged, test.next) {
			d := &Delta{FrameID: FrameID{1, 1, x.sequence}, Final: x.final}
			d.ended[Completed] = []uint32{uint32(len(w.told))}
			news, err := mergeFramed(t, w, d)
			if want := test.want; x == test.next && want != "" {
				if err == nil || news || !strings.Contains(err.Error(), want) || len(w.told) != len(test.merged) {
					t.Errorf("%s: %v, want %q", name, err, want)
				}
			} else if err != nil || !news {
				t.Errorf("%s: delta %d: %v", name, x.sequence, err)
			}
		}
		if err := w.Close(started, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// However often the most is told that a delta may tell, no counter begins anew at nothing.
func TestNoCounterOverflows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	const fit = math.MaxUint32 / mostHits
	for k := range uint64(fit + 2) {
		d := &Delta{FrameID: FrameID{1, 1, k}, windows: []cellID{{lateness, 0}}, hits: []hits{{0, 5, mostHits}}}
		if news, err := mergeFramed(t, w, d); news != (k < fit) || (err == nil) != news {
			t.Errorf("delta %d: %v, %v", k, news, err)
		}
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if _, windows := withWindows(t, dir); len(windows) != 1 || windows[0].Histogram.Count() != fit*mostHits {
		t.Errorf("%d windows", len(windows))
	}
}
