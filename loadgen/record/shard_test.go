package record

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios"
)

// crowd is a run of that many tenants and steps.
func crowd(tenants, steps int, speed float64) Run {
	run := testRun(1)
	run.Speed, run.Scenario.Tenants.List, run.Scenario.Journeys[0].Steps = speed, nil, nil
	for k := range steps {
		run.Scenario.Journeys[0].Steps = append(run.Scenario.Journeys[0].Steps, scenarios.Step{Name: fmt.Sprintf("step-%d", k)})
	}
	for k := range tenants {
		run.Scenario.Tenants.List = append(run.Scenario.Tenants.List, tenantNamed(k))
	}
	return run
}

// drawShot draws a shot anywhere in an hour; every time may be early, late or missing.
func drawShot(t *rapid.T, n *numbering) Sample {
	due := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "due"))
	if rapid.Bool().Draw(t, "now") {
		due %= 3 * time.Minute
	}
	longer := func() time.Duration { return time.Duration(micro(t)) * time.Microsecond % (5 * time.Minute) }
	s := Sample{
		Tenant: int32(rapid.IntRange(0, len(n.tenants)-1).Draw(t, "tenant")), Step: int32(rapid.IntRange(0, len(n.steps)-1).Draw(t, "step")),
		Outcome: Outcome(rapid.IntRange(0, int(outcomes)-1).Draw(t, "outcome")), Due: due,
	}
	s.Sent = s.Due + longer()
	s.Done = s.Sent + longer()
	if rapid.Bool().Draw(t, "answered") {
		s.FirstByte = s.Sent + (s.Done-s.Sent)/2
	}
	if rapid.Bool().Draw(t, "opened") {
		s.Connect, s.Handshake = longer(), longer()
	}
	return s
}

// windowOf names one histogram of a record.
type windowOf struct {
	Key
	start, length time.Duration
}

// tally counts samples the plain way: every window's histogram by its definition.
func tally(samples []Sample, rowOf func(tenant int32) string) map[windowOf]*Histogram {
	out := map[windowOf]*Histogram{}
	put := func(k Key, at, length time.Duration, d time.Duration, digits int) {
		id := windowOf{k, at.Truncate(length), length}
		if out[id] == nil {
			out[id] = NewHistogram(digits)
		}
		if err := out[id].Add(d, 1); err != nil {
			panic(err)
		}
	}
	for _, s := range samples {
		step := []string{"form", "submit"}[s.Step]
		put(Key{Measure: Lateness}, s.Sent, time.Second, s.Lateness(), 3)
		if s.Connect != 0 {
			put(Key{Measure: Connect}, s.Sent, time.Second, s.Connect, 3)
		}
		if s.Handshake != 0 {
			put(Key{Measure: TLS}, s.Sent, time.Second, s.Handshake, 3)
		}
		put(Key{Response, step, "", s.Outcome}, s.Due, time.Second, s.Response(), 3)
		put(Key{Response, step, rowOf(s.Tenant), s.Outcome}, s.Due, time.Minute, s.Response(), 2)
		if s.Outcome == Refused {
			continue
		}
		put(Key{Service, step, "", s.Outcome}, s.Done, time.Second, s.Service(), 3)
		put(Key{Service, step, rowOf(s.Tenant), s.Outcome}, s.Done, time.Minute, s.Service(), 2)
		if s.FirstByte != 0 {
			put(Key{FirstByte, step, "", s.Outcome}, s.Done, time.Second, s.FirstByte-s.Sent, 3)
		}
	}
	return out
}

// What is read is what was recorded, counter by counter: however the shots fall on shards, wherever the writer comes
// between them, however old the windows are, and with tenants counted apart or together.
func TestShardsTogetherCountEveryShotOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	rapid.Check(t, func(t *rapid.T) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		budget := rapid.SampledFrom([]int{2, 4, 6, 100}).Draw(t, "budget")
		w, err := create(dir, testRun(1), options{create: createFile, budget: budget, open: rapid.SampledFrom([]int{0, 20, mostOpen}).Draw(t, "open windows")})
		if err != nil {
			t.Fatal(err)
		}
		shards := []*Shard{w.Shard(), w.Shard(), w.Shard()}
		var samples []Sample
		for range rapid.IntRange(0, 60).Draw(t, "shots") {
			s := drawShot(t, w.names)
			samples = append(samples, s)
			for range rapid.SampledFrom([]int{1, 1, 1, 1, 300}).Draw(t, "again") - 1 {
				samples = append(samples, s)
			}
		}
		for k, s := range samples {
			shards[k%3].Sample(s)
			if k%50 == 49 && rapid.Bool().Draw(t, "flush") {
				if err := w.Flush(s.Done); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(started, nil); err != nil {
			t.Fatal(err)
		}
		want := tally(samples, func(tenant int32) string { return w.names.rows[w.names.row[tenant]] })
		r, windows := withWindows(t, dir)
		if len(windows) != len(want) || r.Run.Totals.Shots != int64(len(samples)) {
			t.Fatalf("%d windows of %d shots, want %d of %d", len(windows), r.Run.Totals.Shots, len(want), len(samples))
		}
		for _, w := range windows {
			if h := want[windowOf{w.Key, w.Start, w.Length}]; h == nil || counts(h) != counts(w.Histogram) {
				t.Fatalf("%+v at %v: %s, want %v", w.Key, w.Start, counts(w.Histogram), h)
			}
		}
		if a := mustAccount(t, dir); len(a.Problems) != 0 && !strings.Contains(strings.Join(a.Problems, ""), "no fate") {
			t.Fatalf("problems %q", a.Problems)
		}
	})
}

// A counter of a shard's buffer holds 16 bits; what is more than that must not be lost.
func TestAFullCounterCarriesOver(t *testing.T) {
	const n = 3<<laneBits + 5
	dir := t.TempDir()
	w, err := Create(dir, testRun(1))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	for k := range n {
		sh.Sample(Sample{Sent: time.Millisecond, Done: time.Duration(2+k%2) * time.Millisecond}) // two neighbours of one word
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	_, windows := withWindows(t, dir)
	for _, w := range windows {
		if w.Histogram.Count() != n {
			t.Errorf("%s: %d, want %d: %s", w.tag(), w.Histogram.Count(), n, counts(w.Histogram))
		}
	}
}

// Shards that record while the writer takes their buffers lose nothing, and nothing is counted twice.
func TestTheWriterTakesBuffersFromUnderTheShards(t *testing.T) {
	dir := t.TempDir()
	const total, parts = 40_000, 4
	w, err := Create(dir, testRun(total))
	if err != nil {
		t.Fatal(err)
	}
	shared := w.Shard() // two goroutines on one shard is not meant, but must not break
	var firing, flushing sync.WaitGroup
	stop := make(chan struct{})
	flushing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = w.Flush(0) // Close says the same
			}
		}
	})
	for part := range parts {
		firing.Go(func() {
			sh := shared
			if part >= 2 {
				sh = w.Shard()
			}
			for k := part; k < total; k += parts {
				s := testSample(k, total)
				sh.Sample(s)
				sh.Fate(s.Seq, testFate(k))
				sh.Created(Created{Seq: s.Seq, Tenant: s.Tenant, Step: s.Step, Name: "id", Value: []byte(itoa(k))})
			}
		})
	}
	firing.Wait()
	close(stop)
	flushing.Wait()
	if err := w.Close(started.Add(time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	if a := account(t, dir); a.Shots != total || a.Ledger.Missing != 0 || a.Ledger.Overlaps != 0 || a.Created != total || len(a.Problems) > 0 {
		t.Errorf("account %+v", a)
	}
}

// A shard that sleeps keeps nothing back: Flush alone brings out what it holds.
func TestFlushTakesWhatASleepingShardHolds(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	sh := w.Shard()
	sh.Sample(Sample{Done: 20 * time.Millisecond})
	sh.Fate(0, Completed)
	sh.Created(Created{Name: "id", Value: []byte("A-1")})
	if err := w.Flush(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	a := account(t, dir)
	if a.Shots != 1 || a.Ledger.Completed != 1 || a.Created != 1 {
		t.Errorf("on disk: %d shots, %d fates, %d created", a.Shots, a.Ledger.Completed, a.Created)
	}
}

// stuckFile is on a disk that takes nothing until it is let go.
type stuckFile struct {
	file
	reached chan<- string
	letGo   <-chan struct{}
}

func (f *stuckFile) Write(b []byte) (int, error) {
	f.reached <- "a write"
	<-f.letGo
	return f.file.Write(b)
}

// While the disk takes nothing, shards record and events are taken: nobody who fires ever waits for it.
func TestNobodyWaitsForTheDisk(t *testing.T) {
	dir := t.TempDir()
	reached, letGo := make(chan string, 100), make(chan struct{})
	w, err := create(dir, testRun(1000), on(func(path string) (file, error) {
		f, err := createFile(path)
		if filepath.Base(path) == timelineFile { // the first that a flush writes to
			f = &stuckFile{f, reached, letGo}
		}
		return f, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	w.Event(Event{Kind: KindLab})
	flushed := make(chan error)
	go func() { flushed <- w.Flush(time.Second) }()
	<-reached
	for k := range 1000 {
		s := testSample(k, 1000) // the times of three minutes
		sh.Sample(s)
		sh.Fate(s.Seq, testFate(k))
		sh.Created(Created{Seq: s.Seq, Tenant: s.Tenant, Step: s.Step})
		w.Event(Event{At: s.Due, Kind: KindLab})
	}
	w.Shard().Sample(Sample{})
	if err := w.Err(); err != nil {
		t.Error(err)
	}
	close(letGo)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if a := account(t, dir); a.Shots != 1001 || a.Created != 1000 || a.Events != 1001 || a.Ledger.Missing != 0 {
		t.Errorf("account %+v", a)
	}
}

// Time that stands still wakes nobody: a buffer that fills up must.
func TestAFullBufferCallsTheWriter(t *testing.T) {
	w, err := Create(t.TempDir(), crowd(2000, 10, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	sh := w.Shard()
	samples := shots(1<<14, 2000, 10)
	most := 0
	for k := range 1 << 22 {
		s := samples[k%len(samples)]
		s.Done = min(s.Done, time.Second)
		sh.Sample(s)
		b := sh.hold()
		pages := len(b.pages)
		sh.buffer.Store(b)
		if most > fullPages && pages < fullPages {
			return // taken
		}
		most = max(most, pages)
	}
	t.Errorf("a buffer of up to %d pages was not taken", most)
}

func TestTheLightestTenantsAreCountedTogether(t *testing.T) {
	run := testRun(3)
	run.Scenario.Tenants.List = []scenarios.Tenant{{Name: "small", Weight: 0.1}, {Name: "one"}, {Name: "big", Weight: 9}, {Name: "tiny", Weight: 0.01}, {Name: "other"}}
	dir := t.TempDir()
	w, err := create(dir, run, options{create: createFile, budget: 4, open: mostOpen}) // two tenants of two steps
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	for tenant := range int32(5) {
		sh.Sample(Sample{Tenant: tenant, Done: time.Millisecond})
	}
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := r.Windows(func(k Key, _ time.Duration) bool { return k.Measure == Response })
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, w := range windows {
		got[w.Tenant] += w.Histogram.Count()
	}
	if want := map[string]int64{"": 5, "one": 1, "big": 1, Others: 3}; !maps.Equal(got, want) {
		t.Errorf("shots by tenant %v, want %v", got, want)
	}
	if len(r.Run.Warnings) != 1 || r.Run.Warnings[0].Code != WarnFolded || !strings.HasPrefix(r.Run.Warnings[0].Text["en"], "3 of 5 tenants") {
		t.Errorf("warnings %+v", r.Run.Warnings)
	}
}

func TestTwoThousandTenantsOfTenStepsAreCountedApart(t *testing.T) {
	for _, c := range []struct{ tenants, steps, folded int }{{150, 10, 0}, {2000, 10, 0}, {2049, 10, 1}, {100_000, 1, 100_000 - TenantBudget}, {3, 1 << 15, 2}} {
		run := crowd(c.tenants, c.steps, 1)
		n, err := newNumbering(run.Scenario, TenantBudget)
		if err != nil {
			t.Fatal(err)
		}
		if n.folded != c.folded {
			t.Errorf("%d tenants of %d steps: %d are folded, want %d", c.tenants, c.steps, n.folded, c.folded)
		}
	}
}

// Every series has a number and a place of its own, and its number names it.
func TestSeriesAreNumberedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tenants, steps := rapid.IntRange(1, 9).Draw(t, "tenants"), rapid.IntRange(1, 5).Draw(t, "steps")
		n, err := newNumbering(crowd(tenants, steps, 1).Scenario, rapid.IntRange(1, 50).Draw(t, "budget"))
		if err != nil {
			t.Fatal(err)
		}
		keys, places := map[Key]bool{}, map[uint32]bool{}
		series := n.one(uint32(len(n.rows)-1), int32(steps-1), outcomes-1) + oneMeasures // one past the last
		for i := range series {
			slots := uint32(secondPlaces)
			if n.minute(i) {
				slots = 1
			}
			for slot := range slots {
				if place := n.place(i, slot); places[place] || place >= n.places() {
					t.Fatalf("series %d, slot %d: place %d of %d is taken", i, slot, place, n.places())
				} else {
					places[place] = true
				}
			}
			key := n.key(i)
			again, err := parseTag(key.tag())
			if keys[key] || err != nil || again != key {
				t.Fatalf("series %d is %+v, read back %+v, %v", i, key, again, err)
			}
			keys[key] = true
		}
		if uint32(len(places)) != n.places() {
			t.Fatalf("%d places, %d are used", n.places(), len(places))
		}
	})
}

func TestCountingAllocatesNothingOnceUnderWay(t *testing.T) {
	w, err := Create(t.TempDir(), testRun(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	sh := w.Shard()
	k := 0
	again := func() { // the same second over and over
		sh.Sample(testSample(k%200, 10_000))
		k++
	}
	for range 400 {
		again()
	}
	if n := testing.AllocsPerRun(1000, again); n > 0 {
		t.Errorf("%v allocations a sample", n)
	}
}

// BenchmarkShardSample is one shot, recorded by one shard; the writer merges and writes meanwhile. The names say how
// many tenants with how many steps there are and how many shots a second of the samples' own time: the more, the less
// often the writer comes.
func BenchmarkShardSample(b *testing.B) {
	for _, c := range []struct {
		tenants, steps, rate int
		speed                float64
	}{{1, 1, 100_000, 1}, {150, 6, 100_000, 1}, {150, 6, 10_000, 1}, {2000, 10, 10_000, 1}, {150, 2, 900, 10}} {
		b.Run(fmt.Sprintf("%dx%d@%d", c.tenants, c.steps, c.rate), func(b *testing.B) {
			w, err := Create(b.TempDir(), crowd(c.tenants, c.steps, c.speed))
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close(started, nil)
			sh := w.Shard()
			samples := shots(1<<16, c.tenants, c.steps)
			b.ReportAllocs()
			k := 0
			for b.Loop() {
				s := samples[k%len(samples)]
				due := time.Duration(k) * time.Second / time.Duration(c.rate)
				s.Seq, s.Due = uint32(k), due
				s.Sent, s.FirstByte, s.Done = s.Sent+due, s.FirstByte+due, s.Done+due
				sh.Sample(s)
				k++
			}
		})
	}
}

// shots are samples due at 0: a good answer takes about 200 ms, one in fifty fails.
func shots(n, tenants, steps int) []Sample {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]Sample, n)
	for i := range out {
		s := &out[i]
		s.Tenant, s.Step = random.Int32N(int32(tenants)), random.Int32N(int32(steps))
		s.Sent = time.Duration(40e3 * random.ExpFloat64())
		s.FirstByte = s.Sent + time.Duration(200e6*math.Exp(0.6*random.NormFloat64()))
		s.Done = s.FirstByte + 30*time.Microsecond
		if i%50 == 0 {
			s.Outcome = Failed
		}
	}
	return out
}
