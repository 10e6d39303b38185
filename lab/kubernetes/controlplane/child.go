package controlplane

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// childName is the first argument under which the binary is the API server.
const childName = "ansturm-lab-apiserver"

// While the platform is brought in, the API server lets garbage lie up to a limit, for collecting it took a fifth of that
// time; afterwards it is idle mostly, and holds little. Its standard input ends when the platform stands; one that is
// started again later has some seconds for its start.
const (
	starting      = 10 * time.Second
	wastefulGC    = "400"
	wastefulLimit = "400MiB"
	frugalGC      = 120
	frugalLimit   = 300 << 20
)

// Child runs the API server, and ends with its code, when the process was started as one; every main and TestMain that
// uses this package calls it first.
func Child() {
	if filepath.Base(os.Args[0]) != childName {
		return
	}
	go func() { // ends with the process
		started := time.After(starting)
		_, _ = io.Copy(io.Discard, os.Stdin)
		<-started
		debug.SetGCPercent(frugalGC)
		debug.SetMemoryLimit(frugalLimit)
		debug.FreeOSMemory()
	}()
	command := app.NewAPIServerCommand()
	command.SetArgs(os.Args[1:])
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (p *Plane) serverArgs() []string {
	file := p.state.Path
	return []string{
		"--etcd-servers=unix://" + file("etcd.sock"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.port),
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + file(fileServerCert), "--tls-private-key-file=" + file(fileServerKey),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + file(fileAccountKey), "--service-account-signing-key-file=" + file(fileAccountKey),
		"--token-auth-file=" + file(fileTokens), "--anonymous-auth=false", "--authorization-mode=RBAC",
		"--requestheader-client-ca-file=" + file(fileCA), "--requestheader-allowed-names=" + frontProxy,
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + file(fileProxyCert), "--proxy-client-key-file=" + file(fileProxyKey),
		"--audit-policy-file=" + file(fileAuditRules), "--audit-log-path=" + p.AuditLog(),
		"--audit-log-mode=blocking-strict", // a timeline is held against it as soon as the run has ended
		// What an idle lab would pay for and never use.
		"--enable-priority-and-fairness=false", "--profiling=false",
		"--etcd-count-metric-poll-period=0", "--etcd-db-metric-poll-interval=0",
	}
}
