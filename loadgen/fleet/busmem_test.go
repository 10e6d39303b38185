package fleet

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/bus"
)

var errCut = errors.New("the bus is not to be reached")

// memBus is a bus in memory: what it has taken it keeps, but messages are lost on the way, late and repeated, by a seed.
type memBus struct {
	loss, again float64
	slowest     time.Duration // one way
	back        time.Duration // of a reply to a beat, besides
	gone        atomic.Bool   // for good

	mu       sync.Mutex // guards what follows
	random   *rand.Rand
	list     [][]byte
	stream   []bus.Message
	kept     map[[3]uint64]bool
	news     chan struct{} // closed when the stream grows
	services []bus.Service
	away     time.Time // nobody reaches it before
}

func newMemBus(seed uint64) *memBus {
	return &memBus{random: rand.New(rand.NewPCG(seed, 7)), kept: map[[3]uint64]bool{}, news: make(chan struct{})}
}

// side is somebody's connection; it may be cut for good, or until a time.
type side struct {
	*memBus
	dead  atomic.Bool
	until atomic.Int64 // Unix ns
	deaf  atomic.Bool  // what comes back to it is lost
}

func (s *side) cut(d time.Duration) { s.until.Store(time.Now().Add(d).UnixNano()) }

// travel is one way of a message; one that is lost is missed by whoever waits for it.
func (s *side) travel(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.dead.Load() {
		return errCut
	}
	s.mu.Lock()
	lost := s.random.Float64() < s.loss || time.Now().Before(s.away) || time.Now().UnixNano() < s.until.Load()
	delay := time.Duration(0)
	if s.slowest > 0 {
		delay = time.Duration(s.random.Int64N(int64(s.slowest)))
	}
	s.mu.Unlock()
	if lost {
		delay = time.Second
	}
	if delay > 0 && !pause(ctx, delay) {
		return ctx.Err()
	}
	if lost || s.dead.Load() {
		return errCut
	}
	return nil
}

// ask goes to the bus, does something there, and comes back.
func (s *side) ask(ctx context.Context, do func()) error {
	if err := s.travel(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	do()
	s.mu.Unlock()
	return s.travel(ctx)
}

func (s *side) Append(ctx context.Context, k uint64, entry []byte) (taken bool, err error) {
	err = s.ask(ctx, func() {
		switch n := uint64(len(s.list)); {
		case k == n+1:
			s.list = append(s.list, slices.Clone(entry))
		case k <= n:
			taken = !bytes.Equal(s.list[k-1], entry)
		default:
			panic("a gap in the list")
		}
	})
	return taken, err
}

func (s *side) Entries(ctx context.Context, from uint64) (entries [][]byte, err error) {
	err = s.ask(ctx, func() { entries = slices.Clone(s.list[min(from-1, uint64(len(s.list))):]) })
	return entries, err
}

func (s *side) Tell(ctx context.Context, sequence uint64, body []byte) error {
	return s.keep(ctx, bus.Message{Sequence: sequence, Body: body})
}

func (s *side) keep(ctx context.Context, m bus.Message) error {
	m.Body = slices.Clone(m.Body)
	return s.ask(ctx, func() {
		id := [3]uint64{uint64(m.Worker), uint64(m.Epoch), m.Sequence}
		if s.kept[id] {
			return
		}
		s.kept[id] = true
		s.stream = append(s.stream, m)
		if s.random.Float64() < s.again {
			s.stream = append(s.stream, m)
		}
		close(s.news)
		s.news = make(chan struct{})
	})
}

func (s *side) Messages(ctx context.Context, take func(bus.Message) error) error {
	for at := 0; ; {
		s.mu.Lock()
		here, news := s.stream[at:], s.news
		s.mu.Unlock()
		for _, m := range here {
			if s.dead.Load() {
				return errCut
			}
			if err := take(m); err != nil {
				return err
			}
			at++
		}
		wait, cancel := context.WithTimeout(ctx, time.Second)
		select {
		case <-news:
		case <-wait.Done():
		}
		cancel()
		if s.dead.Load() {
			return errCut
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (s *side) Serve(ctx context.Context, service bus.Service) error {
	mine := &served{service, s}
	s.mu.Lock()
	s.services = append(s.services, mine)
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services = slices.DeleteFunc(s.services, func(other bus.Service) bool { return other == mine })
	return nil
}

type served struct {
	bus.Service
	side *side
}

// service is one of those that answer.
func (s *side) service() bus.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []bus.Service
	for _, x := range s.services {
		if !x.(*served).side.dead.Load() {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[s.random.IntN(len(all))]
}

// join asks until it is answered, or the bus is gone for good.
func (s *side) join(ctx context.Context, hello []byte) (bus.Link, []byte, error) {
	for ; !s.gone.Load() && !s.dead.Load(); pause(ctx, 100*time.Millisecond) {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		service := s.service()
		if service == nil || s.travel(ctx) != nil {
			continue
		}
		worker, epoch, welcome, err := service.Join(hello)
		if err != nil {
			return nil, nil, &bus.Refusal{Reason: "coordinator", Text: err.Error()}
		}
		if s.travel(ctx) == nil {
			return &memLink{s, worker, epoch}, welcome, nil
		}
	}
	return nil, nil, errCut
}

type memLink struct {
	*side
	worker, epoch uint32
}

func (l *memLink) Beat(ctx context.Context, beat []byte) (reply []byte, err error) {
	if err := l.travel(ctx); err != nil {
		return nil, err
	}
	service := l.service()
	if service == nil {
		return nil, errCut
	}
	if reply = service.Beat(l.worker, l.epoch, beat); reply == nil {
		return nil, errCut
	}
	if l.deaf.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l.back > 0 && !pause(ctx, l.back) {
		return nil, ctx.Err()
	}
	return reply, l.travel(ctx)
}

func (l *memLink) Deliver(ctx context.Context, sequence uint64, frame []byte) error {
	return l.keep(ctx, bus.Message{Worker: l.worker, Epoch: l.epoch, Sequence: sequence, Body: frame})
}

func (l *memLink) Close() error { return nil }
