package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// Serve is the platform on loopback until ctx ends. ready gets the addresses once all are listened on; time begins with
// [Client.Begin], and until then every request is answered 503.
func Serve(ctx context.Context, cfg Config, ready func(Endpoints)) error {
	s, err := newServer(cfg, newCore)
	if err != nil {
		return err
	}
	return s.serve(ctx, ready)
}

func (s *server) serve(ctx context.Context, ready func(Endpoints)) error {
	defer s.clock.alarm.close()
	listeners, endpoints, err := s.listen()
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("lab: listen: %w", err)
	}
	endpoints.Control = control.Addr().String()

	group, inner := errgroup.WithContext(ctx)
	web := &fasthttp.Server{
		Handler: s.answer, ConnState: s.connState, Logger: silent{}, Name: "lab",
		Concurrency: int(s.shut) + 100, NoDefaultDate: true, MaxRequestBodySize: 1 << 20,
		DisablePreParseMultipartForm: true,
	}
	for _, l := range listeners {
		group.Go(func() error { return web.Serve(&door{l, s}) })
	}
	desk := &http.Server{Handler: s.control(), BaseContext: func(net.Listener) context.Context { return inner }}
	group.Go(func() error {
		if err := desk.Serve(control); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error { s.clock.run(); return nil })
	group.Go(func() error { s.watch(inner); return nil })
	group.Go(func() error { s.close(inner, web, desk, listeners); return nil })
	ready(*endpoints)
	if err := group.Wait(); err != nil {
		return fmt.Errorf("lab: serve: %w", err)
	}
	return nil
}

// server is the lab with its sockets.
type server struct {
	cfg   Config
	clock clock
	// tenants are by port, steps by name.
	tenants map[int]int
	steps   map[string]int
	pool    sync.Pool
	// begin and finish are what the desk does when a client asks for them.
	begin  func(start, now time.Time) error
	finish func()
	// forward carries requests to real processes.
	forward fasthttp.Client

	connections, turnedAway atomic.Int64
	// From most connections on they are answered 503, from shut on they are closed unread.
	most, shut int64
	late       lateness
	lateMu     sync.Mutex
}

func newServer(cfg Config, build func(*scenarios.Platform, *scenarios.Scenario, uint64) (*core, error)) (*server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Speed == 0 {
		cfg.Speed = 1
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 8_000
	}
	c, err := build(cfg.Platform, cfg.Scenario, cfg.Seed)
	if err != nil {
		return nil, err
	}
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, tenants: map[int]int{}, steps: map[string]int{}}
	s.most, s.shut = limits(int64(cfg.MaxConnections), descriptors())
	s.late.limit = latenessLimit(cfg.Scenario, cfg.Speed)
	s.clock.core, s.clock.speed, s.clock.alarm, s.clock.timeline = c, cfg.Speed, a, newTimeline()
	s.begin, s.finish = s.clock.begin, s.clock.finish
	s.forward = forwarder()
	for i, name := range c.steps {
		s.steps[name] = i
	}
	s.pool.New = func() any { return &request{ready: make(chan struct{}, 1)} }
	c.answered = func(r *request) { r.ready <- struct{}{} }
	return s, nil
}

// listen opens one port a tenant.
func (s *server) listen() (listeners []net.Listener, endpoints *Endpoints, err error) {
	endpoints = &Endpoints{Tenants: map[string]string{}, Steps: map[string]string{}}
	for i, d := range s.clock.core.tenants {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, nil, fmt.Errorf("lab: listen for tenant %s: %w", d.tenant, err)
		}
		listeners = append(listeners, l)
		s.tenants[l.Addr().(*net.TCPAddr).Port] = i
		endpoints.Tenants[d.tenant] = l.Addr().String()
		for k, name := range s.clock.core.steps {
			if _, there := endpoints.Steps[name]; !there && d.works[k] != nil {
				endpoints.Steps[name] = "http://" + l.Addr().String() + "/" + name
			}
		}
	}
	return listeners, endpoints, nil
}

// close ends everything once ctx has ended.
func (s *server) close(ctx context.Context, web *fasthttp.Server, desk *http.Server, listeners []net.Listener) {
	<-ctx.Done()
	s.clock.finish()
	for _, l := range listeners {
		_ = l.Close()
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = web.ShutdownWithContext(grace)
	_ = desk.Shutdown(grace)
	_ = desk.Close()
	s.clock.alarm.close()
}

// door closes connections far beyond the limit unread: descriptors run out before the platform's own answer is due.
type door struct {
	net.Listener
	s *server
}

// Accept waits for the next connection that is let in.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || d.s.connections.Load() < d.s.shut {
			return conn, err
		}
		d.s.turnedAway.Add(1)
		_ = conn.Close()
	}
}

func (s *server) connState(_ net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		s.connections.Add(1)
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		s.connections.Add(-1)
	}
}

// watch says every second on the wall how the lab itself fared in it.
func (s *server) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, used, refusedBefore := time.Now(), cpuTime(), int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, total := time.Now(), cpuTime()
		share := (total - used).Seconds() / now.Sub(last).Seconds()
		last, used = now, total
		s.lateMu.Lock()
		p99 := s.late.turn()
		s.lateMu.Unlock()
		s.clock.look(func(c *core) {
			refused := c.counts.refused + s.turnedAway.Load()
			c.say(record.Event{Kind: record.KindLab, Values: map[string]float64{
				"lateness_p99_seconds": p99.Seconds(), "connections": float64(s.connections.Load()),
				"refused": float64(max(0, refused-refusedBefore)), "cpu_share": share,
			}})
			refusedBefore = refused
		})
	}
}

// cpuTime is what this process has used, user and system.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// account is what the lab counted, now.
func (s *server) account() Account {
	var a Account
	s.clock.look(func(c *core) {
		a.Accepted = c.accepted.Clone()
		a.Duplicates, a.Unkeyed, a.Refused = c.duplicates, c.unkeyed, c.counts.refused+s.turnedAway.Load()
		if c.door != nil {
			a.LetIn, a.ToldToWait = c.door.in, c.door.turned
		}
	})
	s.lateMu.Lock()
	s.late.turn()
	s.late.judge(&a)
	s.lateMu.Unlock()
	return a
}

// limits are the connections from which they are answered 503 and from which they are closed unread: twice as many, but
// no more than the process may have descriptors, less what it needs for itself.
func limits(most, descriptors int64) (answered, shut int64) {
	shut = min(2*most, max(2, descriptors-500))
	return min(most, shut*9/10), shut
}

// descriptors is how many files this process may have open.
func descriptors() int64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int64(r.Cur)
}

// silent keeps fasthttp from logging what clients do to their connections: that is the run's business, not the log's.
type silent struct{}

func (silent) Printf(string, ...any) {}
