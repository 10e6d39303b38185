package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// world is a scenario and where it lands.
type world struct {
	scenario *scenarios.Scenario
	platform *scenarios.Platform
}

// loadWorld loads a scenario by library name or path, and its platform: the given one, else the one beside it
// (NAME.platform.yaml).
func loadWorld(scenario, platform string) (*world, error) {
	w, err := loadScenario(scenario)
	if err != nil {
		return nil, err
	}
	if platform == "" {
		platform = platformBeside(scenario)
	}
	if w.platform, err = scenarios.FindPlatform(platform); err != nil {
		return nil, inputError(err, "--platform names a platform file")
	}
	if err := w.platform.Check(w.scenario); err != nil {
		return nil, inputError(err, "")
	}
	return w, nil
}

// loadScenario loads a scenario by library name or path.
func loadScenario(scenario string) (*world, error) {
	s, err := scenarios.Find(scenario)
	if err != nil {
		return nil, inputError(err, "ansturm scenario ls shows those that ship; anything else is a file's path")
	}
	return &world{scenario: s}, nil
}

// platformBeside is the name of the platform that belongs to a scenario.
func platformBeside(scenario string) string {
	ext := filepath.Ext(scenario)
	if ext != ".yaml" && ext != ".yml" {
		return scenario // a library name
	}
	return strings.TrimSuffix(scenario, ext) + ".platform" + ext
}

// completeScenario offers the library's names, and files.
func completeScenario(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, e := range scenarios.Library() {
		names = append(names, cobra.CompletionWithDesc(e.Name, e.Title.In("en")))
	}
	return names, cobra.ShellCompDirectiveDefault
}

// openPlan opens a plan for a command that goes on from it.
func openPlan(name string) (*planner.Plan, error) {
	plan, err := planner.LoadPlan(name)
	if err != nil {
		return nil, inputError(err, "name the directory that ansturm plan wrote, or the plan.json in it")
	}
	return plan, nil
}

// openRecord opens a record for a command that reads it.
func openRecord(dir string) (*record.Record, error) {
	rec, err := record.Open(dir)
	if err == nil {
		return rec, nil
	}
	hint := "name a directory that ansturm run wrote (it holds run.json)"
	if _, statErr := os.Stat(dir); errors.Is(statErr, fs.ErrNotExist) {
		err = fmt.Errorf("no such directory: %s", dir)
	}
	return nil, inputError(err, hint)
}

// openRecords opens several, in order.
func openRecords(dirs []string) ([]*record.Record, error) {
	records := make([]*record.Record, len(dirs))
	for i, dir := range dirs {
		rec, err := openRecord(dir)
		if err != nil {
			return nil, err
		}
		records[i] = rec
	}
	return records, nil
}
