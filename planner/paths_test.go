package planner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
)

// fired writes a plan and its verification into house/plan, made from house/runs/a and fired into house/plan/verify, as
// a shell in the folder above the house names them; the test goes on there.
func fired(t *testing.T) (folder string) {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(folder)
	for _, dir := range []string{"house/runs/a", "house/plan/verify/plan", "elsewhere"} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	p := smallPlan(t)
	p.Evidence = []fit.Source{{ID: "a", Dir: "house/runs/a"}}
	p.Model = &fit.Model{Runs: p.Evidence}
	if err := p.Write("house/plan"); err != nil {
		t.Fatal(err)
	}
	v := &Verification{Format: PlanFormat, Plan: "house/plan", Run: "house/plan/verify/plan", Verdict: &gate.Verdict{Dir: "house/plan/verify/plan"}}
	v.Notch = &NotchFired{PlanRun: v.Run, Plan: v.Verdict, NotchRun: v.Run, Notch: v.Verdict}
	if err := SaveVerification("house/plan", v); err != nil {
		t.Fatal(err)
	}
	if p.Evidence[0].Dir != "house/runs/a" || v.Run != "house/plan/verify/plan" || v.Verdict.Dir != v.Run || v.Notch.PlanRun != v.Run {
		t.Errorf("writing changed what was written: %+v, %+v", p.Evidence, v)
	}
	return folder
}

// paths are all that are read back of a plan and its verification.
func paths(t *testing.T, dir string) (runs, firings []string, plan string) {
	t.Helper()
	p, err := LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := LoadVerification(dir)
	if err != nil {
		t.Fatal(err)
	}
	return []string{p.Evidence[0].Dir, p.Model.Runs[0].Dir},
		[]string{v.Run, v.Verdict.Dir, v.Notch.PlanRun, v.Notch.Plan.Dir, v.Notch.NotchRun, v.Notch.Notch.Dir}, v.Plan
}

func expect(t *testing.T, dir, run, firing string) {
	t.Helper()
	runs, firings, plan := paths(t, dir)
	for _, got := range runs {
		if got != run {
			t.Errorf("evidence at %s, want %s", got, run)
		}
	}
	for _, got := range firings {
		if got != firing {
			t.Errorf("fired into %s, want %s", got, firing)
		}
	}
	if want := filepath.Clean(dir); plan != want {
		t.Errorf("the verified plan is %s, want %s", plan, want)
	}
}

func TestPathsAreFoundFromWhereTheFilesAre(t *testing.T) {
	folder := fired(t)
	for _, name := range []string{planFile, verifyFile} {
		text, err := os.ReadFile(filepath.Join("house/plan", name))
		if err != nil || strings.Contains(string(text), "house/") {
			t.Errorf("%s names the folder that it lies in, or %v", name, err)
		}
	}
	expect(t, "house/plan", "house/runs/a", "house/plan/verify/plan")
	t.Chdir("elsewhere")
	expect(t, "../house/plan", "../house/runs/a", "../house/plan/verify/plan")
	if err := os.Rename("../house", "moved"); err != nil {
		t.Fatal(err)
	}
	expect(t, "moved/plan", "moved/runs/a", "moved/plan/verify/plan")
	whole := filepath.Join(folder, "elsewhere/moved")
	expect(t, whole+"/plan", whole+"/runs/a", whole+"/plan/verify/plan")
}

// A plan's folder may be a link into another one.
func TestPathsLeadThroughLinks(t *testing.T) {
	folder := fired(t)
	if err := os.Symlink(filepath.Join(folder, "house/plan"), "elsewhere/link"); err != nil {
		t.Skip(err)
	}
	p, err := LoadPlan("elsewhere/link")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write("elsewhere/link"); err != nil {
		t.Fatal(err)
	}
	again, err := LoadPlan("elsewhere/link")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{p.Evidence[0].Dir, again.Evidence[0].Dir} {
		if want := filepath.Join(folder, "house/runs/a"); dir != want {
			t.Errorf("evidence at %s, want %s", dir, want)
		}
	}
}

// Older files name their records as the shell did that wrote them.
func TestPathsOfOlderFilesAreFoundFromTheShell(t *testing.T) {
	fired(t)
	for name, now := range map[string]string{planFile: "../runs/a", verifyFile: "verify/plan"} {
		file := filepath.Join("house/plan", name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		older := map[string]string{planFile: "house/runs/a", verifyFile: "house/plan/verify/plan"}[name]
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), `"`+now+`"`, `"`+older+`"`)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "house/plan", "house/runs/a", "house/plan/verify/plan")
}
