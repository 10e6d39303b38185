package controlplane

import (
	"context"
	"net/http"
	"path"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/flowcontrol"
)

// RESTConfig is how a user speaks to the API server, without a limit of its own.
func (p *Plane) RESTConfig(user string) *rest.Config {
	return &rest.Config{
		Host: p.Address(), BearerToken: p.tokens[user], UserAgent: "ansturm-lab/" + user, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: p.ca.pem},
		ContentConfig: rest.ContentConfig{
			ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
		},
	}
}

// Client is a user's client.
func (p *Plane) Client(user string) (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(p.RESTConfig(user))
}

// WriteKubeconfig writes a kubeconfig with three contexts: ansturm-lab, who may do everything, ansturm-lab-observer, who may
// only look, and ansturm-lab-fleet, who may run a fleet's workers in a namespace made for them.
func (p *Plane) WriteKubeconfig(file string) error {
	c := clientcmdapi.NewConfig()
	c.Clusters[Context] = &clientcmdapi.Cluster{Server: p.Address(), CertificateAuthorityData: p.ca.pem}
	for context, user := range map[string]string{Context: Admin, ObserverContext: Observer, FleetContext: Fleet} {
		c.AuthInfos[context] = &clientcmdapi.AuthInfo{Token: p.tokens[user]}
		c.Contexts[context] = &clientcmdapi.Context{Cluster: Context, AuthInfo: context}
	}
	c.Contexts[FleetContext].Namespace = FleetNamespace
	c.CurrentContext = Context
	return clientcmd.WriteToFile(*c, file)
}

// The contexts of the kubeconfig.
const (
	Context         = "ansturm-lab"
	ObserverContext = "ansturm-lab-observer"
	FleetContext    = "ansturm-lab-fleet"
)

// pace says whether the clients are held to their rates yet.
type pace struct{ begun atomic.Bool }

func (p *pace) begin() { p.begun.Store(true) }

// paced is a client's rate: none until the platform stands, then a cluster's.
type paced struct {
	pace *pace
	flowcontrol.RateLimiter
}

func (l paced) TryAccept() bool { return !l.pace.begun.Load() || l.RateLimiter.TryAccept() }

func (l paced) Accept() {
	if l.pace.begun.Load() {
		l.RateLimiter.Accept()
	}
}

func (l paced) Wait(ctx context.Context) error {
	if !l.pace.begun.Load() {
		return ctx.Err()
	}
	return l.RateLimiter.Wait(ctx)
}

// rate is a client's: qps requests a second, burst at once.
type rate struct {
	qps   float32
	burst int
}

// limited is a component's config with its rate in a cluster. Clients made of one config share its rate.
func (p *Plane) limited(user string, r rate) *rest.Config {
	c := p.RESTConfig(user)
	c.QPS, c.Burst = r.qps, r.burst
	c.RateLimiter = paced{p.pace, flowcontrol.NewTokenBucketRateLimiter(r.qps, r.burst)}
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return discreet{p.pace, next} })
	return c
}

// discreet keeps the events of the set-up to itself, a fifth of its requests: the platform's first pods count as having run
// for long, and a cluster has forgotten such events after an hour.
type discreet struct {
	pace *pace
	next http.RoundTripper
}

// RoundTrip answers an event that is not to be written as if it were.
func (d discreet) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.pace.begun.Load() || r.Method != http.MethodPost || path.Base(r.URL.Path) != "events" {
		return d.next.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: http.StatusCreated, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Request: r,
		Header: http.Header{"Content-Type": r.Header["Content-Type"]}, Body: r.Body, ContentLength: r.ContentLength,
	}, nil
}
