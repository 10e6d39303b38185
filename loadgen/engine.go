package loadgen

import (
	"context"
	"errors"
)

// Engine fires one run.
type Engine struct{ cfg Config }

// New compiles everything and opens nothing. Errors name the step and the field.
func New(cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Engine{cfg: cfg}, nil
}

// Run fires the share, waits for every arrival's fate, and leaves no goroutine and no connection behind. Cancelling
// ctx ends the run early: what has not begun is unsent, what is in flight gets Config.Grace. The error is the
// recorder's, nil otherwise; the result holds in any case. Run may be called once.
func (e *Engine) Run(ctx context.Context) (Result, error) {
	return Result{}, errors.New("loadgen: not built yet")
}

// Progress may be called at any time, from any goroutine.
func (e *Engine) Progress() Progress { return Progress{} }
