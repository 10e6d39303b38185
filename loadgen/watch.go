package loadgen

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

const (
	watchEvery = time.Second
	errEvery   = 100 * time.Millisecond
)

// watchState is what the watching goroutine has seen; others read it after that has ended.
type watchState struct {
	seconds    int           // with shots in them
	over       int           // of these, with a lateness above the limit
	from       time.Duration // when the watching began, on the wall
	spent      time.Duration // since then
	processors time.Duration // of all processors, in that
	before     latenessCounts
	health     health
	gc         debug.GCStats
	// throttled periods and their time, over the run.
	throttled     int64
	throttledTime time.Duration
	// stolenTime of all processors over the run, waited for one of them by all threads.
	stolenTime, waited time.Duration
}

// health is what the operating system says about this process, cumulative.
type health struct {
	cpu           time.Duration // used by all threads
	runQueue      time.Duration // threads were ready to run and had to wait
	stolen        time.Duration // processor time the hypervisor gave to others, all processors
	descriptors   int64
	lingering     int64         // TCP ports of closed connections that cannot be used yet, of the whole machine
	throttled     int64         // periods in which a CPU quota held the process back
	throttledTime time.Duration // and for how long
}

// watch looks after the run once a second, and at the recorder ten times, until the function it gives is called. It
// fails the run when nothing can be recorded any more.
func (e *Engine) watch(fail func(error)) (stop func()) {
	e.watching.from = e.now()
	e.watching.before, _ = e.lateness()
	e.watching.health = readHealth()
	debug.ReadGCStats(&e.watching.gc)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		second, look := time.NewTicker(watchEvery), time.NewTicker(errEvery)
		defer second.Stop()
		defer look.Stop()
		for {
			select {
			case <-quit:
				e.everySecond()
				return
			case <-second.C:
				e.everySecond()
			case <-look.C:
				if err := e.cfg.Recorder.Err(); err != nil {
					fail(err)
				}
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// everySecond writes one line about the generator's own health, and attests all of it where somebody wants that.
func (e *Engine) everySecond() {
	w := &e.watching
	counts, _ := e.lateness()
	health := readHealth()
	latest := counts.since(w.before)
	p99 := latest.quantile(0.99)
	e.lastP99.Store(int64(p99))
	e.lastCPU.Store(int64(health.cpu - w.health.cpu))
	if latest.total() > 0 {
		w.seconds++
		if p99 > e.limit {
			w.over++
		}
	}
	pausesBefore := w.gc.PauseTotal
	debug.ReadGCStats(&w.gc)
	now := e.now()
	e.cfg.Recorder.Event(record.Event{
		At: e.platform(now), Wall: e.start.Add(now), Source: "generator", Kind: record.KindGenerator,
		Values: e.healthValues(latest, &health, w.gc.PauseTotal-pausesBefore),
	})
	w.spent = now - w.from
	w.processors = w.spent * time.Duration(runtime.NumCPU())
	w.throttled += health.throttled - w.health.throttled
	w.throttledTime += health.throttledTime - w.health.throttledTime
	w.stolenTime += health.stolen - w.health.stolen
	w.waited += max(0, health.runQueue-w.health.runQueue)
	w.before, w.health = counts, health
	if a, ok := e.cfg.Recorder.(interface{ Attest(evidence []byte) }); ok {
		if text, err := json.Marshal(e.evidence()); err == nil {
			a.Attest(text)
		}
	}
	if f, ok := e.cfg.Recorder.(interface{ Flush(now time.Duration) error }); ok {
		_ = f.Flush(e.platform(now)) // Err says the same
	}
}

func (e *Engine) healthValues(latest latenessCounts, now *health, gcPause time.Duration) map[string]float64 {
	before := &e.watching.health
	t, open := e.tally(), e.connections.open.Load()
	descriptors := now.descriptors
	if descriptors == 0 {
		descriptors = open
	}
	return map[string]float64{
		"lateness_p50_seconds": latest.quantile(0.5).Seconds(),
		"lateness_p99_seconds": latest.quantile(0.99).Seconds(),
		"cpu_share":            (now.cpu - before.cpu).Seconds() / watchEvery.Seconds() / float64(runtime.NumCPU()),
		"cpu_seconds":          (now.cpu - before.cpu).Seconds(),
		"run_queue_seconds":    max(0, now.runQueue-before.runQueue).Seconds(), // a thread that ends takes its own with it
		"stolen_seconds":       (now.stolen - before.stolen).Seconds(),
		"gc_pause_seconds":     gcPause.Seconds(),
		"descriptors":          float64(descriptors),
		"connections":          float64(open),
		"late":                 float64(t.late),
		"sent":                 float64(latest.total()),
		"goroutines":           float64(runtime.NumGoroutine()),
		"throttled_periods":    float64(now.throttled - before.throttled),
		"throttled_seconds":    (now.throttledTime - before.throttledTime).Seconds(),
		"starved_dials":        float64(t.starved),
		"ports_lingering":      float64(now.lingering),
	}
}
