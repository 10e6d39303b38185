package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Options say how a coordinator's bus is to be.
type Options struct {
	Run string // the run's id: 1 to 64 letters, digits, - and _; empty: the one whose bus stands in Dir

	// Dir holds the bus' secrets and its store: a directory of its own, made with mode 0700 and locked. A bus that stood here before
	// comes back as the one it was: same run, address, certificate, token and messages. What of these stands below then says nothing.
	Dir string

	Address  string        // HOST:PORT to listen on; empty: any port on 127.0.0.1
	Hosts    []string      // under which workers reach it, the first in the URL; empty: the address' own host
	Lifetime time.Duration // how long the token lets workers in; 0: a day

	MostStore int64 // bytes that the store may take on disk; 0: 64 GiB

	Log func(line string) // what was refused, a line a second for each reason at most; nil: not told
}

// Abroad is a NATS server, with JetStream, of the user's own.
type Abroad struct {
	URL         string // nats://, tls:// or wss://
	Credentials string // a file of NATS credentials; empty: none are asked for
	Authority   string // a file of certificates that vouch for the server; empty: those that the system trusts
	Replicas    int    // of list and stream; 0: one
}

// Server is a coordinator's side of a bus, its own or the user's. It is a Store.
type Server struct {
	subjects
	dir      string
	state    *state
	keys     keys
	lock     io.Closer
	closing  sync.Once
	embedded *embedded // nil on the user's own
	url      string

	connection *nats.Conn
	jet        jetstream.JetStream
	list       jetstream.Stream
	stream     jetstream.Stream
	refusals   *refusals

	serving  sync.Mutex
	beats    map[mark]*window  // by epoch; while serving is held
	knocked  map[string]bool   // public keys of joiners; as beats
	welcomes map[mark][][]byte // not yet fetched
	guests   sync.Mutex        // of welcomes
}

const (
	defaultLifetime  = 24 * time.Hour
	defaultMostStore = 64 << 30
)

// Start starts a server of the coordinator's own in this process, or again the one that stood in the directory.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if o.MostStore == 0 {
		o.MostStore = defaultMostStore
	}
	if s.embedded, err = embed(ctx, s.dir, s.state, o.MostStore, s.refusals); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	_, port, _ := net.SplitHostPort(s.state.Address)
	s.url = "tls://" + net.JoinHostPort(s.state.Hosts[0], port)
	if err := s.state.save(s.dir); err != nil { // the port that was found
		return nil, errors.Join(err, s.Close())
	}
	err = s.connect(ctx, "", 1, nats.InProcessServer(s.embedded.nats), nats.UserInfo(coordinatorName, s.embedded.gate.password))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Connect takes a run onto a bus of the user's own. Its secrets are in the directory as those of Start are; of the rights of others on that bus nothing
// is known, so seals alone tell workers apart.
func Connect(ctx context.Context, at Abroad, o Options) (*Server, error) {
	if _, err := parseURL(at.URL); err != nil {
		return nil, err
	}
	o.Address = ""
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	s.url = at.URL
	if err := s.connect(ctx, at.URL, max(at.Replicas, 1), abroad(at)...); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare takes the directory and reads or makes what stands in it.
func prepare(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("a bus needs a directory for its secrets")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(o.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := record.Lock(o.Dir)
	if err != nil {
		return nil, err
	}
	wanted := state{Run: o.Run, Address: o.Address, Hosts: o.Hosts, Expires: time.Now().Add(o.Lifetime)}
	if o.Lifetime == 0 {
		wanted.Expires = time.Now().Add(defaultLifetime)
	}
	if err := wanted.settleHosts(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	st, err := openState(o.Dir, wanted, time.Now())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the bus in %s: %w", o.Dir, err), lock.Close())
	}
	return &Server{
		subjects: subjects{st.Run}, dir: o.Dir, state: st, keys: keys{st.secret}, lock: lock, refusals: newRefusals(o.Log),
		beats: map[mark]*window{}, knocked: map[string]bool{}, welcomes: map[mark][][]byte{},
	}, nil
}

// settleHosts names the hosts under which an address is reached.
func (s *state) settleHosts() error {
	if s.Address == "" || len(s.Hosts) > 0 {
		return nil
	}
	host, _, err := splitAddress(s.Address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("the bus' address %s is all of this machine: name a host under which workers reach it", s.Address)
	}
	s.Hosts = []string{host}
	return nil
}

// connect opens the coordinator's connection, and the list and the stream on it.
func (s *Server) connect(ctx context.Context, url string, replicas int, options ...nats.Option) (err error) {
	options = slices.Concat(patient("ansturm coordinator", s.inbox()+".coordinator"), options)
	if s.connection, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("the bus at %s: %w", url, err)
	}
	if s.jet, err = jetstream.New(s.connection); err != nil {
		return err
	}
	kv, err := s.jet.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: s.bucket(), Description: "deals and ceilings of an ansturm fleet", History: 1, Storage: jetstream.FileStorage, Replicas: replicas,
		MaxValueSize: sealHead + mostBody + sealFoot + 1024,
	})
	if err != nil {
		return fmt.Errorf("the fleet's list: %w", err)
	}
	if s.list, err = s.jet.Stream(ctx, "KV_"+kv.Bucket()); err != nil {
		return fmt.Errorf("the fleet's list: %w", err)
	}
	s.stream, err = s.jet.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: s.subjects.stream(), Description: "what workers of an ansturm fleet tell", Subjects: []string{s.all("kept")},
		Storage: jetstream.FileStorage, Replicas: replicas, Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true,
		MaxMsgSize: sealHead + mostBody + sealFoot + 1024, MaxAge: 7 * 24 * time.Hour, Duplicates: 2 * time.Minute,
	})
	if err != nil {
		return fmt.Errorf("the fleet's stream: %w", err)
	}
	return nil
}

// patient are the options of a connection that comes back, soon and for as long as it takes. The library's own wait up to two seconds and a
// second's jitter, give up after a while, and keep what is sent meanwhile, which we repeat ourselves.
func patient(name, inbox string) []nats.Option {
	return []nats.Option{
		nats.Name(name), nats.CustomInboxPrefix(inbox), nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
		nats.CustomReconnectDelay(func(rounds int) time.Duration {
			return min(100*time.Millisecond+time.Duration(rounds)*time.Millisecond, time.Second)
		}),
		nats.PingInterval(500 * time.Millisecond), nats.MaxPingsOutstanding(3), nats.FlusherTimeout(10 * time.Second), nats.NoCallbacksAfterClientClose(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // else it prints
	}
}

// abroad are the options for a server of the user's own.
func abroad(at Abroad) (options []nats.Option) {
	if at.Credentials != "" {
		options = append(options, nats.UserCredentials(at.Credentials))
	}
	if at.Authority != "" {
		options = append(options, nats.RootCAs(at.Authority))
	}
	return options
}

// URL is where workers join.
func (s *Server) URL() string { return s.url }

// Run is the id of the bus' run.
func (s *Server) Run() string { return s.run }

// Expires is when the token ends to let workers in.
func (s *Server) Expires() time.Time { return s.state.Expires }

// TokenFile is the file that lets workers in.
func (s *Server) TokenFile() string { return filepath.Join(s.dir, fileToken) }

// Token is what stands in that file.
func (s *Server) Token() Token { return s.state.token() }

// Refused is how many messages and connections were refused so far, by reason.
func (s *Server) Refused() map[string]int { return s.refusals.count() }

// Close ends the connections and the server of this process. Everything stays where it is kept.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		if s.connection != nil {
			s.connection.Close()
		}
		if s.embedded != nil {
			s.embedded.close()
		}
		err = s.lock.Close()
	})
	return err
}

// Remove ends the bus for good: what it keeps, the user's server has no more, and the secrets in its directory are gone.
func (s *Server) Remove(ctx context.Context) error {
	var gone error
	if s.embedded == nil {
		gone = errors.Join(s.jet.DeleteStream(ctx, s.subjects.stream()), s.jet.DeleteKeyValue(ctx, s.bucket()))
	}
	gone = errors.Join(gone, s.Close())
	for _, name := range []string{fileState, fileSecret, fileToken, fileAuthority, fileCertificate, fileKey, dirStore} {
		gone = errors.Join(gone, os.RemoveAll(filepath.Join(s.dir, name)))
	}
	_ = os.Remove(s.dir) // unless something of others is there
	return gone
}
