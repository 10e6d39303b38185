package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// syncInterval is how much of the store a power failure may take back; a killed process takes nothing back, for what is acknowledged has been
// written. The library's own two minutes are too much; a sync for each message costs more than the workers' journals, which hold it all the same.
const syncInterval = 250 * time.Millisecond

// embedded is a NATS server in this process.
type embedded struct {
	nats *server.Server
	gate *gate
	ear  *ear
}

// embed starts a server on the state's address, or on any free port where that is 0.
func embed(ctx context.Context, dir string, s *state, most int64, log *refusals) (*embedded, error) {
	host, port, err := splitAddress(s.Address)
	if err != nil {
		return nil, err
	}
	g := newGate(s, log)
	options := &server.Options{
		ServerName: "ansturm-" + s.Run, Host: host, Port: port,
		NoSigs: true, // else it takes the process' signals, and exits on them
		NoLog:  true, // our ear instead
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{s.certificate}, MinVersion: tls.VersionTLS13,
		},
		TLSHandshakeFirst: true, TLSTimeout: 10, AuthTimeout: 10,
		CustomClientAuthentication: g,
		JetStream:                  true, StoreDir: filepath.Join(dir, dirStore), SyncInterval: syncInterval,
		JetStreamMaxMemory: 32 << 20, JetStreamMaxStore: most, DisableJetStreamBanner: true,
		MaxPayload: mostBody + 8<<10, MaxConn: 8192, MaxControlLine: 1024,
		PingInterval: time.Second, MaxPingsOut: 3, WriteDeadline: 2 * time.Second,
	}
	n, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	e := &embedded{nats: n, gate: g, ear: newEar(n, g)}
	n.SetLoggerV2(e.ear, false, false, false)
	return e, e.begin(ctx, s)
}

// begin returns once clients are let in, which waits for the store: a large one that was not closed takes a while. After an error too the
// server must be closed.
func (e *embedded) begin(ctx context.Context, s *state) error {
	e.ear.wait.Go(e.nats.Start)
	for !e.nats.ReadyForConnections(100 * time.Millisecond) {
		if err := cmp.Or(e.ear.fatal(), ctx.Err()); err != nil {
			return err
		}
	}
	address, ok := e.nats.Addr().(*net.TCPAddr)
	if !ok {
		return errors.New("the bus has ended already")
	}
	host, _, _ := net.SplitHostPort(s.Address)
	s.Address = net.JoinHostPort(host, strconv.Itoa(address.Port))
	return nil
}

func (e *embedded) close() {
	e.nats.Shutdown()
	e.nats.WaitForShutdown()
	e.ear.close()
}

// ear hears what the library writes to its log: nothing else tells that it could not start, or that somebody overstepped what is
// permitted. What it hears is judged by a goroutine of its own, for the library holds its locks while it writes.
type ear struct {
	gate *gate
	wait sync.WaitGroup

	offences chan offence
	done     chan struct{}

	mu   sync.Mutex
	dead error
}

// offence is one line of the log.
type offence struct {
	reason, from, text string
	connection         uint64 // where the line names it
}

func newEar(n *server.Server, g *gate) *ear {
	e := &ear{gate: g, offences: make(chan offence, 1024), done: make(chan struct{})}
	g.nats = n
	e.wait.Go(func() {
		for {
			select {
			case o := <-e.offences:
				g.judge(o)
			case <-e.done:
				return
			}
		}
	})
	return e
}

func (e *ear) close() {
	close(e.done)
	e.wait.Wait()
}

func (e *ear) fatal() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dead
}

func splitAddress(address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("the bus' address %q: %w", address, err)
	}
	if port, err = strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("the bus' address %q: a port is 0 (any) to 65535", address)
	}
	if host == "" {
		return "", 0, fmt.Errorf("the bus' address %q: HOST:PORT is wanted", address)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}
