package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The exit codes, the same for every command; a worker has place.ExitRefused besides. A verdict's codes (0, 1, 3, 4) are gate.Result.ExitCode's.
const (
	exitUsage       = 2
	exitInternal    = 5
	exitInterrupted = 130
)

// app is what every command shares: the streams, and how to speak.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	json   bool
	quiet  bool
	args   []string // as the program was given them
	begun  *begun   // the run that is taken up; nil where one begins
}

// exitError ends the program with code. With a nil err nothing more is said: the command has spoken already.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// inputError marks err as the caller's to mend (exit 2); hint says how and may be empty.
func inputError(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitUsage, err: err, hint: hint}
}

// ended ends the program with a code and no further word.
func ended(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// run is the whole program: args as given by the system, the exit code as the result.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, args: args[1:]}
	if file := terminal(stdout); file != nil {
		a.stdout = screen{file}
	}
	root := a.root()
	root.SetArgs(args[1:])
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return a.exitCode(ctx, err)
}

// terminal is the file behind a stream where that is a terminal; else nil.
func terminal(stream any) *os.File {
	if file, ok := stream.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

// screen is a terminal, for texts that are wrapped at words.
type screen struct{ *os.File }

// Columns is how wide the terminal is now, 0 where it does not say.
func (s screen) Columns() int {
	width, _, err := term.GetSize(int(s.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// exitCode says what went wrong, and gives the code that says it to programs.
func (a *app) exitCode(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	var exit *exitError
	switch {
	case errors.As(err, &exit):
	case ctx.Err() != nil:
		exit = &exitError{code: exitInterrupted, err: errors.New("interrupted")}
	default:
		exit = &exitError{code: exitInternal, err: err}
	}
	if exit.err != nil {
		fmt.Fprintf(a.stderr, "ansturm: error: %v\n", exit.err)
		if exit.hint != "" {
			fmt.Fprintf(a.stderr, "  hint: %s\n", exit.hint)
		}
	}
	return exit.code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ansturm",
		Short: "Will this platform stand the next rush, and if not, what must change before the day?",
		Long: `Ansturm replays a surge against tenant services, watches how Kubernetes reacts, fits models to
what it saw, and recommends node counts and autoscaling settings that it then proves by replaying
the surge again.

Exit codes: 0 pass · 1 fail · 2 usage or input · 3 inconclusive · 4 invalid · 5 internal · 130 interrupted`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print the product as JSON")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no progress")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return inputError(err, "see '"+c.CommandPath()+" --help'")
	})
	root.AddCommand(
		a.fireCommand(), a.runCommand(), a.calibrateCommand(), a.labCommand(), a.inspectCommand(), a.gateCommand(),
		a.planCommand(), a.verifyCommand(), a.simulateCommand(), a.reportCommand(), a.scenarioCommand(), a.rbacCommand(),
		a.demoCommand(), a.workerCommand(),
	)
	asInput(root)
	for _, c := range root.Commands() {
		if strings.Contains(c.Use, "SCENARIO") {
			c.ValidArgsFunction = completeScenario
		}
	}
	return root
}

// asInput makes a command's complaint about its arguments a usage error.
func asInput(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			return inputError(check(c, args), "see '"+c.CommandPath()+" --help'")
		}
	}
	for _, sub := range c.Commands() {
		asInput(sub)
	}
}

// say writes one line of the conversation.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// version is the module's version as built, "devel" for a work tree.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
