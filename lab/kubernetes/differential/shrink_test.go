package differential

import (
	"slices"
	"testing"

	"github.com/ansturm/ansturm/planner/hpa"
)

// most is how many worlds a minimisation plays at the most.
const most = 4000

// shrink drops from a world whatever it can while differs still tells a difference, and returns what is left and the
// difference it makes.
func shrink(w *world, differs func(*world) string) (*world, string) {
	difference := differs(w)
	played := 0
	try := func(change func(*world) bool) bool {
		next := w.clone()
		if played >= most || !change(next) {
			return false
		}
		played++
		if d := differs(next); d != "" {
			w, difference = next, d
			return true
		}
		return false
	}
	for progress := true; progress && played < most; {
		progress = false
		for size := len(w.Steps) / 2; size > 0; size /= 2 { // steps, by halves
			for at := len(w.Steps) - size; at >= 0; at = min(at, len(w.Steps)) - size {
				progress = try(func(w *world) bool { return dropSteps(w, at, size) }) || progress
			}
		}
		for i := range drops {
			for at, more := 0, true; more && played < most; at++ { // each thing that this drop can take away, one after the other
				changed := false
				if try(func(w *world) bool { changed, more = drops[i](w, at); return changed }) {
					progress = true
					at-- // the next one has taken its place
				}
			}
		}
	}
	return w, difference
}

// dropSteps takes steps away, unless a later one's edit would be lost with them.
func dropSteps(w *world, at, size int) bool {
	var edit *hpa.Spec
	for i := at; i < at+size; i++ {
		if w.Steps[i].Edit != nil {
			edit = w.Steps[i].Edit
		}
	}
	w.Steps = slices.Delete(w.Steps, at, at+size)
	if edit != nil && at < len(w.Steps) && w.Steps[at].Edit == nil {
		w.Steps[at].Edit = edit
	}
	return len(w.Steps) > 0
}

// drops try to take the at-th thing of a kind away: whether that changed anything, and whether there may be more.
var drops = []func(w *world, at int) (changed, more bool){
	func(w *world, _ int) (bool, bool) { was := w.Rival != nil; w.Rival = nil; return was, false },
	eachStep(func(s *step) bool { was := s.Restart; s.Restart = false; return was }),
	eachStep(func(s *step) bool { was := s.Object != kept; s.Object = kept; return was }),
	eachStep(func(s *step) bool { was := s.Edit != nil; s.Edit = nil; return was }),
	eachStep(func(s *step) bool { was := s.Refused; s.Refused = false; return was }),
	eachStep(func(s *step) bool { was := s.StatusRefused; s.StatusRefused = false; return was }),
	eachStep(func(s *step) bool {
		was := s.Conflicts > 0
		s.Conflicts, s.Meanwhile, s.Refetch = 0, 0, false
		return was
	}),
	eachStep(func(s *step) bool { was := s.Selection != hpa.Selected; s.Selection = hpa.Selected; return was }),
	eachStep(func(s *step) bool { was := s.Unreadable; s.Unreadable = false; return was }),
	eachStep(func(s *step) bool { was := len(s.Strays) > 0; s.Strays = nil; return was }),
	eachStep(func(s *step) bool { was := len(s.Foreign) > 0; s.Foreign = nil; return was }),
	eachStep(func(s *step) bool { was := s.Common > 0; s.Common = 0; return was }),
	eachStep(func(s *step) bool {
		was := false
		for i := range s.Values {
			was = was || s.Values[i].Took > 0
			s.Values[i].Took = 0
		}
		return was
	}),
	dropMetric, dropPod,
	eachSpec(func(s *hpa.Spec) bool { was := s.Behavior != nil; s.Behavior = nil; return was }),
	eachSpec(func(s *hpa.Spec) bool {
		was := s.Behavior != nil && s.Behavior.ScaleUp != nil
		if was {
			s.Behavior.ScaleUp = nil
		}
		return was
	}),
	eachSpec(func(s *hpa.Spec) bool {
		was := s.Behavior != nil && s.Behavior.ScaleDown != nil
		if was {
			s.Behavior.ScaleDown = nil
		}
		return was
	}),
}

func eachStep(change func(*step) bool) func(*world, int) (changed, more bool) {
	return func(w *world, at int) (bool, bool) {
		if at >= len(w.Steps) {
			return false, false
		}
		return change(&w.Steps[at]), true
	}
}

func eachSpec(change func(*hpa.Spec) bool) func(*world, int) (changed, more bool) {
	return func(w *world, at int) (bool, bool) {
		specs := []*hpa.Spec{w.Spec}
		for i := range w.Steps {
			if w.Steps[i].Edit != nil {
				specs = append(specs, w.Steps[i].Edit)
			}
		}
		if at >= len(specs) {
			return false, false
		}
		return change(specs[at]), true
	}
}

// dropMetric takes a metric away everywhere, with its answers.
func dropMetric(w *world, at int) (changed, more bool) {
	if at >= len(w.Spec.Metrics) || len(w.Spec.Metrics) == 1 {
		return false, false
	}
	w.Spec.Metrics = slices.Delete(w.Spec.Metrics, at, at+1)
	for i := range w.Steps {
		s := &w.Steps[i]
		if s.Edit != nil && at < len(s.Edit.Metrics) && len(s.Edit.Metrics) > 1 {
			s.Edit.Metrics = slices.Delete(s.Edit.Metrics, at, at+1)
		}
		if at < len(s.Values) {
			s.Values = slices.Delete(s.Values, at, at+1)
		}
	}
	return true, true
}

// dropPod takes the at-th pod of the world away, with its values.
func dropPod(w *world, at int) (changed, more bool) {
	for i := range w.Steps {
		s := &w.Steps[i]
		if at >= len(s.Pods) {
			at -= len(s.Pods)
			continue
		}
		s.Pods = slices.Delete(s.Pods, at, at+1)
		if at < s.Common {
			s.Common--
		}
		for k := range s.Values {
			if at < len(s.Values[k].Pods) {
				s.Values[k].Pods = slices.Delete(s.Values[k].Pods, at, at+1)
			}
		}
		return true, true
	}
	return false, false
}

// TestShrink minimises a world by a difference of its own making.
func TestShrink(t *testing.T) {
	w := draw(1)
	w.Steps[30].Unreadable = true
	differs := func(w *world) string {
		for _, s := range w.Steps {
			if s.Unreadable && len(s.Pods) >= 0 {
				return "a scale cannot be read"
			}
		}
		return ""
	}
	small, difference := shrink(w, differs)
	if len(small.Steps) != 1 || len(small.Steps[0].Pods) != 0 || small.Spec.Behavior != nil || len(small.Spec.Metrics) > 1 || difference == "" {
		t.Errorf("%s: %s", difference, small)
	}
}
