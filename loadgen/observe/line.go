package observe

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

const (
	// watchFor is how long a watch is asked for. Reflectors ask for minutes, so that a dead connection is noticed; here
	// HTTP/2's pings do that, and every needless end of a watch would be a gap in the record.
	watchFor = 24 * time.Hour
	// Between tries to connect again; short, because an API server that restarts is what a gap is made of.
	leastPause = 100 * time.Millisecond
	mostPause  = 2 * time.Second
	// catchUp is how long after a watch was taken up again changes may be from before.
	catchUp = 30 * time.Second
)

// gap is one interruption of a line.
type gap struct {
	resource string
	from, to time.Time
	// heard is when the line last said something.
	heard    time.Time
	relisted bool
	reason   string
}

// line is the connection for one watched resource. It outlasts API servers and tokens: once it has been up, it goes on
// trying until its context ends, and a watch is taken up where it ended as long as the server knows the place.
type line struct {
	lister  cache.ListerWatcherWithContext
	now     func() time.Time
	noticed func(gap) // called once for every gap, when it is over

	mu      sync.Mutex
	up      bool      // has been synced once
	cutAt   time.Time // zero: connected
	reason  string
	heardAt time.Time
	// silent is heardAt when the line was cut.
	silent time.Time
	// was is the last gap that was closed: what happened in it is late. A watch that was taken up may still be told that
	// its place is gone: until something was heard, or nothing for a while, its gap is pending.
	was     gap
	pending *gap
	noting  int // gaps that are being told to noticed

	group sync.WaitGroup // the taps
}

// List and Watch are what cache.ListerWatcher still asks for; reflectors call those with a context.
func (l *line) List(o metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), o)
}

// Watch is WatchWithContext without one.
func (l *line) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), o)
}

// ListWithContext lists, trying again as often as it takes once the line has been up.
func (l *line) ListWithContext(ctx context.Context, o metav1.ListOptions) (list runtime.Object, err error) {
	err = l.insist(ctx, func() error {
		list, err = l.lister.ListWithContext(ctx, o)
		return err
	})
	return list, err
}

// WatchWithContext opens a watch, in the same way. A watch that takes up where the one before ended closes the gap.
func (l *line) WatchWithContext(ctx context.Context, o metav1.ListOptions) (w watch.Interface, err error) {
	long := int64(watchFor.Seconds())
	o.TimeoutSeconds = &long
	err = l.insist(ctx, func() error {
		w, err = l.lister.WatchWithContext(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	initial := o.SendInitialEvents != nil && *o.SendInitialEvents
	if !initial {
		l.join(false)
	}
	return l.tap(ctx, w, o, initial), nil
}

// insist calls try until it succeeds, or says something that only a relist can mend, or the line was never up.
func (l *line) insist(ctx context.Context, try func() error) error {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		err := try()
		if err == nil || l.fresh() || needsRelist(err) || apierrors.IsBadRequest(err) || apierrors.IsInvalid(err) {
			return err
		}
		l.cut(err.Error())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// needsRelist says whether the server no longer knows the place where the watch ended, or does not know it yet.
func needsRelist(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

func (l *line) fresh() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.up
}

// cut notes that the line is interrupted, from now unless it is already.
func (l *line) cut(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.up || !l.cutAt.IsZero():
	case l.pending != nil: // it was not taken up after all
		l.cutAt, l.reason, l.silent = l.pending.from, l.pending.reason+", "+reason, l.pending.heard
		l.pending = nil
	default:
		l.cutAt, l.reason, l.silent = l.now(), reason, l.heardAt
	}
}

// join notes that the line is whole again; relisted, if the state had to be listed anew.
func (l *line) join(relisted bool) {
	now := l.now()
	l.mu.Lock()
	over := l.up && (!l.cutAt.IsZero() || relisted)
	g := gap{from: l.cutAt, to: now, heard: l.silent, relisted: relisted, reason: l.reason}
	if l.cutAt.IsZero() {
		g.from, g.heard = now, l.heardAt
	}
	if over {
		l.was = g
	}
	l.up, l.cutAt, l.reason, l.heardAt = true, time.Time{}, "", now
	if over && !relisted {
		l.pending = &g
		time.AfterFunc(nearby, l.confirm)
	}
	if over && relisted {
		l.noting++
		defer l.tell(g)
	}
	l.mu.Unlock()
}

// tell tells a gap that was counted as being told. The lock is not held.
func (l *line) tell(g gap) {
	l.noticed(g)
	l.mu.Lock()
	l.noting--
	l.mu.Unlock()
}

// heard notes a sign of life.
func (l *line) heard() {
	now := l.now()
	l.mu.Lock()
	l.heardAt = now
	pending := l.pending != nil
	l.mu.Unlock()
	if pending {
		l.confirm()
	}
}

// confirm tells the pending gap, if it still is.
func (l *line) confirm() {
	l.mu.Lock()
	g := l.pending
	l.pending = nil
	if g != nil {
		l.noting++
		defer l.tell(*g)
	}
	l.mu.Unlock()
}

// whole says whether the line is neither cut nor has a gap that noticed does not know yet.
func (l *line) whole() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cutAt.IsZero() && l.pending == nil && l.noting == 0
}

// end gives the gap that is open, or pending, at the end, if any.
func (l *line) end() (gap, bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.pending; g != nil {
		l.pending = nil
		return *g, true
	}
	return gap{from: l.cutAt, to: now, heard: l.silent, reason: l.reason}, l.up && !l.cutAt.IsZero()
}

// late says whether a change that arrived at a moment and was written in the second that begins with stamp happened in the
// last gap: provably, since that second was over before the line was whole again. Of what has no stamp (zero) it is
// taken to be so where it came at once after the gap. A relist tells all that happened in its gap: a watch, nothing of it.
func (l *line) late(arrived, stamp time.Time) (gap, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.was
	switch {
	case g.to.IsZero() || g.relisted || arrived.Sub(g.to) > catchUp:
		return g, false
	case stamp.IsZero() || stamp.Add(time.Second).Before(g.heard): // a write that left no stamp
		return g, arrived.Sub(g.to) <= nearby
	}
	return g, !stamp.Add(time.Second).After(g.to)
}

// last is the gap that was closed last.
func (l *line) last() gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.was
}

// tap is a watch that does not end when its connection breaks: it is taken up where it ended, and its reflector, which
// would list anew after a short watch, does not hear of it. It ends when a relist is needed.
type tap struct {
	line    *line
	options metav1.ListOptions
	initial bool // the state is still coming: it cannot be taken up in the middle
	out     chan watch.Event
	ctx     context.Context
	cancel  context.CancelFunc
}

func (l *line) tap(ctx context.Context, w watch.Interface, o metav1.ListOptions, initial bool) *tap {
	t := &tap{line: l, options: o, initial: initial, out: make(chan watch.Event)}
	t.ctx, t.cancel = context.WithCancel(ctx)
	t.options.SendInitialEvents, t.options.ResourceVersionMatch = nil, ""
	l.group.Go(func() { t.run(w) })
	return t
}

func (t *tap) run(w watch.Interface) {
	defer close(t.out)
	for {
		begun := time.Now()
		if again := t.drain(w); !again || t.initial || t.ctx.Err() != nil {
			return
		}
		if time.Since(begun) < leastPause { // a server that takes watches only to end them
			select {
			case <-t.ctx.Done():
				return
			case <-time.After(leastPause):
			}
		}
		err := t.line.insist(t.ctx, func() (err error) {
			w, err = t.line.lister.WatchWithContext(t.ctx, t.options)
			return err
		})
		if err != nil {
			if status := apierrors.APIStatus(nil); errors.As(err, &status) {
				is := status.Status()
				t.pass(watch.Event{Type: watch.Error, Object: &is})
			}
			return
		}
		t.line.join(false)
	}
}

// drain passes a watch's events on until it ends; again, if it can be taken up.
func (t *tap) drain(w watch.Interface) (again bool) {
	defer w.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return false
		case e, open := <-w.ResultChan():
			if !open {
				t.line.cut("the API server ended the watch")
				return true
			}
			if e.Type == watch.Error {
				err := apierrors.FromObject(e.Object)
				t.line.cut(err.Error())
				if !needsRelist(err) { // a broken stream, as a rule
					return true
				}
				t.pass(e)
				return false
			}
			t.line.heard()
			t.note(e)
			if !t.pass(e) {
				return false
			}
		}
	}
}

// note remembers where the watch is.
func (t *tap) note(e watch.Event) {
	o, err := meta.Accessor(e.Object)
	if err != nil {
		return
	}
	t.options.ResourceVersion = o.GetResourceVersion()
	if o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
		t.initial = false
	}
}

func (t *tap) pass(e watch.Event) bool {
	select {
	case t.out <- e:
		return true
	case <-t.ctx.Done():
		return false
	}
}

// ResultChan gives the events.
func (t *tap) ResultChan() <-chan watch.Event { return t.out }

// Stop ends the watch.
func (t *tap) Stop() { t.cancel() }
