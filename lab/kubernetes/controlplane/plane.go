package controlplane

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/audit"
)

// Config says how the control plane is set.
type Config struct {
	State *State
	// HPASync is the autoscaler's sync period. Zero means 15 s.
	HPASync time.Duration
	// NodeGrace is how long a node may be silent until it is unreachable and its pods are evicted. Zero means 40 s.
	NodeGrace time.Duration
	// Say tells of progress and of what went wrong, a line a call.
	Say func(format string, args ...any)
}

// Plane is a running control plane.
type Plane struct {
	config Config
	state  *State
	port   int
	ca     *authority
	tokens map[string]string
	etcd   *embed.Etcd
	pace   *pace

	// settled is the API server's standard input; it ends when settle is closed.
	settled, settle *os.File

	informers informers.SharedInformerFactory
	serverPID atomic.Int64
	restarts  atomic.Int64

	follow func() error // starts the followers

	cancel, cancelServer, closeMetrics func()
	workers, server, metrics           sync.WaitGroup
}

// Start starts everything that a platform needs to come about, and returns when the API server is ready and these
// controllers run; [Plane.Follow] starts the others. Stop it after an error too, if the Plane is not nil.
func Start(ctx context.Context, c Config) (*Plane, error) {
	p := &Plane{config: c, state: c.State, pace: &pace{}, cancel: func() {}, cancelServer: func() {}, closeMetrics: func() {}}
	if p.config.HPASync == 0 {
		p.config.HPASync = 15 * time.Second
	}
	if p.config.NodeGrace == 0 {
		p.config.NodeGrace = 40 * time.Second
	}
	if err := p.prepare(); err != nil {
		return p, fmt.Errorf("control plane: %w", err)
	}
	// The server's context is its own: it outlives the controllers, which say goodbye to it.
	serverCtx, cancelServer := context.WithCancel(context.WithoutCancel(ctx))
	p.cancelServer = cancelServer
	p.server.Go(func() { p.keepServer(serverCtx) })
	etcd, err := startEtcd(ctx, p.state)
	if err != nil {
		return p, err
	}
	p.etcd = etcd
	p.config.Say("etcd is up, the API server starts")
	if err := p.awaitReady(ctx); err != nil {
		return p, err
	}
	p.config.Say("API server ready at %s", p.Address())
	workersCtx, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	return p, p.startControllers(workersCtx)
}

// prepare writes what the API server reads when it starts.
func (p *Plane) prepare() (err error) {
	if p.settled, p.settle, err = os.Pipe(); err != nil {
		return err
	}
	if p.port, err = freePort(); err != nil {
		return err
	}
	if p.ca, err = newAuthority("ansturm-lab", time.Now()); err != nil {
		return err
	}
	if err := writeCredentials(p.state, p.ca); err != nil {
		return err
	}
	if p.tokens, err = writeTokens(p.state); err != nil {
		return err
	}
	return writeFiles(p.state, map[string][]byte{fileAuditRules: []byte(audit.Policy)})
}

// awaitReady asks until the API server is ready, at most for a minute.
func (p *Plane) awaitReady(ctx context.Context) error {
	return p.awaitAnswer(ctx, "/readyz", func(last error) error {
		return fmt.Errorf("API server not ready after a minute (%w), its log ends:\n%s", last, logTail(p.state.Path("apiserver.log")))
	})
}

// awaitAnswer asks the API server until it answers at a path, at most for a minute; tooLate then makes an error of the last
// refusal.
func (p *Plane) awaitAnswer(ctx context.Context, path string, tooLate func(error) error) error {
	client, err := kubernetes.NewForConfig(p.RESTConfig(Admin))
	if err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	for {
		err := client.RESTClient().Get().AbsPath(path).Do(ctx).Error()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return tooLate(err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// Address is the API server's URL.
func (p *Plane) Address() string { return fmt.Sprintf("https://127.0.0.1:%d", p.port) }

// AuditLog is the path of the API server's audit log, see package audit.
func (p *Plane) AuditLog() string { return p.state.Path("audit.log") }

// ServerPID is the API server's process, 0 while there is none; ServerRestarts is how often it was started again.
func (p *Plane) ServerPID() int { return int(p.serverPID.Load()) }

// ServerRestarts is how often the API server ended by itself and was started again.
func (p *Plane) ServerRestarts() int { return int(p.restarts.Load()) }

// Informers is the controllers' cache, for readers in this process. What is first asked for after the start begins with
// the next call of its Start.
func (p *Plane) Informers() informers.SharedInformerFactory { return p.informers }

// Follow starts the controllers that find a platform there: those of the EndpointSlices and the autoscalers among them.
func (p *Plane) Follow() error { return p.follow() }

// Settled ends the set-up, in which the controllers may write as fast as they can; from here on they are held to a
// cluster's rates, their events are written, and the API server holds its memory down.
func (p *Plane) Settled() {
	p.pace.begin()
	_ = p.settle.Close()
}

// Stop ends the controllers, the API server and the store, in this order. The state folder is left to its owner.
func (p *Plane) Stop() {
	p.cancel()
	if waitFor(&p.workers, 5*time.Second) {
		p.config.Say("some controllers are still at work after 5 s; they end with the process")
	}
	p.closeMetrics()
	p.metrics.Wait()
	p.cancelServer()
	p.server.Wait()
	if p.etcd != nil {
		p.etcd.Close()
	}
	for _, end := range []*os.File{p.settled, p.settle} {
		_ = end.Close() // one may be closed already, and none may be there
	}
}

// waitFor is true when the group was not done in time.
func waitFor(group *sync.WaitGroup, most time.Duration) (late bool) {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return false
	case <-time.After(most):
		return true
	}
}
