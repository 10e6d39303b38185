package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// curveNames are the shapes that --curve knows by name.
var curveNames = []string{"constant", "ramp", "step", "spike", "gaussian", "deadline", "daily"}

// leastDaily is the shortest run in which a wave of 24 hours can be told from a constant rate.
const leastDaily = time.Hour

// parseCurve reads NAME, NAME:NUMBERS or @FILE for a surge of that length.
func parseCurve(text string, over time.Duration) ([]scenarios.Shape, error) {
	if file, isFile := strings.CutPrefix(text, "@"); isFile {
		shapes, err := scenarios.LoadCurve(file, over)
		return shapes, inputError(err, "the file has the field curve, as in a scenario's arrivals (ansturm scenario show briefwahl)")
	}
	name, list, _ := strings.Cut(text, ":")
	var words []string
	if list != "" {
		words = strings.Split(list, ",")
	}
	shape, read, known := standardShape(name, over)
	if !known {
		return nil, inputError(fmt.Errorf("--curve %s: there is no curve %q", text, name),
			"one of "+strings.Join(curveNames, ", ")+", or @FILE")
	}
	if name == "daily" && over < leastDaily {
		return nil, inputError(fmt.Errorf("--curve daily: one wave takes 24 hours, %s show nothing of it", over), "gaussian makes a wave of any length")
	}
	if len(words) > len(read) {
		return nil, inputError(fmt.Errorf("--curve %s: %s takes %d numbers at most", text, name, len(read)), "see 'ansturm fire --help'")
	}
	for i, word := range words {
		if err := read[i](strings.TrimSpace(word)); err != nil {
			return nil, inputError(fmt.Errorf("--curve %s: %w", text, err), "see 'ansturm fire --help'")
		}
	}
	return []scenarios.Shape{*shape}, nil
}

// standardShape is the shape of that name for a surge of that length, and what reads its numbers in their order.
func standardShape(name string, over time.Duration) (shape *scenarios.Shape, read []func(string) error, known bool) {
	s := &scenarios.Shape{Kind: name}
	switch name {
	case "constant":
	case "ramp":
		s.End = 1
		read = append(read, number(&s.Start), number(&s.End))
	case "step":
		s.At, s.Start, s.End = over/2, 1, 10
		read = append(read, duration(&s.At), number(&s.Start), number(&s.End))
	case "spike":
		s.At, s.Width = over/2, over/5
		read = append(read, duration(&s.At), duration(&s.Width))
	case "gaussian":
		s.At, s.Width = over/2, over/6
		read = append(read, duration(&s.At), duration(&s.Width))
	case "deadline":
		s.At, s.Width = over, over/6
		read = append(read, duration(&s.At), duration(&s.Width))
	case "daily":
		s.At, s.Base = over/2, 0.2
		read = append(read, duration(&s.At), number(&s.Base))
	default:
		return nil, nil, false
	}
	return s, read, true
}

func number(into *float64) func(string) error {
	return func(word string) (err error) {
		if *into, err = strconv.ParseFloat(word, 64); err != nil {
			return fmt.Errorf("%q is no number", word)
		}
		return nil
	}
}

func duration(into *time.Duration) func(string) error {
	return func(word string) (err error) {
		if *into, err = time.ParseDuration(word); err != nil {
			return fmt.Errorf("%q is no time like 15s", word)
		}
		return nil
	}
}
