package planner

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
)

// pathsIn turns paths as the shell knows them into paths from dir, as files there name them: plan and records can then be
// moved together, and read from anywhere.
func pathsIn(dir string) func(string) string {
	return func(path string) string {
		if path == "" {
			return ""
		}
		from, noFrom := unlinked(dir)
		to, noTo := unlinked(path)
		rel, noWay := filepath.Rel(from, to)
		if errors.Join(noFrom, noTo, noWay) != nil {
			return path
		}
		return filepath.ToSlash(rel)
	}
}

// unlinked is the absolute path without links, as far as it exists: a way up must not begin behind one.
func unlinked(path string) (string, error) {
	path, err := filepath.Abs(path)
	if whole, missing := filepath.EvalSymlinks(path); missing == nil {
		path = whole
	}
	return path, err
}

// pathsFrom turns the paths in a file in dir into paths as the shell knows them. Older files hold those of the shell that
// wrote them: where nothing lies at the place seen from dir, but something does seen from here, that is meant.
func pathsFrom(dir string) func(string) string {
	if whole, err := filepath.EvalSymlinks(dir); err == nil {
		dir = whole
	}
	return func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		path = filepath.FromSlash(path)
		beside := filepath.Join(dir, path)
		if _, err := os.Stat(beside); err != nil {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
		return beside
	}
}

// withPaths is the plan with other paths of its records.
func (p *Plan) withPaths(change func(string) string) *Plan {
	out := *p
	out.Evidence = sourcesAt(p.Evidence, change)
	if p.Model != nil {
		model := *p.Model
		model.Runs = sourcesAt(model.Runs, change)
		out.Model = &model
	}
	return &out
}

func sourcesAt(sources []fit.Source, change func(string) string) []fit.Source {
	sources = slices.Clone(sources)
	for i := range sources {
		sources[i].Dir = change(sources[i].Dir)
	}
	return sources
}

// withPaths is the verification with other paths of its plan and records.
func (v *Verification) withPaths(change func(string) string) *Verification {
	out := *v
	out.Plan, out.Run, out.Verdict = change(v.Plan), change(v.Run), verdictAt(v.Verdict, change)
	if v.Notch != nil {
		n := *v.Notch
		n.PlanRun, n.Plan = change(n.PlanRun), verdictAt(n.Plan, change)
		n.NotchRun, n.Notch = change(n.NotchRun), verdictAt(n.Notch, change)
		out.Notch = &n
	}
	return &out
}

func verdictAt(v *gate.Verdict, change func(string) string) *gate.Verdict {
	if v == nil {
		return nil
	}
	out := *v
	out.Dir = change(v.Dir)
	return &out
}
