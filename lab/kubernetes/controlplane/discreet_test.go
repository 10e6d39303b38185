package controlplane

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// gone is a network that ends all requests, and remembers them.
type gone struct{ asked []string }

func (g *gone) RoundTrip(r *http.Request) (*http.Response, error) {
	g.asked = append(g.asked, r.Method+" "+r.URL.Path)
	return nil, errors.New("nobody is there")
}

// TestEventsOfTheSetUpAreKept: until life begins, an event is not sent and yet counts as written; all else is sent.
func TestEventsOfTheSetUpAreKept(t *testing.T) {
	for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		p, network := &pace{}, &gone{}
		client, err := kubernetes.NewForConfig(&rest.Config{
			Host: "http://127.0.0.1:1", QPS: -1, ContentConfig: rest.ContentConfig{ContentType: contentType}, Transport: discreet{p, network},
		})
		if err != nil {
			t.Fatal(err)
		}
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "e"}, Reason: "Scheduled"}
		if got, err := client.CoreV1().Events("n").Create(t.Context(), event, metav1.CreateOptions{}); err != nil || got.Reason != "Scheduled" {
			t.Errorf("%s: the event comes back as %+v, %v", contentType, got, err)
		}
		other := &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "e"}, Reason: "Scheduled"}
		if got, err := client.EventsV1().Events("n").Create(t.Context(), other, metav1.CreateOptions{}); err != nil || got.Reason != "Scheduled" {
			t.Errorf("%s: the event of the other group comes back as %+v, %v", contentType, got, err)
		}
		_, _ = client.CoreV1().Events("n").List(t.Context(), metav1.ListOptions{})
		_, _ = client.CoreV1().Pods("n").Create(t.Context(), &corev1.Pod{}, metav1.CreateOptions{})
		p.begin()
		_, _ = client.CoreV1().Events("n").Create(t.Context(), event, metav1.CreateOptions{})
		wanted := []string{"GET /api/v1/namespaces/n/events", "POST /api/v1/namespaces/n/pods", "POST /api/v1/namespaces/n/events"}
		if !slices.Equal(network.asked, wanted) {
			t.Errorf("%s: sent were %q, wanted %q", contentType, network.asked, wanted)
		}
	}
}
