package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ansturm/ansturm/lab/kubernetes/burner"
	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
)

// asProgram makes the test binary the program itself, so that it is built once.
const asProgram = "ANSTURM_LAB_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" { // a fleet's
		os.Exit(work(os.Args[2:]))
	}
	if os.Getenv("ANSTURM_LISTEN") != "" { // a pod's process
		burn()
	}
	controlplane.Child()
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func burn() {
	c, err := burner.FromEnvironment(os.Getenv)
	if err == nil {
		err = burner.Serve(context.Background(), c)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// buildAnsturm builds the program that is tested together with a lab.
func buildAnsturm(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ansturm")
	build := exec.Command("go", "build", "-o", program, "./cmd/ansturm")
	build.Dir = "../../../.."
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return program
}

// process is a lab under test.
type process struct {
	readiness
	cmd    *exec.Cmd
	stderr *buffer
	exited chan struct{}
}

// start runs the program until its ready line; it ends with the test at the latest.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], append(args, "--json")...), stderr: &buffer{}, exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan error, 1)
	go func() {
		line <- json.NewDecoder(stdout).Decode(&p.readiness)
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait() // its code is read from the state
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("the lab said:\n%s", p.stderr)
		}
	})
	if err := <-line; err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	return p
}

// end sends a signal and returns the exit code.
func (p *process) end(s syscall.Signal) int {
	_ = p.cmd.Process.Signal(s)
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// client is the client of one of the kubeconfig's contexts.
func (p *process) client(t *testing.T, contextName string) kubernetes.Interface {
	t.Helper()
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: p.Kubeconfig}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: contextName}).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// eventually asks until there is no objection, and fails with the last one after two minutes.
func eventually(t *testing.T, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// buffer may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
