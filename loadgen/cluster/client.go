package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/transport"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// The API groups that are spoken to.
var (
	Core        = corev1.SchemeGroupVersion
	Apps        = appsv1.SchemeGroupVersion
	Autoscaling = autoscalingv2.SchemeGroupVersion
	Batch       = batchv1.SchemeGroupVersion
	Discovery   = discoveryv1.SchemeGroupVersion
	Metrics     = metricsv1beta1.SchemeGroupVersion
)

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
)

func init() {
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, discoveryv1.AddToScheme, metricsv1beta1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
}

// DefaultPatience is how long Connect waits for an API server that does not answer.
const DefaultPatience = 10 * time.Second

// Config says which cluster.
type Config struct {
	// Kubeconfig is a file. Empty means those that KUBECONFIG names, else the one in the home directory.
	Kubeconfig string
	// Context is a name in it. Empty means its current context.
	Context string
	// Patience bounds the wait for the first answer. Zero means DefaultPatience.
	Patience time.Duration
}

// ErrUnreachable says that no API server answered.
var ErrUnreachable = errors.New("the API server does not answer")

// Client reads one cluster. It is safe for concurrent use.
type Client struct {
	// Context is the context's name, Version the API server's version.
	Context, Version string

	rest   *rest.Config
	clock  ahead
	groups map[schema.GroupVersion]rest.Interface
}

// Connect loads the kubeconfig and asks the API server for its version. The errors say what to mend: a context that does
// not exist (with those that do), credentials that are refused, an API server that does not answer (ErrUnreachable).
func Connect(ctx context.Context, c Config) (*Client, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.Context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	name := c.Context
	if name == "" {
		name = raw.CurrentContext
	}
	if _, known := raw.Contexts[name]; !known {
		return nil, unknownContext(name, rules, sortedKeys(raw.Contexts))
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig, context %q: %w", name, err)
	}
	return FromConfig(ctx, name, config, c.Patience)
}

func unknownContext(name string, rules *clientcmd.ClientConfigLoadingRules, have []string) error {
	where := "the kubeconfig"
	if files := rules.GetLoadingPrecedence(); len(files) > 0 {
		where = strings.Join(files, ", ")
	}
	if len(have) == 0 {
		return fmt.Errorf("no context %q: %s has none", name, where)
	}
	return fmt.Errorf("no context %q in %s; it has %s", name, where, strings.Join(have, ", "))
}

// FromConfig is Connect with a configuration of one's own, which is not changed.
func FromConfig(ctx context.Context, name string, config *rest.Config, patience time.Duration) (*Client, error) {
	if patience <= 0 {
		patience = DefaultPatience
	}
	config = rest.CopyConfig(config)
	config.QPS = -1 // priority and fairness are the server's; a limit here would only delay what is seen
	config.UserAgent = "ansturm"
	c := &Client{Context: name, rest: config, groups: map[schema.GroupVersion]rest.Interface{}}
	config.WarningHandler = rest.NoWarnings{}
	if config.BearerTokenFile != "" {
		// client-go reads the file again every 50 s; this does, too, and at once when a token is refused.
		config.Wrap(transport.ResettableTokenSourceWrapTransport(transport.NewCachedFileTokenSource(config.BearerTokenFile)))
		config.BearerToken, config.BearerTokenFile = "", ""
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &dated{next, &c.clock} })
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", name, err)
	}
	for _, group := range []schema.GroupVersion{Core, Apps, Autoscaling, Batch, Discovery, Metrics} {
		if c.groups[group], err = clientFor(config, group, client); err != nil {
			return nil, fmt.Errorf("context %q: %w", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.Version, err = c.version(ctx)
	return c, err
}

func clientFor(config *rest.Config, group schema.GroupVersion, client *http.Client) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.GroupVersion = &group
	config.APIPath = "/apis"
	if group.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = codecs.WithoutConversion()
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json" // a third of JSON's decoding
	if group == Metrics {
		config.AcceptContentTypes = "application/json" // aggregated servers need not speak the other
	}
	return rest.RESTClientForConfigAndClient(config, client)
}

// version asks for the API server's version, which is answered to everybody.
func (c *Client) version(ctx context.Context) (string, error) {
	body, err := c.groups[Core].Get().AbsPath("/version").Do(ctx).Raw()
	switch {
	case apierrors.IsUnauthorized(err):
		return "", fmt.Errorf("context %q: %s refuses the credentials: %w", c.Context, c.rest.Host, err)
	case apierrors.IsForbidden(err): // a hardened server; the rest may be allowed all the same
		return "", nil
	case err != nil:
		return "", fmt.Errorf("context %q, %s: %w: %w", c.Context, c.rest.Host, ErrUnreachable, err)
	}
	var v version.Info
	if err := json.Unmarshal(body, &v); err != nil {
		return "", fmt.Errorf("context %q: %s is no API server: %w", c.Context, c.rest.Host, err)
	}
	return v.GitVersion, nil
}

// REST is the client for an API group, one of those this package names; nil for others.
func (c *Client) REST(group schema.GroupVersion) rest.Interface { return c.groups[group] }

// Host is the API server's address.
func (c *Client) Host() string { return c.rest.Host }

// list reads all objects of a resource, page by page, into what page gives.
func list[L metav1.ListInterface](ctx context.Context, c rest.Interface, resource, namespace, selector string, into func() L, each func(L)) error {
	options := metav1.ListOptions{Limit: 500, LabelSelector: selector}
	for range 10_000 {
		page := into()
		err := c.Get().Namespace(namespace).Resource(resource).VersionedParams(&options, metav1.ParameterCodec).Do(ctx).Into(any(page).(runtime.Object))
		if err != nil {
			return fmt.Errorf("list %s: %w", resource, err)
		}
		each(page)
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
	return fmt.Errorf("list %s: no end to it", resource)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
