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
	controllerQPS   = 20
	controllerBurst = 30
	workersOfMost   = 5
	workersOfMany   = 10
	endpointsASlice = 100
)

// run is a controller at work: it returns when ctx ends.
type run func(ctx context.Context)

// controllers makes the controllers over one cache.
type controllers struct {
	*Plane
	informers informers.SharedInformerFactory
	discovery discovery.DiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	metadata  metadata.Interface
	started   chan struct{} // closed when the informers run
}

// startControllers makes all controllers and the scheduler, starts their caches and sets them to work.
func (p *Plane) startControllers(ctx context.Context) error {
	c, err := p.newControllers(ctx)
	if err != nil {
		return err
	}
	var all []run
	for _, build := range []func(context.Context) (run, error){
		c.deployment, c.replicaSet, c.job, c.ttlAfterFinished, c.endpointSlice, c.nodeLifecycle, c.taintEviction, c.orphans,
		c.namespace, c.serviceAccount, c.serviceAccountTokens, c.rootCA, c.clusterRoles, c.garbageCollector, c.autoscaler,
		c.scheduler,
	} {
		work, err := build(ctx)
		if err != nil {
			return fmt.Errorf("controllers: %w", err)
		}
		all = append(all, work)
	}
	// Read by what else runs in this process.
	c.informers.Core().V1().Pods().Informer()
	c.informers.Core().V1().Nodes().Informer()
	c.informers.Start(ctx.Done())
	close(c.started)
	for _, work := range all {
		p.workers.Go(func() { work(ctx) })
	}
	p.workers.Go(func() { wait.Until(c.mapper.Reset, 30*time.Second, ctx.Done()) }) // it never finds out by itself
	return nil
}

func (p *Plane) newControllers(ctx context.Context) (*controllers, error) {
	if err := p.redirectLogs(); err != nil {
		return nil, err
	}
	config := p.RESTConfig("system:kube-controller-manager")
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

// client is a controller's own client, under its own name, at its own rate.
func (c *controllers) client(name string) (*kubernetes.Clientset, *rest.Config, error) {
	config := c.limited(controllerPrefix+name, controllerQPS, controllerBurst)
	client, err := kubernetes.NewForConfig(config)
	return client, config, err
}

func (c *controllers) deployment(ctx context.Context) (run, error) {
	client, _, err := c.client("deployment-controller")
	if err != nil {
		return nil, err
	}
	apps := c.informers.Apps().V1()
	dc, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), c.informers.Core().V1().Pods(), client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { dc.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) replicaSet(ctx context.Context) (run, error) {
	client, _, err := c.client("replicaset-controller")
	if err != nil {
		return nil, err
	}
	rsc := replicaset.NewReplicaSetController(ctx, c.informers.Apps().V1().ReplicaSets(), c.informers.Core().V1().Pods(), client, replicaset.BurstReplicas)
	return func(ctx context.Context) { rsc.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) job(ctx context.Context) (run, error) {
	client, _, err := c.client("job-controller")
	if err != nil {
		return nil, err
	}
	jc, err := job.NewController(ctx, c.informers.Core().V1().Pods(), c.informers.Batch().V1().Jobs(), client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { jc.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) ttlAfterFinished(ctx context.Context) (run, error) {
	client, _, err := c.client("ttl-after-finished-controller")
	if err != nil {
		return nil, err
	}
	ttl := ttlafterfinished.New(ctx, c.informers.Batch().V1().Jobs(), client)
	return func(ctx context.Context) { ttl.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) endpointSlice(ctx context.Context) (run, error) {
	client, _, err := c.client("endpointslice-controller")
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	esc := endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), c.informers.Discovery().V1().EndpointSlices(), endpointsASlice, client, 0)
	return func(ctx context.Context) { esc.Run(ctx, workersOfMost) }, nil
}

// nodeLifecycle looks every second instead of every five: a platform says after what time a lost node's pods are replaced,
// and five seconds more or less would be the lab's.
func (c *controllers) nodeLifecycle(ctx context.Context) (run, error) {
	client, _, err := c.client("node-controller")
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	const startupGrace = time.Minute
	nlc, err := nodelifecycle.NewNodeLifecycleController(ctx, c.informers.Coordination().V1().Leases(), core.Pods(), core.Nodes(),
		c.informers.Apps().V1().DaemonSets(), client, time.Second, startupGrace, c.config.NodeGrace, 0.1, 0.01, 50, 0.55)
	if err != nil {
		return nil, err
	}
	return nlc.Run, nil
}

func (c *controllers) taintEviction(ctx context.Context) (run, error) {
	client, _, err := c.client("node-controller")
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	tec, err := tainteviction.New(ctx, client, core.Pods(), core.Nodes(), "taint-eviction-controller")
	if err != nil {
		return nil, err
	}
	return tec.Run, nil
}

func (c *controllers) namespace(ctx context.Context) (run, error) {
	const factor = 20 // as in the controller manager: emptying a namespace takes very many requests
	config := c.limited(controllerPrefix+"namespace-controller", factor*controllerQPS, 100*controllerBurst)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	nc := namespace.NewNamespaceController(ctx, client, metadataClient, client.Discovery().ServerPreferredNamespacedResources,
		c.informers.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { nc.Run(ctx, workersOfMany) }, nil
}

func (c *controllers) rootCA(context.Context) (run, error) {
	client, _, err := c.client("root-ca-cert-publisher")
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	publisher, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, c.ca.pem)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { publisher.Run(ctx, 1) }, nil
}

func (c *controllers) clusterRoles(context.Context) (run, error) {
	client, _, err := c.client("clusterrole-aggregation-controller")
	if err != nil {
		return nil, err
	}
	cra := clusterroleaggregation.NewClusterRoleAggregation(c.informers.Rbac().V1().ClusterRoles(), client.RbacV1())
	return func(ctx context.Context) { cra.Run(ctx, workersOfMost) }, nil
}

func (c *controllers) serviceAccount(ctx context.Context) (run, error) {
	client, _, err := c.client("service-account-controller")
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	sac, err := serviceaccount.NewServiceAccountsController(logger(ctx), core.ServiceAccounts(), core.Namespaces(), client,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { sac.Run(ctx, 1) }, nil
}
