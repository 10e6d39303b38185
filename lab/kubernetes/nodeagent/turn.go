package nodeagent

import (
	"sync"
	"time"
)

// turn is a pod's turn in the balancer: wanted there by the EndpointSlices, put there after the platform's EndpointDelay.
type turn struct {
	pod *pod

	mu              sync.Mutex
	wanted, rotated bool
	readyAt, goneAt time.Time
	timer           *time.Timer
}

func (t *turn) ready(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readyAt = at
}

// done says that the pod, if it is ready, has its turn.
func (t *turn) done() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.readyAt.IsZero() || t.rotated || !t.goneAt.IsZero()
}

// in is told that an EndpointSlice holds the pod as ready.
func (t *turn) in(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wanted {
		return
	}
	t.wanted = true
	t.pod.log(at, StageEndpoint, "")
	wait := t.readyAt.Add(t.pod.a.auto.EndpointDelay).Sub(at)
	if wait <= 0 || t.pod.warm {
		t.rotate()
		return
	}
	t.timer = time.AfterFunc(wait, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.wanted && !t.rotated {
			t.rotate()
		}
	})
}

// rotate puts the pod into the balancer; t.mu is held.
func (t *turn) rotate() {
	t.rotated = true
	t.pod.log(time.Now(), StageRotation, "") // first, or the first request would come before it
	t.pod.body.InRotation(true)
}

// out is told that no EndpointSlice holds the pod as ready any more.
func (t *turn) out(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.wanted {
		return
	}
	t.wanted, t.goneAt = false, at
	if t.timer != nil {
		t.timer.Stop()
	}
	t.pod.log(at, StageWithdrawn, "")
	if t.rotated {
		t.rotated = false
		t.pod.body.InRotation(false)
	}
}
