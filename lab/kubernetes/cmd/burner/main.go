// Command burner is a pod's process that burns CPU time: see package burner. ansturm-lab starts it for pods with the
// annotation ansturm.dev/process: burner.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ansturm/ansturm/lab/kubernetes/burner"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, env func(string) string, stderr io.Writer) int {
	c, err := burner.FromEnvironment(env)
	if err != nil {
		fmt.Fprintf(stderr, "burner: %v\n", err)
		return 2
	}
	if err := burner.Serve(ctx, c); err != nil {
		fmt.Fprintf(stderr, "burner: %v\n", err)
		return 5
	}
	return 0
}
