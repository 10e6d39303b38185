// Command peers holds Ansturm's engine against the load generators that people use, and against a minimal C client
// that marks what the machine allows: all of them in one run, in turns, on the same server.
//
// It lives under testdata so that ./... leaves it alone: it measures, it is no part of the product. `make bench-peers`
// runs it from the top of the source tree; docs/how-we-measure.md says what it measures and why that way.
//
//  1. build.go: compiles the sink and the limit, finds or installs the peers.
//  2. process.go, sink.go: runs one client on its own core against a sink on the other, and reads what both say.
//  3. clients.go, peers.go: how each client is told what to do, and how its answer is read.
//  4. throughput.go, lateness.go, stall.go, tls.go, journeys.go, memory.go: the measurements, each in rounds.
//  5. table.go, doc.go, goals.go: medians as Markdown on stdout and in a page, and as JSON lines in testdata/proofs/peers.jsonl.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/testdata/command"
)

func main() { command.Main(run) }

// bench is one run of the program.
type bench struct {
	settings
	stdout, stderr io.Writer
	dir            string // working files: records, configurations, logs; removed at the end
	machine        machine
	clients        []client
	clientCPU      int // the core that clients run on
	sinkCPU        int
	tables         []table                     // what was measured
	shown          map[string]*strings.Builder // what was printed, by measurement
}

// settings is what the command line says.
type settings struct {
	only, names []string
	rounds      int
	again       int           // how often a run is repeated of which others took too much
	length      time.Duration // of a measurement that has no length of its own
	cache       string        // where peers are installed
	proofsFile  string
	page        string // a document whose tables are renewed
	ansturm     string // the binary under test
	install     bool
	nice        int // priority of clients and servers; below 0 keeps other programs away, and needs root
}

// measurement is one table: a name for -only, and what fills it.
type measurement struct {
	name string
	does func(*bench, context.Context) error
}

var measurements = []measurement{
	{"throughput", (*bench).throughput},
	{"lateness", (*bench).lateness},
	{"poisson", (*bench).poisson},
	{"stall", (*bench).stall},
	{"tls", (*bench).tls},
	{"journeys", (*bench).journeys},
	{"memory", (*bench).memory},
}

func parseSettings(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "measurements, comma-separated: "+strings.Join(measurementNames(), ","))
	names := flags.String("clients", "", "clients, comma-separated (default: all that can be had)")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each client has its turn; medians are shown")
	flags.IntVar(&s.again, "again", 3, "how often, at most, a run is repeated of which others took more than 3 % of a processor")
	flags.DurationVar(&s.length, "for", 10*time.Second, "length of one run, except the stall's 20 s")
	flags.StringVar(&s.cache, "cache", "bin/peers", "folder for what is compiled and installed")
	flags.StringVar(&s.proofsFile, "proofs", "testdata/proofs/peers.jsonl", "JSON lines are appended here; empty: nowhere")
	flags.StringVar(&s.page, "page", "", "a page whose tables are replaced by those measured (docs/how-we-measure.md)")
	flags.StringVar(&s.ansturm, "ansturm", "bin/ansturm", "the binary under test")
	flags.BoolVar(&s.install, "install", true, "install peers that are missing")
	flags.IntVar(&s.nice, "nice", 0, "priority of clients and servers, -20 to 19; below 0 needs root and keeps other programs away")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.only, s.names = splitList(*only), splitList(*names)
	for _, name := range s.only {
		if !slices.Contains(measurementNames(), name) {
			return s, fmt.Errorf("-only %s: no such measurement; there are %s", name, strings.Join(measurementNames(), ", "))
		}
	}
	if s.rounds < 1 || s.again < 0 || s.length < time.Second || s.length > 5*time.Minute {
		return s, fmt.Errorf("-rounds must be at least 1, -again 0, -for between 1s and 5m")
	}
	return s, nil
}

func measurementNames() []string {
	var names []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	return names
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 2
	}
	b := &bench{settings: s, stdout: stdout, stderr: stderr, shown: map[string]*strings.Builder{}}
	if err := b.measure(ctx); err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 1
	}
	return 0
}

// measure makes everything ready, measures, and leaves nothing behind but the cache and the proofs.
func (b *bench) measure(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprint(b.stdout, b.head())
	for _, m := range measurements {
		if len(b.only) > 0 && !slices.Contains(b.only, m.name) {
			continue
		}
		if err := m.does(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		b.showGoals(m.name)
	}
	if b.page == "" {
		return nil
	}
	return fillPage(b.page, b.shown)
}

func (b *bench) prepare(ctx context.Context) error {
	cache, err := filepath.Abs(b.cache)
	if err != nil {
		return err
	}
	b.cache = cache
	if b.machine, err = thisMachine(); err != nil {
		return err
	}
	b.sinkCPU, b.clientCPU = 0, 1
	if b.machine.CPUs < 2 {
		b.clientCPU = 0
		b.say("one processor only: client and server share it, and the figures say little")
	}
	return b.gather(ctx)
}

// print prints a piece of a measurement's result, and keeps it for the page, where each measurement has the head of its run.
func (b *bench) print(measurement, format string, args ...any) {
	if b.shown[measurement] == nil {
		b.shown[measurement] = &strings.Builder{}
		b.shown[measurement].WriteString(b.head())
	}
	fmt.Fprintf(io.MultiWriter(b.stdout, b.shown[measurement]), format, args...)
}

// say prints one line of progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
