package controlplane

import (
	"context"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
)

// scheduler is the default scheduler over a cache of its own: it must not see pods that have ended.
func (c *controllers) scheduler(ctx context.Context, own access) (run, error) {
	eventClient, err := kubernetes.NewForConfig(c.limited(own.user, own.rate)) // in a cluster, too, its events have a rate of their own
	if err != nil {
		return nil, err
	}
	settings, err := latest.Default()
	if err != nil {
		return nil, err
	}
	cache := scheduler.NewInformerFactory(own.client, 0)
	broadcaster := events.NewEventBroadcasterAdapterWithContext(ctx, eventClient)
	s, err := scheduler.New(ctx, own.client, cache, nil,
		func(name string) events.EventRecorder { return broadcaster.NewRecorder(name) },
		scheduler.WithComponentConfigVersion(settings.APIVersion),
		scheduler.WithKubeConfig(own.config),
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
