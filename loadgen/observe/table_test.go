package observe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A write through a subresource may leave an object's stamps as they were; these say nothing of when it happened, and
// must not make it late that the object was last written in, or shortly before, a gap.
func TestOldStampsMakeNothingLate(t *testing.T) {
	clock := epoch.Add(20 * time.Second)
	var got []seen
	table := table[string]{
		o: &Observer{now: func() time.Time { return clock }}, rows: map[types.UID]*row[string]{}, synced: func() {},
		line:   &line{was: gap{heard: epoch.Add(8 * time.Second), from: epoch.Add(10 * time.Second), to: epoch.Add(16 * time.Second)}},
		digest: func(o metav1.Object) (string, bool) { return o.GetResourceVersion(), true },
		change: func(_, _ *string, s seen) { got = append(got, s) },
	}
	put := func(version string, stamp time.Duration) seen {
		written := metav1.NewTime(epoch.Add(stamp))
		o := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			UID: "u", ResourceVersion: version, ManagedFields: []metav1.ManagedFieldsEntry{{Time: &written}},
		}}
		if err := table.Update(o); err != nil {
			t.Fatal(err)
		}
		return got[len(got)-1]
	}
	if s := put("1", 12*time.Second); !s.late {
		t.Error("written in the gap, and not late")
	}
	if s := put("2", 12*time.Second); s.late {
		t.Error("another write with the same stamp is late")
	}
	if s := put("3", 13*time.Second); !s.late {
		t.Error("another write of the gap is not late")
	}
	n := len(got)
	if put("3", 13*time.Second); len(got) != n {
		t.Error("the same version was told twice")
	}
}
