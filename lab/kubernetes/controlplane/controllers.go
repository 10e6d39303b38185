package controlplane

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/nodelifecycle"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/tainteviction"
	"k8s.io/kubernetes/pkg/controller/ttlafterfinished"
)

// The rates and numbers of workers are the controller manager's defaults (cmd/kube-controller-manager/app/options and
// pkg/controller/*/config/v1alpha1/defaults.go).
const (
	workersOfMost   = 5
	workersOfMany   = 10
	endpointsASlice = 100
)

var controllerRate = rate{qps: 20, burst: 30}

// run is a controller at work: it returns when ctx ends.
type run func(ctx context.Context)

// table has every controller: the user that it is in a cluster, to whom RBAC's bootstrap roles are bound and whom the audit
// log names, the rate of its requests, when it starts, and what makes it.
var table = []struct {
	user  string
	rate  rate
	stage stage
	make  func(c *controllers, ctx context.Context, own access) (run, error)
}{
	{account("deployment-controller"), controllerRate, maker, (*controllers).deployment},
	{account("replicaset-controller"), controllerRate, maker, (*controllers).replicaSet},
	{account("node-controller"), controllerRate, maker, (*controllers).nodeLifecycle},
	{account("node-controller"), controllerRate, maker, (*controllers).taintEviction},
	{account("service-account-controller"), controllerRate, maker, (*controllers).serviceAccount},
	{userManager, controllerRate, maker, (*controllers).serviceAccountTokens}, // which is root in a cluster too
	{account("root-ca-cert-publisher"), controllerRate, maker, (*controllers).rootCA},
	{account("clusterrole-aggregation-controller"), controllerRate, maker, (*controllers).clusterRoles},
	{userScheduler, rate{qps: 50, burst: 100}, maker, (*controllers).scheduler}, // pkg/scheduler/apis/config/v1/defaults.go
	{account("endpointslice-controller"), controllerRate, follower, (*controllers).endpointSlice},
	{account("horizontal-pod-autoscaler"), controllerRate, follower, (*controllers).autoscaler},
	{account("job-controller"), controllerRate, follower, (*controllers).job},
	{account("ttl-after-finished-controller"), controllerRate, follower, (*controllers).ttlAfterFinished},
	{account("pod-garbage-collector"), controllerRate, follower, (*controllers).orphans},
	// Emptying a namespace takes very many requests.
	{account("namespace-controller"), rate{20 * controllerRate.qps, 100 * controllerRate.burst}, follower, (*controllers).namespace},
	{account("generic-garbage-collector"), controllerRate, follower, (*controllers).garbageCollector},
}

// stage is when a controller starts: the makers bring a platform about, the followers find it there. Following every step
// of a thousand pods' beginning cost a tenth of it, and led to nothing.
type stage uint8

const (
	maker stage = iota
	follower
)

// account is the user of a controller's service account.
func account(name string) string { return "system:serviceaccount:kube-system:" + name }

// access is a controller's way to the API server: under its own name, at its own rate.
type access struct {
	user   string
	rate   rate
	config *rest.Config
	client *kubernetes.Clientset
}

// controllers makes the controllers over one cache.
type controllers struct {
	*Plane
	informers informers.SharedInformerFactory
	discovery discovery.DiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	metadata  metadata.Interface
	started   chan struct{} // closed when the informers run
}

// startControllers starts the makers; the followers are left to [Plane.Follow].
func (p *Plane) startControllers(ctx context.Context) error {
	c, err := p.newControllers(ctx)
	if err != nil {
		return err
	}
	// Read by what else runs in this process.
	c.informers.Core().V1().Pods().Informer()
	c.informers.Core().V1().Nodes().Informer()
	p.follow = func() error { return c.start(ctx, follower) }
	if err := c.start(ctx, maker); err != nil {
		return err
	}
	close(c.started)
	p.workers.Go(func() { wait.Until(c.mapper.Reset, 30*time.Second, ctx.Done()) }) // it never finds out by itself
	return nil
}

// start makes the controllers of a stage, starts their caches and sets them to work until ctx ends.
func (c *controllers) start(ctx context.Context, s stage) error {
	var all []run
	for _, entry := range table {
		if entry.stage != s {
			continue
		}
		config := c.limited(entry.user, entry.rate)
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return fmt.Errorf("controllers: %s: %w", entry.user, err)
		}
		work, err := entry.make(c, ctx, access{entry.user, entry.rate, config, client})
		if err != nil {
			return fmt.Errorf("controllers: %s: %w", entry.user, err)
		}
		all = append(all, work)
	}
	c.informers.Start(ctx.Done())
	for _, work := range all {
		c.workers.Go(func() { work(ctx) })
	}
	return nil
}

func (p *Plane) newControllers(ctx context.Context) (*controllers, error) {
	if err := p.redirectLogs(); err != nil {
		return nil, err
	}
	config := p.RESTConfig(userManager)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	p.informers = informers.NewSharedInformerFactoryWithOptions(client, 12*time.Hour, informers.WithTransform(trim))
	return &controllers{
		Plane: p, informers: p.informers, discovery: client.Discovery(), metadata: metadataClient,
		mapper:  restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		started: make(chan struct{}),
	}, ctx.Err()
}

// trim leaves out what no controller reads.
func trim(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil && accessor.GetManagedFields() != nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func (c *controllers) deployment(ctx context.Context, own access) (run, error) {
	apps := c.informers.Apps().V1()
	dc, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), c.informers.Core().V1().Pods(), own.client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { dc.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) replicaSet(ctx context.Context, own access) (run, error) {
	rsc := replicaset.NewReplicaSetController(ctx, c.informers.Apps().V1().ReplicaSets(), c.informers.Core().V1().Pods(), own.client, replicaset.BurstReplicas)
	return func(ctx context.Context) { rsc.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) job(ctx context.Context, own access) (run, error) {
	jc, err := job.NewController(ctx, c.informers.Core().V1().Pods(), c.informers.Batch().V1().Jobs(), own.client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { jc.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) ttlAfterFinished(ctx context.Context, own access) (run, error) {
	ttl := ttlafterfinished.New(ctx, c.informers.Batch().V1().Jobs(), own.client)
	return func(ctx context.Context) { ttl.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) endpointSlice(ctx context.Context, own access) (run, error) {
	core := c.informers.Core().V1()
	esc := endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), c.informers.Discovery().V1().EndpointSlices(), endpointsASlice, own.client, 0)
	return func(ctx context.Context) { esc.Run(ctx, workersOfMost) }, nil
}

// nodeLifecycle looks every second instead of every five: a platform says after what time a lost node's pods are replaced,
// and five seconds more or less would be the lab's.
func (c *controllers) nodeLifecycle(ctx context.Context, own access) (run, error) {
	core := c.informers.Core().V1()
	const startupGrace = time.Minute
	nlc, err := nodelifecycle.NewNodeLifecycleController(ctx, c.informers.Coordination().V1().Leases(), core.Pods(), core.Nodes(),
		c.informers.Apps().V1().DaemonSets(), own.client, time.Second, startupGrace, c.config.NodeGrace, 0.1, 0.01, 50, 0.55)
	if err != nil {
		return nil, err
	}
	return nlc.Run, nil
}

func (c *controllers) taintEviction(ctx context.Context, own access) (run, error) {
	core := c.informers.Core().V1()
	tec, err := tainteviction.New(ctx, own.client, core.Pods(), core.Nodes(), "taint-eviction-controller")
	if err != nil {
		return nil, err
	}
	return tec.Run, nil
}

func (c *controllers) namespace(ctx context.Context, own access) (run, error) {
	metadataClient, err := metadata.NewForConfig(own.config)
	if err != nil {
		return nil, err
	}
	nc := namespace.NewNamespaceController(ctx, own.client, metadataClient, own.client.Discovery().ServerPreferredNamespacedResources,
		c.informers.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { nc.Run(ctx, workersOfMany) }, nil
}

func (c *controllers) rootCA(_ context.Context, own access) (run, error) {
	core := c.informers.Core().V1()
	publisher, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), own.client, c.ca.pem)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { publisher.Run(ctx, 1) }, nil
}

func (c *controllers) clusterRoles(_ context.Context, own access) (run, error) {
	cra := clusterroleaggregation.NewClusterRoleAggregation(c.informers.Rbac().V1().ClusterRoles(), own.client.RbacV1())
	return func(ctx context.Context) { cra.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) serviceAccount(ctx context.Context, own access) (run, error) {
	core := c.informers.Core().V1()
	sac, err := serviceaccount.NewServiceAccountsController(logger(ctx), core.ServiceAccounts(), core.Namespaces(), own.client,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { sac.Run(ctx, 1) }, nil
}
