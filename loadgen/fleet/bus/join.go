package bus

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Seat is a worker's place in a fleet: the link, and what the coordinator said when it took it in.
type Seat struct {
	Link
	Worker, Epoch uint32
	Welcome       []byte
}

// joinTimeout is how long a coordinator may take to make up its mind.
const joinTimeout = 30 * time.Second

// Join takes a place in the fleet of the token's run. A *[Refusal] is final: to ask again with the same hello and token changes nothing. Other errors say
// that nobody could be asked. With a token of the coordinator's own bus only the server that it names is believed, and at has but a URL.
func Join(ctx context.Context, token Token, at Abroad, hello []byte) (*Seat, error) {
	if len(hello) > mostBeat {
		return nil, fmt.Errorf("a hello has %d bytes, the bus carries %d at most", len(hello), mostBeat)
	}
	d, err := doorOf(token, at)
	if err != nil {
		return nil, err
	}
	place, a, err := d.knock(ctx, hello)
	if err != nil {
		return nil, err
	}
	l, err := d.sit(place, a.Key)
	if err != nil {
		return nil, err
	}
	welcome, err := l.welcome(ctx, a)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Seat{l, place.worker, place.epoch, welcome}, nil
}

// CheckJoin refuses an address that nobody can be asked at with that token, before anybody is.
func CheckJoin(token Token, at Abroad) error {
	_, err := doorOf(token, at)
	return err
}

// door is a bus as somebody sees it who wants to come in.
type door struct {
	subjects
	token Token
	url   string
	ways  []nats.Option

	mu   sync.Mutex
	seen *Refusal // by us, of the server's certificate
}

func doorOf(t Token, at Abroad) (*door, error) {
	d := &door{subjects: subjects{t.run}, token: t, url: at.URL}
	u, err := parseURL(at.URL)
	if err != nil {
		return nil, err
	}
	if len(t.pin) == 0 {
		d.ways = abroad(at)
		return d, nil
	}
	if u.Scheme != "tls" {
		return nil, fmt.Errorf("the bus of run %s is reached by tls://HOST:PORT only, not by %s://", t.run, u.Scheme)
	}
	d.ways = []nats.Option{nats.Secure(d.pinned(u.Hostname())), nats.TLSHandshakeFirst(), nats.IgnoreDiscoveredServers()}
	return d, nil
}

// parseURL takes an address that holds no password: it is printed, and stands on command lines.
func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err == nil && u.Port() != "" { // else it is NATS' own
		_, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("a bus' address is tls://HOST:PORT, without a name or a password")
	}
	return u, nil
}

// pinned believes one authority only, the token's, whatever this machine's clock says: the coordinator judges when the run is over.
func (d *door) pinned(host string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: host,
		InsecureSkipVerify: true, // VerifyConnection instead
		VerifyConnection: func(c tls.ConnectionState) error {
			err := d.verify(host, c.PeerCertificates)
			d.mu.Lock()
			d.seen = err
			d.mu.Unlock()
			if err != nil {
				return err
			}
			return nil
		},
	}
}

func (d *door) verify(host string, chain []*x509.Certificate) *Refusal {
	if len(chain) != 2 || !bytes.Equal(pinOf(chain[1]), d.token.pin) {
		if len(chain) > 0 && checkRun(chain[0].Subject.CommonName) == nil && chain[0].Subject.CommonName != d.run {
			return &Refusal{otherRun, fmt.Sprintf("the token is of run %s, the bus at %s of run %s", d.run, d.url, chain[0].Subject.CommonName)}
		}
		return &Refusal{broken, fmt.Sprintf("the bus at %s is not the one that the token of run %s names", d.url, d.run)}
	}
	roots := x509.NewCertPool()
	roots.AddCert(chain[1])
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: chain[0].NotBefore}); err != nil {
		return &Refusal{broken, fmt.Sprintf("the bus at %s: %v", d.url, err)}
	}
	return nil
}

// explain says what a failed connection means.
func (d *door) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.seen != nil:
		return d.seen
	case errors.Is(err, nats.ErrAuthorization):
		return &Refusal{badToken, fmt.Sprintf("the bus at %s does not take the token of run %s", d.url, d.run)}
	}
	return fmt.Errorf("the bus at %s: %w", d.url, err)
}

// dial opens a connection under a name.
func (d *door) dial(options []nats.Option, broke func(), name, password string) (*wire, error) {
	if len(d.token.pin) > 0 {
		options = append(options, nats.UserInfo(name, password))
	}
	w, err := dial(d.url, broke, slices.Concat(options, d.ways))
	if err != nil {
		return nil, d.explain(err)
	}
	return w, nil
}

// sit opens the two connections of a worker. That of the frames is slow to find out that it is dead, for a long frame keeps the library's pings
// waiting; so it begins anew whenever that of the beats has broken.
func (d *door) sit(at mark, key []byte) (l *link, err error) {
	l = &link{subjects: d.subjects, worker: at.worker, epoch: at.epoch, key: key}
	name, inbox := d.workerName(at.worker, at.epoch), d.workersInbox(at.worker, at.epoch)
	slow := append(patient(name+" frames", inbox), nats.PingInterval(3*time.Second))
	if l.frames, err = d.dial(slow, func() {}, name, passwordOf(key)); err != nil {
		return nil, err
	}
	again := func() { _ = l.frames.connection.ForceReconnect() } // closed for good: nothing to do
	if l.beats, err = d.dial(patient(name+" beats", inbox), again, name, passwordOf(key)); err != nil {
		l.frames.close()
		return nil, err
	}
	return l, nil
}

// knock asks to be taken in.
func (d *door) knock(ctx context.Context, hello []byte) (at mark, a admitted, err error) {
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return at, a, err
	}
	nonce := rand.Text()
	options := append(patient("ansturm joiner", d.joinersInbox(nonce)), nats.NoReconnect())
	w, err := d.dial(options, func() {}, d.joinerName(nonce), joinPassword(d.token.secret))
	if err != nil {
		return at, a, err
	}
	defer w.close()
	key := joinKey(d.token.secret)
	body := append(own.PublicKey().Bytes(), hello...)
	answer, err := w.request(ctx, d.join(nonce), seal(key, d.run, knock, mark{}, body), joinTimeout)
	if err != nil {
		return at, a, fmt.Errorf("run %s at %s: %w", d.run, d.url, err)
	}
	at, body, err = open(key, d.run, admit, answer)
	if err != nil {
		return mark{}, a, refusedBy(key, d.run, knock, mark{}, answer)
	}
	a, err = admittedBy(d.run, key, own, at, body)
	return at, a, err
}
