package place

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Where a worker's files are in its pod.
const (
	tokenDir  = "/run/ansturm"
	tokenFile = "token"
	stateDir  = "/var/lib/ansturm"
	state     = stateDir + "/journal" // a worker removes its folder in the end, which it could not of a volume's root
)

// container is the name of the pod's only one.
const container = "worker"

// The Job's own limits. A pod that failed is replaced after 10 s at the earliest, by a worker that joins anew: no fleet waits for it.
const (
	tries    = 3 // for each index, after the first
	overtime = 10 * time.Minute
	kept     = 10 * time.Minute // after its end
	leaving  = time.Minute      // that Stop waits for pods, which have a grace of 30 s; those of a lost node never go
)

// ExitRefused is what a worker ends with that may not join: nor may the next, so a Job of such workers ends. It is nothing that a Go program ends
// with by itself, as with 2 after a panic.
const ExitRefused = 64

func (j *Job) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: j.config.Namespace, Name: j.Name(), Labels: j.labels()}
}

func (j *Job) labels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "ansturm-worker", LabelRun: j.config.Run}
}

// secret holds the token and goes with the Job. It does not block its owner's deletion: that would take rights that nobody else here needs.
func (j *Job) secret(owner types.UID, token []byte) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: j.meta(), Immutable: new(true), Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{tokenFile: token},
	}
	s.OwnerReferences = []metav1.OwnerReference{{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: j.Name(), UID: owner}}
	return s
}

// job is the Job, suspended. A pod is replaced only when it has ended: two of one index would else run side by side.
func (j *Job) job(n int) *batchv1.Job {
	c := j.config
	return &batchv1.Job{ObjectMeta: j.meta(), Spec: batchv1.JobSpec{
		Suspend:                 new(true),
		CompletionMode:          new(batchv1.IndexedCompletion),
		Completions:             new(int32(n)),
		Parallelism:             new(int32(n)),
		PodReplacementPolicy:    new(batchv1.Failed),
		BackoffLimitPerIndex:    new(int32(tries)),
		ActiveDeadlineSeconds:   new(int64((c.Lasts + overtime).Seconds())),
		TTLSecondsAfterFinished: new(int32(kept.Seconds())),
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
			{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: new(container), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{ExitRefused},
			}},
			{Action: batchv1.PodFailurePolicyActionIgnore, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
			}},
		}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: j.labels()}, Spec: j.pod()},
	}}
}

// pod is one worker's, as the restricted Pod Security Standard wants it. It names no user: OpenShift gives each namespace its own and refuses
// others. So the Secret's file is readable for all in the pod: without a group of its own only root could read a narrower one.
func (j *Job) pod() corev1.PodSpec {
	c := j.config
	return corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever, // as a limit for each index asks for
		AutomountServiceAccountToken: new(false),
		EnableServiceLinks:           new(false),
		NodeSelector:                 c.NodeSelector,
		Tolerations:                  c.Tolerations,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelRun: c.Run}},
		}},
		Containers: []corev1.Container{{
			Name: container, Image: c.Image,
			Args:                     c.args("$(POD_NAME)", tokenDir+"/"+tokenFile, state),
			Env:                      []corev1.EnvVar{{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
			Resources:                j.resources(),
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError, // its last words
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false),
				ReadOnlyRootFilesystem:   new(true),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "token", MountPath: tokenDir, ReadOnly: true}, {Name: "state", MountPath: stateDir}},
		}},
		Volumes: []corev1.Volume{
			{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: j.Name(), DefaultMode: new(int32(0o444))}}},
			{Name: "state", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
}

func (j *Job) resources() corev1.ResourceRequirements {
	c := j.config
	r := corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: c.CPU, corev1.ResourceMemory: c.Memory},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: c.Memory},
	}
	if !c.CPULimit.IsZero() {
		r.Limits[corev1.ResourceCPU] = c.CPULimit
	}
	return r
}
