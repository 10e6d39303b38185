package clustertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What may be written: HorizontalPodAutoscalers, by server-side apply (whose spec is taken as a whole), update and
// deletion, the scale of Deployments, and Jobs and Secrets, by creation, JSON merge patch and deletion. Managed fields say which managers there
// are, not whose fields.

// verbOf is what a request does to an object, as RBAC calls it; empty for reading.
func verbOf(method string) string {
	return map[string]string{http.MethodPost: "create", http.MethodPatch: "patch", http.MethodPut: "update", http.MethodDelete: "delete"}[method]
}

// subresource takes the scale off a path.
func subresource(path string) (rest string, scale bool) {
	rest, scale = strings.CutSuffix(path, "/scale")
	return rest, scale
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, resource, namespace, name string, scale bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	case scale && resource == "deployments":
		s.rescale(w, namespace, name, body)
	case resource != "horizontalpodautoscalers" && empty[resource] == nil:
		refuse(w, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, resource+" cannot be written")
	case r.Method == http.MethodDelete:
		s.remove(w, resource, namespace, name)
	case r.Method == http.MethodPost:
		s.create(w, resource, namespace, body)
	case empty[resource] != nil:
		s.merge(w, resource, namespace, name, body)
	default:
		s.writeAutoscaler(w, r, namespace, name, body)
	}
}

func (s *Server) writeAutoscaler(w http.ResponseWriter, r *http.Request, namespace, name string, body []byte) {
	var h autoscalingv2.HorizontalPodAutoscaler
	if err := json.Unmarshal(body, &h); err != nil {
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	h.Namespace, h.Name = namespace, name
	if least := h.Spec.MinReplicas; least != nil && *least > h.Spec.MaxReplicas {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, fmt.Sprintf("spec.maxReplicas: Invalid value: %d: must be greater than or equal to minReplicas", h.Spec.MaxReplicas))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := "horizontalpodautoscalers/" + namespace + "/" + name
	had, exists := s.objects[key]
	query := r.URL.Query()
	if r.Method == http.MethodPut {
		switch {
		case !exists:
			refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, name+" not found")
			return
		case h.ResourceVersion != had.GetResourceVersion():
			refuse(w, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified")
			return
		}
	} else if exists {
		old := had.DeepCopyObject().(*autoscalingv2.HorizontalPodAutoscaler)
		old.Spec = h.Spec
		h = *old
	}
	if manager := query.Get("fieldManager"); r.Method == http.MethodPatch && !slices.ContainsFunc(h.ManagedFields, func(m metav1.ManagedFieldsEntry) bool { return m.Manager == manager }) {
		now := metav1.NewTime(time.Now().Truncate(time.Second))
		h.ManagedFields = append(h.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationApply, Time: &now, APIVersion: "autoscaling/v2", FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{}}`)},
		})
	}
	if query.Get("dryRun") == "" {
		s.store("horizontalpodautoscalers", &h)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode("horizontalpodautoscalers", &h))
}

// empty makes the objects that may be created.
var empty = map[string]func() Object{
	"jobs":    func() Object { return &batchv1.Job{} },
	"secrets": func() Object { return &corev1.Secret{} },
}

func (s *Server) create(w http.ResponseWriter, resource, namespace string, body []byte) {
	if empty[resource] == nil {
		refuse(w, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, resource+" cannot be created")
		return
	}
	o := empty[resource]()
	if err := json.Unmarshal(body, o); err != nil {
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	o.SetNamespace(namespace)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.objects[resource+"/"+namespace+"/"+o.GetName()]; exists {
		refuse(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, fmt.Sprintf("%s %q already exists", resource, o.GetName()))
		return
	}
	s.store(resource, o)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(encode(resource, o))
}

// merge patches an object as RFC 7386 says.
func (s *Server) merge(w http.ResponseWriter, resource, namespace, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had, exists := s.objects[resource+"/"+namespace+"/"+name]
	if !exists {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("%s %q not found", resource, name))
		return
	}
	var before, patch any
	if err := errors.Join(json.Unmarshal(encode(resource, had), &before), json.Unmarshal(body, &patch)); err != nil {
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	o := empty[resource]()
	text, err := json.Marshal(merged(before, patch))
	if err = errors.Join(err, json.Unmarshal(text, o)); err != nil {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
		return
	}
	s.store(resource, o)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(resource, o))
}

func merged(before, patch any) any {
	fields, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := before.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for name, value := range fields {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = merged(out[name], value)
		}
	}
	return out
}

// remove deletes an object, and what it owns as the garbage collector does, at once.
func (s *Server) remove(w http.ResponseWriter, resource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := resource + "/" + namespace + "/" + name
	gone, exists := s.objects[key]
	if !exists {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, name+" not found")
		return
	}
	for k, o := range s.objects {
		owned := slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == gone.GetUID() })
		if k == key || owned {
			delete(s.objects, k)
			resource, _, _ := strings.Cut(k, "/")
			s.commit(resource, "DELETED", o.DeepCopyObject().(Object))
		}
	}
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})
}

// rescale reads the scale of a Deployment, and writes it where body is not empty.
func (s *Server) rescale(w http.ResponseWriter, namespace, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, exists := s.objects["deployments/"+namespace+"/"+name]
	if !exists {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("deployments %q not found", name))
		return
	}
	d := o.DeepCopyObject().(*appsv1.Deployment)
	var scale autoscalingv1.Scale
	if len(body) > 0 {
		if err := json.Unmarshal(body, &scale); err != nil {
			refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
			return
		}
		d.Spec.Replicas = new(scale.Spec.Replicas)
		s.store("deployments", d)
	}
	scale = autoscalingv1.Scale{TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "Scale"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if d.Spec.Replicas != nil {
		scale.Spec.Replicas = *d.Spec.Replicas
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(scale)
}
