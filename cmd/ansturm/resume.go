package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/place"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// resumeFile is in a fleet's directory what its run is taken up by.
const resumeFile = "run.json"

// begun is a run that a fleet has begun, as another coordinator takes it up: by the command line that it was begun with.
type begun struct {
	Args      []string   `json:"args"`
	Directory string     `json:"directory"` // where that was typed
	Run       record.Run `json:"run"`
	Addresses []string   `json:"addresses"` // of the tenants
	Key       []byte     `json:"key"`
	Namespace string     `json:"namespace,omitempty"` // of the workers' Job, where there is one

	dir string // of the record
}

// save keeps it in the fleet's directory.
func (b *begun) save() (err error) {
	if b.Directory, err = os.Getwd(); err != nil {
		return err
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(fleetDir(b.dir), resumeFile), text, 0o600)
}

// onlyResume refuses flags beside --resume: they would change a run that has begun, and its command line says all.
func onlyResume(c *cobra.Command) error {
	others := c.Flags().NFlag()
	for _, flag := range []string{"resume", "json", "quiet"} {
		if c.Flags().Changed(flag) {
			others--
		}
	}
	if others > 0 {
		return inputError(errors.New("--resume goes with no flag but --json and --quiet"), "the run goes on as it was begun: leave the others out")
	}
	return nil
}

// resume takes up the run of a fleet whose coordinator has died.
func (a *app) resume(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	b, err := readBegun(dir)
	if err != nil {
		return err
	}
	if rec, err := record.Open(dir); err == nil && rec.Run.Complete() {
		return a.tidyUp(ctx, rec, b)
	}
	if err := os.Chdir(b.Directory); err != nil { // what was typed names files from there
		return inputError(fmt.Errorf("resume %s: %w", dir, err), "the run was begun in that directory, and its files are named from there")
	}
	again := &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, begun: b}
	root := again.root()
	root.SetArgs(append([]string{fmt.Sprintf("--json=%t", a.json), fmt.Sprintf("--quiet=%t", a.quiet)}, b.Args...))
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root.ExecuteContext(ctx)
}

// tidyUp takes away what a coordinator left that died when its record was whole already.
func (a *app) tidyUp(ctx context.Context, rec *record.Record, b *begun) error {
	dir := fleetDir(rec.Dir)
	if rec.Run.ID != b.Run.ID {
		return inputError(fmt.Errorf("%s is of run %s, the record in %s of run %s", dir, b.Run.ID, rec.Dir, rec.Run.ID),
			"move the record away, and resume again; or remove "+dir)
	}
	server, err := bus.Start(ctx, bus.Options{Dir: dir}) // not beside another coordinator
	if err != nil {
		return fmt.Errorf("the fleet's bus: %w", err)
	}
	workers, err := place.NewLocal(place.LocalConfig{Worker: place.Worker{Join: server.URL(), TokenFile: server.TokenFile()}, Dir: dir})
	if err == nil {
		err = errors.Join(workers.Start(ctx, 0), workers.Stop(ctx))
	}
	if err := errors.Join(err, server.Remove(ctx), os.RemoveAll(dir)); err != nil {
		return err
	}
	a.say("the run was over: what its fleet had left is taken away")
	if b.Namespace != "" {
		a.say("its cluster removes the workers' Job by itself, ten minutes after they have ended; at once: kubectl delete job -n %s %s",
			b.Namespace, place.JobName(b.Run.ID))
	}
	if err := a.tellAccount(rec); err != nil {
		return err
	}
	return judged(rec)
}

// readBegun reads what a run is taken up by.
func readBegun(dir string) (*begun, error) {
	text, err := os.ReadFile(filepath.Join(fleetDir(dir), resumeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noneToResume(dir)
	}
	if err != nil {
		return nil, inputError(fmt.Errorf("resume %s: %w", dir, err), "")
	}
	b := &begun{dir: dir}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, inputError(fmt.Errorf("resume %s: %s: %w", dir, resumeFile, err), "")
	}
	return b, nil
}

// noneToResume says why a run cannot be taken up.
func noneToResume(dir string) error {
	rec, err := record.Open(dir)
	switch {
	case err != nil:
		return inputError(fmt.Errorf("resume %s: no fleet has begun a run there", dir), "name the directory of its record")
	case rec.Run.Complete():
		return inputError(fmt.Errorf("resume %s: the run is over", dir), "ansturm inspect "+dir+" shows it")
	}
	return inputError(fmt.Errorf("resume %s: one process fired it, and is gone", dir), "ansturm inspect --repair "+dir+" finishes the record with what is there")
}

// check refuses a scenario that is not what was begun.
func (b *begun) check(s *scenarios.Scenario) error {
	was, err := json.Marshal(b.Run.Scenario)
	if err != nil {
		return err
	}
	is, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if !bytes.Equal(was, is) {
		return inputError(fmt.Errorf("resume %s: the scenario has been changed since the run began", b.dir), "restore its file, and try again")
	}
	return nil
}
