package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// The speeds a run can go at; only the embedded platform can go faster than life.
const (
	lifeSpeed = 1
	topSpeed  = 10
)

// speed is a flag's value: times life's speed. What goes faster makes another system of the platform.
type speed float64

func (s *speed) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *speed) Type() string   { return "float" }

func (s *speed) Set(text string) error {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > 0) || x > topSpeed {
		return fmt.Errorf("must be above 0 and at most %d", topSpeed)
	}
	*s = speed(x)
	return nil
}

// addSpeed adds --speed of a command that fires at the embedded platform.
func addSpeed(c *cobra.Command, x *float64, preset float64) {
	*x = preset
	c.Flags().Var((*speed)(x), "speed", fmt.Sprintf("times life's speed on the embedded platform, at most %d", topSpeed))
}

// language is a flag's value: one that reports are written in.
type language string

func (l *language) String() string { return string(*l) }
func (l *language) Type() string   { return "string" }

func (l *language) Set(text string) error {
	if text != "de" && text != "en" {
		return errors.New("must be de or en")
	}
	*l = language(text)
	return nil
}

// addLang adds --lang of a command that writes for people.
func addLang(c *cobra.Command, lang *string, preset string) {
	*lang = preset
	c.Flags().Var((*language)(lang), "lang", "language: de or en")
	must(c.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"de", "en"}, cobra.ShellCompDirectiveNoFileComp)))
}

// must is for what only a mistake in this program's own text makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
