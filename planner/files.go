package planner

// Write puts the plan into dir: plan.json, hpa/<tenant>.yaml, nodes.yaml, platform.yaml, notch.platform.yaml.
func (p *Plan) Write(dir string) error { return errNotBuilt }

// LoadPlan reads plan.json from path, a file or the directory it is in.
func LoadPlan(path string) (*Plan, error) { return nil, errNotBuilt }

// SaveVerification writes v as verify.json into dir.
func SaveVerification(dir string, v *Verification) error { return errNotBuilt }

// LoadVerification reads verify.json from path, a file or the directory it is in.
func LoadVerification(path string) (*Verification, error) { return nil, errNotBuilt }
