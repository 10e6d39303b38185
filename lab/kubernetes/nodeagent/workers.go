package nodeagent

import (
	"context"
	"sync"
)

// workers are a number of queues with a goroutine each. Who posts never waits.
type workers struct{ list []*worker }

type worker struct {
	mu    sync.Mutex
	tasks []func(context.Context)
	more  chan struct{}
}

func newWorkers(ctx context.Context, done *sync.WaitGroup, n int) *workers {
	w := &workers{}
	for range n {
		one := &worker{more: make(chan struct{}, 1)}
		w.list = append(w.list, one)
		done.Go(func() { one.run(ctx) })
	}
	return w
}

// post has worker number k (modulo their number) do task after all that it was given before.
func (w *workers) post(k uint64, task func(context.Context)) {
	one := w.list[k%uint64(len(w.list))]
	one.mu.Lock()
	one.tasks = append(one.tasks, task)
	one.mu.Unlock()
	select {
	case one.more <- struct{}{}:
	default:
	}
}

func (w *worker) run(ctx context.Context) {
	for {
		w.mu.Lock()
		tasks := w.tasks
		w.tasks = nil
		w.mu.Unlock()
		for _, task := range tasks {
			if ctx.Err() != nil {
				return
			}
			task(ctx)
		}
		if len(tasks) > 0 {
			continue
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return
		}
	}
}
