package nodeagent

import (
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// sawSlice follows an EndpointSlice of a tenant: what it holds as ready gets requests, and nothing else does.
func (a *Agent) sawSlice(object any) {
	s, ok := object.(*discoveryv1.EndpointSlice)
	if !ok || !a.tenants[s.Namespace] {
		return
	}
	ready := map[types.UID]bool{}
	for _, e := range s.Endpoints {
		if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
			ready[e.TargetRef.UID] = true
		}
	}
	a.hold(s.Namespace+"/"+s.Name, ready)
}

func (a *Agent) sawSliceGo(object any) {
	if s, ok := object.(*discoveryv1.EndpointSlice); ok {
		a.hold(s.Namespace+"/"+s.Name, nil)
	}
}

// hold notes what a slice holds as ready. A pod may be in several slices: it moves from one to another without leaving.
func (a *Agent) hold(slice string, ready map[types.UID]bool) {
	now := time.Now()
	var in, out []*pod
	a.mu.Lock()
	before := a.slices[slice]
	for uid := range ready {
		if before[uid] {
			continue
		}
		a.rotation[uid]++
		if p := a.pods[uid]; p != nil && p.body != nil && a.rotation[uid] == 1 {
			in = append(in, p)
		}
	}
	for uid := range before {
		if ready[uid] {
			continue
		}
		a.rotation[uid]--
		if a.rotation[uid] > 0 {
			continue
		}
		delete(a.rotation, uid)
		if p := a.pods[uid]; p != nil && p.body != nil {
			out = append(out, p)
		}
	}
	a.slices[slice] = ready
	if len(ready) == 0 {
		delete(a.slices, slice)
	}
	a.mu.Unlock()
	for _, p := range in {
		p.turn.in(now)
	}
	for _, p := range out {
		p.turn.out(now)
	}
}
