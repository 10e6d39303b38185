package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/observe"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// clusterFlags are what the flags of run say about a cluster.
type clusterFlags struct {
	context, kubeconfig string
	prometheus          string
	queries, scrapes    []string
	seriesEvery         time.Duration
	podHeader           string
	linger              time.Duration
}

// defaultLinger is how long a cluster is watched after the last answer, for the ends of its reactions.
const defaultLinger = 15 * time.Second

func (k *clusterFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&k.context, "kube-context", "", "fire at the tenants of this context's cluster, and watch it")
	flags.StringVar(&k.kubeconfig, "kubeconfig", "", "file with the context (default: KUBECONFIG, else the one in the home directory)")
	flags.StringVar(&k.prometheus, "prometheus", "", "Prometheus to ask during the run, like http://127.0.0.1:9090")
	flags.StringArrayVar(&k.queries, "query", nil, "what to ask it: NAME=PROMQL; may be repeated (default: throttling by pod, CPU pressure)")
	flags.StringArrayVar(&k.scrapes, "scrape", nil, "metrics page to read during the run, perhaps of one tenant: [TENANT=]URL")
	flags.DurationVar(&k.seriesEvery, "scrape-every", observe.DefaultSeriesEvery, "how often Prometheus and metrics pages are asked")
	flags.StringVar(&k.podHeader, "pod-header", "Ansturm-Pod", "header of the answers that names the pod behind them; empty: there is none")
	flags.DurationVar(&k.linger, "linger", defaultLinger, "how long the cluster is watched after the last answer")
	must(cmd.MarkFlagFilename("kubeconfig"))
}

// given is the first flag that only makes sense with a cluster; empty where there is none.
func (k *clusterFlags) given(changed func(string) bool) string {
	for _, flag := range []string{"kubeconfig", "prometheus", "query", "scrape", "scrape-every", "pod-header", "linger"} {
		if changed(flag) {
			return flag
		}
	}
	return ""
}

// check refuses flags without the one that they belong to, and what cannot be meant.
func (k *clusterFlags) check(changed func(string) bool) error {
	switch {
	case k.context == "" && changed("kube-context"):
		return inputError(errors.New("--kube-context names no context"), "kubectl config get-contexts shows those there are")
	case k.context == "" && k.given(changed) != "":
		return inputError(fmt.Errorf("--%s without --kube-context", k.given(changed)), "name the context whose cluster is meant")
	case k.seriesEvery <= 0:
		return inputError(fmt.Errorf("--scrape-every %v: must be above 0", k.seriesEvery), "")
	case k.linger < 0:
		return inputError(fmt.Errorf("--linger %v: must not be negative", k.linger), "")
	}
	return nil
}

// kubeTarget is a cluster that has agreed to be fired at.
type kubeTarget struct {
	client    *cluster.Client
	found     *cluster.Found
	addresses []string // by tenant
	watch     observe.Config
	podHeader string
	linger    time.Duration
	desk      *lab.Client // nil: the cluster gives no account of itself
}

// openCluster does all that comes before the first packet to a tenant: context, API server, consent, addresses, and the
// description of the platform. address, if not empty, is fired at for all tenants.
func (a *app) openCluster(ctx context.Context, k *clusterFlags, s *scenarios.Scenario, address string) (*kubeTarget, error) {
	client, err := cluster.Connect(ctx, cluster.Config{Kubeconfig: k.kubeconfig, Context: k.context})
	if err != nil {
		return nil, clusterError(err)
	}
	tenants := make([]string, len(s.Tenants.List))
	for i, t := range s.Tenants.List {
		tenants[i] = t.Name
	}
	if err := client.Consent(ctx, tenants); err != nil {
		return nil, clusterError(err)
	}
	t := &kubeTarget{client: client, podHeader: k.podHeader, linger: k.linger}
	if t.found, err = client.Discover(ctx, k.context, tenants); err != nil {
		return nil, clusterError(err)
	}
	if t.addresses, err = addressesOf(t.found, address); err != nil {
		return nil, err
	}
	if address == "" { // else who answers need not be who is asked
		if t.desk, err = openDesk(ctx, t.found.Desk); err != nil {
			return nil, err
		}
	}
	if t.watch, err = k.watchOf(client, t.found, tenants); err != nil {
		return nil, err
	}
	if !a.quiet {
		a.say("context %s: Kubernetes %s, %d tenants, all of them agree; %d nodes", client.Context, client.Version, len(tenants), len(t.found.Platform.Nodes()))
	}
	return t, nil
}

// watchOf is what is watched of a cluster.
func (k *clusterFlags) watchOf(client *cluster.Client, found *cluster.Found, tenants []string) (w observe.Config, err error) {
	w = observe.Config{Client: client, Tenants: tenants, SeriesEvery: k.seriesEvery}
	if found.Labelled {
		w.Selector = cluster.TenantLabel
	}
	if w.Scrapes, err = scrapesOf(k.scrapes, tenants); err != nil {
		return w, err
	}
	w.Prometheus, err = k.prometheusOf()
	return w, err
}

// clusterError says what to mend.
func clusterError(err error) error {
	var no *cluster.NoConsentError
	switch {
	case errors.As(err, &no):
		hint := "tenants are namespaces; the cluster must have one of each tenant's name"
		if len(no.Without) > 0 {
			hint = fmt.Sprintf("who answers for it agrees with: kubectl label namespace %s %s=%s", no.Without[0], cluster.ConsentLabel, cluster.ConsentValue)
		}
		return inputError(err, hint)
	case errors.Is(err, cluster.ErrUnreachable):
		return inputError(err, "does the cluster run, and is the address in the kubeconfig the right one?")
	case strings.Contains(err.Error(), "forbidden"):
		return inputError(err, "ansturm rbac prints the rights that are needed; they only read")
	}
	return inputError(err, "kubectl config get-contexts shows the contexts there are")
}

// addressesOf are the tenants' addresses as the engine has them: what their Services say, or one for all.
func addressesOf(found *cluster.Found, address string) ([]string, error) {
	out := make([]string, len(found.Tenants))
	for i, t := range found.Tenants {
		if address != "" {
			out[i] = address
			continue
		}
		if t.URL == "" {
			return nil, inputError(fmt.Errorf("tenant %s: no Service says by the annotation %s where it is served", t.Name, cluster.URLAnnotation),
				"annotate it, or name one address for all tenants with --target")
		}
		var err error
		if out[i], err = loadgen.TargetAddress(t.URL); err != nil {
			return nil, inputError(fmt.Errorf("tenant %s: %w", t.Name, err), "forward its port to this machine, and name that with --target")
		}
	}
	return out, nil
}

// openDesk finds out whether the desk that a cluster's Services name is there; nil where they name none.
func openDesk(ctx context.Context, url string) (*lab.Client, error) {
	if url == "" {
		return nil, nil
	}
	hint := "mend or remove the annotation " + cluster.DeskAnnotation + " of the tenants' Services"
	address, err := loadgen.TargetAddress(url)
	if err == nil && strings.Contains(address, "://") {
		err = fmt.Errorf("%s: http:// is wanted", url)
	}
	if err != nil {
		return nil, inputError(fmt.Errorf("the platform's own account: %w", err), hint)
	}
	desk := lab.Dial(address)
	ctx, cancel := context.WithTimeout(ctx, labPatience)
	defer cancel()
	if _, err := desk.Stats(ctx); err != nil {
		return nil, inputError(fmt.Errorf("the platform's own account at %s: %w", url, err), hint)
	}
	return desk, nil
}

// ofDesk says which of a desk's events are not seen by watching the cluster: how it is itself, and its back ends.
func ofDesk(e *record.Event) bool { return e.Kind == record.KindLab || e.Kind == record.KindBackend }

// prometheusOf is the server to be asked, and what; nothing where none is named.
func (k *clusterFlags) prometheusOf() (p observe.Prometheus, err error) {
	const hint = "write it like --prometheus http://127.0.0.1:9090 --query 'waiting=sum(x)'"
	switch {
	case k.prometheus == "" && len(k.queries) > 0:
		return p, inputError(errors.New("--query without --prometheus"), hint)
	case k.prometheus == "":
		return p, nil
	case !strings.HasPrefix(k.prometheus, "http://") && !strings.HasPrefix(k.prometheus, "https://"):
		return p, inputError(fmt.Errorf("--prometheus %s: not a URL", k.prometheus), hint)
	case len(k.queries) == 0:
		return observe.Prometheus{URL: k.prometheus, Queries: observe.DefaultQueries}, nil
	}
	p = observe.Prometheus{URL: k.prometheus, Queries: map[string]string{}}
	for _, text := range k.queries {
		name, query, ok := strings.Cut(text, "=")
		if !ok || name == "" || query == "" {
			return p, inputError(fmt.Errorf("--query %s: not NAME=PROMQL", text), hint)
		}
		p.Queries[name] = query
	}
	return p, nil
}

// scrapesOf reads TENANT=URL, or a URL alone.
func scrapesOf(list []string, tenants []string) ([]observe.Scrape, error) {
	var out []observe.Scrape
	for _, text := range list {
		s := observe.Scrape{URL: text}
		for _, tenant := range tenants {
			if rest, is := strings.CutPrefix(text, tenant+"="); is {
				s = observe.Scrape{URL: rest, Tenant: tenant}
			}
		}
		if !strings.HasPrefix(s.URL, "http://") && !strings.HasPrefix(s.URL, "https://") {
			return nil, inputError(fmt.Errorf("--scrape %s: not a URL, nor TENANT=URL of a tenant", text), "write it like http://127.0.0.1:8080/metrics")
		}
		out = append(out, s)
	}
	return out, nil
}

// name is what the record says was fired at.
func (t *kubeTarget) name() string { return "cluster " + t.client.Context }

// describe adds what was found to the record.
func (t *kubeTarget) describe(r *record.Run) {
	r.Target = t.name()
	r.Cluster = &record.Cluster{Context: t.client.Context, Version: t.client.Version}
	r.Warnings = append(r.Warnings, t.found.Warnings...)
}

// wait lets the cluster's reactions end, unless ctx does.
func (t *kubeTarget) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(t.linger):
	}
}

// observePatience bounds reading the cluster's state for the first time.
const observePatience = 30 * time.Second

// observe starts watching.
func (t *kubeTarget) observe(ctx context.Context) (*observe.Observer, error) {
	ctx, cancel := context.WithTimeout(ctx, observePatience)
	defer cancel()
	o, err := observe.Start(ctx, t.watch)
	if err != nil {
		return nil, clusterError(err)
	}
	return o, nil
}
