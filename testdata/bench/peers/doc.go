package main

import (
	"fmt"
	"os"
	"strings"
)

// A page holds the output of a measurement between <!-- NAME --> and <!-- /NAME -->, each on a line of its own.

// fillPage replaces what a page holds of the measurements that were just made, and leaves the others as they are.
func fillPage(file string, shown map[string]*strings.Builder) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page := string(raw)
	for name, text := range shown {
		if page, err = fillSection(page, name, text.String()); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return os.WriteFile(file, []byte(page), 0o644)
}

// fillSection leaves a page without that section as it is.
func fillSection(page, name, text string) (string, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, found := strings.Cut(page, begin)
	if !found {
		return page, nil
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("the section %s has no end", name)
	}
	return before + begin + strings.TrimSpace(text) + "\n" + end + after, nil
}
