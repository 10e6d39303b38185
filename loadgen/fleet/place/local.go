package place

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// LocalConfig says how workers run as processes of this machine.
type LocalConfig struct {
	Worker
	// Dir is the fleet's folder, which exists: a state folder and a log for each worker, and the roll of them come into it.
	Dir string
	// Each gives more arguments for worker i, which counts from 1; nil for none.
	Each func(i int) []string
	// Program is what is started. Empty means this process' own.
	Program string
	// Grace is how long a worker that was asked to end may take. Zero means DefaultGrace.
	Grace time.Duration
}

// DefaultGrace is how long a local worker may take to end.
const DefaultGrace = 5 * time.Second

// killed is how long the kernel may take to end a process that was killed.
const killed = 5 * time.Second

// mostRestarts is how often a worker is followed by another one that takes up what it left.
const mostRestarts = 3

// Local is a fleet's workers as processes of this machine. They are sessions of their own and outlive a coordinator that dies: whoever resumes
// the run finds them on the roll. One that was killed is followed by another, which takes up its journal.
type Local struct {
	config  LocalConfig
	deaths  chan Death
	stopped chan struct{}
	watch   sync.WaitGroup

	mu      sync.Mutex // guards what follows, and that nothing is started once it is stopped
	roll    *roll
	workers []*local
}

// local is a worker that runs, or ran.
type local struct {
	entry
	process *process
	cmd     *exec.Cmd // nil: it is no child of ours
	over    chan struct{}
}

// NewLocal makes a placement that has started nothing yet.
func NewLocal(c LocalConfig) (*Local, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Program == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("place: %w", err)
		}
		c.Program = self
	}
	return &Local{config: c, deaths: make(chan Death, 64), stopped: make(chan struct{})}, nil
}

// Deaths is [Placement]'s.
func (l *Local) Deaths() <-chan Death { return l.deaths }

func (l *Local) path(name string) string { return filepath.Join(l.config.Dir, name) }

// Start is [Placement]'s.
func (l *Local) Start(ctx context.Context, n int) (err error) {
	if l.roll, err = readRoll(l.path(rollFile)); err != nil {
		return fmt.Errorf("place: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	living, left := 0, map[string]bool{} // by what states nobody has
	for _, e := range l.roll.Workers {
		w, err := l.takeUp(e)
		if err != nil {
			return fmt.Errorf("place: worker %s: %w", e.Name, err)
		}
		if left[e.State] = w == nil; w != nil {
			living++
		}
	}
	states := slices.Sorted(maps.Keys(left))
	states = slices.DeleteFunc(states, func(state string) bool { return !left[state] || !l.leftSomething(state) })
	for ; living < n; living++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		state := ""
		if len(states) > 0 {
			state, states = states[0], states[1:]
		}
		if err := l.launch(state); err != nil {
			return fmt.Errorf("place: start a worker: %w", err)
		}
	}
	return nil
}

// leftSomething says whether a worker left its state: one that has ended well takes it away.
func (l *Local) leftSomething(state string) bool {
	_, err := os.Lstat(l.path(state))
	return err == nil
}

// takeUp watches a worker of an earlier coordinator; nil for one that has died meanwhile.
func (l *Local) takeUp(e entry) (*local, error) {
	p, err := openProcess(e.Pid, e.Began)
	if err == nil {
		if ended, _ := p.ended(); ended { // nobody has waited for it yet
			p.close()
			err = errGone
		}
	}
	if errors.Is(err, errGone) {
		l.watch.Go(func() { l.tell(e, "it was gone when the coordinator came back") })
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := &local{entry: e, process: p, over: make(chan struct{})}
	l.follow(w)
	return w, nil
}

// launch starts a worker and puts it on the roll; state is what another one left, or empty. A coordinator that dies between the two leaves a worker
// that is on no roll: it joins and fires as any other, and nobody proves its death. The caller holds mu.
func (l *Local) launch(state string) error {
	name := "local-" + strings.ToLower(rand.Text()[:6])
	if state == "" {
		state = name
		if err := os.Mkdir(l.path(state), 0o700); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(l.path(name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := l.config.args(name, l.config.TokenFile, l.path(state))
	if l.config.Each != nil {
		args = append(args, l.config.Each(len(l.roll.Workers)+1)...)
	}
	cmd := exec.Command(l.config.Program, args...)
	cmd.Args[0] = os.Args[0]          // the name decides which program a test binary is
	cmd.Stdout, cmd.Stderr = log, log // a pipe would break with us
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	w := &local{entry: entry{Name: name, State: state, Pid: cmd.Process.Pid}, cmd: cmd, over: make(chan struct{})}
	// The number stays its own until it is waited for, whether or not it has ended.
	if w.process, err = openProcess(w.Pid, 0); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	w.Began = w.process.began
	l.follow(w)
	return l.roll.add(w.entry)
}

// follow waits for a worker's end and tells of it.
func (l *Local) follow(w *local) {
	l.workers = append(l.workers, w)
	l.watch.Go(func() {
		if err := w.process.await(); err != nil && w.cmd == nil {
			return // nothing is proved
		}
		why := "it has ended"
		if w.cmd != nil {
			_ = w.cmd.Wait() // how it ended is in its state
			why = w.cmd.ProcessState.String()
		}
		close(w.over)
		l.tell(w.entry, strings.TrimSuffix(why+": "+lastWords(l.path(w.Name+".log")), ": "))
		l.replace(w)
	})
}

// replace starts another worker where one was killed, or may have been. If that fails, the fleet goes on without it.
func (l *Local) replace(w *local) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := w.cmd != nil && w.cmd.ProcessState.Exited() // by itself: it would end so again
	if ended || l.isStopped() || !l.leftSomething(w.State) || l.roll.had(w.State) > mostRestarts {
		return
	}
	_ = l.launch(w.State)
}

func (l *Local) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

// lastWords is the end of a log: its last line, or of a long one the last of it.
func lastWords(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-200), io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, 200))
	line := strings.TrimSpace(string(text))
	return strings.ToValidUTF8(line[strings.LastIndexByte(line, '\n')+1:], "")
}

func (l *Local) tell(e entry, why string) {
	select {
	case l.deaths <- Death{Name: e.Name, State: l.path(e.State), Done: why == "exit status 0", Why: why, At: time.Now()}:
	case <-l.stopped:
	}
}

// Stop is [Placement]'s. The workers' folders and logs stay.
func (l *Local) Stop(ctx context.Context) error {
	l.mu.Lock()
	again := l.isStopped()
	if !again {
		close(l.stopped)
	}
	l.mu.Unlock()
	if again {
		return nil
	}
	grace, cancel := context.WithTimeout(ctx, l.config.Grace)
	defer cancel()
	l.signal(syscall.SIGTERM)
	if l.await(grace) != nil {
		l.signal(syscall.SIGKILL)
	}
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), killed)
	defer cancel()
	if err := l.await(soon); err != nil {
		return fmt.Errorf("place: %w though it was killed", err)
	}
	l.watch.Wait()
	close(l.deaths)
	for _, w := range l.workers {
		w.process.close()
	}
	return remove(l.path(rollFile))
}

// signal reaches every worker that runs, by its descriptor.
func (l *Local) signal(s syscall.Signal) {
	for _, w := range l.workers {
		_ = w.process.signal(s) // one that has ended needs none
	}
}

// await returns when all have ended; else, when ctx ends, it names one that has not.
func (l *Local) await(ctx context.Context) error {
	for _, w := range l.workers {
		select {
		case <-w.over:
			continue
		default:
		}
		select {
		case <-w.over:
		case <-ctx.Done():
			return fmt.Errorf("worker %s (process %d) still runs", w.Name, w.Pid)
		}
	}
	return nil
}
