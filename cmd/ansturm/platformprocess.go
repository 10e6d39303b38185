package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/scenarios"
)

// labSetup is what a lab process is told on its standard input, as one line of JSON. The input stays open for as long
// as the lab is wanted, so that a lab never outlives its parent, however that ends.
type labSetup struct {
	Scenario *scenarios.Scenario `json:"scenario"`
	Platform *scenarios.Platform `json:"platform"`
	Speed    float64             `json:"speed"`
	Seed     uint64              `json:"seed"`
}

// labProcess is the embedded platform as a process of its own, so that generator and platform do not share a runtime.
type labProcess struct {
	*lab.Client
	Endpoints lab.Endpoints
	cmd       *exec.Cmd
	stdin     io.WriteCloser
}

// labPatience bounds starting and ending the lab.
const labPatience = 20 * time.Second

// startLab starts `ansturm lab` and waits until it serves.
func startLab(ctx context.Context, setup labSetup, stderr io.Writer) (*labProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	cmd := exec.Command(self, "lab", "--from-stdin", "--json")
	cmd.Args[0] = os.Args[0] // the name decides which program a test binary is
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the generator; it ends the lab when it is done
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	p := &labProcess{cmd: cmd, stdin: stdin}
	if err := p.handshake(ctx, setup, stdout); err != nil {
		p.stop()
		return nil, fmt.Errorf("start lab: %w", err)
	}
	p.Client = lab.Dial(p.Endpoints.Control)
	return p, nil
}

// handshake hands over the setup and reads the endpoints.
func (p *labProcess) handshake(ctx context.Context, setup labSetup, stdout io.Reader) error {
	answered := make(chan error, 1)
	go func() {
		if err := json.NewEncoder(p.stdin).Encode(setup); err != nil {
			answered <- err
			return
		}
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &p.Endpoints)
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(labPatience):
		return fmt.Errorf("not ready after %v", labPatience)
	}
}

// stop ends the lab and waits for it; a lab that does not end by itself is killed.
func (p *labProcess) stop() {
	p.stdin.Close()
	kill := time.AfterFunc(labPatience, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait() // its exit status says nothing that its account does not
}
