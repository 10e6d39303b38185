package loadgen

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// otherFiles is how many descriptors are left for everything but connections.
const otherFiles = 100

// Engine fires one run.
type Engine struct {
	cfg       Config
	samples   Samples
	steps     []*step // in the order of Scenario.AllSteps
	impatient []bool  // by step: its journey's persons react
	tenants   []tenant
	slots     int // of extracted values
	uuidKey   uint64
	transport Transport
	limit     time.Duration // of lateness

	start   time.Time // offset 0, with a monotonic reading
	begun   atomic.Bool
	sleeper sleeper
	// testSleeper takes the place of the sleeper in tests.
	testSleeper sleeper
	group       time.Duration
	pool        pool
	later       later
	visits      sync.Pool

	// unfinished counts the arrivals without a fate, and one for the pacer while it has arrivals to begin; at zero
	// settled is closed.
	unfinished atomic.Int64
	settled    chan struct{}
	stopping   atomic.Bool     // nothing new is sent
	cutting    atomic.Bool     // what is in flight is cut
	dialing    context.Context // ended when cut
	goroutines sync.WaitGroup

	count    counters
	late     lateness
	lastP99  atomic.Int64
	watching watchState
	total    int64 // arrivals of the share; about that many where there are several shares
	fewer    int   // connections that the limit of open files allows, where that is less than asked for
	running  atomic.Bool
}

type tenant struct {
	name, title string
	host        *host
}

// counters of shots and arrivals.
type counters struct {
	offered, late, reloads, comeBacks, gaveUp, starved atomic.Int64
	outcomes                                           [6]atomic.Int64 // by record.Outcome
	fates                                              [4]atomic.Int64 // by record.Fate
}

func (c *counters) shots() (n int64) {
	for i := range c.outcomes {
		n += c.outcomes[i].Load()
	}
	return n
}

// New compiles everything and opens nothing. Errors name the step and the field.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, transport: cfg.Transport, settled: make(chan struct{})}
	e.visits.New = func() any { return new(visit) }
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(cfg.RunID)) // never fails
	e.uuidKey = hash.Sum64()
	e.pool.max = cfg.MaxConnections
	e.pool.open = map[*conn]struct{}{}
	if err := e.addTenants(); err != nil {
		return nil, fmt.Errorf("loadgen: %w", err)
	}
	if err := e.compileSteps(cfg.Scenario); err != nil {
		return nil, fmt.Errorf("loadgen: %w", err)
	}
	e.limit = latenessLimit(cfg)
	e.total = cfg.Schedule.Total() / int64(cfg.Share.Of)
	return e, nil
}

func (e *Engine) addTenants() error {
	for i, t := range e.cfg.Scenario.Tenants.List {
		address, err := loopback(e.cfg.Address(i))
		if err != nil {
			return fmt.Errorf("tenant %q: %w", t.Name, err)
		}
		title := t.Title
		if title == "" {
			title = t.Name
		}
		e.tenants = append(e.tenants, tenant{t.Name, title, e.hostOf(address)})
	}
	return nil
}

// hostOf gives the one host of an address.
func (e *Engine) hostOf(address string) *host {
	for _, h := range e.pool.hosts {
		if h.address == address {
			return h
		}
	}
	h := &host{address: address}
	e.pool.hosts = append(e.pool.hosts, h)
	return h
}

// Run fires the share, waits for every arrival's fate, and leaves no goroutine and no connection behind. Cancelling
// ctx ends the run early: what has not begun is unsent, what is in flight gets Config.Grace. The error is the
// recorder's, nil otherwise; the result holds in any case. Run may be called once.
func (e *Engine) Run(ctx context.Context) (Result, error) {
	if !e.running.CompareAndSwap(false, true) {
		return Result{}, fmt.Errorf("loadgen: an engine runs once")
	}
	if err := e.prepare(); err != nil {
		return Result{}, fmt.Errorf("loadgen: %w", err)
	}
	defer e.sleeper.close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	dialing, endDialing := context.WithCancel(context.Background())
	defer endDialing()
	e.dialing = dialing

	stopWatching := e.watch(fail)
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		if e.onSockets() {
			ownThread()
		}
		e.pace()
	}()
	interrupted := e.await(ctx, endDialing)
	<-paced
	for _, c := range e.pool.cut() {
		_ = c.net.Close()
	}
	e.goroutines.Wait()
	stopWatching()
	return e.result(interrupted), e.cfg.Recorder.Err()
}

// onSockets says that the run is on real sockets and a real clock.
func (e *Engine) onSockets() bool { return e.cfg.Transport == nil }

func (e *Engine) prepare() error {
	e.samples = e.cfg.Samples(0)
	e.unfinished.Store(1)
	e.sleeper = newTimerSleeper()
	if e.onSockets() {
		exact, err := newExactSleeper()
		if err != nil {
			return err
		}
		e.sleeper, e.group, e.transport = exact, group, newSockets()
		if room := int(raiseDescriptors()) - otherFiles; room > 0 && room < e.pool.max {
			e.pool.max, e.fewer = room, room
		}
		if runtime.GOMAXPROCS(0) < 2 { // the pacer holds one: reading would wait for it
			runtime.GOMAXPROCS(2)
		}
	}
	if e.testSleeper != nil {
		e.sleeper = e.testSleeper
	}
	e.later.wake = e.sleeper.wake
	now := time.Now()
	e.start = now
	if !e.cfg.Start.IsZero() {
		e.start = now.Add(e.cfg.Start.Sub(now)) // with a monotonic reading, whatever Start has
	}
	e.begun.Store(true)
	return nil
}

// await waits for the last fate, stopping and finally cutting the run when ctx ends.
func (e *Engine) await(ctx context.Context, endDialing func()) (interrupted bool) {
	select {
	case <-e.settled:
		return false
	case <-ctx.Done():
	}
	e.stopping.Store(true)
	e.sleeper.wake()
	for _, v := range e.pool.stopWaiting() {
		e.abandon(v)
	}
	grace := time.NewTimer(e.cfg.Grace)
	defer grace.Stop()
	select {
	case <-e.settled:
		return true
	case <-grace.C:
	}
	e.cutting.Store(true)
	endDialing()
	for _, c := range e.pool.cut() {
		_ = c.net.Close()
	}
	<-e.settled
	return true
}

// release gives up one hold on the run.
func (e *Engine) release() {
	if e.unfinished.Add(-1) == 0 {
		close(e.settled)
		e.sleeper.wake()
	}
}

// now is the wall time since the start.
func (e *Engine) now() time.Duration { return time.Since(e.start) }

// wall converts platform time to wall time, rounding up so that nothing is sent before it is due.
func (e *Engine) wall(platform time.Duration) time.Duration {
	if e.cfg.Speed == 1 {
		return platform
	}
	return time.Duration(math.Ceil(float64(platform) / e.cfg.Speed))
}

// platform converts wall time to platform time.
func (e *Engine) platform(wall time.Duration) time.Duration {
	if e.cfg.Speed == 1 {
		return wall
	}
	return time.Duration(math.Round(float64(wall) * e.cfg.Speed))
}

func (e *Engine) noteLateness(late time.Duration) {
	e.late.add(late)
	if late > LateAfter {
		e.count.late.Add(1)
	}
}

// Progress may be called at any time, from any goroutine.
func (e *Engine) Progress() Progress {
	open, _, _ := e.pool.numbers()
	p := Progress{
		Total: e.total, Offered: e.count.offered.Load(),
		Completed: e.count.fates[record.Completed].Load(), Failed: e.count.fates[record.FailedArrival].Load(),
		Indeterminate: e.count.fates[record.Indeterminate].Load(), Unsent: e.count.fates[record.Unsent].Load(),
		Shots: e.count.shots(), ShotsOK: e.count.outcomes[record.OK].Load(), Late: e.count.late.Load(),
		Connections: int64(open), LatenessP99: time.Duration(e.lastP99.Load()),
	}
	if e.begun.Load() {
		p.At = max(0, e.platform(e.now()))
	}
	p.InFlight = max(0, p.Offered-p.Completed-p.Failed-p.Indeterminate)
	return p
}
