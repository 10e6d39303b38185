package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// otherFiles is how many descriptors are left for everything but connections.
const otherFiles = 100

// Engine fires one run.
type Engine struct {
	cfg       Config
	steps     []*step // in the order of Scenario.AllSteps
	impatient []bool  // by step: its journey's persons react
	tenants   []tenant
	hosts     []*host
	slots     int // of extracted values
	podHeader string
	uuidKey   uint64

	start  time.Time // offset 0, with a monotonic reading
	begun  atomic.Bool
	shards []*shard
	// testSleeper takes the place of the sleeper in tests.
	testSleeper sleeper

	stopping   atomic.Bool    // nothing new is sent
	cutting    atomic.Bool    // what is in flight is cut
	goroutines sync.WaitGroup // of shards, and what they have started

	connections connections
	mishaps     mishaps
	lastP99     atomic.Int64
	lastCPU     atomic.Int64 // processor time of the last second
	watching    watchState
	total       int64         // arrivals of the share; about that many where there are several shares
	limit       time.Duration // of lateness
	fewer       int           // connections that the limit of open files allows, where that is less than asked for
	running     atomic.Bool
	seqs        atomic.Uint32 // taken by a closed loop
	quiet       atomic.Int32  // shards that begin nothing any more
	looked      atomic.Int64  // 1 ns after the first look of a shard since the start, by a lease; 0 before
	waking      sync.Mutex    // guards awake
	awake       bool          // the shards can be woken
}

type tenant struct {
	name, title string
	host        *host
}

// New compiles everything and opens nothing. Errors name the step and the field.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, podHeader: strings.ToLower(cfg.PodHeader)}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(cfg.RunID)) // never fails
	e.uuidKey = hash.Sum64()
	if err := e.addTenants(); err != nil {
		return nil, fmt.Errorf("loadgen: %w", err)
	}
	if err := e.compileSteps(cfg.Scenario); err != nil {
		return nil, fmt.Errorf("loadgen: %w", err)
	}
	if err := errors.Join(e.checkClient(), e.checkFamilies()); err != nil {
		return nil, fmt.Errorf("loadgen: %w", err)
	}
	e.limit = latenessLimit(cfg)
	e.total = cfg.Schedule.Total() / int64(cfg.Share.Of)
	return e, nil
}

func (e *Engine) addTenants() error {
	for i, t := range e.cfg.Scenario.Tenants.List {
		host, err := e.hostOf(e.cfg.Address(i), "")
		if err != nil {
			return fmt.Errorf("tenant %q: %w", t.Name, err)
		}
		title := t.Title
		if title == "" {
			title = t.Name
		}
		e.tenants = append(e.tenants, tenant{t.Name, title, host})
	}
	return nil
}

// hostOf gives the one host of an address and the name that its certificate is for; "" means the address' own.
func (e *Engine) hostOf(address, name string) (*host, error) {
	literal, err := loopback(address)
	if err != nil {
		return nil, err
	}
	authority, isSecure := strings.CutPrefix(address, overTLS)
	literal = strings.TrimPrefix(literal, overTLS)
	h := &host{index: len(e.hosts), authority: authority, address: literal, at: netip.MustParseAddrPort(literal)}
	if isSecure {
		h.secure = e.secureConfig(authority, name)
	}
	for _, have := range e.hosts {
		if have.authority == h.authority && (have.secure != nil) == isSecure && (!isSecure || have.secure.ServerName == h.secure.ServerName) {
			return have, nil
		}
	}
	e.hosts = append(e.hosts, h)
	return h, nil
}

// secureConfig is how a host is spoken to over TLS.
func (e *Engine) secureConfig(authority, name string) *tls.Config {
	c := &tls.Config{}
	if e.cfg.TLS != nil {
		c = e.cfg.TLS.Clone()
	}
	if name == "" {
		name, _, _ = net.SplitHostPort(authority)
	}
	if c.ServerName == "" {
		c.ServerName = name
	}
	c.NextProtos, c.ClientSessionCache = []string{"http/1.1"}, nil
	return c
}

// Run fires the share, waits for every arrival's fate, and leaves no goroutine and no connection behind. Cancelling
// ctx ends the run early: what has not begun is unsent, what is in flight gets Config.Grace. The error is the
// recorder's, nil otherwise; the result holds in any case. Run may be called once.
//
// With a [Lease] it ends by itself once the schedule is over and nothing that was promised is left. If the lease is fenced
// before, journeys get Config.Grace, and Run waits for [Lease.End] to say what is unsent. Cancelling ctx fences the lease and
// waits for nothing: of what has not begun somebody else must tell.
func (e *Engine) Run(ctx context.Context) (Result, error) {
	if !e.running.CompareAndSwap(false, true) {
		return Result{}, fmt.Errorf("loadgen: an engine runs once")
	}
	if err := e.prepare(); err != nil {
		return Result{}, fmt.Errorf("loadgen: %w", err)
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	stopWatching := e.watch(fail)
	defer e.followLease(ctx)()
	settled := e.startShards()
	interrupted := e.await(ctx, settled)
	e.goroutines.Wait()
	e.putToRest()
	stopWatching()
	return e.result(interrupted), e.cfg.Recorder.Err()
}

// onSockets says that the run is on real sockets and a real clock.
func (e *Engine) onSockets() bool { return e.cfg.Transport == nil }

// prepare makes the shards and sets the clock.
func (e *Engine) prepare() error {
	most := e.cfg.MaxConnections
	if e.onSockets() {
		if room := int(raiseDescriptors()) - otherFiles; room > 0 && room < most {
			most, e.fewer = room, room
		}
	}
	n := min(e.cfg.Shards, most, arrivals.Strands/e.cfg.Share.Of)
	if e.cfg.Closed > 0 {
		n = min(n, e.cfg.Closed)
	}
	n = max(n, 1)
	now := time.Now()
	e.start = now
	if !e.cfg.Start.IsZero() {
		e.start = now.Add(e.cfg.Start.Sub(now)) // with a monotonic reading, whatever Start has
	}
	networks, err := e.newNetworks(n)
	if err != nil {
		return err
	}
	for i, network := range networks {
		e.shards = append(e.shards, e.newShard(i, n, most, network))
	}
	others := 1
	if e.relayed() { // whose goroutines do the work
		others = runtime.NumCPU()
	}
	if runtime.GOMAXPROCS(0) < n+others && e.onSockets() { // shards hold one each: all else would wait for them
		runtime.GOMAXPROCS(n + others)
	}
	e.begun.Store(true)
	e.waking.Lock()
	defer e.waking.Unlock()
	e.awake = true
	return nil
}

// putToRest closes the shards' networks: nobody can wake them any more.
func (e *Engine) putToRest() {
	e.waking.Lock()
	defer e.waking.Unlock()
	e.awake = false
	for _, s := range e.shards {
		s.network.close()
	}
}

// newNetworks makes n of them, or none.
func (e *Engine) newNetworks(n int) (networks []network, err error) {
	for range n {
		network, err := e.newNetwork()
		if err != nil {
			for _, made := range networks {
				made.close()
			}
			return nil, err
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// newShard makes the i-th of n shards, which share the most connections.
func (e *Engine) newShard(i, n, most int, network network) *shard {
	share := e.cfg.Share
	s := &shard{
		e: e, network: network, share: arrivals.Share{Index: share.Index + i*share.Of, Of: n * share.Of},
		samples: e.cfg.Samples(i), retry: never, in: make([]byte, readBuffer),
		headings: make([]heading, len(e.steps)), answered: make([]map[string]time.Duration, len(e.tenants)),
	}
	s.pool = pool{max: portion(most, i, n), idle: make([][]*conn, len(e.hosts))}
	// Whoever follows a redirect has not got their answer yet: that must not wait.
	s.naps = !slices.ContainsFunc(e.steps, func(st *step) bool { return st.follow > 0 })
	switch {
	case e.cfg.Lease != nil:
		s.supply, s.pulse = &tenure{leased: newLeased(e.cfg.Lease, e.cfg.Schedule, s.share)}, new(pulse)
	case e.cfg.Closed > 0:
		s.supply = &closedLoop{
			people: portion(e.cfg.Closed, i, n), seqs: &e.seqs, over: e.wall(e.cfg.Scenario.Arrivals.Over),
		}
	default:
		s.supply = s.readAhead()
	}
	return s
}

// portion is the i-th of n whole parts of all.
func portion(all, i, n int) int { return all*(i+1)/n - all*i/n }

// newNetwork is one of sockets; where a Transport is set or there is no epoll, one of pumps. Where net/http is to speak, it
// carries relays.
func (e *Engine) newNetwork() (network, error) {
	n, err := e.newOwnNetwork()
	if err == nil && e.relayed() {
		n = e.newRelays(n)
	}
	return n, err
}

func (e *Engine) newOwnNetwork() (network, error) {
	transport := e.cfg.Transport
	if transport == nil {
		n, err := newSockets(e.cfg.Closed == 0, e.cfg.Sources)
		if !errors.Is(err, errors.ErrUnsupported) {
			return n, err
		}
		transport = newTCP(e.cfg.Sources)
	}
	p := &pumps{sleeper: newTimerSleeper(), transport: transport, clock: e.start.Add, all: &e.goroutines}
	if e.testSleeper != nil {
		p.sleeper = e.testSleeper
	}
	return p, nil
}

// startShards starts the shards; settled is closed when every arrival has its fate.
func (e *Engine) startShards() (settled <-chan struct{}) {
	all, done := new(sync.WaitGroup), make(chan struct{})
	for _, s := range e.shards {
		all.Go(func() {
			if e.onSockets() {
				ownThread()
			}
			s.run()
		})
	}
	go func() {
		all.Wait()
		close(done)
	}()
	return done
}

// await waits for the last fate, stopping and finally cutting the run when ctx ends or the lease is fenced.
func (e *Engine) await(ctx context.Context, settled <-chan struct{}) (interrupted bool) {
	select {
	case <-settled:
		return false
	case <-ctx.Done():
		interrupted = true
	case <-e.leaseFenced():
	}
	e.stopping.Store(true)
	e.Wake()
	grace := time.NewTimer(e.cfg.Grace)
	defer grace.Stop()
	select {
	case <-settled:
		return interrupted
	case <-grace.C:
	}
	e.cutting.Store(true)
	e.Wake()
	<-settled
	return interrupted
}

// Wake lets shards that sleep look around, as they should when [Lease.Hold] or [Lease.End] has said something new; by
// themselves they do within a quarter of a second. It may be called at any time, from any goroutine.
func (e *Engine) Wake() {
	e.waking.Lock()
	defer e.waking.Unlock()
	if !e.awake {
		return
	}
	for _, s := range e.shards {
		s.network.wake()
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

// Progress may be called at any time, from any goroutine.
func (e *Engine) Progress() Progress {
	if !e.begun.Load() {
		return Progress{Total: e.total}
	}
	t := e.tally()
	p := Progress{
		At: max(0, e.platform(e.now())), Total: e.total, Offered: t.offered,
		Completed: t.fates[record.Completed], Failed: t.fates[record.FailedArrival],
		Indeterminate: t.fates[record.Indeterminate], Unsent: t.fates[record.Unsent],
		Shots: t.shots(), ShotsOK: t.outcomes[record.OK], Late: t.late,
		Connections: e.connections.open.Load(), LatenessP99: time.Duration(e.lastP99.Load()),
		CPU: time.Duration(e.lastCPU.Load()).Seconds() / watchEvery.Seconds(),
	}
	p.InFlight = max(0, p.Offered-p.Completed-p.Failed-p.Indeterminate)
	return p
}
