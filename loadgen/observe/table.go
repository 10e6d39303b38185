package observe

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// table keeps of one resource, of each object, only a digest, and tells what changed, once. It is a reflector's store.
//
// A relist is compared with what was there: unchanged objects say nothing, others say what is new, marked late. Objects
// are known by their UID, so that one that was replaced by another of its name is gone and the other is new.
type table[T any] struct {
	o      *Observer
	line   *line
	digest func(metav1.Object) (T, bool) // false: of no interest
	change func(was, is *T, s seen)      // was is nil for a new object, is for one that is gone; the observer's lock is held
	trim   cache.TransformFunc
	rows   map[types.UID]*row[T]
	synced func()
}

type row[T any] struct {
	version string
	written time.Time
	digest  T
}

// Transformer trims what a reflector collects during a list by watch.
func (t *table[T]) Transformer() cache.TransformFunc { return t.trim }

// Add takes an object in.
func (t *table[T]) Add(obj any) error { return t.put(obj, nil) }

// Update is the same: what is new is found by comparing.
func (t *table[T]) Update(obj any) error { return t.put(obj, nil) }

// Delete takes an object out; its last state comes with it.
func (t *table[T]) Delete(obj any) error {
	o, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	t.o.mu.Lock()
	defer t.o.mu.Unlock()
	old := t.rows[o.GetUID()]
	if old == nil {
		return nil
	}
	delete(t.rows, o.GetUID())
	t.change(&old.digest, nil, t.seen(o, time.Time{})) // that an object went is not stamped
	return nil
}

// seen is how an object's change came, now; stamp is when it was written, zero where that is not known.
func (t *table[T]) seen(o metav1.Object, stamp time.Time) seen {
	s := seen{at: t.o.now(), version: o.GetResourceVersion()}
	s.gap, s.late = t.line.late(s.at, stamp)
	return s
}

// put takes an object in; g is the gap that a relist ended, nil for a change that was watched. It locks unless g is set.
func (t *table[T]) put(obj any, g *gap) error {
	o, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	is, interesting := t.digest(o)
	if !interesting {
		return nil
	}
	if g == nil {
		t.o.mu.Lock()
		defer t.o.mu.Unlock()
	}
	old := t.rows[o.GetUID()]
	if old != nil && old.version == o.GetResourceVersion() {
		return nil
	}
	stamp := written(o)
	t.rows[o.GetUID()] = &row[T]{version: o.GetResourceVersion(), written: stamp, digest: is}
	if old != nil && !stamp.After(old.written) {
		stamp = time.Time{} // of an earlier write: those through a subresource may leave none
	}
	s := t.seen(o, stamp)
	if g != nil {
		s.gap, s.late = *g, !g.to.IsZero()
	}
	if old == nil {
		t.change(nil, &is, s)
	} else {
		t.change(&old.digest, &is, s)
	}
	return nil
}

// Replace takes a whole list in: the first one, or one after a gap.
func (t *table[T]) Replace(objects []any, _ string) error {
	t.line.join(true)
	g := t.line.last() // zero for the first list
	t.o.mu.Lock()
	there := map[types.UID]bool{}
	for _, obj := range objects {
		if o, err := meta.Accessor(obj); err == nil {
			there[o.GetUID()] = true
		}
	}
	for uid, old := range t.rows {
		if !there[uid] {
			delete(t.rows, uid)
			t.change(&old.digest, nil, seen{at: t.o.now(), late: true, gap: g})
		}
	}
	for _, obj := range objects {
		if err := t.put(obj, &g); err != nil {
			t.o.mu.Unlock()
			return err
		}
	}
	t.o.mu.Unlock()
	t.synced()
	return nil
}

// Resync is not needed.
func (t *table[T]) Resync() error { return nil }

// UpdateResourceVersion comes with every event and bookmark.
func (t *table[T]) UpdateResourceVersion(string) { t.line.heard() }

// written is the second in which an object was last written, as its managers say; zero where they do not.
func written(o metav1.Object) time.Time {
	var last time.Time
	for _, m := range o.GetManagedFields() {
		if m.Time != nil && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	if d := o.GetDeletionTimestamp(); d != nil && d.After(last) && o.GetDeletionGracePeriodSeconds() != nil {
		// The stamp is when the grace ends.
		if begun := d.Add(-time.Duration(*o.GetDeletionGracePeriodSeconds()) * time.Second); begun.After(last) {
			last = begun
		}
	}
	if c := o.GetCreationTimestamp(); c.After(last) {
		last = c.Time
	}
	return last
}
