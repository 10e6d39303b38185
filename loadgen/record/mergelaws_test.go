package record

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

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

// withWindows opens a record and reads its windows.
func withWindows(t interface{ Fatal(...any) }, dir string) (*Record, []Window) {
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := r.Windows(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, windows
}

func contentsOf(t interface{ Fatal(...any) }, dir string) contents {
	r, windows := withWindows(t, dir)
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
				c.Attest([]byte(itoa(seq)))
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
			last := ""
			for seq := range all {
				if all[seq].of == id && !lost[id] {
					last = itoa(seq)
				}
			}
			if got := string(w.Attested(id.worker, id.epoch)); got != last {
				t.Fatalf("epoch %v attests %q, want %q", id, got, last)
			}
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
