// Package audit tells who wrote spec.replicas of what, when, and when each pod was made, bound to its node and taken into
// an EndpointSlice, from the API server's own audit log: the truth that a timeline made by watching is held against.
//
// Watches may join two writes into one event and say nothing of who wrote; the audit log has every accepted request, in
// microseconds. [Policy] makes the API server keep it, [Read] reads it, [Changes] leaves out the writes that left the
// number as it was.
package audit

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Policy is the audit policy: every write of an object that has spec.replicas, and every new pod and every EndpointSlice,
// with what was stored; and every binding.
const Policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: RequestResponse
  verbs: [create, update, patch]
  resources:
  - group: apps
    resources: [deployments, deployments/scale, replicasets, replicasets/scale, statefulsets, statefulsets/scale]
  - group: ""
    resources: [replicationcontrollers, replicationcontrollers/scale]
- level: RequestResponse
  verbs: [create]
  resources:
  - group: ""
    resources: [pods]
- level: RequestResponse
  verbs: [create, update, patch]
  resources:
  - group: discovery.k8s.io
    resources: [endpointslices]
- level: Metadata
  verbs: [create]
  resources:
  - group: ""
    resources: [pods/binding]
- level: None
`

// Write is one accepted request that stored an object with spec.replicas.
type Write struct {
	// Received is when the API server had the request, At when it had answered.
	Received time.Time `json:"received"`
	At       time.Time `json:"at"`
	User     string    `json:"user"`
	// Resource is like deployments; Scale says that its subresource scale was written.
	Resource  string `json:"resource"`
	Scale     bool   `json:"scale,omitempty"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// ResourceVersion is the object's after the write.
	ResourceVersion uint64 `json:"resourceVersion"`
	Replicas        int32  `json:"replicas"`
}

// Span holds the moment at which a request took effect: from when the API server had it until it had answered.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Pod is when a pod was made, when it was bound to its node, and when an EndpointSlice first had it as ready; a zero Span
// where that is not in the log.
type Pod struct {
	Created, Bound, Ready Span
}

// event is the part of an audit event that is read.
type event struct {
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	ResponseObject struct {
		Metadata struct {
			Name            string `json:"name"`
			UID             string `json:"uid"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Spec struct {
			Replicas *int32 `json:"replicas"`
		} `json:"spec"`
		Endpoints []struct {
			Conditions struct {
				Ready *bool `json:"ready"`
			} `json:"conditions"`
			TargetRef *struct {
				Kind string `json:"kind"`
				Name string `json:"name"`
			} `json:"targetRef"`
		} `json:"endpoints"`
	} `json:"responseObject"`
	Received time.Time `json:"requestReceivedTimestamp"`
	At       time.Time `json:"stageTimestamp"`
}

// Read reads an audit log, one JSON event a line, and gives the writes in the order of their resource versions. A last
// line without an end, as a killed API server leaves it, is no error. Refused requests and dry runs are left out.
func Read(r io.Reader) ([]Write, error) {
	var writes []Write
	err := each(r, func(e *event) {
		if w, ok := e.write(); ok {
			writes = append(writes, w)
		}
	})
	slices.SortStableFunc(writes, func(a, b Write) int { return cmp.Compare(a.ResourceVersion, b.ResourceVersion) })
	return writes, err
}

// Pods reads from an audit log what became of pods, by namespace/name, as Read reads the writes.
func Pods(r io.Reader) (map[string]Pod, error) {
	pods := map[string]Pod{}
	err := each(r, func(e *event) {
		if !e.stored() {
			return
		}
		if e.ObjectRef.Resource == "endpointslices" {
			e.takeIn(pods)
		}
		if e.ObjectRef.Resource != "pods" {
			return
		}
		name := e.ObjectRef.Name
		if name == "" { // it was made of a prefix
			name = e.ResponseObject.Metadata.Name
		}
		p, span := pods[e.ObjectRef.Namespace+"/"+name], Span{e.Received, e.At}
		switch e.ObjectRef.Subresource {
		case "":
			p.Created = span
		case "binding":
			p.Bound = span
		}
		pods[e.ObjectRef.Namespace+"/"+name] = p
	})
	return pods, err
}

// takeIn notes the pods that a slice has as ready.
func (e *event) takeIn(pods map[string]Pod) {
	for _, p := range e.ResponseObject.Endpoints {
		if p.TargetRef == nil || p.TargetRef.Kind != "Pod" || p.Conditions.Ready != nil && !*p.Conditions.Ready {
			continue
		}
		key := e.ObjectRef.Namespace + "/" + p.TargetRef.Name
		if pod := pods[key]; pod.Ready.To.IsZero() || e.At.Before(pod.Ready.To) {
			pod.Ready = Span{e.Received, e.At}
			pods[key] = pod
		}
	}
}

// each reads the events, line by line.
func each(r io.Reader, do func(*event)) error {
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("audit log, line %d: %w", n, err)
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("audit log, line %d: %w", n, err)
		}
		do(&e)
	}
}

// stored says whether the request stored something.
func (e *event) stored() bool {
	return e.Stage == "ResponseComplete" && e.ResponseStatus.Code/100 == 2 && !e.dryRun()
}

func (e *event) write() (Write, bool) {
	stored := e.ResponseObject
	version, err := strconv.ParseUint(stored.Metadata.ResourceVersion, 10, 64)
	if err != nil || !e.stored() || stored.Spec.Replicas == nil {
		return Write{}, false
	}
	return Write{
		Received: e.Received, At: e.At, User: e.User.Username,
		Resource: e.ObjectRef.Resource, Scale: e.ObjectRef.Subresource == "scale",
		Namespace: e.ObjectRef.Namespace, Name: stored.Metadata.Name, UID: stored.Metadata.UID,
		ResourceVersion: version, Replicas: *stored.Spec.Replicas,
	}, true
}

func (e *event) dryRun() bool {
	u, err := url.Parse(e.RequestURI)
	return err == nil && u.Query().Has("dryRun")
}

// Changes are the writes that changed an object's number; its first write is one.
func Changes(writes []Write) []Write {
	was := map[string]int32{}
	var changes []Write
	for _, w := range writes {
		if before, known := was[w.UID]; !known || before != w.Replicas {
			changes = append(changes, w)
		}
		was[w.UID] = w.Replicas
	}
	return changes
}
