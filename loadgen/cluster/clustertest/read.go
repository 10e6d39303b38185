package clustertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selection is what a request asks for.
type selection struct {
	resource, namespace string
	labels              labels.Selector
	fields              fields.Selector
}

func newSelection(resource, namespace, label, field string) (selection, error) {
	l, err := labels.Parse(label)
	if err != nil {
		return selection{}, err
	}
	f, err := fields.ParseSelector(field)
	return selection{resource, namespace, l, f}, err
}

func (p selection) matches(resource string, o Object) bool {
	if resource != p.resource || p.namespace != "" && o.GetNamespace() != p.namespace {
		return false
	}
	set := fields.Set{"metadata.name": o.GetName()}
	if e, ok := o.(*corev1.Event); ok {
		set["involvedObject.kind"] = e.InvolvedObject.Kind
	}
	return p.labels.Matches(labels.Set(o.GetLabels())) && p.fields.Matches(set)
}

// kinds are those of the resources' objects, with their API version.
var kinds = map[string][2]string{
	"namespaces": {"v1", "Namespace"}, "nodes": {"v1", "Node"}, "pods": {"v1", "Pod"}, "services": {"v1", "Service"},
	"events": {"v1", "Event"}, "deployments": {"apps/v1", "Deployment"}, "replicasets": {"apps/v1", "ReplicaSet"},
	"horizontalpodautoscalers": {"autoscaling/v2", "HorizontalPodAutoscaler"},
	"endpointslices":           {"discovery.k8s.io/v1", "EndpointSlice"},
	"configmaps":               {"v1", "ConfigMap"},
	"secrets":                  {"v1", "Secret"},
	"jobs":                     {"batch/v1", "Job"},
	"verticalpodautoscalers":   {"autoscaling.k8s.io/v1", "VerticalPodAutoscaler"},
	// The metrics of pods are kept as a resource of their own; their path ends in pods, too.
	"podmetrics": {"metrics.k8s.io/v1beta1", "PodMetrics"},
}

// encode is an object with its kind.
func encode(resource string, o Object) json.RawMessage {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // an object of the API can be encoded
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	m["apiVersion"], m["kind"] = kinds[resource][0], kinds[resource][1]
	b, _ = json.Marshal(m)
	return b
}

// chosen are the objects of a selection, in order of their keys. The lock is held.
func (s *Server) chosen(p selection) []Object {
	var keys []string
	for key, o := range s.objects {
		if p.matches(p.resource, o) && len(key) > len(p.resource) && key[:len(p.resource)+1] == p.resource+"/" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	out := make([]Object, len(keys))
	for i, key := range keys {
		out[i] = s.objects[key]
	}
	return out
}

func (s *Server) list(w http.ResponseWriter, p selection) {
	s.mu.Lock()
	items := []json.RawMessage{}
	for _, o := range s.chosen(p) {
		items = append(items, encode(p.resource, o))
	}
	version := s.version
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": kinds[p.resource][0], "kind": kinds[p.resource][1] + "List",
		"metadata": map[string]string{"resourceVersion": strconv.FormatInt(version, 10)}, "items": items,
	})
}

func (s *Server) get(w http.ResponseWriter, resource, namespace, name string) {
	s.mu.Lock()
	o, exists := s.objects[resource+"/"+namespace+"/"+name]
	s.mu.Unlock()
	if !exists {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("%s %q not found", resource, name))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(resource, o))
}

// watch streams changes from a version on, or the state first and then changes.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, p selection) {
	query := r.URL.Query()
	from, _ := strconv.ParseInt(query.Get("resourceVersion"), 10, 64)
	s.mu.Lock()
	initial := query.Get("sendInitialEvents") == "true"
	var first []Object
	if initial {
		first, from = s.chosen(p), s.version
	}
	gone := from < s.oldest
	s.mu.Unlock()
	if gone {
		refuse(w, http.StatusGone, metav1.StatusReasonExpired, fmt.Sprintf("too old resource version: %d", from))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	flush := http.NewResponseController(w)
	send := func(kind string, object any) bool {
		return json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": object}) == nil && flush.Flush() == nil
	}
	_ = flush.Flush()
	for _, o := range first {
		if !send("ADDED", encode(p.resource, o)) {
			return
		}
	}
	if initial && !send("BOOKMARK", bookmark(p.resource, from, true)) {
		return
	}
	for {
		s.mu.Lock()
		var news []change
		for _, c := range s.log {
			if c.version > from {
				news = append(news, c)
			}
		}
		lost, more := from < s.oldest && len(news) > 0 && news[0].version < s.oldest, s.more
		s.mu.Unlock()
		if lost {
			send("ERROR", status(http.StatusGone, metav1.StatusReasonExpired, "too old resource version"))
			return
		}
		for _, c := range news {
			from = c.version
			switch {
			case c.kind == "BOOKMARK":
				if c.resource == p.resource && !send(c.kind, bookmark(p.resource, c.version, false)) {
					return
				}
			case p.matches(c.resource, c.object):
				if !send(c.kind, encode(c.resource, c.object)) {
					return
				}
			}
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// Bookmark sends the watches of a resource a bookmark.
func (s *Server) Bookmark(resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.log = append(s.log, change{version: s.version, resource: resource, kind: "BOOKMARK"})
	close(s.more)
	s.more = make(chan struct{})
}

func bookmark(resource string, version int64, end bool) any {
	m := map[string]any{"resourceVersion": strconv.FormatInt(version, 10)}
	if end {
		m["annotations"] = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	return map[string]any{"apiVersion": kinds[resource][0], "kind": kinds[resource][1], "metadata": m}
}
