// Package command is how the programs that measure and prove begin and end.
package command

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a program whose arguments are args, until it ends, and exits with the code that it gives. Ctrl-C and SIGTERM end
// its context.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) (code int)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
