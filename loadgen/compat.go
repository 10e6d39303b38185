package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// The clients that may speak for the engine, as they stand in the record.
const (
	// OwnClient is the shards' own HTTP/1.1.
	OwnClient = "shards"
	// StandardClient is net/http, for HTTP/2 and proxies.
	StandardClient = "net/http"
)

// The protocols, as they stand in the record.
const (
	HTTP1 = "HTTP/1.1"
	HTTP2 = "HTTP/2"
)

// Describe notes in a record how the targets are spoken to.
func (c Config) Describe(r *record.Run) {
	r.Client, r.Protocol, r.Proxy = c.Client(), HTTP1, ProxyText(c.Proxy)
	r.WaitingRoom = c.WaitingRoom
	if c.HTTP2 {
		r.Protocol = HTTP2
	}
	r.Sources = nil
	for _, a := range c.Sources {
		r.Sources = append(r.Sources, a.String())
	}
}

// Client says which client speaks for the engine.
func (c Config) Client() string {
	if c.HTTP2 || c.Proxy != nil {
		return StandardClient
	}
	return OwnClient
}

// ParseProxy reads the URL of a proxy, http://… or socks5://…, perhaps with a user. Only a proxy on loopback may be used: errors
// wrap ErrNoConsent where that is the reason. Nothing is sent.
func ParseProxy(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // whose text has the URL in it, and so perhaps a password
		return nil, errors.New("proxy: not a URL")
	}
	if u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, fmt.Errorf("proxy %s: a URL like http://127.0.0.1:3128 is needed", u.Redacted())
	}
	return u, checkProxy(u)
}

// checkProxy says why a proxy cannot be used.
func checkProxy(u *url.URL) error {
	port := u.Port()
	switch {
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme == "socks5" && port == "":
		port = "1080"
	case u.Scheme != "http" && u.Scheme != "socks5":
		return fmt.Errorf("proxy %s: its scheme must be http or socks5", u.Redacted())
	}
	if _, err := loopback(net.JoinHostPort(u.Hostname(), port)); err != nil {
		return fmt.Errorf("proxy %s: %w", u.Redacted(), err)
	}
	return nil
}

// ProxyText is a proxy as the record shows it: without its user.
func ProxyText(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// checkClient says what net/http cannot do of what is asked.
func (e *Engine) checkClient() error {
	if !e.cfg.HTTP2 || e.cfg.Proxy == nil || e.cfg.Proxy.Scheme != "http" {
		return nil
	}
	for _, h := range e.hosts {
		if h.secure == nil {
			return fmt.Errorf("http://%s over HTTP/2: an HTTP proxy passes HTTP/2 on only for https", h.authority)
		}
	}
	return nil
}

// relays is the network of net/http: a shard speaks HTTP/1.1 to a relay, which says it again to the target over HTTP/2 or by a
// proxy. What the shard sleeps in is the network below.
type relays struct {
	network
	transports []*http.Transport // by host
	proxy      *url.URL
	all        *sync.WaitGroup
}

// relayed says that net/http speaks to the targets.
func (e *Engine) relayed() bool { return e.cfg.Client() == StandardClient }

// newRelays puts relays over a network.
func (e *Engine) newRelays(below network) *relays {
	r := &relays{network: below, proxy: e.cfg.Proxy, all: &e.goroutines}
	for _, h := range e.hosts {
		r.transports = append(r.transports, e.newClient(h))
	}
	return r
}

// newClient makes connections to one host, and pools none: that is the shard's matter, for which a relay is one
// connection. It unpacks nothing, follows no redirect and asks no environment for a proxy.
func (e *Engine) newClient(h *host) *http.Transport {
	dialer := e.cfg.Transport
	if dialer == nil {
		dialer = newTCP(e.cfg.Sources)
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialer.Dial(ctx, address) // refuses what has not consented, a proxy too
		},
		DisableCompression: true, Protocols: new(http.Protocols), OnProxyConnectResponse: refusedByProxy,
	}
	t.Protocols.SetHTTP1(!e.cfg.HTTP2)
	t.Protocols.SetHTTP2(e.cfg.HTTP2)
	t.Protocols.SetUnencryptedHTTP2(e.cfg.HTTP2)
	if e.cfg.Proxy != nil {
		t.Proxy = http.ProxyURL(e.cfg.Proxy)
	}
	if h.secure != nil {
		t.TLSClientConfig = h.secure.Clone()
		t.TLSClientConfig.NextProtos = nil // by Protocols
		if e.cfg.HTTP2 {
			t.TLSClientConfig.VerifyConnection = insistOnHTTP2(h.secure.VerifyConnection)
		}
	}
	return t
}

// insistOnHTTP2 refuses a server that would fall back to HTTP/1.1 unasked: a run says what it measured.
func insistOnHTTP2(before func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if s.NegotiatedProtocol != "h2" {
			return errors.New("the server does not speak HTTP/2 (by ALPN)")
		}
		if before != nil {
			return before(s)
		}
		return nil
	}
}

// refusedByProxy says what net/http leaves to be guessed.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answered CONNECT with %s", r.Status)
	}
	return nil
}

func (r *relays) dial(h *host, t token, _ time.Duration) (link, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := newRelay(func() { r.post(t) }, cancel)
	l.toProxy = r.proxy != nil && r.proxy.Scheme == "http" && h.secure == nil
	r.all.Add(1)
	go func() {
		defer r.all.Done()
		defer cancel()
		l.run(ctx, r.transports[h.index], h)
	}()
	return l, nil
}
