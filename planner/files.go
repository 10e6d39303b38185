package planner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/scenarios"
)

const (
	planFile   = "plan.json"
	verifyFile = "verify.json"
)

// Write puts the plan into dir, which is made where it is missing: plan.json, hpa/<tenant>.yaml (autoscaling/v2, ready
// to be applied), nodes.yaml (what to order, and by when), alerts.yaml (Prometheus rules), platform.yaml and notch.platform.yaml (both load as platforms).
func (p *Plan) Write(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "hpa"), 0o777); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	for i := range p.Tenants {
		data, err := yaml.Marshal(p.Tenants[i].manifest())
		if err != nil {
			return fmt.Errorf("write plan: autoscaler of %s: %w", p.Tenants[i].Tenant, err)
		}
		if err := save(filepath.Join(dir, "hpa", p.Tenants[i].Tenant+".yaml"), data); err != nil {
			return err
		}
	}
	for name, x := range map[string]struct {
		note string
		of   any
	}{"nodes.yaml": {"", map[string]any{"pools": p.orders()}}, "alerts.yaml": {alertsNote, p.alerts()}} {
		data, err := yaml.Marshal(x.of)
		if err != nil {
			return fmt.Errorf("write plan: %s: %w", name, err)
		}
		if err := save(filepath.Join(dir, name), append([]byte(x.note), data...)); err != nil {
			return err
		}
	}
	for name, pf := range map[string]*scenarios.Platform{"platform.yaml": p.Platform, "notch.platform.yaml": p.Notch.Platform} {
		if pf == nil {
			continue
		}
		data, err := scenarios.MarshalPlatform(pf)
		if err != nil {
			return fmt.Errorf("write plan: %s: %w", name, err)
		}
		if err := save(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	return saveJSON(filepath.Join(dir, planFile), p.withPaths(pathsIn(dir)))
}

// manifest is the tenant's autoscaler as Kubernetes takes it, without a status.
func (t *TenantPlan) manifest() any {
	return struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        map[string]string                         `json:"metadata"`
		Spec            autoscalingv2.HorizontalPodAutoscalerSpec `json:"spec"`
	}{
		metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		map[string]string{"name": t.Workload, "namespace": t.Tenant},
		t.HPA,
	}
}

func saveJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return save(path, append(data, '\n'))
}

func save(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o666); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

// LoadPlan reads plan.json from path, a file or the directory it is in.
func LoadPlan(path string) (*Plan, error) {
	p := &Plan{}
	dir, err := load(path, planFile, p)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Format != PlanFormat:
		return nil, fmt.Errorf("read plan %s: format %d, this program reads %d", path, p.Format, PlanFormat)
	case p.Scenario == nil || p.Platform == nil:
		return nil, fmt.Errorf("read plan %s: scenario or platform is missing", path)
	}
	return p.withPaths(pathsFrom(dir)), nil
}

// load reads a file, or the one of that name in a directory, and tells its directory.
func load(path, name string, to any) (dir string, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, name)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return filepath.Dir(path), nil
}

// SaveVerification writes v as verify.json into dir, beside plan.json.
func SaveVerification(dir string, v *Verification) error {
	if v == nil {
		return errors.New("write verify.json: there is nothing to write")
	}
	return saveJSON(filepath.Join(dir, verifyFile), v.withPaths(pathsIn(dir)))
}

// LoadVerification reads verify.json from path, a file or the directory it is in.
func LoadVerification(path string) (*Verification, error) {
	v := &Verification{}
	dir, err := load(path, verifyFile, v)
	if err != nil {
		return nil, err
	}
	if v.Format != PlanFormat {
		return nil, fmt.Errorf("read %s: format %d, this program reads %d", path, v.Format, PlanFormat)
	}
	return v.withPaths(pathsFrom(dir)), nil
}
