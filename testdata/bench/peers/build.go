package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	_ "embed"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// The versions are fixed so that figures of different days can be compared.
const (
	k6Module     = "go.k6.io/k6/v2@v2.2.0"
	heyModule    = "github.com/rakyll/hey@v0.1.5"
	vegetaModule = "github.com/tsenart/vegeta/v12@v12.13.0"
	fortioModule = "fortio.org/fortio@v1.75.3"
)

// fortioDriver runs fortio's own runner and HTTP client: its command line needs a module that cannot be had everywhere.
//
//go:embed fortio.go.txt
var fortioDriver []byte

// gather compiles what is ours, finds the peers, and names those that are missing.
func (b *bench) gather(ctx context.Context) error {
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"sink", "limit"} {
		source := filepath.Join("testdata", "bench", name+".c")
		if out, err := exec.CommandContext(ctx, "gcc", "-O2", "-Wall", "-o", filepath.Join(b.cache, name), source, "-lm").CombinedOutput(); err != nil {
			return fmt.Errorf("compile %s (from the top of the source tree, with gcc): %w\n%s", source, err, out)
		}
	}
	for _, c := range allClients {
		if len(b.names) > 0 && !slices.Contains(b.names, c.name) {
			continue
		}
		binary, version, err := c.find(ctx, b)
		if err != nil {
			b.say("%s cannot be had here and is left out: %v", c.name, err)
			b.machine.Missing = append(b.machine.Missing, c.name)
			continue
		}
		c.binary, c.version = binary, version
		b.clients = append(b.clients, c)
	}
	for _, name := range b.names {
		if !slices.ContainsFunc(allClients, func(c client) bool { return c.name == name }) {
			return fmt.Errorf("-clients %s: no such client", name)
		}
	}
	return ctx.Err()
}

// ours finds a program compiled from this folder.
func ours(name string) func(context.Context, *bench) (string, string, error) {
	return func(_ context.Context, b *bench) (string, string, error) {
		return filepath.Join(b.cache, name), "", nil
	}
}

func findAnsturm(ctx context.Context, b *bench) (string, string, error) {
	path, err := filepath.Abs(b.ansturm)
	if err != nil {
		return "", "", err
	}
	help, err := exec.CommandContext(ctx, path, "fire", "--help").CombinedOutput()
	if err != nil || !bytes.Contains(help, []byte("--rate")) {
		return "", "", fmt.Errorf("%s has no command fire (make build)", b.ansturm)
	}
	return path, proofs.Commit(), nil
}

// fromDebian finds a program on the path, or installs its package where that is possible.
func fromDebian(program, pkg string) func(context.Context, *bench) (string, string, error) {
	return func(ctx context.Context, b *bench) (string, string, error) {
		path, err := exec.LookPath(program)
		if err != nil && b.install && os.Geteuid() == 0 {
			b.say("installing %s", pkg)
			if err := installPackage(ctx, pkg); err != nil {
				return "", "", err
			}
			path, err = exec.LookPath(program)
		}
		if err != nil {
			return "", "", fmt.Errorf("%w (Debian package %s)", err, pkg)
		}
		version, _ := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", pkg).Output()
		return path, string(version), nil
	}
}

func installPackage(ctx context.Context, pkg string) error {
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", pkg}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lastLine(out))
		}
	}
	return nil
}

// fromModule finds a program in the cache or builds it there, in a module of its own. (`go install path@version` asks
// the module's own host when the proxy does not list the module, and those hosts cannot be reached everywhere.)
func fromModule(name, module, pkg string, driver *[]byte) func(context.Context, *bench) (string, string, error) {
	return func(ctx context.Context, b *bench) (string, string, error) {
		_, version, _ := strings.Cut(module, "@")
		path := filepath.Join(b.cache, name+"-"+version)
		if _, err := os.Stat(path); err == nil {
			return path, version, nil
		}
		if !b.install {
			return "", "", errors.New("not in the cache, and -install=false")
		}
		b.say("building %s", module)
		dir := filepath.Join(b.dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module driver\n\ngo 1.26\n"), 0o644); err != nil {
			return "", "", err
		}
		if driver != nil {
			if err := os.WriteFile(filepath.Join(dir, "main.go"), *driver, 0o644); err != nil {
				return "", "", err
			}
			pkg = "."
		}
		getErr := inModule(ctx, dir, "get", module) // fails for modules whose other packages cannot be had, yet fetches the rest
		if err := inModule(ctx, dir, "build", "-o", path, pkg); err != nil {
			return "", "", errors.Join(err, getErr)
		}
		return path, version, nil
	}
}

func inModule(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w: %s", args[0], err, lastLine(out))
	}
	return nil
}

var newline = regexp.MustCompile(`\s*\n\s*`)

// lastLine is the last line of a program's output, for an error message.
func lastLine(out []byte) string {
	lines := newline.Split(strings.TrimSpace(string(out)), -1)
	return lines[len(lines)-1]
}
