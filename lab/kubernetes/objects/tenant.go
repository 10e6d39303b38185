package objects

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/ansturm/ansturm/scenarios"
)

// port is where a container would listen; the tenant's way in is the address in AnnotationURL.
const port = 8080

func tenant(name string, w *scenarios.Workload, url string) Tenant {
	meta := func(object string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: name, Name: object, Labels: map[string]string{LabelTenant: name, LabelApp: w.Name}}
	}
	return Tenant{
		Name: name,
		Namespace: &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{LabelTenant: name, LabelConsent: ConsentAllowed}},
		},
		// The service account controller makes it too, but later than the first pods want it.
		Account: &corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"},
		},
		Deployment: deployment(meta(w.Name), w),
		Service:    service(meta(w.Name), w, url),
		HPA:        autoscaler(meta(w.Name), w),
	}
}

func deployment(meta metav1.ObjectMeta, w *scenarios.Workload) *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(w.Replicas),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelApp: w.Name}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: podSpec(w)},
		},
	}
}

// podSpec: the pods leave a lost node as soon as it is found lost, which is what a platform's NodeLossDetection means;
// and nothing in them speaks to the API server.
func podSpec(w *scenarios.Workload) corev1.PodSpec {
	leave := func(taint string) corev1.Toleration {
		return corev1.Toleration{
			Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To(int64(0)),
		}
	}
	return corev1.PodSpec{
		AutomountServiceAccountToken: ptr.To(false),
		EnableServiceLinks:           ptr.To(false),
		Tolerations:                  []corev1.Toleration{leave(corev1.TaintNodeNotReady), leave(corev1.TaintNodeUnreachable)},
		Containers: []corev1.Container{{
			Name:            w.Name,
			Image:           "ansturm.dev/" + w.Name + ":lab",
			ImagePullPolicy: corev1.PullIfNotPresent,
			Resources:       w.Resources,
			Ports:           []corev1.ContainerPort{{Name: "http", ContainerPort: port}},
		}},
	}
}

// service is headless: no packet would find the way to a cluster address.
func service(meta metav1.ObjectMeta, w *scenarios.Workload, url string) *corev1.Service {
	if url != "" {
		meta.Annotations = map[string]string{AnnotationURL: url}
	}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta,
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  map[string]string{LabelApp: w.Name},
			Ports:     []corev1.ServicePort{{Name: "http", Port: port, TargetPort: intstr.FromInt32(port)}},
		},
	}
}

func autoscaler(meta metav1.ObjectMeta, w *scenarios.Workload) *autoscalingv2.HorizontalPodAutoscaler {
	if w.HPA == nil {
		return nil
	}
	spec := *w.HPA.DeepCopy()
	spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: w.Name}
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: meta,
		Spec:       spec,
	}
}
