// Command ansturm replays a surge against tenant services, records how the platform reacts, and plans for the next one.
//
// The way of the data: run → inspect, gate → plan → verify → report; demo goes the whole way on the embedded platform.
// The product goes to stdout, the conversation to stderr.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
