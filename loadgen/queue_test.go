package loadgen

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestQueueKeepsDueOrder: whoever comes and goes in whatever order, the first due is next, and nobody is lost or there
// twice.
func TestQueueKeepsDueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		waiting := map[*visit]bool{}
		visits := make([]visit, 40)
		for range rapid.IntRange(1, 5000).Draw(t, "steps") {
			v := &visits[rapid.IntRange(0, len(visits)-1).Draw(t, "who")]
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				if waiting[v] {
					q.leave(v)
					delete(waiting, v)
				}
			case 1:
				if !waiting[v] {
					v.dueWall, v.Seq = time.Duration(rapid.IntRange(0, 5).Draw(t, "due")), uint32(rapid.IntRange(0, 9).Draw(t, "seq"))
					q.push(v)
					waiting[v] = true
				}
			case 2:
				got := q.pop()
				if got == nil != (len(waiting) == 0) || got != nil && !waiting[got] {
					t.Fatalf("got %v of %d who wait", got, len(waiting))
				}
				for w := range waiting {
					if w.dueWall < got.dueWall || w.dueWall == got.dueWall && w.Seq < got.Seq {
						t.Fatalf("%d/%d before %d/%d", got.dueWall, got.Seq, w.dueWall, w.Seq)
					}
				}
				delete(waiting, got)
			}
			if q.live != len(waiting) {
				t.Fatalf("%d wait, the queue says %d", len(waiting), q.live)
			}
		}
	})
}
