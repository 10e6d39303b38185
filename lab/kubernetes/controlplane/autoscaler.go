package controlplane

import (
	"context"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	tokens "k8s.io/kubernetes/pkg/serviceaccount"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/custom_metrics"
	"k8s.io/metrics/pkg/client/external_metrics"
)

// The autoscaler's settings beside its period (pkg/controller/podautoscaler/config/v1alpha1/defaults.go).
const (
	downscaleWindow   = 5 * time.Minute
	cpuInitialisation = 5 * time.Minute
	readinessDelay    = 30 * time.Second
	tolerance         = 0.1
)

func (c *controllers) autoscaler(ctx context.Context, own access) (run, error) {
	// In a cluster each of these clients has a rate of its own.
	fresh := func() *rest.Config { return c.limited(own.user, own.rate) }
	scales, err := scale.NewForConfig(fresh(), c.mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(own.client.Discovery()))
	if err != nil {
		return nil, err
	}
	resources, err := metricsclient.NewForConfig(fresh())
	if err != nil {
		return nil, err
	}
	external, err := external_metrics.NewForConfig(fresh())
	if err != nil {
		return nil, err
	}
	versions := custom_metrics.NewAvailableAPIsGetter(own.client.Discovery())
	metrics := podmetrics.NewRESTMetricsClient(resources, custom_metrics.NewForConfig(own.config, c.mapper, versions), external)
	hpa := podautoscaler.NewHorizontalController(ctx, own.client.CoreV1(), scales, own.client.AutoscalingV2(), c.mapper, metrics,
		c.informers.Autoscaling().V2().HorizontalPodAutoscalers(), c.informers.Core().V1().Pods(),
		c.config.HPASync, downscaleWindow, tolerance, cpuInitialisation, readinessDelay)
	c.workers.Go(func() { custom_metrics.PeriodicallyInvalidate(versions, c.config.HPASync, ctx.Done()) })
	return func(ctx context.Context) { hpa.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) garbageCollector(ctx context.Context, own access) (run, error) {
	const workers, period = 20, 30 * time.Second
	metadataClient, err := metadata.NewForConfig(own.config)
	if err != nil {
		return nil, err
	}
	partial := metadatainformer.NewSharedInformerFactoryWithOptions(c.metadata, 12*time.Hour, metadatainformer.WithTransform(trim))
	gc, err := garbagecollector.NewGarbageCollector(ctx, own.client, metadataClient, c.mapper, garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(c.informers, partial), c.started)
	if err != nil {
		return nil, err
	}
	c.workers.Go(func() { gc.Sync(ctx, c.discovery, period) })
	return func(ctx context.Context) { gc.Run(ctx, workers, period) }, nil
}

func (c *controllers) serviceAccountTokens(ctx context.Context, own access) (run, error) {
	key, err := keyutil.PrivateKeyFromFile(c.state.Path(fileAccountKey))
	if err != nil {
		return nil, err
	}
	generator, err := tokens.JWTTokenGenerator(tokens.LegacyIssuer, key)
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	tc, err := serviceaccount.NewTokensController(logger(ctx), core.ServiceAccounts(), core.Secrets(), own.client,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: c.ca.pem})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { tc.Run(ctx, workersOfMost) }, nil
}

func logger(ctx context.Context) klog.Logger { return klog.FromContext(ctx) }
