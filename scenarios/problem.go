package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with an input file, and what would be right.
type Problem struct {
	File string // empty where the input was no file
	// Line and Column count from 1; 0 means the file as a whole.
	Line, Column int
	Field        string // "arrivals.curve[0].at"; empty where the message names it
	Message      string
}

// Error is "file:line:column: field: message", leaving out what is not known.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
		if p.Line > 0 {
			fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
		}
		b.WriteString(" ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	return b.String() + p.Message
}

// checker collects the problems of one input, and knows where its fields stand.
type checker struct {
	file      string
	positions map[string]position
	problems  []*Problem
}

// position is where something stands in a file, from 1.
type position struct{ line, column int }

// add notes a problem of the field at path.
func (c *checker) add(path, format string, args ...any) {
	c.problems = append(c.problems, c.problem(path, fmt.Sprintf(format, args...)))
}

// problem places a message at the field, or where the field is not written at the nearest one around it.
func (c *checker) problem(path, message string) *Problem {
	p := &Problem{File: c.file, Field: path, Message: message}
	for around := path; c.positions != nil; around = parent(around) {
		if at, found := c.positions[around]; found {
			p.Line, p.Column = at.line, at.column
			break
		}
		if around == "" {
			break
		}
	}
	return p
}

// parent cuts the last part of a path off.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// err is all problems in the order of the file, nil for none.
func (c *checker) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(c.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	list := make([]error, len(c.problems))
	for i, p := range c.problems {
		list[i] = p
	}
	return errors.Join(list...)
}

// nearest is the known name most like the wrong one, "" where none is near.
func nearest(wrong string, known []string) string {
	best, least := "", 1+len(wrong)/3
	for _, name := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(name)); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// distance counts the insertions, deletions, changes and swaps of neighbours from a to b (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
