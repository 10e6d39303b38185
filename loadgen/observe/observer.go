package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// Observer watches one cluster. Start makes it, Attach lets its events flow, Stop ends it.
type Observer struct {
	cfg     Config
	tenants map[string]bool
	now     func() time.Time

	cancel context.CancelFunc
	poll   func() // starts what is polled
	group  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	lines []*named
	gaps  []gap // not told yet
	// still tells them when all has been whole for a while.
	still *time.Timer
	emit  func(record.Event)
	// start is offset 0 on the wall; zero until attached.
	start    time.Time
	warnings []record.Warning

	workloads map[string]*workload // by namespace/name
	pods      map[types.UID]*pod
	byName    map[string]*pod // by namespace/name, the youngest
	hpas      map[string]*hpaState
	nodes     map[string]*nodeState
	// early are facts about pods that came before the pods.
	earlyPulls  map[types.UID]*pulls
	earlyRoutes map[string]early
	usage       usage
	quotas      map[podKey]*throttling // who tells of the pod's quota
}

// named is a line with the name of its resource.
type named struct {
	*line
	resource string
}

// Start begins watching and returns when the state of everything has been read once. Missing rights are an error for
// Deployments and Pods; other resources are then left out, with a warning.
func Start(ctx context.Context, c Config) (*Observer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	// Observing goes on after ctx: what the cluster does after Ctrl-C still belongs to the run, until Stop.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o := &Observer{
		cfg: c, tenants: map[string]bool{}, now: c.Now, cancel: cancel,
		workloads: map[string]*workload{}, pods: map[types.UID]*pod{}, byName: map[string]*pod{},
		hpas: map[string]*hpaState{}, nodes: map[string]*nodeState{},
		earlyPulls: map[types.UID]*pulls{}, earlyRoutes: map[string]early{}, usage: newUsage(),
		quotas: map[podKey]*throttling{},
	}
	for _, t := range c.Tenants {
		o.tenants[t] = true
	}
	// client-go would speak to the terminal; what matters is in the timeline.
	running = klog.NewContext(running, klog.Logger{})
	if err := o.watchAll(ctx, running); err != nil {
		cancel()
		o.group.Wait()
		return nil, err
	}
	o.poll = func() { o.pollAll(running) }
	return o, nil
}

// Attach lets events flow from now on: first the state of everything as it is, then every change. Offset 0 is at start.
// emit is called by one goroutine at a time. What is polled is polled from now on: a sample from before would be lost.
func (o *Observer) Attach(start time.Time, emit func(record.Event)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.start, o.emit = start, emit
	s := seen{at: o.now()}
	for _, name := range slices.Sorted(maps.Keys(o.nodes)) {
		o.sayNode(name, o.nodes[name], s)
	}
	for _, key := range slices.Sorted(maps.Keys(o.workloads)) {
		o.workloads[key].shown = nil
		o.report(o.workloads[key], s)
	}
	for _, p := range sortedPods(o.pods) {
		o.introduce(p, s)
	}
	for _, key := range slices.Sorted(maps.Keys(o.hpas)) {
		o.sayAutoscaler(o.hpas[key], s)
	}
	o.warnBlind()
	o.poll()
}

// Stop ends the watching, waits until nobody emits any more, and says what a reader should know about what was seen. A
// line that is cut at this moment leaves its gap.
func (o *Observer) Stop() []record.Warning {
	for _, l := range o.watched() {
		if g, open := l.end(); open {
			o.noteGap(l.resource, g)
		}
	}
	o.cancel()
	o.group.Wait()
	for _, l := range o.watched() {
		l.group.Wait()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sayGaps()
	o.sayClock()
	o.emit = nil
	return o.warnings
}

// say emits an event that came as s says, at moment m. The lock is held.
func (o *Observer) say(e record.Event, m moment, s seen) {
	if o.emit == nil {
		return
	}
	m.place(&e, o.start)
	e.Wall, e.ResourceVersion = s.at.Round(0), s.version
	if e.Source == "" {
		e.Source = "watch"
	}
	o.emit(e)
}

// sayClock records how far the cluster's clock is ahead, and warns where it matters.
func (o *Observer) sayClock() {
	low, high, ok := o.cfg.Client.Ahead()
	if !ok {
		return
	}
	now := o.now()
	o.say(record.Event{Kind: record.KindClock, Values: map[string]float64{
		"ahead_low_seconds": low.Seconds(), "ahead_high_seconds": high.Seconds(),
	}}, moment{at: now, from: now, to: now, evidence: record.EvidenceArrival}, seen{at: now})
	if low > clockTolerance || high < -clockTolerance {
		o.warn("clocks-differ",
			fmt.Sprintf("Die Uhr des Clusters geht gegen die hiesige zwischen %s und %s vor: die Grenzen seiner Zeitstempel verschieben sich um so viel.", scenarios.Span(low, "de"), scenarios.Span(high, "de")),
			fmt.Sprintf("The cluster's clock is between %s and %s ahead of this machine's: the bounds from its stamps are off by as much.", scenarios.Span(low, "en"), scenarios.Span(high, "en")))
	}
}

// clockTolerance is what two clocks may differ by without a word.
const clockTolerance = 50 * time.Millisecond

// warn keeps a warning. The lock is held, or nobody else is there yet.
func (o *Observer) warn(code, de, en string) {
	if !slices.ContainsFunc(o.warnings, func(w record.Warning) bool { return w.Code == code && w.Text["en"] == en }) {
		o.warnings = append(o.warnings, record.Warning{Code: code, Text: scenarios.Text{"de": de, "en": en}})
	}
}

// errStopped says that a context ended before everything was read once.
var errStopped = errors.New("observe: ended before the cluster's state was read")
