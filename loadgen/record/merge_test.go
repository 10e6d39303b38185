package record

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"
)

// contents is what is read from a record, apart from the order of lines.
type contents struct {
	windows map[windowOf]string
	fates   [fates]string
	created []Creation
	events  []string
	totals  Totals
	codes   []string // of the warnings
}

func contentsOf(t interface{ Fatal(...any) }, dir string) contents {
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := r.Windows(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := contents{windows: map[windowOf]string{}, totals: r.Run.Totals}
	for _, w := range windows {
		c.windows[windowOf{w.Key, w.Start, w.Length}] = counts(w.Histogram)
	}
	ledger, err := r.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	for f, set := range ledger.Sets {
		c.fates[f] = set.String()
	}
	for x, err := range r.Created() {
		if err != nil {
			t.Fatal(err)
		}
		c.created = append(c.created, x)
	}
	slices.SortFunc(c.created, func(a, b Creation) int { return int(a.Seq) - int(b.Seq) })
	events, err := r.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		c.events = append(c.events, e.Message)
	}
	slices.Sort(c.events)
	for _, w := range r.Run.Warnings {
		c.codes = append(c.codes, w.Code)
	}
	return c
}

// happening is one arrival of a run: its shots, what it made, its fate, what the generator said of it, and which worker's
// which epoch has it.
type happening struct {
	shots []Sample
	fate  Fate
	of    epochID
}

const (
	lawWorkers = 8
	lawEpochs  = 2
)

func drawHappenings(t *rapid.T, n *numbering) []happening {
	out := make([]happening, rapid.IntRange(0, 30).Draw(t, "arrivals"))
	workers := rapid.IntRange(1, lawWorkers).Draw(t, "workers")
	for seq := range out {
		h := &out[seq]
		h.fate = Fate(rapid.IntRange(0, int(fates)-1).Draw(t, "fate"))
		h.of = epochID{uint32(rapid.IntRange(1, workers).Draw(t, "worker")), uint32(rapid.IntRange(1, lawEpochs).Draw(t, "epoch"))}
		for range rapid.IntRange(0, 3).Draw(t, "shots") {
			s := drawShot(t, n)
			s.Seq = uint32(seq)
			for range rapid.SampledFrom([]int{1, 1, 2, 300}).Draw(t, "again") {
				h.shots = append(h.shots, s)
			}
		}
		if rapid.IntRange(0, 5).Draw(t, "odd") == 0 {
			h.shots = append(h.shots, Sample{Tenant: -1})
		}
	}
	return out
}

// taker is what an engine records into: a Writer or a Collector.
type taker interface {
	Shard() *Shard
	Event(Event)
	Flush(time.Duration) error
}

func (h *happening) happens(to taker, sh *Shard, seq int) {
	for _, s := range h.shots {
		sh.Sample(s)
	}
	sh.Fate(uint32(seq), h.fate)
	sh.Created(Created{Seq: uint32(seq), Tenant: int32(seq % 3), Step: int32(seq % 2), Name: "id", Value: fmt.Appendf(nil, "A-%d", seq)})
	to.Event(Event{At: time.Duration(seq) * time.Second, Kind: KindGenerator, Message: itoa(seq)})
}

// keeping gives every frame away to a list.
func keeping(frames *[][]byte) func(FrameID, []byte) error {
	return func(_ FrameID, frame []byte) error {
		*frames = append(*frames, slices.Clone(frame))
		return nil
	}
}

// collect gives the frames of every epoch: its arrivals fall on shards, and between flushes, as they are drawn.
func collect(t *rapid.T, run Run, all []happening) map[epochID][][]byte {
	frames := map[epochID][][]byte{}
	for worker := range uint32(lawWorkers) {
		for epoch := range uint32(lawEpochs) {
			id := epochID{worker + 1, epoch + 1}
			var list [][]byte
			c, err := NewCollector(run, id.worker, id.epoch, keeping(&list))
			if err != nil {
				t.Fatal(err)
			}
			c.room = rapid.SampledFrom([]int{frameRoom, 2000, 400, 1}).Draw(t, "room")
			shards := []*Shard{c.Shard(), c.Shard()}
			some := false
			for seq := range all {
				if all[seq].of != id {
					continue
				}
				some = true
				all[seq].happens(c, shards[rapid.IntRange(0, 1).Draw(t, "shard")], seq)
				if rapid.IntRange(0, 3).Draw(t, "flush") == 0 {
					if err := c.Flush(time.Duration(seq) * time.Second); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := c.Close(0); err != nil {
				t.Fatal(err)
			}
			if some {
				frames[id] = list
			}
		}
	}
	return frames
}

// alone records the arrivals as a run that fires by itself does.
func alone(t *rapid.T, dir string, run Run, all []happening, lost map[epochID]bool) contents {
	w, err := create(dir, run, unsynced)
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	for seq := range all {
		if lost[all[seq].of] {
			sh.Fate(uint32(seq), Indeterminate)
			continue
		}
		all[seq].happens(w, sh, seq)
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	return contentsOf(t, dir)
}

// unsynced makes files that no disk is waited for.
var unsynced = on(func(path string) (file, error) {
	f, err := createFile(path)
	return lazyFile{f}, err
})

type lazyFile struct{ file }

func (lazyFile) Sync() error { return nil }

// A run's record is the sum of its deltas: however its arrivals fall on workers, epochs, shards and frames, in whatever
// order and how often these come, it holds what the record of one process holds, counter by counter. Of a lost epoch
// nothing is known but that its arrivals are indeterminate.
func TestMergeLaws(t *testing.T) {
	tmp := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		one, many := filepath.Join(tmp, "one"), filepath.Join(tmp, "many")
		for _, dir := range []string{one, many} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		names, err := newNumbering(testRun(1).Scenario, TenantBudget)
		if err != nil {
			t.Fatal(err)
		}
		all := drawHappenings(t, names)
		run := testRun(int64(len(all)))
		frames, lost := collect(t, run, all), map[epochID]bool{}
		var sent [][]byte
		for _, id := range slices.SortedFunc(maps.Keys(frames), func(a, b epochID) int { return int(a.worker*9+a.epoch) - int(b.worker*9+b.epoch) }) {
			if lost[id] = rapid.IntRange(0, 4).Draw(t, "lost") == 0; !lost[id] {
				sent = append(sent, frames[id]...)
			}
		}
		want := alone(t, one, run, all, lost)
		twice := rapid.IntRange(0, len(sent)).Draw(t, "told twice")
		told := rapid.Permutation(append(slices.Clone(sent), sent[:twice]...)).Draw(t, "order")

		w, err := begin(many, run, unsynced)
		if err != nil {
			t.Fatal(err)
		}
		if news := mergeAll(t, w, told, rapid.IntRange(1, 40).Draw(t, "flush every")); news != len(sent) {
			t.Fatalf("%d of %d frames were news", news, len(sent))
		}
		for id, list := range frames {
			if next, whole := w.Told(id.worker, id.epoch); whole == lost[id] || !lost[id] && next != uint64(len(list)) {
				t.Fatalf("epoch %v: %d of %d frames, all: %v, lost: %v", id, next, len(list), whole, lost[id])
			}
		}
		if err := w.Settle(Indeterminate, w.Missing()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(started, nil); err != nil {
			t.Fatal(err)
		}
		if got := contentsOf(t, many); !reflect.DeepEqual(got, want) {
			t.Fatalf("of %d workers' frames: %+v\nof one process: %+v", len(frames), got, want)
		}
		a := mustAccount(t, many).Ledger
		if a.Total != int64(len(all)) || a.Completed+a.Failed+a.Indeterminate+a.Unsent != a.Total || a.Missing+a.Overlaps != 0 {
			t.Fatalf("the ledger does not add up: %+v", a)
		}
	})
}

// mergeAll merges frames in their order and says how many were news.
func mergeAll(t interface{ Fatal(...any) }, w *Writer, frames [][]byte, flush int) (news int) {
	var d Delta
	for k, frame := range frames {
		if err := w.Parse(frame, &d); err != nil {
			t.Fatal(err)
		}
		fresh, err := w.Merge(&d)
		if err != nil {
			t.Fatal(err)
		}
		if fresh {
			news++
		}
		if k%flush == flush-1 {
			if err := w.Flush(d.At); err != nil {
				t.Fatal(err)
			}
		}
	}
	return news
}

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
	d.seal()
	frame, err := d.appendTo(nil, w.mark)
	if err != nil {
		t.Fatal(err)
	}
	return frame
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
