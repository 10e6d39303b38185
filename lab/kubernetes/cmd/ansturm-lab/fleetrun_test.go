package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/loadgen/record"
)

const fleetTotal = 600

const fleetScenario = `name: fleet
title: {en: Fleet}
description: {en: A small surge that pods fire.}
arrivals: {total: 600, over: 4s, process: poisson, seed: 1, curve: [{kind: constant, weight: 1}]}
tenants: {list: [{name: adorf, title: Adorf}]}
journeys:
  - name: antrag
    steps:
      - {name: submit, method: POST, url: /antrag, headers: {Idempotency-Key: "{{seq}}"}, body: "{}", timeout: 5s, checks: [{status: [201]}]}
slos: [{name: submit, step: submit, percentile: 95, within: 5s, errors: 0.5}]
`

// TestFleetRuns has the program itself place its workers by the unmodified Job controller, and disturbs them.
func TestFleetRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane and fires")
	}
	f := newFleetRuns(t)
	t.Run("three pods fire one surge", func(t *testing.T) { f.fires(t) })
	t.Run("a killed pod's arrivals are accounted for, the others fire on", func(t *testing.T) { f.losesOne(t) })
	t.Run("Ctrl-C closes the record and takes the Job away", func(t *testing.T) { f.interrupted(t) })
	t.Run("who comes after a killed coordinator finds the Job", func(t *testing.T) { f.resumed(t) })
	t.Run("workers that cannot come", func(t *testing.T) { f.cannotCome(t) })
	f.clusterIsEmpty(t)
}

// fleetRuns is what the runs have in common.
type fleetRuns struct {
	dir, program, config string
	admin                kubernetes.Interface
}

func newFleetRuns(t *testing.T) *fleetRuns {
	f := &fleetRuns{dir: t.TempDir(), program: buildAnsturm(t)}
	deaf := fmt.Sprintf("#!/bin/sh\nshift 3\nexec %s worker --join tls://127.0.0.1:1 \"$@\"\n", f.program)
	for name, text := range map[string]string{"fleet.platform.yaml": fleetPlatform, "surge.yaml": fleetScenario, "deaf": deaf} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lab := start(t, filepath.Join(f.dir, "fleet.platform.yaml"), "--image", "ansturm:test="+f.program,
		"--image", "ansturm:deaf="+filepath.Join(f.dir, "deaf"), "--image", "ansturm:empty="+filepath.Join(f.dir, "nothing"))
	f.config, f.admin = lab.Kubeconfig, lab.client(t, controlplane.Context)
	return f
}

// fleetRun is one run of the program.
type fleetRun struct {
	*fleetRuns
	dir    string
	target *seqs
	cmd    *exec.Cmd
	said   buffer
	began  time.Time
	ended  chan struct{}
}

// run starts a run of three workers.
func (f *fleetRuns) run(t *testing.T, flags ...string) *fleetRun {
	r := &fleetRun{fleetRuns: f, dir: filepath.Join(t.TempDir(), "run"), target: newSeqs(t), began: time.Now()}
	r.start(t, append([]string{
		"run", filepath.Join(f.dir, "surge.yaml"), "--target", r.target.URL, "-o", r.dir, "--bus-address", "127.0.0.1:0",
		"--workers", "3", "--workers-on", "kubernetes", "--workers-image", "ansturm:test", "--workers-namespace", controlplane.FleetNamespace,
		"--workers-kubeconfig", f.config, "--workers-context", controlplane.FleetContext, "--workers-memory", "64Mi",
	}, flags...)...)
	return r
}

// start starts the coordinator.
func (r *fleetRun) start(t *testing.T, args ...string) {
	cmd, ended := exec.Command(r.program, args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = &r.said, &r.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // its code is read from the state
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the run said:\n%s", &r.said)
		}
	})
	r.cmd, r.ended = cmd, ended
}

// wait is the exit code of a run, within a minute and a half.
func (r *fleetRun) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(90 * time.Second):
		t.Fatal("the run does not end")
	}
	return r.cmd.ProcessState.ExitCode()
}

var fleetJoined = regexp.MustCompile(`worker (w\d+:\d+) joined: (\S+), process (\d+) on`)

// eventually waits, while the run goes on, until there are as many as are wanted.
func (r *fleetRun) eventually(t *testing.T, what string, count func() (is, want int)) {
	t.Helper()
	eventually(t, what, func(context.Context) error {
		over := false
		select {
		case <-r.ended:
			over = true
		default:
		}
		is, want := count()
		switch {
		case is >= want:
			return nil
		case over:
			t.Fatalf("%s: %d of %d when the run had ended", what, is, want)
		}
		return fmt.Errorf("%d of %d", is, want)
	})
}

// fired waits until so many arrivals have come to the target.
func (r *fleetRun) fired(t *testing.T, n int) {
	t.Helper()
	r.eventually(t, "arrivals at the target", func() (is, want int) { return r.target.count(), n })
}

// record is the run's, whole, and at one with the target.
func (r *fleetRun) record(t *testing.T) (*record.Record, *record.Ledger) {
	t.Helper()
	rec, err := record.Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := rec.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if all := roaring.FastOr(ledger.Sets[:]...); all.GetCardinality() != fleetTotal || !ledger.Missing().IsEmpty() || !ledger.Overlaps().IsEmpty() {
		t.Errorf("the ledger does not add up: %d of %d have a fate", all.GetCardinality(), fleetTotal)
	}
	if !rec.Run.Complete() || rec.Run.Fleet == nil {
		t.Errorf("the record is not closed, or no fleet's: %+v", rec.Run)
	}
	asked := r.target.asked(t)
	for what, wrong := range map[string]*roaring.Bitmap{
		"completed and never there":       roaring.AndNot(ledger.Sets[record.Completed], asked),
		"unsent and yet there":            roaring.And(ledger.Sets[record.Unsent], asked),
		"there, and of none of the fates": roaring.AndNot(asked, roaring.FastOr(ledger.Sets[:]...)),
	} {
		if !wrong.IsEmpty() {
			t.Errorf("%d arrivals are %s, the first is %d", wrong.GetCardinality(), what, wrong.Minimum())
		}
	}
	return rec, ledger
}

// leavesNothing looks for what is left of a run, here and in the cluster.
func (r *fleetRun) leavesNothing(t *testing.T) {
	t.Helper()
	if _, err := os.Lstat(r.dir + ".fleet"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the fleet's directory: %v, want none", err)
	}
	r.clusterIsEmpty(t)
	for _, worker := range fleetJoined.FindAllStringSubmatch(r.said.String(), -1) {
		if pid, _ := strconv.Atoi(worker[3]); alive(pid) {
			t.Errorf("%s still runs", worker[2])
		}
	}
}

// clusterIsEmpty: Job and pods went before the program ended; the cluster's garbage collector takes the Secret away.
func (f *fleetRuns) clusterIsEmpty(t *testing.T) {
	t.Helper()
	left := func(ctx context.Context) error {
		jobs, err := f.admin.BatchV1().Jobs(controlplane.FleetNamespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(jobs.Items) > 0 {
			return fmt.Errorf("%d Jobs, %w", len(jobs.Items), err)
		}
		pods, err := f.admin.CoreV1().Pods(controlplane.FleetNamespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(pods.Items) > 0 {
			return fmt.Errorf("%d pods, %w", len(pods.Items), err)
		}
		return nil
	}
	if err := left(t.Context()); err != nil {
		t.Errorf("when the program had ended there were %v", err)
	}
	eventually(t, "nothing is left", func(ctx context.Context) error {
		secrets, err := f.admin.CoreV1().Secrets(controlplane.FleetNamespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(secrets.Items) > 0 {
			return fmt.Errorf("%d Secrets, %w", len(secrets.Items), err)
		}
		return left(ctx)
	})
}

func (f *fleetRuns) fires(t *testing.T) {
	r := f.run(t)
	r.eventually(t, "workers", func() (is, want int) { return len(fleetJoined.FindAllString(r.said.String(), -1)), 3 })
	t.Logf("three workers joined after %s", time.Since(r.began).Round(10*time.Millisecond))
	pods, err := f.admin.CoreV1().Pods(controlplane.FleetNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 3 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	for _, pod := range pods.Items {
		if owner := metav1.GetControllerOf(&pod); owner == nil || owner.Kind != "Job" || pod.Status.Phase != corev1.PodRunning {
			t.Errorf("pod %s is %s and %v's, want it to run for a Job", pod.Name, pod.Status.Phase, owner)
		}
		if !strings.Contains(r.said.String(), "joined: "+pod.Name+",") {
			t.Errorf("pod %s has not joined", pod.Name)
		}
	}
	if code := r.wait(t); code != 0 && code != 4 { // a busy machine makes a run invalid, and its account no less whole
		t.Errorf("exit code %d", code)
	}
	rec, ledger := r.record(t)
	if n := ledger.Sets[record.Completed].GetCardinality(); n != fleetTotal || rec.Run.Workers != 3 {
		t.Errorf("%d of %d completed, by %d workers", n, fleetTotal, rec.Run.Workers)
	}
	if said := r.said.String(); strings.Contains(said, " ended: ") {
		t.Errorf("workers that did what they should are told of:\n%s", said)
	}
	r.leavesNothing(t)
}

func (f *fleetRuns) losesOne(t *testing.T) {
	r := f.run(t)
	r.fired(t, fleetTotal/6)
	victim := fleetJoined.FindStringSubmatch(r.said.String())
	pid, _ := strconv.Atoi(victim[3])
	killed := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := r.wait(t); code != 0 && code != 4 {
		t.Errorf("exit code %d", code)
	}
	rec, ledger := r.record(t)
	if want := "worker " + victim[2] + " ended: Error, exit code 137, on node vm-"; !strings.Contains(r.said.String(), want) {
		t.Errorf("it does not say %q", want)
	}
	unsettled := ledger.Sets[record.Indeterminate].GetCardinality()
	if said := r.said.String(); unsettled > 0 && !strings.Contains(said, fmt.Sprintf("%d indeterminate", unsettled)) {
		t.Errorf("it does not say that %d arrivals are indeterminate", unsettled)
	}
	events, err := rec.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	phases := map[string]record.Event{}
	for _, e := range events {
		switch {
		case e.Kind == record.KindWorker && e.Object == victim[1] && e.Phase == "dead",
			e.Kind == record.KindWorker && e.Phase == "leased" && strings.Contains(e.Message, victim[1]+" is"):
			phases[e.Phase] = e
		}
	}
	if len(phases) != 2 {
		t.Errorf("the timeline has %v of its death, and of who took over", phases)
	}
	t.Logf("killed; dead after %s, dealt to others after %s; %d indeterminate, %d unsent", phases["dead"].Wall.Sub(killed),
		phases["leased"].Wall.Sub(killed), unsettled, ledger.Sets[record.Unsent].GetCardinality())
	r.leavesNothing(t)
}

func (f *fleetRuns) interrupted(t *testing.T) {
	r := f.run(t)
	r.fired(t, fleetTotal/6)
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := r.wait(t); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	rec, ledger := r.record(t)
	if !rec.Run.Interrupted || ledger.Sets[record.Unsent].IsEmpty() || ledger.Sets[record.Completed].IsEmpty() {
		t.Errorf("interrupted %v, %d completed, %d unsent", rec.Run.Interrupted, ledger.Sets[record.Completed].GetCardinality(),
			ledger.Sets[record.Unsent].GetCardinality())
	}
	r.leavesNothing(t)
}

func (f *fleetRuns) resumed(t *testing.T) {
	r := f.run(t)
	r.fired(t, fleetTotal/6)
	_ = r.cmd.Process.Kill()
	if code := r.wait(t); code != -1 {
		t.Fatalf("exit code %d of a process that was killed", code)
	}
	r.start(t, "run", "--resume", r.dir)
	if code := r.wait(t); code != 0 && code != 4 {
		t.Errorf("exit code %d", code)
	}
	if rec, _ := r.record(t); rec.Run.Fleet.Coordinators != 2 || rec.Run.Fleet.Workers() != 3 {
		t.Errorf("the fleet was %+v, want two coordinators and the same three workers", rec.Run.Fleet)
	}
	r.leavesNothing(t)
}

// cannotCome has runs whose workers do not get to the coordinator, all at the same time.
func (f *fleetRuns) cannotCome(t *testing.T) {
	for what, c := range map[string]struct{ flag, value, says string }{
		"no way to the bus":     {"workers-image", "ansturm:deaf", "no worker was there after 5 s"},
		"an image with nothing": {"workers-image", "ansturm:empty", "CreateContainerError"},
		"no room":               {"workers-cpu", "100", "Insufficient cpu"},
		"no such address":       {"bus-address", "192.0.2.1:0", "cannot assign requested address"},
		"no rights":             {"workers-namespace", "t", "forbidden"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := f.run(t, "--"+c.flag, c.value, "--await", "5s")
			if code := r.wait(t); code == 0 || !strings.Contains(r.said.String(), c.says) {
				t.Errorf("exit code %d, want another and it to say %q", code, c.says)
			}
			if !strings.Contains(r.said.String(), "error: ") {
				t.Error("it says nothing of an error")
			}
			if n := r.target.count(); n > 0 {
				t.Errorf("%d arrivals have come", n)
			}
			if left, err := os.ReadDir(filepath.Dir(r.dir)); err != nil || len(left) > 0 {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}
}

// seqs is a target that counts who has asked.
type seqs struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[uint32]int
}

func newSeqs(t *testing.T) *seqs {
	s := &seqs{seen: map[uint32]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *seqs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seq, err := strconv.ParseUint(r.Header.Get("Idempotency-Key"), 10, 32)
	if err != nil {
		http.Error(w, "who?", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.seen[uint32(seq)]++
	s.mu.Unlock()
	time.Sleep(5 * time.Millisecond) // some are under way when a worker dies
	w.WriteHeader(http.StatusCreated)
}

func (s *seqs) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// asked are all who have; nobody may have twice.
func (s *seqs) asked(t *testing.T) *roaring.Bitmap {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := roaring.New()
	for seq, n := range s.seen {
		if all.Add(seq); n != 1 {
			t.Errorf("arrival %d has asked %d times", seq, n)
		}
	}
	return all
}
