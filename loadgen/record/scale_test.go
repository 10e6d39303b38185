package record

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
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
