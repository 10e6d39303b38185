package nodeagent

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tell writes an Event as a kubelet does, with the microseconds that a kubelet leaves out.
func (p *pod) tell(at time.Time, reason, message string) {
	p.tellOf(corev1.EventTypeNormal, at, reason, message)
}

func (p *pod) warn(at time.Time, reason, message string) {
	p.tellOf(corev1.EventTypeWarning, at, reason, message)
}

func (p *pod) tellOf(kind string, at time.Time, reason, message string) {
	stamp := metav1.NewTime(at)
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: fmt.Sprintf("%s.%x.%s", p.name, at.UnixNano(), strings.ToLower(reason))},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Pod", APIVersion: "v1", Namespace: p.namespace, Name: p.name, UID: p.uid, ResourceVersion: p.object.ResourceVersion,
			FieldPath: "spec.containers{" + p.object.Spec.Containers[0].Name + "}",
		},
		Reason: reason, Message: message, Type: kind, Count: 1, FirstTimestamp: stamp, LastTimestamp: stamp,
		EventTime: metav1.NewMicroTime(at), Action: reason, ReportingController: "kubelet", ReportingInstance: p.node,
		Source: corev1.EventSource{Component: "kubelet", Host: p.node},
	}
	a := p.a
	a.tellers.post(p.number, func(ctx context.Context) {
		a.retry(ctx, func() error {
			_, err := a.config.Client.CoreV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
			return err
		})
	})
}
