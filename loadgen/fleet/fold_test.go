package fleet

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/record"
)

// What a platform tells comes into the record by way of the stream: its events, its account, what it has accepted; and the run is finished as is asked for.
func TestAPlatformIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 12, 2)
		accepted := roaring.New()
		accepted.AddRange(0, 2000)
		accepted.Remove(77)
		started := time.Time{}
		w.cfg.Started = func(at time.Time) error { started = at; return nil }
		w.cfg.Account = func(context.Context) (*record.LabAccount, *roaring.Bitmap, []record.Warning, error) {
			return &record.LabAccount{Accepted: int64(accepted.GetCardinality()), Valid: true}, accepted, []record.Warning{{Code: "seen"}}, nil
		}
		w.cfg.Finish = func(r *record.Run) { r.Warnings = append(r.Warnings, record.Warning{Code: "finished"}) }
		w.hireAll(2)
		c := w.coordinate(t.Context())
		c.after(time.Second)
		c.Event(record.Event{At: time.Second, Source: "lab", Kind: record.KindLab, Values: map[string]float64{"connections": 3, "lateness_p99_seconds": math.NaN()}})
		c.Event(record.Event{At: time.Second, Source: "lab", Kind: record.KindLab, Message: strings.Repeat("x", tellBytes)})
		<-c.end
		r, err := record.Open(w.cfg.Dir)
		if err != nil || c.err != nil {
			t.Fatal(err, c.err)
		}
		w.bus.gone.Store(true)
		w.all.Wait()
		if !started.Equal(r.Run.StartedAt) || r.Run.Lab == nil || r.Run.Lab.Accepted != 1999 {
			t.Errorf("started %s, run %+v", started, r.Run)
		}
		got, err := r.Accepted()
		if err != nil || !got.Equals(accepted) {
			t.Errorf("accepted %v, %v", got, err)
		}
		if !slices.ContainsFunc(r.Run.Warnings, func(w record.Warning) bool { return w.Code == "finished" }) {
			t.Errorf("warnings %v", r.Run.Warnings)
		}
		events, err := r.Timeline()
		if err != nil {
			t.Fatal(err)
		}
		var labs []record.Event
		for _, e := range events {
			if e.Kind == record.KindLab {
				labs = append(labs, e)
			}
		}
		if len(labs) != 1 || labs[0].Values["connections"] != 3 || len(labs[0].Values) != 1 {
			t.Errorf("%+v", labs)
		}
		if r.Run.Fleet.Refused["event"] != 1 {
			t.Errorf("refused %v", r.Run.Fleet.Refused)
		}
		w.foldAgain()
	})
}

// What stands in the stream twice is in the record once.
func TestToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 12, 2)
		w.bus.again = 1
		w.hireAll(2)
		c := w.coordinate(t.Context())
		c.after(time.Second)
		c.Event(record.Event{At: time.Second, Source: "lab", Kind: record.KindLab})
		r := w.finish(c)
		events, err := r.Timeline()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(slices.DeleteFunc(events, func(e record.Event) bool { return e.Kind != record.KindLab })); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// cutter is the side of a coordinator that dies once it has told a piece of what was accepted.
type cutter struct{ *side }

func (c cutter) Tell(ctx context.Context, sequence uint64, body []byte) error {
	err := c.side.Tell(ctx, sequence, body)
	if bytes.Contains(body, []byte(`"accepted":"`)) {
		c.side.dead.Store(true)
	}
	return err
}

// What was accepted is what one coordinator has told of it, whole.
func TestAnAccountIsToldAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 22, 2)
		accepted := roaring.New()
		for i := uint32(0); i < 4_000_000; i += 2 {
			accepted.Add(i)
		}
		w.cfg.Account = func(context.Context) (*record.LabAccount, *roaring.Bitmap, []record.Warning, error) {
			return &record.LabAccount{Accepted: int64(accepted.GetCardinality()), Valid: true}, accepted, nil, nil
		}
		w.hireAll(2)
		cfg := w.cfg
		cfg.Store = cutter{&side{memBus: w.bus}}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Run(t.Context()); err == nil {
			t.Fatal("the first has closed the record")
		}
		next := w.coordinate(t.Context())
		<-next.end
		w.bus.gone.Store(true)
		w.all.Wait()
		r, err := record.Open(w.cfg.Dir)
		if err != nil || next.err != nil {
			t.Fatal(err, next.err)
		}
		if got, err := r.Accepted(); err != nil || !got.Equals(accepted) {
			t.Errorf("accepted %d, %v", got.GetCardinality(), err)
		}
	})
}

// What no honest worker tells is refused whole, counted and warned of; the account is that of the others.
func TestWhatIsForgedIsRefused(t *testing.T) {
	aboard(t, 13, 2, 4*time.Second, func(w *world, _ []*hand, c *lead) {
		w.bus.mu.Lock()
		i := slices.IndexFunc(w.bus.stream, func(m bus.Message) bool { return m.Worker == 1 })
		theirs := w.bus.stream[i].Body
		flipped := slices.Clone(theirs)
		flipped[len(flipped)/2] ^= 1
		nobodys := encode(told{versioned: versioned{Version}, Close: &closingTold{}})
		w.bus.stream = append(w.bus.stream,
			bus.Message{Worker: 2, Epoch: 1, Sequence: 1 << 40, Body: theirs}, // another's
			bus.Message{Worker: 2, Epoch: 1, Sequence: 1<<40 + 1, Body: flipped},
			bus.Message{Worker: 2, Epoch: 1, Sequence: 1<<40 + 2, Body: nil},
			bus.Message{Worker: 9, Epoch: 1, Sequence: 1, Body: theirs}, // of an epoch that nobody gave
			bus.Message{Sequence: 1, Body: nobodys},                     // of a coordinator that is none: not heard
			bus.Message{Sequence: 2, Body: []byte("{}")},
		)
		w.bus.mu.Unlock()
		r := w.finish(c)
		if got := account(w.t, r); got.Indeterminate+got.Unsent > 0 {
			w.t.Errorf("%+v", got)
		}
		refused := ""
		for _, x := range r.Run.Warnings {
			if x.Code == "fleet-refused" {
				refused += x.Text["en"]
			}
		}
		for _, want := range []string{"1 messages were refused and are not in the record (foreign).", "3 messages were refused", "(early)"} {
			if !strings.Contains(refused, want) {
				w.t.Errorf("%v, want %q", refused, want)
			}
		}
	})
}

// Nobody is there: nothing is fired, and nothing recorded.
func TestNobodyComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 14, 2)
		c := w.coordinate(t.Context())
		<-c.end
		if c.err == nil || !strings.Contains(c.err.Error(), "no worker was there after 1 minute") || c.run != nil {
			t.Errorf("%v", c.err)
		}
		if _, err := record.Open(w.cfg.Dir); err == nil {
			t.Error("there is a record")
		}
	})
}

// A platform that cannot be begun ends the run, whose record says so.
func TestAPlatformThatDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 16, 2)
		broken := errors.New("the lab has no power")
		w.cfg.Started = func(time.Time) error { return broken }
		w.hireAll(2)
		c := w.coordinate(t.Context())
		w.all.Wait()
		if !errors.Is(c.err, broken) || c.run == nil || !c.run.Interrupted || len(w.target.begun) > 0 {
			t.Fatalf("%v, %+v", c.err, c.run)
		}
		if !slices.ContainsFunc(c.run.Warnings, func(x record.Warning) bool {
			return x.Code == "run-broken" && strings.Contains(x.Text["en"], "no power")
		}) {
			t.Errorf("%+v", c.run.Warnings)
		}
		w.foldAgain()
	})
}

// Who is interrupted before the start has fired nothing, and lets the workers go.
func TestInterruptedBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, 3)
		hands := w.hireAll(2)
		ctx, cancel := context.WithCancel(t.Context())
		c := w.coordinate(ctx)
		time.Sleep(5 * time.Second)
		cancel()
		w.all.Wait()
		if !errors.Is(c.err, context.Canceled) || c.run != nil || hands[0].err != nil || hands[1].err != nil || len(w.target.begun) > 0 {
			t.Errorf("%v; workers %v, %v; %d begun", c.err, hands[0].err, hands[1].err, len(w.target.begun))
		}
	})
}

// A worker that has had several epochs had their connections one after the other.
func TestPeakOfEpochs(t *testing.T) {
	all := []loadgen.Evidence{
		{Worker: "w1:1", ConnectionsPeak: 7}, {Worker: "w1:2", ConnectionsPeak: 9}, {Worker: "w2:1", ConnectionsPeak: 4}, {Unsent: 3},
	}
	if got := peak(all); got != 13 {
		t.Errorf("%d connections", got)
	}
}
