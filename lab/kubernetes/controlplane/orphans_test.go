package controlplane

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// wards are an orphanage over caches that a test sets, and the names of the pods that it deletes.
type wards struct {
	*orphanage
	pods, nodes cache.Indexer
	deleted     []string
	refuse      error
}

func newWards(t *testing.T) *wards {
	client := fake.NewSimpleClientset()
	w := &wards{
		pods:  cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
		nodes: cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil),
	}
	w.orphanage = &orphanage{client: client, pods: corelisters.NewPodLister(w.pods), nodes: corelisters.NewNodeLister(w.nodes)}
	client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		deletion := action.(clienttesting.DeleteActionImpl)
		options := deletion.DeleteOptions
		if *options.GracePeriodSeconds != 0 || options.Preconditions == nil || *options.Preconditions.UID != types.UID(deletion.Name+"-uid") {
			t.Errorf("%s is deleted with %+v, wanted at once, and that very pod alone", deletion.Name, options)
		}
		w.deleted = append(w.deleted, deletion.Namespace+"/"+deletion.Name)
		return true, nil, w.refuse
	})
	return w
}

func (w *wards) pod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, UID: types.UID(name + "-uid")}, Spec: corev1.PodSpec{NodeName: node},
	}
}

func put(t *testing.T, c cache.Indexer, objects ...any) {
	t.Helper()
	for _, object := range objects {
		if err := c.Add(object); err != nil {
			t.Fatal(err)
		}
	}
}

// looks lets the orphanage look, and says what it has deleted.
func (w *wards) looks(t *testing.T) []string {
	w.deleted = nil
	w.look(t.Context())
	slices.Sort(w.deleted)
	return w.deleted
}

func TestOrphansGoAtTheSecondLook(t *testing.T) {
	w := newWards(t)
	put(t, w.nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "vm-1"}})
	put(t, w.pods, w.pod("housed", "vm-1"), w.pod("waiting", ""), w.pod("orphan", "vm-2"), w.pod("early", "vm-3"))
	if got := w.looks(t); len(got) > 0 {
		t.Errorf("the first look deletes %v; a cache of nodes may be behind that of pods", got)
	}
	put(t, w.nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "vm-3"}})
	put(t, w.pods, w.pod("new", "vm-2"))
	if got := w.looks(t); !slices.Equal(got, []string{"n/orphan"}) {
		t.Errorf("the second look deletes %v, wanted the one that both have found", got)
	}
	if err := w.nodes.Delete(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "vm-3"}}); err != nil {
		t.Fatal(err)
	}
	if got := w.looks(t); !slices.Equal(got, []string{"n/new", "n/orphan"}) {
		t.Errorf("the third look deletes %v, wanted those without a node since the second; the node of early was there in between", got)
	}
}

func TestOrphanThatCannotBeDeletedIsTriedAgain(t *testing.T) {
	w := newWards(t)
	w.refuse = errors.New("the API server is away")
	put(t, w.pods, w.pod("orphan", "gone"))
	w.looks(t)
	for range 2 {
		if got := w.looks(t); len(got) != 1 {
			t.Errorf("deleted %v, wanted another try", got)
		}
	}
}

func TestOrphanageLooksEveryPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWards(t)
		put(t, w.pods, w.pod("orphan", "gone"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.run(ctx); close(done) }()
		time.Sleep(2*orphanPeriod - time.Nanosecond)
		synctest.Wait()
		if len(w.deleted) > 0 {
			t.Errorf("%v is deleted before the second look is due", w.deleted)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(w.deleted) != 1 {
			t.Errorf("deleted %v at the second look, wanted the orphan", w.deleted)
		}
		cancel()
		<-done
	})
}
