package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/record"
)

// ErrAway is that no coordinator answered for longer than a worker waits.
var ErrAway = errors.New("no coordinator answers")

// ErrShared is that another process works in the directory of a worker's state.
var ErrShared = errors.New("another worker has this directory: give each its own")

// Defaults of a worker.
const (
	DefaultPatience = 10 * time.Minute
	leavePatience   = 10 * time.Second // of a worker that was interrupted, for the coordinator's last word
	joinAgain       = time.Second
	joinPatience    = 30 * time.Second // of a worker that begins
)

// WorkerConfig is one worker.
type WorkerConfig struct {
	// Join asks a coordinator to take the worker in: at first, and again after each epoch that did not last to the run's end. A *[bus.Refusal] is
	// its no; another error says that nobody could be asked.
	Join func(ctx context.Context, hello []byte) (link bus.Link, welcome []byte, err error)
	// Build is this program's version, Name what people call the worker; it may be empty.
	Build, Name string
	// State is the directory of its journals, its own for as long as it works. What another process of the same worker left there of the Run (empty:
	// of whatever one it was last) is taken up.
	State, Run string
	// Engine changes how the engine fires (its shards, its source addresses); nil changes nothing.
	Engine func(*loadgen.Config)
	// Patience is how long it waits for a coordinator that does not answer. Zero means ten minutes.
	Patience time.Duration
	// Say tells a person what happens, a line at a time, from several goroutines; nil tells nobody.
	Say func(line string)

	samples func(loadgen.Samples) loadgen.Samples // of tests
	ahead   time.Duration                         // of its clock, of tests
	shared  bool                                  // its directory is, with others that a test takes for dead
}

type worker struct {
	WorkerConfig
	own        clock
	processors int     // as found: an engine may raise what Go uses
	relics     []relic // of processes before this one, until they are taken up
	lives      sync.WaitGroup
}

// Work fires what a coordinator deals to it, until the run is over or ctx ends. In the latter case it begins nothing any more, gives back what it
// holds, and delivers what it has counted. The error is Join's, the journal's, ErrAway, or ctx's.
func Work(ctx context.Context, cfg WorkerConfig) error {
	w := &worker{WorkerConfig: cfg, own: newClock(cfg.ahead), processors: runtime.GOMAXPROCS(0)}
	w.Patience = cmp.Or(w.Patience, DefaultPatience)
	if w.Say == nil {
		w.Say = func(string) {}
	}
	if cfg.Join == nil || cfg.State == "" {
		return errors.New("fleet: a worker needs a way to join, and a directory for its journals")
	}
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if w.relics, err = relics(cfg.State); err != nil {
		return err
	}
	w.relics = slices.DeleteFunc(w.relics, func(r relic) bool {
		other := cfg.Run != "" && r.of.Run != cfg.Run
		if other {
			w.Say(fmt.Sprintf("%s is of run %s: it stays as it is", r.path, r.of.Run))
		}
		return other
	})
	defer w.lives.Wait()
	former, before := newest(w.relics), (*life)(nil)
	for {
		l, err := w.join(ctx, former, before)
		if l == nil {
			return err
		}
		w.lives.Go(func() { l.live(ctx) })
		select {
		case <-l.ended:
		case <-l.left:
		}
		why, again := l.leftEarly()
		if !again || ctx.Err() != nil {
			<-l.ended
			return cmp.Or(l.err, ctx.Err())
		}
		w.Say(fmt.Sprintf("%s %s: joining again", l, why))
		former, before = &l.of, l
	}
}

// lock makes the directory, and takes it for this process alone.
func (w *worker) lock() (unlock func(), err error) {
	if err := os.MkdirAll(w.State, 0o700); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if w.shared {
		return func() {}, nil
	}
	held, err := record.Lock(w.State)
	if errors.Is(err, record.ErrRunning) {
		return nil, fmt.Errorf("fleet: %s: %w", w.State, ErrShared)
	} else if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	return func() { _ = held.Close() }, nil
}

// newest is the last epoch that left a journal; nil where none has.
func newest(relics []relic) *Life {
	if len(relics) == 0 {
		return nil
	}
	last := slices.MaxFunc(relics, func(a, b relic) int { return cmp.Compare(a.of.Epoch, b.of.Epoch) })
	return &last.of
}

// join begins an epoch: the first, or the one that follows another. Where nobody can be asked it asks again, for the first half a minute, else until the
// run is over; it then gives nil, without an error.
func (w *worker) join(ctx context.Context, former *Life, before *life) (*life, error) {
	said := ""
	for asked := time.Now(); ; {
		l, err := w.ask(ctx, former)
		refused := new(bus.Refusal)
		switch {
		case former != nil && errors.As(err, &refused) && refused.Text == ErrOver.Error(): // it has done its part
			w.Say(refused.Text)
			for _, r := range w.relics {
				w.Say(fmt.Sprintf("%s was not delivered: it stays as it is", r.path))
			}
			return nil, nil
		case err == nil || ctx.Err() != nil || errors.As(err, &refused) || errors.As(err, &unfit{}):
			return l, err
		case before == nil && time.Since(asked) > joinPatience:
			return nil, err
		case before != nil && before.past():
			return nil, nil
		}
		if err.Error() != said {
			said = err.Error()
			w.Say("not taken in as yet: " + said)
		}
		pause(ctx, joinAgain)
	}
}

func (w *worker) ask(ctx context.Context, former *Life) (*life, error) {
	host, _ := os.Hostname() // for people only
	link, b, err := w.Join(ctx, encode(Hello{
		versioned: versioned{Version}, Build: w.Build, Name: w.Name, Host: host, Pid: os.Getpid(),
		Processors: w.processors, Former: former, Relics: len(w.relics) > 0,
	}))
	if err != nil {
		return nil, err
	}
	welcome, err := decode[Welcome]("welcome", b)
	if err == nil {
		var l *life
		if l, err = w.begin(link, &welcome, former); err == nil {
			return l, nil
		}
	}
	return nil, errors.Join(unfit{err}, link.Close())
}

// ErrOver is a coordinator's answer to whoever comes when nothing more is dealt.
var ErrOver = errors.New("the run is over")

// unfit is why a worker that was taken in can do nothing.
type unfit struct{ error }

func (u unfit) Unwrap() error { return u.error }

// begin makes the life that a welcome is for.
func (w *worker) begin(link bus.Link, welcome *Welcome, former *Life) (*life, error) {
	cfg, err := welcome.Spec.config()
	if err != nil {
		return nil, err
	}
	if w.Engine != nil {
		w.Engine(&cfg)
	}
	l, err := newLife(w, link, welcome, cfg)
	if err != nil {
		return nil, err
	}
	for _, r := range w.relics {
		if r.of.Run != welcome.Life.Run || r.of.Worker != welcome.Life.Worker {
			w.Say(fmt.Sprintf("%s is of another worker, which this one could not show to be: it stays as it is", r.path))
			continue
		}
		kept := uint64(0)
		if former != nil && r.of == *former {
			kept = welcome.Kept
		}
		if err := l.journal.takeUp(r, kept); err != nil {
			return nil, errors.Join(err, l.journal.close(false))
		}
	}
	w.relics = nil
	return l, nil
}

// pause waits, and says whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
