package record

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// fullDisk lets through so many bytes in all, and then says what a full disk says.
type fullDisk struct {
	mu   sync.Mutex
	left int
}

// on is how Create works, on that disk.
func on(create creator) options { return options{create, TenantBudget, mostOpen} }

type fullFile struct {
	file
	disk *fullDisk
}

func (d *fullDisk) create(path string) (file, error) {
	f, err := createFile(path)
	return &fullFile{f, d}, err
}

func (f *fullFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := min(len(b), f.disk.left)
	f.disk.left -= n
	n, err := f.file.Write(b[:n])
	if err == nil && n < len(b) {
		err = &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return n, err
}

func TestAFullDiskIsToldAtOnceAndLeavesAReadableRecord(t *testing.T) {
	for _, room := range []int{3_000, 9_000, 30_000, 60_000, 100_000} {
		dir := filepath.Join(t.TempDir(), "run")
		disk := &fullDisk{left: room}
		w, err := create(dir, testRun(3000), on(disk.create))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Err(); err != nil {
			t.Fatalf("room for %d: error before the disk is full: %v", room, err)
		}
		fill(w, 3000)
		if err := w.Flush(10 * time.Minute); !errors.Is(err, syscall.ENOSPC) || !errors.Is(w.Err(), syscall.ENOSPC) {
			t.Fatalf("room for %d: Flush says %v, Err %v", room, err, w.Err())
		}
		disk.mu.Lock()
		disk.left = 50_000 // somebody made room: the end may be written, but the record has a hole
		disk.mu.Unlock()
		if err := w.Close(started.Add(time.Minute), nil); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d: Close says %v", room, err)
		}
		r, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if r.Run.Complete() {
			t.Errorf("room for %d: the record says it is complete", room)
		}
		if len(r.Run.Warnings) != 1 || r.Run.Warnings[0].Code != WarnWriteFailed {
			t.Errorf("room for %d: warnings %v", room, r.Run.Warnings)
		}
		for what, err := range map[string]error{"windows": second(r.Windows(nil)), "ledger": second(r.Ledger()), "timeline": second(r.Timeline())} {
			if err != nil {
				t.Errorf("room for %d: %s: %v", room, what, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCreateOnAFullDiskFails(t *testing.T) {
	for _, room := range []int{0, 100, 500} {
		dir := filepath.Join(t.TempDir(), "run")
		if _, err := create(dir, testRun(1), on((&fullDisk{left: room}).create)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d: %v", room, err)
		}
		if _, err := Open(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("room for %d: half a record opens: %v", room, err)
		}
		w, err := Create(dir, testRun(1)) // somebody made room
		if err != nil {
			t.Fatalf("room for %d: second try: %v", room, err)
		}
		if err := w.Close(started, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseOnAFullDiskKeepsRunJSON(t *testing.T) {
	dir := t.TempDir()
	disk := &fullDisk{left: 1 << 20}
	w, err := create(dir, testRun(10), on(disk.create))
	if err != nil {
		t.Fatal(err)
	}
	disk.left = 0
	if err := w.Close(started, nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close says %v", err)
	}
	if r, err := Open(dir); err != nil || r.Run.Complete() {
		t.Errorf("run.json after a failed Close: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.draft")); len(left) > 0 {
		t.Errorf("drafts are left: %v", left)
	}
}

// A late answer opens its window again: the log has two lines of it and the reader one window.
func TestALateAnswerIsAddedToItsWindow(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(2))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	sh.Sample(Sample{Due: 0, Sent: 0, Done: time.Second / 2})
	if err := w.Flush(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	sh.Sample(Sample{Seq: 1, Due: 0, Sent: 0, Done: 31 * time.Second})
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, latencyFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "Tag=response/form/*/ok,0.000,1.000,"); n != 2 {
		t.Errorf("%d lines of the first second, want 2", n)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := r.Windows(func(k Key, _ time.Duration) bool { return k.Measure == Response && k.Tenant == "" })
	if err != nil || len(windows) != 1 || windows[0].Histogram.Count() != 2 || windows[0].Histogram.Max() < 31*time.Second {
		t.Errorf("windows %+v, %v", windows, err)
	}
}

// Without a Flush from outside the times of the samples drive the writing goroutine, and memory stays bounded.
func TestSamplesAloneDriveTheWriting(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(100_000))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	sh := w.Shard()
	for k := 0; ; k++ {
		s := testSample(k, 1000)
		sh.Sample(s)
		sh.Fate(s.Seq, Completed)
		if info, err := os.Stat(filepath.Join(dir, latencyFile)); err != nil {
			t.Fatal(err)
		} else if info.Size() > 5000 {
			return
		}
		if k > 1_000_000 {
			t.Fatal("a million samples over days of platform time, and nothing was written")
		}
	}
}

func TestManyGoroutinesWriteOneRecord(t *testing.T) {
	dir := t.TempDir()
	const total, parts = 8000, 4
	w, err := Create(dir, testRun(total))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() {
			sh := w.Shard()
			for k := part; k < total; k += parts {
				s := testSample(k, total)
				sh.Sample(s)
				sh.Fate(s.Seq, testFate(k))
				if k%100 == part {
					w.Event(Event{At: s.Due, Kind: KindGenerator, Source: "generator"})
					_ = w.Flush(s.Due)
				}
			}
		})
	}
	group.Wait()
	if err := w.Close(started.Add(time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Account()
	if err != nil {
		t.Fatal(err)
	}
	if a.Shots != total || a.Ledger.Missing != 0 || a.Ledger.Overlaps != 0 || a.Events != total/100*parts || len(a.Problems) > 0 {
		t.Errorf("account %+v", a)
	}
}

func TestOdditiesBecomeWarnings(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(1))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	sh.Sample(Sample{Done: 2 * time.Hour})                                                              // two hours: response and service time
	sh.Sample(Sample{Due: time.Second, Sent: 2 * time.Second})                                          // done before it was due
	sh.Sample(Sample{Due: time.Second, Sent: time.Second - 50*time.Microsecond, Done: 2 * time.Second}) // a little early: no warning
	sh.Sample(Sample{Step: 2})
	sh.Sample(Sample{Step: -1})
	sh.Sample(Sample{Tenant: 3})
	sh.Sample(Sample{Outcome: outcomes})
	sh.Fate(0, fates)
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, warning := range r.Run.Warnings {
		got[warning.Code] = warning.Text["en"][:2]
		if warning.Text["de"] == "" {
			t.Errorf("%s has no German text", warning.Code)
		}
	}
	want := map[string]string{WarnClamped: "2 ", WarnNegative: "2 ", WarnUnknown: "5 "}
	for code, n := range want {
		if got[code] != n {
			t.Errorf("%s: %q, want %s", code, got[code], n)
		}
	}
	windows, err := r.Windows(func(k Key, _ time.Duration) bool { return k.Measure == Response && k.Tenant == "" })
	if err != nil || len(windows) == 0 || windows[0].Histogram.Count() != 1 || (windows[0].Histogram.Max()-time.Hour).Abs() > 4*time.Second {
		t.Errorf("the long answer is not counted as an hour: %+v, %v", windows, err)
	}
}

func TestAcceptedSetIsReadBack(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	name, err := w.WriteAccepted(roaring.BitmapOf(1, 3, 5))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(started, func(r *Run) { r.Lab = &LabAccount{Accepted: 3, File: name} }); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := r.Accepted()
	if err != nil || !set.Equals(roaring.BitmapOf(1, 3, 5)) {
		t.Errorf("accepted %v, %v", set, err)
	}
	r.Run.Lab.File = "../" + filepath.Base(dir) + "/" + name
	if _, err := r.Accepted(); err == nil {
		t.Error("a set outside the record was read")
	}
}

func TestAfterCloseNothingIsWritten(t *testing.T) {
	w, err := Create(t.TempDir(), testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	for _, sh := range []*Shard{sh, w.Shard()} {
		sh.Sample(Sample{Done: time.Hour})
		sh.Fate(1, Completed)
		sh.Created(Created{Value: []byte("id")})
	}
	w.Event(Event{At: time.Hour})
	if err := w.Close(started, func(*Run) { t.Error("finish was called twice") }); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestAFlushAfterCloseDoesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	sh.Fate(0, Completed)
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	for seq := range uint32(3) {
		sh.Fate(1+seq, Completed)
		if err := w.Flush(time.Second); err != nil || !sh.buffer.Load().closed {
			t.Errorf("flush %d: %v, closed: %v", seq, err, sh.buffer.Load().closed)
		}
	}
	if !maps.EqualFunc(snapshot(t, dir), before, slices.Equal[[]byte]) {
		t.Error("something is recorded")
	}
}
