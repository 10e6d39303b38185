package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/place"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// fleetFlags are what the flags of run say about who fires. With no workers this process does.
type fleetFlags struct {
	workers int
	on      workersOn
	job     jobFlags
	joiners int
	address string
	hosts   []string
	hold    time.Duration
	await   time.Duration
}

// mostWorkers is how many a schedule is shared among at most, with parts enough for each.
const mostWorkers = arrivals.MostParts / 16

func (f *fleetFlags) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.IntVar(&f.workers, "workers", 0, "fire by this many worker processes (0: by this one)")
	f.on = local
	flags.Var(&f.on, "workers-on", "where these run: local (this machine) or kubernetes (a Job in a cluster)")
	must(c.RegisterFlagCompletionFunc("workers-on", cobra.FixedCompletions([]string{local, kubernetes}, cobra.ShellCompDirectiveNoFileComp)))
	f.job.flags(c)
	flags.IntVar(&f.joiners, "joiners", 0, "wait for this many workers that are started elsewhere, by ansturm worker")
	flags.StringVar(&f.address, "bus-address", "", "HOST:PORT where workers from elsewhere join (default: this machine's alone)")
	flags.StringSliceVar(&f.hosts, "bus-host", nil, "name or address by which workers reach --bus-address, where that is another or 0.0.0.0")
	flags.DurationVar(&f.hold, "hold", 0, "how far ahead workers are promised what to fire; a loss nobody can prove leaves a dent as long (default 3s)")
	flags.DurationVar(&f.await, "await", fleet.DefaultAwait, "how long the workers are waited for")
}

// Where workers run.
const (
	local      = "local"
	kubernetes = "kubernetes"
)

// workersOn is a flag's value: where workers run.
type workersOn string

func (w *workersOn) String() string { return string(*w) }
func (w *workersOn) Type() string   { return "string" }

func (w *workersOn) Set(text string) error {
	if text != local && text != kubernetes {
		return fmt.Errorf("must be %s or %s", local, kubernetes)
	}
	*w = workersOn(text)
	return nil
}

// given says whether a fleet fires.
func (f *fleetFlags) given() bool { return f.workers+f.joiners > 0 }

// check refuses what cannot be meant.
func (f *fleetFlags) check(changed func(string) bool) error {
	switch {
	case f.workers < 0 || f.joiners < 0 || f.workers+f.joiners > mostWorkers:
		return inputError(fmt.Errorf("%d workers, must be from 0 to %d", f.workers+f.joiners, mostWorkers), "")
	case f.await < 0:
		return inputError(fmt.Errorf("--await %s is below 0", f.await), "")
	case f.on == kubernetes && f.workers == 0:
		return inputError(errors.New("--workers-on kubernetes without --workers"), "say how many, like --workers 3")
	case f.on == kubernetes && f.job.image == "":
		return inputError(errors.New("--workers-on kubernetes without --workers-image"), "name an image that has ansturm as its entry point")
	case f.on == kubernetes && f.address == "":
		return inputError(errors.New("--workers-on kubernetes without --bus-address"), "name a HOST:PORT of this machine that the cluster's pods reach")
	}
	for _, flag := range jobFlagNames {
		if f.on != kubernetes && changed(flag) {
			return inputError(fmt.Errorf("--%s without --workers-on kubernetes", flag), "")
		}
	}
	if f.given() {
		return f.checkBus()
	}
	for _, flag := range []string{"bus-address", "bus-host", "hold", "await"} {
		if changed(flag) {
			return inputError(fmt.Errorf("--%s without --workers or --joiners", flag), "say how many workers are to fire, like --workers 2")
		}
	}
	return nil
}

// checkBus refuses an address that nobody can join at.
func (f *fleetFlags) checkBus() error {
	if f.address == "" {
		if len(f.hosts) > 0 {
			return inputError(errors.New("--bus-host without --bus-address"), busHint)
		}
		return nil
	}
	host, text, err := net.SplitHostPort(f.address)
	_, bad := strconv.ParseUint(text, 10, 16)
	ip := net.ParseIP(host)
	switch {
	case err != nil || bad != nil || host == "":
		return inputError(fmt.Errorf("--bus-address %q is no HOST:PORT", f.address), busHint)
	case ip != nil && ip.IsUnspecified() && len(f.hosts) == 0:
		return inputError(fmt.Errorf("--bus-address %s is all of this machine: which of its names do workers join by?", f.address), "say so by --bus-host")
	case slices.Contains(f.hosts, ""):
		return inputError(errors.New("--bus-host is empty"), "")
	}
	return nil
}

// abroad says that workers of other machines may join.
func (f *fleetFlags) abroad() bool {
	host, _, err := net.SplitHostPort(f.address)
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

const busHint = "--bus-address is an address of this machine that workers reach, and a free port (0: any), like 10.1.2.3:4222"

// expedition is a run that a fleet fires.
type expedition struct {
	aimed
	*fleet.Coordinator
	app     *app
	p       *progress
	bus     *bus.Server
	workers place.Placement // nil: all are started elsewhere
	finish  accounting
}

// fleetDir is where a fleet's bus and its workers keep what the record does not have yet; nothing of it is the record's: it holds
// the run's secrets.
func fleetDir(dir string) string { return dir + ".fleet" }

// fireFleet fires a run by workers. The record is whole afterwards, unless there is an error.
func (a *app) fireFleet(ctx context.Context, p *progress, f firing, g ground, schedule *arrivals.Schedule) (err error) {
	x := &expedition{aimed: aimed{f, g}, app: a, p: p}
	b, engine, err := f.begin(g, schedule)
	if err != nil {
		return err
	}
	options := bus.Options{Run: b.Run.ID, Dir: fleetDir(f.dir), Address: f.fleet.address, Hosts: f.fleet.hosts, Log: p.say}
	if x.bus, err = bus.Start(ctx, options); err != nil {
		if f.begun == nil {
			err = errors.Join(err, os.RemoveAll(fleetDir(f.dir)))
		}
		err = fmt.Errorf("the fleet's bus: %w", err)
		if f.fleet.address != "" && ctx.Err() == nil {
			return inputError(err, busHint)
		}
		return err
	}
	defer func() { err = x.leave(err) }()
	if f.begun == nil {
		if err := b.save(); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, x.ending)()
	if x.Coordinator, err = fleet.New(x.config(b, engine)); err != nil {
		return inputError(err, "")
	}
	if err := x.place(ctx); err != nil {
		return err
	}
	if x.widowed() { // there is nothing to fire at any more: the record is closed with what there is
		over, cancel := context.WithCancel(ctx)
		cancel()
		ctx = over
	}
	return x.shoot(ctx)
}

// begin is the run to be, or that there is to be taken up, and how one process would fire it.
func (f firing) begin(g ground, schedule *arrivals.Schedule) (b *begun, engine loadgen.Config, err error) {
	if b := f.begun; b != nil {
		run := b.Run
		return b, f.config(g, schedule, &run), nil
	}
	if err := f.free(); err != nil {
		return nil, engine, err
	}
	b = &begun{Args: f.args, Run: f.run(time.Time{}), Key: make([]byte, 32), dir: f.dir}
	if f.fleet.on == kubernetes {
		b.Namespace = f.fleet.job.namespace
	}
	_, _ = rand.Read(b.Key) // never fails, by its documentation
	engine = f.config(g, schedule, &b.Run)
	for i := range f.scenario.Tenants.List {
		b.Addresses = append(b.Addresses, engine.Address(i))
	}
	return b, engine, nil
}

// ending says what a second Ctrl-C would leave behind.
func (x *expedition) ending() {
	x.p.say(fmt.Sprintf("ending the run; a second Ctrl-C leaves the workers and %s behind, for ansturm run --resume %s", fleetDir(x.dir), x.dir))
}

// free refuses a directory where something is already.
func (f firing) free() error {
	dir := fleetDir(f.dir)
	if _, err := os.Lstat(filepath.Join(dir, resumeFile)); err == nil {
		return inputError(fmt.Errorf("%s is of a run that was not ended", dir),
			"ansturm run --resume "+f.dir+" takes it up; or remove that directory, with what its workers counted")
	}
	if _, err := os.Lstat(dir); err == nil {
		return inputError(fmt.Errorf("%s is there already, and no run is to be taken up by it", dir), "remove that directory, or name another with -o")
	}
	if _, err := os.Lstat(f.dir); err == nil {
		return inputError(fmt.Errorf("%s is there already", f.dir), "name another directory with -o")
	}
	return nil
}

// widowed says that the embedded platform ended with the coordinator that had started it.
func (x *expedition) widowed() bool { return x.begun != nil && x.target == "" && x.cluster == nil }

// config is the fleet's run.
func (x *expedition) config(b *begun, engine loadgen.Config) fleet.Config {
	workers := x.fleet.workers + x.fleet.joiners
	if engine.MaxConnections > 0 { // of the whole run
		engine.MaxConnections = (engine.MaxConnections + workers - 1) / workers
	}
	return fleet.Config{
		Store: x.bus, Dir: x.dir, Run: b.Run, Engine: engine, Roots: x.way.roots, Key: b.Key,
		Workers: workers, Await: x.fleet.await, Hold: x.fleet.hold,
		Started: x.started, Account: x.account, Finish: judgeLab,
		Say: x.p.say, Quiet: x.app.quiet,
	}
}

// place starts the workers of this machine, and says how others join.
func (x *expedition) place(ctx context.Context) error {
	if x.fleet.joiners > 0 {
		if x.target == "" && x.cluster == nil && x.fleet.abroad() {
			x.app.say("warning: the embedded platform is on this machine's loopback: workers of other machines fire at their own")
		}
		x.app.say("join with: ansturm worker --join %s --token-file %s", x.bus.URL(), x.bus.TokenFile())
	}
	if x.fleet.workers == 0 {
		return nil
	}
	workers, err := x.choose(ctx, place.Worker{Join: x.bus.URL(), TokenFile: x.bus.TokenFile(), Args: x.workerArgs()})
	if err != nil {
		return err
	}
	x.workers = workers
	go func() {
		for d := range x.workers.Deaths() {
			x.died(d)
		}
	}()
	return x.workers.Start(ctx, x.fleet.workers)
}

// choose makes the placement.
func (x *expedition) choose(ctx context.Context, w place.Worker) (place.Placement, error) {
	if x.fleet.on != kubernetes {
		return place.NewLocal(place.LocalConfig{Worker: w, Dir: fleetDir(x.dir)})
	}
	surge := time.Duration(float64(x.scenario.Arrivals.Over) / x.speed)
	return x.fleet.job.job(ctx, w, x.bus.Run(), surge+x.fleet.await, x.p.say)
}

// workerArgs are what the flags of run say to each worker.
func (x *expedition) workerArgs() (args []string) {
	for _, source := range x.way.sources {
		args = append(args, "--source", source.String())
	}
	return args
}

// died tells the coordinator of a worker's proved end.
func (x *expedition) died(d place.Death) {
	x.Gone(d.Name)
	if !d.Done {
		x.p.say(fmt.Sprintf("worker %s ended: %s", d.Name, d.Why))
	}
}

// shoot coordinates the run to its end.
func (x *expedition) shoot(ctx context.Context) error {
	stopServing, err := metrics{x.Progress, x.Workers}.serve(x.metrics)
	if err != nil {
		return err
	}
	defer stopServing()
	show := x.show(x.p)
	crew := x.p.crew()
	stopWatching := watch(func() {
		show.now(x.Progress())
		crew.now(x.Workers())
	})
	run, err := x.Run(ctx)
	if errors.Is(err, fleet.ErrNoWorker) {
		err = inputError(err, x.fleet.hintOfNone())
	}
	stopWatching()
	crew.end()
	show.end(x.ended(), err != nil || run.Interrupted)
	return err
}

// hintOfNone is what may help where no worker came.
func (f *fleetFlags) hintOfNone() string {
	if f.on == kubernetes {
		return "pods must reach --bus-address, and its image be this build of ansturm; or wait longer by --await"
	}
	return "start workers with ansturm worker, or wait longer by --await"
}

// ended is how far the run came: as the record has it, which knows more than the workers' last words.
func (x *expedition) ended() loadgen.Progress {
	p := x.Progress()
	rec, err := record.Open(x.dir)
	if err != nil || !rec.Run.Complete() {
		return p
	}
	if account, err := rec.Account(); err == nil {
		l := account.Ledger
		p.Completed, p.Failed, p.Indeterminate, p.Unsent, p.InFlight = l.Completed, l.Failed, l.Indeterminate, l.Unsent, 0
	}
	return p
}

// started begins the platform's time and what watches it.
func (x *expedition) started(start time.Time) (err error) {
	if x.widowed() {
		return nil
	}
	if x.finish, err = x.listen(context.Background(), start, x.Event); err != nil {
		return err
	}
	if x.observer != nil {
		x.observer.Attach(start, x.Event)
	}
	return nil
}

// account is the platform's own, once its reactions have ended.
func (x *expedition) account(ctx context.Context) (*record.LabAccount, *roaring.Bitmap, []record.Warning, error) {
	if x.widowed() {
		return nil, nil, []record.Warning{widowedWarning}, nil
	}
	if x.finish == nil {
		return nil, nil, nil, nil
	}
	if x.observer != nil {
		x.cluster.wait(ctx)
	}
	account, accepted, err := x.finish()
	var seen []record.Warning
	if x.observer != nil {
		seen = x.observer.Stop()
	}
	return account, accepted, seen, err
}

var widowedWarning = record.Warning{Code: "platform-gone", Text: scenarios.Text{
	"de": "Die eingebettete Plattform endete mit dem Prozess, der den Lauf leitete: Der Lauf wurde hier abgeschlossen, ihr eigener Bericht fehlt.",
	"en": "The embedded platform ended with the process that led the run: the run was closed here, and its own account is missing.",
}}

// closedRun is what went wrong with a run whose record is whole all the same.
type closedRun struct{ error }

func (r closedRun) Unwrap() error { return r.error }

// leave ends the workers, and the bus: for good where the record has everything, or there is none.
func (x *expedition) leave(broken error) error {
	ctx := context.Background() // each bounds itself
	if x.workers != nil {
		broken = errors.Join(broken, x.workers.Stop(ctx))
	}
	rec, err := record.Open(x.dir)
	whole := err == nil && rec.Run.Complete()
	if _, none := os.Lstat(x.dir); broken != nil && none == nil && !whole {
		return x.notEnded(errors.Join(broken, x.bus.Close()))
	}
	broken = errors.Join(broken, x.bus.Remove(ctx), os.RemoveAll(fleetDir(x.dir)))
	if whole && broken != nil {
		return closedRun{broken}
	}
	return broken
}

// notEnded says what broke the run, and how it goes on.
func (x *expedition) notEnded(broken error) error {
	code, hint := exitInternal, "ansturm run --resume "+x.dir+" goes on with it"
	var cause *exitError
	if errors.As(broken, &cause) {
		code = cause.code
		if cause.hint != "" {
			hint += "; " + cause.hint
		}
	}
	return &exitError{code: code, err: fmt.Errorf("%w; the run is not ended", broken), hint: hint}
}
