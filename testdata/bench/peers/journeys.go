package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// journeyScenario is the journey as Ansturm is told it: a form whose token must come back with the submission, every
// answer checked, the application's id taken. The sink refuses a submission whose token it did not give.
const journeyScenario = `name: journey
title: {de: Formular und Antrag, en: Form and application}
arrivals:
  total: %d
  over: %dms
  process: uniform
  seed: 1
  curve:
    - {kind: constant}
tenants:
  list:
    - {name: sink, title: Sink}
journeys:
  - name: application
    steps:
      - name: form
        method: POST
        url: /form
        body: name=Muster
        extract:
          - {name: token, json: token}
        checks:
          - status: [200]
      - name: submit
        method: POST
        url: /submit
        body: token={{token}}&reason=move
        extract:
          - {name: id, json: id, created: true}
        checks:
          - status: [201]
`

// journeyRate is what every client manages, in journeys a second; a journey is two requests.
const journeyRate = 1000

// journeys: form and submission, with extraction and checks, first at a rate that all can keep, then flat out: closed
// loops as fast as they go; Ansturm, whose journeys know only open loops, is offered more than it can send and works the
// backlog off.
func (b *bench) journeys(ctx context.Context) error {
	clients := b.those(func(c client) bool { return c.checks })
	l := load{connections: closedConnections, length: b.length, journey: true, rate: journeyRate}
	if err := b.journeyTable(ctx, clients, "1,000 journeys a second, 64 connections", func(client) load { return l }); err != nil {
		return err
	}
	const flatOut = 80_000 // journeys a second
	return b.journeyTable(ctx, clients, "flat out, 64 connections", func(c client) load {
		l := l
		l.rate = 0
		if c.name == "ansturm" {
			l.rate = flatOut
		}
		return l
	})
}

func (b *bench) journeyTable(ctx context.Context, clients []client, name string, loadOf func(client) load) error {
	t := table{
		measurement: "journeys", load: name,
		columns: []column{columnPerSecond, columnCPU, columnPerCPU, columnBusy, columnPeak, {"refused", "refused", 0}, columnDisturbed},
	}
	return b.inTurns(ctx, t, clients, func(ctx context.Context, c client) (row, error) {
		t, err := b.turn(ctx, c, loadOf(c), true, "--journey")
		if err != nil {
			return nil, err
		}
		arrivals := arrivalsOf(t.requests)
		perSecond := float64(len(arrivals)-1) / arrivals[len(arrivals)-1]
		cpu := t.cpuPerRequest(t.Answered)
		return row{perSecond, cpu, 1e6 / cpu, t.busy(), t.peakMiB(), float64(t.Refused), t.disturbed}, nil
	})
}

// ansturmJourney is the command for the journey, which needs a scenario of its own.
func ansturmJourney(binary string, l load) []string {
	file := filepath.Join(filepath.Dir(l.log), "journey.yaml")
	text := fmt.Sprintf(journeyScenario, int64(l.rate*l.length.Seconds()), l.length.Milliseconds())
	_ = os.WriteFile(file, []byte(text), 0o644) // a missing file is ansturm's to report
	return []string{binary, "run", file, "--target", l.url, "--connections", fmt.Sprint(l.most), "-o", recordDir(l), "--json"}
}

// readAnsturmRun needs nothing from the record's account but that there is one.
func readAnsturmRun(u usage) (told, error) {
	if !strings.HasPrefix(strings.TrimSpace(string(u.stdout)), "{") {
		return told{}, fmt.Errorf("no account: %s", lastLine(u.stderr))
	}
	return told{Response: untold}, nil
}
