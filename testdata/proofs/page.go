package proofs

import (
	"fmt"
	"strings"
)

// Fill replaces what a page holds between <!-- NAME --> and <!-- /NAME -->, each on a line of its own. A page without
// that section stays as it is.
func Fill(page, name, text string) (string, error) {
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
