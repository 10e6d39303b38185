package place

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/ansturm/ansturm/loadgen/cluster"
)

// JobConfig says how workers run in a cluster.
type JobConfig struct {
	Worker
	Client *cluster.Client
	// Namespace is where the Job is made; it may enforce the restricted Pod Security Standard.
	Namespace string
	// Run is the run's id, lower-case hexadecimal digits: the Job and its Secret are called ansturm-RUN.
	Run string
	// Image has ansturm as its entry point and a user that is not root.
	Image string
	// CPU and Memory are a worker's requests; Memory is its limit, too. Zero means a core and 1Gi. CPULimit is none where zero: a quota would
	// hold the worker back in the middle of a shot.
	CPU, CPULimit, Memory resource.Quantity
	// NodeSelector and Tolerations lead to nodes of the generator's own.
	NodeSelector map[string]string
	Tolerations  []corev1.Toleration
	// Lasts is how long the run takes: the Job is ended by the cluster ten minutes after that. It must be positive.
	Lasts time.Duration
	// Say tells a person what keeps workers from starting; nil tells nobody.
	Say func(line string)
}

// LabelRun is on the Job, its Secret and its pods, with the run's id.
const LabelRun = "ansturm.dev/run"

var runID = regexp.MustCompile(`^[0-9a-f]{1,32}$`)

func (c JobConfig) withDefaults() JobConfig {
	if c.CPU.IsZero() {
		c.CPU = resource.MustParse("1")
	}
	if c.Memory.IsZero() {
		c.Memory = resource.MustParse("1Gi")
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	return c
}

func (c JobConfig) validate() error {
	if err := c.Worker.validate(); err != nil {
		return err
	}
	switch {
	case c.Client == nil || c.Namespace == "" || c.Image == "":
		return errors.New("place: a Job needs a cluster, a namespace and an image")
	case !runID.MatchString(c.Run):
		return fmt.Errorf("place: run %q is not 1 to 32 lower-case hexadecimal digits", c.Run)
	case c.Lasts <= 0:
		return fmt.Errorf("place: a Job needs an end, and the run lasts %s", c.Lasts)
	}
	return nil
}

// Job is a fleet's workers as a Kubernetes Indexed Job. It wants Kubernetes 1.29 or later: older ones count failures for all indexes together.
type Job struct {
	config      JobConfig
	core, batch rest.Interface
	deaths      chan Death

	pods    cache.Store // as watched; nil before
	cancel  context.CancelFunc
	watch   sync.WaitGroup
	changed chan struct{} // there is something new in pods
	told    map[types.UID]bool
	held    map[string]bool // what kept workers from starting, and was told
	ours    bool            // the Job is this run's, to be removed
	stopped chan struct{}
}

// NewJob makes a placement that has made nothing yet.
func NewJob(c JobConfig) (*Job, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Job{
		config: c.withDefaults(), core: c.Client.REST(cluster.Core), batch: c.Client.REST(cluster.Batch),
		deaths: make(chan Death, 64), stopped: make(chan struct{}), changed: make(chan struct{}, 1), told: map[types.UID]bool{},
		held: map[string]bool{}, cancel: func() {},
	}, nil
}

// Name is that of the Job and of its Secret.
func (j *Job) Name() string { return JobName(j.config.Run) }

// JobName is what the Job of a run is called, and its Secret.
func JobName(run string) string { return "ansturm-" + run }

// Deaths is [Placement]'s. A container's termination proves its worker's death; a pod's phase, or its object's deletion, does not.
func (j *Job) Deaths() <-chan Death { return j.deaths }

// Start is [Placement]'s. The Job begins suspended: whenever the coordinator dies in between, there is no Secret without an owner, and no pod that
// waits for a Secret. A Job of the same run that is there already keeps its number of workers.
func (j *Job) Start(ctx context.Context, n int) error {
	if err := j.follow(ctx); err != nil { // what may not be seen is not begun
		return j.failed("watch pods", err)
	}
	job, err := j.create(ctx, n)
	if err != nil {
		return j.failed("make the Job", err)
	}
	token, err := os.ReadFile(j.config.TokenFile)
	if err != nil {
		return j.failed("read the token", err)
	}
	secret := j.secret(job.UID, token)
	err = j.core.Post().Namespace(j.config.Namespace).Resource("secrets").VersionedParams(&metav1.CreateOptions{}, metav1.ParameterCodec).
		Body(secret).Do(ctx).Error()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return j.failed("make the Secret", err)
	}
	err = j.jobs(j.batch.Patch(types.MergePatchType)).Name(j.Name()).Body([]byte(`{"spec":{"suspend":false}}`)).Do(ctx).Error()
	if err != nil {
		return j.failed("let the Job begin", err)
	}
	return nil
}

func (j *Job) failed(doing string, err error) error {
	return fmt.Errorf("place: %s in namespace %s: %w", doing, j.config.Namespace, err)
}

func (j *Job) jobs(r *rest.Request) *rest.Request {
	return r.Namespace(j.config.Namespace).Resource("jobs")
}

// create makes the Job, or finds the one of an earlier coordinator.
func (j *Job) create(ctx context.Context, n int) (*batchv1.Job, error) {
	made := &batchv1.Job{}
	err := j.jobs(j.batch.Post()).Body(j.job(n)).Do(ctx).Into(made)
	if !apierrors.IsAlreadyExists(err) {
		j.ours = !apierrors.IsForbidden(err) // after any other error it may be there
		return made, err
	}
	found, taken := &batchv1.Job{}, err
	if err := j.jobs(j.batch.Get()).Name(j.Name()).Do(ctx).Into(found); err != nil {
		return nil, err
	}
	if j.ours = found.Labels[LabelRun] == j.config.Run; !j.ours {
		return nil, fmt.Errorf("%w, and is not this run's", taken)
	}
	for _, c := range found.Status.Conditions {
		if (c.Type == batchv1.JobFailed || c.Type == batchv1.JobComplete) && c.Status == corev1.ConditionTrue {
			return nil, fmt.Errorf("%w, and has ended (%s: %s): it starts no more workers", taken, c.Type, c.Reason)
		}
	}
	return found, nil
}

// follow watches the run's pods until Stop, and returns when those that there are have been seen.
func (j *Job) follow(ctx context.Context) error {
	mine := func(o *metav1.ListOptions) { o.LabelSelector = LabelRun + "=" + j.config.Run }
	first := metav1.ListOptions{Limit: 1}
	mine(&first)
	// A watch says nothing of rights that are missing, it only tries again.
	err := j.core.Get().Namespace(j.config.Namespace).Resource("pods").VersionedParams(&first, metav1.ParameterCodec).Do(ctx).Error()
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), klog.Logger{}))
	j.cancel = cancel
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewFilteredListWatchFromClient(j.core, "pods", j.config.Namespace, mine),
		ObjectType:    &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: j.saw, UpdateFunc: func(_, object any) { j.saw(object) }, DeleteFunc: j.saw,
		},
	})
	j.pods = store
	j.watch.Go(func() { controller.RunWithContext(running) })
	if !cache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
		return ctx.Err()
	}
	return nil
}

// saw tells of a pod's worker if its container has ended.
func (j *Job) saw(object any) {
	defer func() {
		select {
		case j.changed <- struct{}{}:
		default:
		}
	}()
	if missed, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = missed.Obj // as it was last seen
	}
	p, ok := object.(*corev1.Pod)
	if !ok || j.told[p.UID] {
		return
	}
	end := terminated(p)
	if end == nil {
		j.sayHeld(p)
		return
	}
	j.told[p.UID] = true
	select {
	case j.deaths <- Death{Name: p.Name, Done: end.ExitCode == 0, Why: whyOf(p, end), At: time.Now()}:
	case <-j.stopped: // nobody reads any more
	}
}

// sayHeld tells what keeps a pod from starting, once for all pods that it keeps.
func (j *Job) sayHeld(p *corev1.Pod) {
	if reason, message := heldBy(p); reason != "" && !j.held[reason] {
		j.held[reason] = true
		j.config.Say(fmt.Sprintf("worker %s does not start: %s: %s", p.Name, reason, message))
	}
}

// heldBy is why a pod does not start, as the scheduler or its kubelet says; empty: nothing is said to be wrong.
func heldBy(p *corev1.Pod) (reason, message string) {
	if p.DeletionTimestamp != nil {
		return "", ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason, c.Message
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return w.Reason, w.Message
		}
	}
	return "", ""
}

// terminated is how the pod's container ended, as its kubelet says; nil as long as that is not known.
func terminated(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, c := range p.Status.ContainerStatuses {
		// What the kubelet could not find any more it calls so: a guess.
		if end := c.State.Terminated; c.Name == container && end != nil && end.Reason != "ContainerStatusUnknown" {
			return end
		}
	}
	return nil
}

func whyOf(p *corev1.Pod, end *corev1.ContainerStateTerminated) string {
	why := fmt.Sprintf("%s, exit code %d, on node %s", end.Reason, end.ExitCode, p.Spec.NodeName)
	if end.Message != "" {
		why += ": " + end.Message
	}
	return why
}

// Stop is [Placement]'s. The Job goes first, then in the background its Secret and its pods; what an API server that is away keeps, the Job's
// deadline and its time to live remove.
func (j *Job) Stop(ctx context.Context) error {
	select {
	case <-j.stopped:
		return nil
	default:
		close(j.stopped)
	}
	bounded, cancel := context.WithTimeout(ctx, leaving)
	defer cancel()
	err := j.remove(bounded)
	j.cancel()
	j.watch.Wait()
	close(j.deaths)
	if err != nil {
		return j.failed("remove "+j.Name(), err)
	}
	return nil
}

// remove deletes the Job, and returns when there is nothing of it any more that runs.
func (j *Job) remove(ctx context.Context) error {
	if !j.ours {
		return nil
	}
	background := &metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}
	err := j.jobs(j.batch.Delete()).Name(j.Name()).Body(background).Do(ctx).Error()
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return j.awaitNone(ctx)
}

// awaitNone returns when there is no pod of the run any more.
func (j *Job) awaitNone(ctx context.Context) error {
	for j.pods != nil && len(j.pods.ListKeys()) > 0 {
		select {
		case <-j.changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of its pods still there: %w", len(j.pods.ListKeys()), ctx.Err())
		}
	}
	return nil
}
