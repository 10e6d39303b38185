package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// LateAfter is the wall lateness from which a shot counts as late.
const LateAfter = 10 * time.Millisecond

// Defaults of Config's zero values.
const (
	DefaultMaxConnections = 15_000
	DefaultGrace          = 2 * time.Second
)

// Config is one run of the engine.
type Config struct {
	Scenario *scenarios.Scenario
	Schedule *arrivals.Schedule
	// Share of the schedule that this process fires; the zero value is the whole.
	Share arrivals.Share
	// Lease, if set, says which of the schedule's arrivals may begin: those of a fleet's worker. Share is then the whole.
	Lease *Lease
	// RunID goes out with every shot in the header Ansturm-Run.
	RunID string
	// Speed is how many seconds of platform time pass in a second on the wall. Zero means 1.
	Speed float64
	// Start is the wall instant of offset 0. Zero means when Run is called.
	Start time.Time
	// Address gives the host:port of a tenant, an index into the scenario's tenants; with https:// before it, it is spoken
	// to over TLS. It is asked once per tenant, by New. Only loopback addresses are accepted, see TargetAddress.
	Address func(tenant int) string
	// TLS is how servers are verified. Nil means by the system's certificate authorities. The name of the server is taken from
	// its address, and sessions are not resumed: new citizens need new handshakes.
	TLS *tls.Config
	// HTTP2 is spoken instead of HTTP/1.1, by net/http: over TLS by ALPN, without TLS by prior knowledge. A server that does not
	// speak it refuses the shots. A connection carries one request at a time, as for HTTP/1.1.
	HTTP2 bool
	// Proxy, if set, is asked for every connection, by net/http: http:// or socks5://, on loopback. It is given literal
	// addresses only, so that an HTTP proxy tells an http target that address as its Host. Over an HTTP proxy, HTTP/2 goes to
	// https targets only.
	Proxy *url.URL
	// Sources are local addresses that connections come from in turn; when the ports of one are used up the next is taken. Nil
	// lets the system choose. Only loopback addresses can be used.
	Sources []netip.Addr
	// MaxConnections open at one time. Zero means 15,000. It never drops a shot: who finds no connection free waits in
	// due order, and the wait is charged.
	MaxConnections int
	// Shards fire side by side, each on a thread of its own, with a part of the arrivals and of the connections. Zero means
	// one for every two processors.
	Shards int
	// Transport opens connections. Nil means TCP sockets.
	Transport Transport
	// Recorder takes the run's events and says whether recording goes well.
	Recorder Recorder
	// Samples gives the recorder of one shard: what it gives is used by one goroutine at a time. It is called by Run, not
	// by New.
	Samples func(shard int) Samples
	// Closed, if not 0, makes the run a closed loop of that many connections: Seq 0, 1, 2 … begin as connections get free,
	// due at that moment, until the scenario's Over has passed; what was not begun by then is no part of the run. It tells
	// what a target can serve, not what people feel.
	Closed int
	// Grace is how long, on the wall, shots in flight may still take after the run is cancelled. Zero means 2 s.
	Grace time.Duration
	// Files is where the feeders' CSV files are. Nil means Scenario.Files().
	Files fs.FS
	// PodHeader is the field of an answer that names the pod behind it: the first answer of each pod is then an event of the
	// timeline. Empty, as for platforms that tell it themselves, looks for none.
	PodHeader string
	// WaitingRoom is the name of the cookie by which a waiting room at the target's door keeps people's places; its answers
	// are waited out. Empty: there is none, and such an answer is like any other.
	WaitingRoom string
	// LatenessLimit is the wall lateness that the 99th percentile is held against. Zero means the larger of 5 ms and a
	// tenth of the smallest SLO bound on the wall (Within / Speed).
	LatenessLimit time.Duration
}

// Transport opens connections to host:port. A connection must support read deadlines.
type Transport interface {
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// Recorder takes the events of a run, from many goroutines at once. A Recorder that also has a method
// Flush(now time.Duration) error is flushed every second with the run's platform time; one that has a method
// Attest(evidence []byte) gets the engine's [Evidence] just before, all of it up to then. Err is not nil once nothing can be
// recorded any more (a full disk); the engine then stops firing.
type Recorder interface {
	Event(e record.Event)
	Err() error
}

// Samples takes what came of a shard's shots and arrivals. Created's Value is only valid during the call.
type Samples interface {
	Sample(s record.Sample)
	Fate(seq uint32, f record.Fate)
	Created(c record.Created)
}

// Result is what a run amounts to.
type Result struct {
	Totals   record.Totals
	Validity record.Validity
	Warnings []record.Warning
	// Interrupted says that the run was cancelled before its end.
	Interrupted bool
}

// Progress is a run's state at one instant. Counts are of arrivals unless they say otherwise.
type Progress struct {
	// At is the platform time.
	At time.Duration
	// Total arrivals of the share, by a lease of the whole schedule; Offered of them have begun.
	Total, Offered int64
	// The fates so far.
	Completed, Failed, Indeterminate, Unsent int64
	// InFlight arrivals have begun and have no fate yet.
	InFlight int64
	// Shots that ended, and those of them that ended well; Late shots were sent late.
	Shots, ShotsOK, Late int64
	// Connections open now.
	Connections int64
	// LatenessP99 of the last second, in wall time.
	LatenessP99 time.Duration
}

func (c Config) withDefaults() Config {
	if c.Speed == 0 {
		c.Speed = 1
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Shards == 0 {
		c.Shards = max(1, runtime.NumCPU()/2)
	}
	if c.Share.Of == 0 {
		c.Share.Of = 1
	}
	if c.Files == nil && c.Scenario != nil {
		c.Files = c.Scenario.Files()
	}
	return c
}

// Validate says what is wrong with c; it never changes it.
func (c Config) Validate() error {
	switch {
	case c.Scenario == nil:
		return errors.New("loadgen: no scenario")
	case c.Schedule == nil:
		return errors.New("loadgen: no schedule")
	case c.Address == nil:
		return errors.New("loadgen: no address of the target")
	case c.Recorder == nil:
		return errors.New("loadgen: no recorder")
	case c.Samples == nil:
		return errors.New("loadgen: no recorder of samples")
	case c.Speed < 0 || c.Speed > 1e6 || c.Speed != c.Speed:
		return fmt.Errorf("loadgen: speed is %g, must be above 0", c.Speed)
	case c.MaxConnections < 0:
		return fmt.Errorf("loadgen: %d connections, must be at least 1", c.MaxConnections)
	case c.Shards < 0:
		return fmt.Errorf("loadgen: %d shards, must be at least 1", c.Shards)
	case c.Closed < 0:
		return fmt.Errorf("loadgen: a closed loop of %d, must be at least 1", c.Closed)
	case c.Lease != nil && (c.Closed > 0 || c.Share.Of > 1):
		return errors.New("loadgen: a lease is of a whole schedule, neither of a closed loop nor of a share")
	case c.PodHeader != "" && !isToken(c.PodHeader):
		return fmt.Errorf("loadgen: pod header %q is no field name", c.PodHeader)
	case c.WaitingRoom != "" && !isToken(c.WaitingRoom):
		return fmt.Errorf("loadgen: waiting room: %q is no name of a cookie", c.WaitingRoom)
	case c.Grace < 0:
		return fmt.Errorf("loadgen: grace is %s, must not be negative", c.Grace)
	case c.Proxy != nil && checkProxy(c.Proxy) != nil:
		return fmt.Errorf("loadgen: %w", checkProxy(c.Proxy))
	case checkSources(c.Sources) != nil:
		return fmt.Errorf("loadgen: %w", checkSources(c.Sources))
	case c.Share.Of < 0 || c.Share.Index < 0 || (c.Share.Of > 0 && c.Share.Index >= c.Share.Of):
		return fmt.Errorf("loadgen: share %d of %d does not exist", c.Share.Index, c.Share.Of)
	}
	return nil
}
