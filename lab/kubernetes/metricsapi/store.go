package metricsapi

import (
	"sync"
	"time"

	"github.com/ansturm/ansturm/planner/hpa"
)

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
	Container, Node string
	// CPU is in nanocores, Memory in bytes.
	CPU, Memory int64
	At          time.Time
	Window      time.Duration
}

type podKey struct{ namespace, pod string }

// container is what is kept of a pod's container: its meter, in which moments count from 1970.
type container struct {
	name, node string
	meter      hpa.Meter
}

// Store keeps what metrics-server keeps of every container; [hpa.Meter] is the rule.
type Store struct {
	resolution time.Duration

	mu   sync.RWMutex
	pods map[podKey][]container
}

// NewStore makes an empty store for scrapes that are resolution apart.
func NewStore(resolution time.Duration) *Store {
	return &Store{resolution: resolution, pods: map[podKey][]container{}}
}

// Put takes one scrape of everything. What it does not contain is forgotten; of two samples of one container the first counts.
func (s *Store) Put(batch []Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pods := make(map[podKey][]container, len(s.pods))
	for _, u := range batch {
		key := podKey{u.Namespace, u.Pod}
		if find(pods[key], u.Container) != nil {
			continue
		}
		c := container{name: u.Container, node: u.Node}
		if before := find(s.pods[key], u.Container); before != nil {
			c.meter = before.meter
		}
		c.meter.Take(hpa.Reading{
			Started: time.Duration(u.Started.UnixNano()), At: time.Duration(u.At.UnixNano()), CPU: u.CPU, Memory: u.Memory,
		}, s.resolution)
		pods[key] = append(pods[key], c)
	}
	s.pods = pods
}

func find(list []container, name string) *container {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// Pod is the usage of a pod's containers, of all or of none.
func (s *Store) Pod(namespace, pod string) []Reading {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return readings(s.pods[podKey{namespace, pod}])
}

func readings(pod []container) []Reading {
	var list []Reading
	for i := range pod {
		c := &pod[i]
		if !c.meter.Rated() {
			return nil
		}
		if rate, given := c.meter.Rate(); given {
			list = append(list, Reading{c.name, c.node, rate.Nanocores, rate.Memory, time.Unix(0, int64(rate.At)), rate.Window})
		}
	}
	return list
}

// Nodes is the usage of each node that has samples: the sum of its pods', over the newest window among them. The
// names are empty.
func (s *Store) Nodes() map[string]Reading {
	s.mu.RLock()
	defer s.mu.RUnlock()
	nodes := map[string]Reading{}
	for _, pod := range s.pods {
		for _, r := range readings(pod) {
			sum := nodes[r.Node]
			sum.CPU, sum.Memory = sum.CPU+r.CPU, sum.Memory+r.Memory
			if r.At.After(sum.At) {
				sum.At, sum.Window = r.At, r.Window
			}
			nodes[r.Node] = sum
		}
	}
	return nodes
}
