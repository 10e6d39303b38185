package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// fate is what became of a mutant.
type fate string

const (
	stillborn fate = "does not compile"
	killed    fate = "killed"
	differed  fate = "killed by the differential test"
	survived  fate = "survived"
)

// result is a line of the log.
type result struct {
	mutant
	Fate fate `json:"fate"`
}

// How long tests may take; a mutant that never ends is killed by it.
const (
	ownPatience          = 30 * time.Second
	differentialPatience = 5 * time.Minute
)

// lab compiles and tests mutants in a directory of its own.
type lab struct {
	root, dir string
	worlds    int
	stillborn map[int]bool
	overlay   string // of all mutants but those of constants
}

// errAlive says that the tests pass.
var errAlive = errors.New("the tests pass")

// suite is a package's tests and how they are run.
type suite struct {
	module, pkg string
	patience    time.Duration
	args        []string
}

// own are the package's own tests, with draws that are the same each time.
func (l *lab) own() suite {
	return suite{l.root, "./planner/hpa", ownPatience, []string{"-rapid.seed=1", "-rapid.nofailfile", "-rapid.shrinktime=1ms"}}
}

func (l *lab) differential() suite {
	return suite{
		filepath.Join(l.root, "lab", "kubernetes"), "./differential", differentialPatience,
		[]string{"-worlds=" + strconv.Itoa(l.worlds), "-shrink=false"},
	}
}

// newLab builds the package's tests with all mutants in them, leaving out those that do not compile.
func newLab(ctx context.Context, root string, worlds int, mutants []mutant) (*lab, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	l := &lab{root: root, dir: dir, worlds: worlds, stillborn: map[int]bool{}}
	for i := range mutants {
		src, err := os.ReadFile(mutants[i].path)
		if err != nil {
			return nil, err
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "", mutants[i].apply(string(src)), 0); err != nil {
			l.stillborn[mutants[i].id] = true
		}
	}
	return l, l.compile(ctx, mutants)
}

// compile builds, strikes out the mutants that the compiler names, and builds again until it names none.
func (l *lab) compile(ctx context.Context, mutants []mutant) error {
	for range 20 {
		library, err := assemble(filepath.Join(l.root, "planner", "hpa"), mutants, l.stillborn)
		if err != nil {
			return err
		}
		if l.overlay, err = l.write(library.files); err != nil {
			return err
		}
		var broken *buildError
		if err = l.build(ctx, l.own(), l.overlay, "own.test"); !errors.As(err, &broken) {
			return err
		}
		if l.strike(library, broken.text) == 0 {
			return broken
		}
	}
	return errors.New("the compiler is never content")
}

// complaint is a line of the compiler's.
var complaint = regexp.MustCompile(`(?m)^\S*?(\w+\.go):(\d+):\d+: `)

// strike marks the mutants in whose copies the compiler's complaints lie, and returns how many it struck.
func (l *lab) strike(library *library, text string) (n int) {
	for _, match := range complaint.FindAllStringSubmatch(text, -1) {
		line, _ := strconv.Atoi(match[2])
		owner := library.owner[filepath.Join(l.root, "planner", "hpa", match[1])]
		if line-1 < len(owner) && owner[line-1] != 0 && !l.stillborn[owner[line-1]] {
			l.stillborn[owner[line-1]] = true
			n++
		}
	}
	return n
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) }

// sane fails unless the tests pass while no mutant lives.
func (l *lab) sane(ctx context.Context) error {
	if err := l.run(ctx, l.own(), "own.test", 0); !errors.Is(err, errAlive) {
		return fmt.Errorf("the package's tests do not pass as they are: %w", err)
	}
	return nil
}

// try tells a mutant's fate.
func (l *lab) try(ctx context.Context, m mutant) (fate, error) {
	if l.stillborn[m.id] {
		return stillborn, nil
	}
	f, err := l.fate(ctx, m)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return f, err
}

func (l *lab) fate(ctx context.Context, m mutant) (fate, error) {
	overlay, own, other, id := l.overlay, "own.test", "differential.test", m.id
	if m.within == nil { // a constant: a build of its own
		src, err := os.ReadFile(m.path)
		if err != nil {
			return "", err
		}
		if overlay, err = l.write(map[string]string{m.path: m.apply(string(src))}); err != nil {
			return "", err
		}
		own, other, id = "own-single.test", "differential-single.test", 0
		if err := l.build(ctx, l.own(), overlay, own); err != nil {
			return stillborn, nil
		}
		_ = os.Remove(filepath.Join(l.dir, other))
	}
	if err := l.run(ctx, l.own(), own, id); !errors.Is(err, errAlive) {
		return killed, nil
	}
	if l.worlds == 0 {
		return survived, nil
	}
	if _, err := os.Stat(filepath.Join(l.dir, other)); err != nil {
		if err := l.build(ctx, l.differential(), overlay, other); err != nil {
			return "", err
		}
	}
	if err := l.run(ctx, l.differential(), other, id); !errors.Is(err, errAlive) {
		return differed, nil
	}
	return survived, nil
}

// write writes files and an overlay that shows them to the compiler in place of the originals.
func (l *lab) write(files map[string]string) (string, error) {
	dir, err := os.MkdirTemp(l.dir, "overlay")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, text := range files {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o644)
}

// buildError is what the compiler said.
type buildError struct{ text string }

func (e *buildError) Error() string { return e.text }

func (l *lab) build(ctx context.Context, s suite, overlay, binary string) error {
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-gcflags=-e", "-ldflags=-s -w", "-overlay="+overlay, "-o", filepath.Join(l.dir, binary), s.pkg)
	build.Dir = s.module
	if out, err := build.CombinedOutput(); err != nil {
		return &buildError{string(out)}
	}
	return nil
}

// run runs a suite's binary while one mutant lives: errAlive if its tests pass.
func (l *lab) run(ctx context.Context, s suite, binary string, id int) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	run := exec.CommandContext(ctx, filepath.Join(l.dir, binary), append([]string{"-test.failfast", "-test.timeout=" + s.patience.String()}, s.args...)...)
	run.Dir = filepath.Join(s.module, s.pkg)
	run.Env = append(os.Environ(), variable+"="+strconv.Itoa(id))
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	if err := run.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, out.Bytes())
	}
	return errAlive
}
