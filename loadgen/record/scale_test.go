package record

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// bigLog is a log of about that many lines, as a long surge over 150 tenants writes it.
func bigLog(tb testing.TB, lines int) []byte {
	tb.Helper()
	var s shelf
	var e encoder
	var log bytes.Buffer
	log.Write(hlogHeader(&Run{StartedAt: started}))
	names, err := newNumbering(testRun(1).Scenario, TenantBudget)
	if err != nil {
		tb.Fatal(err)
	}
	second := busyCell(&s)
	minute := s.cell(true)
	for v := range int64(60) {
		count(minute, 150_000+v*v*v*10, &s)
	}
	for i := range lines {
		c, series := minute, names.one(uint32(i%3), 1, OK)+uint32(i%oneMeasures)
		if i%3 == 0 { // a third are seconds of all tenants
			c, series = second, names.all(1, OK)+uint32(i%oneMeasures)
		}
		length := names.length(series)
		line := appendInterval(nil, names.key(series), time.Duration(i)*length, length, c.highest())
		if line, err = e.append(line, c); err != nil {
			tb.Fatal(err)
		}
		log.Write(append(line, '\n'))
	}
	return log.Bytes()
}

func BenchmarkReadLog(b *testing.B) {
	log := bigLog(b, 30_000)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		windows, damage, err := readHlog(bytes.NewReader(log), latencyFile, nil)
		if err != nil || damage.err() != nil || len(windows) != 30_000 {
			b.Fatal(len(windows), damage, err)
		}
	}
}

// BenchmarkWholeRun writes and reads a surge of 600,000 arrivals over 150 tenants in 18 minutes at speed 10.
func BenchmarkWholeRun(b *testing.B) {
	const total = 600_000
	run := testRun(total)
	run.Speed, run.Scenario.Arrivals.Over, run.Scenario.Tenants.List = 10, 18*time.Minute, nil
	for k := range 150 {
		run.Scenario.Tenants.List = append(run.Scenario.Tenants.List, tenantNamed(k))
	}
	for b.Loop() {
		dir := b.TempDir()
		w, err := Create(dir, run)
		if err != nil {
			b.Fatal(err)
		}
		sh := w.Shard()
		random := rand.New(rand.NewPCG(1, 2))
		for k := range uint32(total) {
			due := time.Duration(k) * run.Scenario.Arrivals.Over / total
			s := Sample{Seq: k, Tenant: random.Int32N(150), Step: int32(k % 2), Due: due, Sent: due + time.Duration(random.IntN(900_000))}
			s.Done = s.Sent + time.Duration(200e6*math.Exp(random.NormFloat64()*1.2))
			if k%50 == 0 {
				s.Outcome, s.Done = TimedOut, s.Sent+time.Minute
			}
			sh.Sample(s)
			sh.Fate(k, testFate(int(k)))
		}
		if err := w.Close(started.Add(2*time.Minute), nil); err != nil {
			b.Fatal(err)
		}
		if a := account(b, dir); len(a.Problems) > 0 {
			b.Fatal(a.Problems)
		}
	}
}

func BenchmarkFlush(b *testing.B) {
	w, err := Create(b.TempDir(), testRun(1))
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close(started, nil)
	w.hlog.file = discard{}
	sh := w.Shard()
	b.ReportAllocs()
	k := 0
	for b.Loop() {
		for range 1000 {
			sh.Sample(testSample(k, 100_000))
			k++
		}
		if err := w.Flush(time.Duration(k) * time.Second); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
func (discard) Sync() error                 { return nil }
func (discard) Close() error                { return nil }

// kill ends a writer as if its process were killed: nothing more is written, metrics.om least of all.
func kill(w *Writer) {
	_ = w.lock.Close()
	close(w.quit)
	<-w.done
}

// load feeds a writer seconds of a run, rate shots a second, with a Flush each second as an engine gives it, or each step seconds.
type load struct {
	w       *Writer
	sh      *Shard
	samples []Sample
	rate    int
	step    int // seconds between flushes; 0 means 1
	at      int // the second that comes next
}

func (l *load) run(tb testing.TB, seconds int) {
	for range seconds {
		for k := range l.rate {
			s := l.samples[(l.at*l.rate+k)%len(l.samples)]
			due := time.Duration(l.at)*time.Second + time.Duration(k)*time.Second/time.Duration(l.rate)
			s.Seq, s.Due = uint32(l.at*l.rate+k), due
			s.Sent, s.FirstByte, s.Done = s.Sent+due, s.FirstByte+due, s.Done+due
			l.sh.Sample(s)
			l.sh.Fate(s.Seq, Completed)
		}
		l.at++
		if l.step > 0 && l.at%l.step != 0 {
			continue
		}
		if err := l.w.Flush(time.Duration(l.at) * time.Second); err != nil {
			tb.Fatal(err)
		}
	}
}

// heap is what is in use after a collection, in bytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkMemory is what a writer with one shard holds in memory after 110 seconds at 10,000 shots a second, and what
// a sample costs in all: recorded, merged and written.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct{ tenants, steps int }{{1, 1}, {150, 6}, {2000, 10}, {100_000, 1}, {100_000, 10}} {
		b.Run(fmt.Sprintf("%dx%d", c.tenants, c.steps), func(b *testing.B) {
			run := crowd(c.tenants, c.steps, 1)
			samples := shots(1<<16, c.tenants, c.steps)
			before := heap()
			for b.Loop() {
				w, err := Create(b.TempDir(), run)
				if err != nil {
					b.Fatal(err)
				}
				begun := time.Now()
				l := load{w: w, sh: w.Shard(), samples: samples, rate: 10_000}
				l.run(b, 110)
				b.ReportMetric((heap()-before)/1e6, "MB")
				b.ReportMetric(float64(len(w.cells)), "windows")
				info, err := os.Stat(filepath.Join(w.dir, latencyFile))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(begun).Nanoseconds())/110/10_000, "ns/sample")
				b.ReportMetric(float64(info.Size())/110e3, "kB/s")
				kill(w)
			}
		})
	}
}

// A day of windows takes no more memory than two hours of them, and as much disk an hour.
func TestADayOfWindowsIsFlat(t *testing.T) {
	if raced {
		t.Skip("the race detector's memory is not the run's, and it takes a minute")
	}
	run := crowd(3, 1, 10)
	before := heap()
	w, err := Create(t.TempDir(), run)
	if err != nil {
		t.Fatal(err)
	}
	defer kill(w)
	l := load{w: w, sh: w.Shard(), samples: shots(1<<10, 3, 1), rate: 2, step: 30}
	after := func(hours int) (memory, disk float64) {
		l.run(t, hours*3600-l.at)
		info, err := os.Stat(filepath.Join(w.dir, latencyFile))
		if err != nil {
			t.Fatal(err)
		}
		return heap() - before, float64(info.Size()) / float64(hours)
	}
	memory2, disk2 := after(2)
	memory24, disk24 := after(24)
	t.Logf("memory %.2f MB, then %.2f MB; disk %.2f MB an hour, then %.2f", memory2/1e6, memory24/1e6, disk2/1e6, disk24/1e6)
	if memory24 > memory2*1.05 {
		t.Errorf("%.0f kB in use after two hours, %.0f kB after a day", memory2/1e3, memory24/1e3)
	}
	if math.Abs(disk24/disk2-1) > 0.05 {
		t.Errorf("%.0f kB an hour in two hours, %.0f in a day", disk2/1e3, disk24/1e3)
	}
}
