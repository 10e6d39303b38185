package metricsapi

import (
	"sync"
	"time"
)

// freshest is the age from which a container's start stands in for the sample that it does not have yet.
const freshest = 10 * time.Second

// Usage is one sample of one container: what has been used since its start.
type Usage struct {
	Namespace, Pod, Container, Node string
	// Started is the container's start, At the moment of the sample.
	Started, At time.Time
	// CPU is the CPU time used since Started.
	CPU time.Duration
	// Memory is the working set, in bytes.
	Memory int64
}

// Reading is one container's usage over a window that ends at At.
type Reading struct {
	Container string
	// CPU is in nanocores, Memory in bytes.
	CPU, Memory int64
	At          time.Time
	Window      time.Duration
}

type podKey struct{ namespace, pod string }

// containers are the samples of a pod's containers by name.
type containers map[string]Usage

// Store keeps the last two samples of every container, as metrics-server does: rates need two, and a container that is at
// least 10 s and less than one resolution old has its start as the first.
type Store struct {
	resolution time.Duration

	mu         sync.RWMutex
	last, prev map[podKey]containers
}

// NewStore makes an empty store for scrapes that are resolution apart.
func NewStore(resolution time.Duration) *Store {
	return &Store{resolution: resolution, last: map[podKey]containers{}, prev: map[podKey]containers{}}
}

// Put takes one scrape of everything. What it does not contain is forgotten; of two samples of one container the first counts.
func (s *Store) Put(batch []Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, prev := make(map[podKey]containers, len(s.last)), make(map[podKey]containers, len(s.last))
	for _, u := range batch {
		key := podKey{u.Namespace, u.Pod}
		if _, twice := last[key][u.Container]; twice {
			continue
		}
		put(last, key, u)
		if before, ok := s.before(key, u); ok {
			put(prev, key, before)
		}
	}
	s.last, s.prev = last, prev
}

func put(m map[podKey]containers, key podKey, u Usage) {
	if m[key] == nil {
		m[key] = make(containers, 1)
	}
	m[key][u.Container] = u
}

// before is the sample that the rate up to u begins with.
func (s *Store) before(key podKey, u Usage) (Usage, bool) {
	if age := u.At.Sub(u.Started); age >= freshest && age < s.resolution {
		start := u
		start.At, start.CPU = u.Started, 0
		return start, true
	}
	last, known := s.last[key][u.Container]
	if !known || !u.Started.Before(last.At) { // new, or restarted since
		return Usage{}, false
	}
	if u.At.After(last.At) {
		return last, true
	}
	prev, known := s.prev[key][u.Container]
	return prev, known && prev.At.Before(u.At) // the same sample again
}

// Pod is the usage of a pod's containers, of all or of none.
func (s *Store) Pod(namespace, pod string) []Reading {
	s.mu.RLock()
	defer s.mu.RUnlock()
	key := podKey{namespace, pod}
	return readings(s.last[key], s.prev[key])
}

func readings(last, prev containers) []Reading {
	var list []Reading
	for name, u := range last {
		before, known := prev[name]
		if !known {
			return nil
		}
		if u.Started.Before(before.Started) || u.CPU < before.CPU { // a counter that fell is no rate
			continue
		}
		window := u.At.Sub(before.At)
		list = append(list, Reading{
			Container: name, CPU: int64(float64(u.CPU-before.CPU) / window.Seconds()), Memory: u.Memory,
			At: u.At, Window: window,
		})
	}
	return list
}

// Nodes is the usage of each node that has samples: the sum of its pods', over the newest window among them. The
// containers' names are empty.
func (s *Store) Nodes() map[string]Reading {
	s.mu.RLock()
	defer s.mu.RUnlock()
	nodes := map[string]Reading{}
	for key, last := range s.last {
		for _, r := range readings(last, s.prev[key]) {
			name := last[r.Container].Node
			sum := nodes[name]
			sum.CPU, sum.Memory = sum.CPU+r.CPU, sum.Memory+r.Memory
			if r.At.After(sum.At) {
				sum.At, sum.Window = r.At, r.Window
			}
			nodes[name] = sum
		}
	}
	return nodes
}
