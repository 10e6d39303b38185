package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// life is one epoch: an engine, its lease, its journal and its link, from the welcome until all that it told is in the stream.
type life struct {
	*worker
	of        Life
	cfg       loadgen.Config
	over      time.Duration // of the run, on the wall
	link      bus.Link
	journal   *journal
	lease     *loadgen.Lease
	collector *record.Collector

	nudge   chan struct{} // holds the wish to beat at once
	started chan struct{} // closed once the start is known
	left    chan struct{} // closed once the epoch is fenced or taken for lost
	ended   chan struct{} // closed when nothing of it is left; err is set before
	err     error
	drop    context.CancelCauseFunc // ends the engine at once

	mu      sync.Mutex // guards what follows
	bearing bearings
	engine  *loadgen.Engine // nil before the start
	state   State
	told    bool // the coordinator has heard that it is done, or there is nothing to do
	stopped bool // the run ends early
	away    bool // nobody answers, as was said
	leaving string
	heard   time.Time // the last reply
	replied uint64    // the beat that it answered
	by      uint64    // the coordinator that gave it
	held    loadgen.Holding
}

func newLife(w *worker, link bus.Link, welcome *Welcome, cfg loadgen.Config) (l *life, err error) {
	l = &life{
		worker: w, of: welcome.Life, cfg: cfg, link: link, state: Preparing, heard: time.Now(), bearing: bearings{own: w.own},
		over:  time.Duration(float64(cfg.Scenario.Arrivals.Over) / cmp.Or(cfg.Speed, 1)),
		nudge: make(chan struct{}, 1), started: make(chan struct{}), left: make(chan struct{}), ended: make(chan struct{}),
	}
	if l.lease, err = loadgen.NewLease(welcome.Spec.Parts); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if l.journal, err = newJournal(w.State, l.of); err != nil {
		return nil, err
	}
	l.collector, err = record.NewCollector(welcome.Spec.Run, l.of.Worker, l.of.Epoch, func(_ record.FrameID, frame []byte) error {
		return l.journal.add(frame)
	})
	l.cfg.Lease, l.cfg.Recorder = l.lease, l.collector
	l.cfg.Samples = func(int) loadgen.Samples {
		if w.samples != nil {
			return w.samples(l.collector.Shard())
		}
		return l.collector.Shard()
	}
	if err == nil {
		_, err = loadgen.New(l.cfg) // what is wrong with it is said before the start
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fleet: %w", err), l.journal.close(true))
	}
	return l, nil
}

// String is as "w2:1".
func (l *life) String() string {
	return lease.Owner{Worker: l.of.Worker, Epoch: l.of.Epoch}.String()
}

// live lives from the first beat to the last frame.
func (l *life) live(ctx context.Context) {
	after, stop := context.WithCancelCause(context.WithoutCancel(ctx)) // the epoch goes on giving back what it holds
	l.drop = stop
	var all sync.WaitGroup
	all.Go(func() { l.beat(after) })
	all.Go(func() { l.deliver(after) })
	interrupted := context.AfterFunc(ctx, func() { l.interrupt(context.Cause(ctx)) })
	l.err = l.fire(ctx, after)
	l.journal.end()
	<-after.Done() // ended by the beat that was heard to say that it is done
	interrupted()
	all.Wait()
	if cause := context.Cause(after); l.err == nil && !errors.Is(cause, context.Canceled) {
		l.err = cause
	}
	if n := l.journal.waiting(); n > 0 {
		l.Say(fmt.Sprintf("%s: %d messages were not delivered; %s keeps them for the next process of this worker", l, n, l.journal.path))
	}
	_ = l.journal.close(l.journal.waiting() == 0)
	_ = l.link.Close()
	close(l.ended)
}

// interrupt gives back what the epoch holds, and waits a while for the coordinator to take it.
func (l *life) interrupt(cause error) {
	l.lease.Fence("was interrupted")
	l.wake()
	time.AfterFunc(leavePatience, func() { l.drop(cause) })
}

// fire runs the engine from the start on.
func (l *life) fire(ctx, after context.Context) error {
	select {
	case <-l.started:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), l.collector.Close(0)) // it has begun nothing of what it may have been promised: that is its last word
	case <-l.left:
		return l.collector.Close(0)
	case <-after.Done(): // nobody would hear it
		return nil
	}
	l.mu.Lock()
	l.cfg.Start = l.bearing.start
	l.mu.Unlock()
	engine, err := loadgen.New(l.cfg)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	l.mu.Lock()
	l.engine, l.state = engine, Firing
	l.mu.Unlock()
	_, err = engine.Run(after)
	at := engine.Progress().At
	return errors.Join(err, l.collector.Close(at))
}

// deliver brings the journal to the bus, a frame at a time, until ctx ends: another coordinator may want some of it again.
func (l *life) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		number, frame, over, err := l.journal.first()
		switch {
		case err != nil:
			l.drop(err)
			return
		case frame == nil:
			if over {
				l.enter(Done)
			}
			select {
			case <-l.journal.more:
			case <-ctx.Done():
			}
		default:
			l.deliverOne(ctx, number, frame)
		}
	}
}

func (l *life) deliverOne(ctx context.Context, number uint64, frame []byte) {
	err, refused := l.link.Deliver(ctx, number, frame), new(bus.Refusal)
	switch {
	case err == nil:
		l.journal.taken(number)
	case errors.As(err, &refused): // for good
		l.drop(err)
	default:
		pause(ctx, lease.BeatEvery/2)
	}
}

func (l *life) enter(s State) {
	l.mu.Lock()
	l.state = s
	l.mu.Unlock()
	l.wake()
}

// wake lets the next beat go out at once.
func (l *life) wake() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// leave says that the epoch will not last to the run's end; the first reason stays. Another one is to follow it while there is anything to fire.
// The caller holds mu.
func (l *life) leave(why string) {
	if l.leaving == "" && !l.isPast() {
		l.leaving = why
		close(l.left)
	}
}

// past says that the run has nothing to fire any more.
func (l *life) past() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isPast()
}

func (l *life) isPast() bool {
	return l.stopped || !l.bearing.start.IsZero() && time.Since(l.bearing.start) >= l.over
}

// leftEarly says whether another epoch is to follow, and why.
func (l *life) leftEarly() (why string, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leaving, l.leaving != ""
}
