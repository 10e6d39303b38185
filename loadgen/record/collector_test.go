package record

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A second that is too large for one frame is several, none of which is larger than the bus takes.
func TestALargeSecondIsSeveralFrames(t *testing.T) {
	const arrivals, total = 20_000, 800_000
	run := crowd(150, 6, 1)
	run.Scenario.Arrivals.Total = total
	var frames [][]byte
	c, err := NewCollector(run, 3, 1, keeping(&frames))
	if err != nil {
		t.Fatal(err)
	}
	c.room = 64 << 10
	sh := c.Shard()
	for k, s := range shots(arrivals, 150, 6) {
		sh.Sample(s)
		sh.Created(Created{Seq: s.Seq, Tenant: s.Tenant, Step: s.Step, Name: "id", Value: fmt.Appendf(nil, "A-%d", k)})
	}
	for seq := range uint32(total) {
		if seq%8 != 0 { // a set that cannot be short
			sh.Fate(seq, Completed)
		}
	}
	sh.Created(Created{Name: "long", Value: []byte(strings.Repeat("\x01", longestID))})
	if err := c.Close(time.Second); err != nil {
		t.Fatal(err)
	}
	long := 0
	for _, frame := range frames {
		if len(frame) > frameRoom {
			t.Errorf("a frame of %d bytes", len(frame))
		}
		if len(frame) > c.room {
			long++
		}
	}
	if long != 1 || len(frames) < 20 {
		t.Errorf("%d of %d frames are long, want that of the long id alone", long, len(frames))
	}
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	mergeAll(t, w, frames, len(frames))
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if a := account(t, dir); a.Shots != arrivals || a.Ledger.Completed != total/8*7 || a.Created != arrivals+1 {
		t.Errorf("account %+v", a)
	}
}

// What could not be given away ends the epoch: there is no delta after a gap.
func TestACollectorStopsAtItsFirstError(t *testing.T) {
	full, given := errors.New("no space left"), 0
	c, err := NewCollector(testRun(10), 1, 1, func(FrameID, []byte) error {
		if given++; given == 2 {
			return full
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sh := c.Shard()
	for seq := range uint32(4) {
		sh.Fate(seq, Completed)
		if err := c.Flush(time.Second); errors.Is(err, full) != (seq > 0) || errors.Is(c.Err(), full) != (seq > 0) {
			t.Errorf("delta %d: %v, Err %v", seq, err, c.Err())
		}
	}
	if err := c.Close(time.Second); !errors.Is(err, full) || given != 2 {
		t.Errorf("Close: %v; %d deltas were given away", err, given)
	}
}

// An event that cannot be told does not end the epoch; what it was is said at the end.
func TestAnUnspeakableEventIsLeftOut(t *testing.T) {
	var frames [][]byte
	c, err := NewCollector(testRun(10), 1, 1, keeping(&frames))
	if err != nil {
		t.Fatal(err)
	}
	sh := c.Shard()
	for seq := range uint32(3) {
		c.Event(Event{Kind: KindGenerator, Wall: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}) // JSON has no such year
		sh.Fate(seq, Completed)
		if err := errors.Join(c.Flush(time.Second), c.Err()); err != nil || len(frames) != int(seq)+1 {
			t.Errorf("%d frames, %v", len(frames), err)
		}
	}
	for range 2 {
		if err := c.Close(time.Second); err == nil || !strings.Contains(err.Error(), "encode an event") || len(frames) != 4 {
			t.Errorf("%d frames, %v", len(frames), err)
		}
	}
	w, err := Fold(filepath.Join(t.TempDir(), "run"), testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	mergeAll(t, w, frames, 1)
	if next, all := w.Told(1, 1); next != 4 || !all {
		t.Errorf("%d deltas, all: %v", next, all)
	}
}

func TestALullIsNoDelta(t *testing.T) {
	var frames [][]byte
	c, err := NewCollector(testRun(10), 1, 1, keeping(&frames))
	if err != nil {
		t.Fatal(err)
	}
	sh := c.Shard()
	if err := errors.Join(c.Flush(time.Second), c.Flush(2*time.Second)); err != nil || len(frames) != 0 {
		t.Errorf("%d frames of nothing, %v", len(frames), err)
	}
	if err := errors.Join(c.Close(3*time.Second), c.Close(4*time.Second)); err != nil || len(frames) != 1 {
		t.Errorf("%d frames at the end, %v", len(frames), err)
	}
	for seq := range uint32(3) {
		sh.Fate(seq, Completed)
		c.Event(Event{})
		c.Shard().Fate(seq, Completed)
		if err := c.Flush(5 * time.Second); err != nil || len(frames) != 1 {
			t.Errorf("%d frames after the end, %v", len(frames), err)
		}
	}
	if _, err := NewCollector(testRun(10), keeper, 1, keeping(&frames)); err == nil {
		t.Error("a worker takes the keeper's number")
	}
	if _, err := NewCollector(Run{}, 1, 1, keeping(&frames)); err == nil {
		t.Error("a run without a scenario is collected")
	}
}

// busySecond collects a second of a worker: 5,000 shots over 150 tenants of five steps, from two shards.
func busySecond(tb testing.TB, c *Collector, shards []*Shard, samples []Sample, second int) {
	for k := range samples {
		s := samples[k]
		due := time.Duration(second)*time.Second + time.Duration(k)*time.Second/time.Duration(len(samples))
		s.Seq, s.Due = uint32(second*len(samples)+k), due
		s.Sent, s.FirstByte, s.Done = s.Sent+due, s.FirstByte+due, s.Done+due
		shards[k%2].Sample(s)
		shards[k%2].Fate(s.Seq, Completed)
	}
	if err := c.Flush(time.Duration(second+1) * time.Second); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkCollect is what a worker's second costs it to count and to give away, BenchmarkMerge what it costs its keeper.
func BenchmarkCollect(b *testing.B) {
	run, bytes := crowd(150, 5, 1), 0
	run.Scenario.Arrivals.Total = 1 << 32
	c, err := NewCollector(run, 1, 1, func(_ FrameID, frame []byte) error {
		bytes += len(frame)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	shards, samples := []*Shard{c.Shard(), c.Shard()}, shots(5000, 150, 5)
	b.ReportAllocs()
	second := 0
	for b.Loop() {
		busySecond(b, c, shards, samples, second)
		second++
	}
	b.ReportMetric(float64(bytes)/float64(second), "B/second")
}

func BenchmarkMerge(b *testing.B) {
	run := crowd(150, 5, 1)
	run.Scenario.Arrivals.Total = 1 << 32
	w, err := Fold(b.TempDir(), run)
	if err != nil {
		b.Fatal(err)
	}
	defer w.lock.Close()
	var frames [][]byte
	c, err := NewCollector(run, 1, 1, keeping(&frames))
	if err != nil {
		b.Fatal(err)
	}
	shards, samples := []*Shard{c.Shard(), c.Shard()}, shots(5000, 150, 5)
	const seconds = 100
	for second := range seconds {
		busySecond(b, c, shards, samples, second)
	}
	b.ReportAllocs()
	var d Delta
	counters, told := 0, 0
	for b.Loop() {
		if err := w.Parse(frames[told%seconds], &d); err != nil {
			b.Fatal(err)
		}
		d.Worker, counters = uint32(1+told/seconds), counters+len(d.hits)
		for f := range d.Fates {
			d.Fates[f].Clear() // they are another worker's now
		}
		if _, err := w.Merge(&d); err != nil {
			b.Fatal(err)
		}
		if told++; told%seconds == 0 {
			w.told, w.text = w.told[:0], w.text[:0]
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(counters), "ns/counter")
	b.ReportMetric(float64(counters)/float64(told), "counters")
}

// The longest event that a worker may tell of passes; a longer one is left out.
func TestTheLongestEventPasses(t *testing.T) {
	var frames [][]byte
	c, err := NewCollector(testRun(10), 1, 1, keeping(&frames))
	if err != nil {
		t.Fatal(err)
	}
	line, _, err := appendEvent(nil, Event{Kind: KindGenerator})
	if err != nil {
		t.Fatal(err)
	}
	most := frameRoom - len(line) - len(`,"message":""`)
	for k := range 3 {
		c.Event(Event{Kind: KindGenerator, Message: strings.Repeat("x", most+k%2)})
	}
	if err := c.Close(time.Second); err == nil || !strings.Contains(err.Error(), "an event of 524289 bytes") {
		t.Error(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	mergeAll(t, w, frames, 1)
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if got := contentsOf(t, dir).events; len(got) != 2 || len(got[0]) != most {
		t.Errorf("%d events", len(got))
	}
}
