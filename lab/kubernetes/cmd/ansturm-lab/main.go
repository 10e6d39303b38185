// Command ansturm-lab is a real Kubernetes control plane on loopback, with a platform's nodes, tenants and autoscalers in
// it: any kubectl, and any load test, works against it as against a cluster.
//
// The product, one line when everything stands, goes to stdout, the conversation to stderr.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
)

func main() {
	controlplane.Child()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
