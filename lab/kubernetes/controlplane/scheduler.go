package controlplane

import (
	"context"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
)

// The scheduler's rates (pkg/scheduler/apis/config/v1/defaults.go).
const (
	schedulerQPS   = 50
	schedulerBurst = 100
)

// scheduler is the default scheduler over a cache of its own: it must not see pods that have ended.
func (c *controllers) scheduler(ctx context.Context) (run, error) {
	const user = "system:kube-scheduler"
	config := c.limited(user, schedulerQPS, schedulerBurst)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	eventClient, err := kubernetes.NewForConfig(c.limited(user, schedulerQPS, schedulerBurst))
	if err != nil {
		return nil, err
	}
	settings, err := latest.Default()
	if err != nil {
		return nil, err
	}
	cache := scheduler.NewInformerFactory(client, 0)
	broadcaster := events.NewEventBroadcasterAdapterWithContext(ctx, eventClient)
	s, err := scheduler.New(ctx, client, cache, nil,
		func(name string) events.EventRecorder { return broadcaster.NewRecorder(name) },
		scheduler.WithComponentConfigVersion(settings.APIVersion),
		scheduler.WithKubeConfig(config),
		scheduler.WithProfiles(settings.Profiles...),
		scheduler.WithPercentageOfNodesToScore(settings.PercentageOfNodesToScore),
		scheduler.WithPodMaxBackoffSeconds(settings.PodMaxBackoffSeconds),
		scheduler.WithPodInitialBackoffSeconds(settings.PodInitialBackoffSeconds),
		scheduler.WithParallelism(settings.Parallelism),
	)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		broadcaster.StartRecordingToSink(ctx.Done())
		defer broadcaster.Shutdown()
		cache.Start(ctx.Done())
		cache.WaitForCacheSync(ctx.Done())
		if s.WaitForHandlersSync(ctx) == nil {
			s.Run(ctx)
		}
	}, nil
}
