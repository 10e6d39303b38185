package scenarios

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// mostTenants bounds a scenario: beyond it, windows per tenant do not fit into memory.
const mostTenants = 20_000

// expand turns a count or a population table into the list of tenants, and clears what it was made from: after
// loading there is one form only.
func (s *Scenario) expand(c *checker) {
	t := &s.Tenants
	const path = "tenants"
	switch forms := t.forms(); {
	case forms == 0:
		c.add(path, "nobody comes from anywhere: write a list, a count, or a population table")
	case forms > 1:
		c.add(path, "write one of list, count and population, here are %d", forms)
	case t.Population != nil:
		t.List = population(c, path+".population", *t.Population, s.files)
		t.Population = nil
	case len(t.List) == 0:
		if t.validateCount(c, path); len(c.problems) == 0 {
			t.List = t.counted()
		}
	}
	if t.List != nil {
		*t = Tenants{List: t.List}
	}
}

// forms counts the ways in which tenants are given.
func (t *Tenants) forms() int {
	n := 0
	for _, said := range []bool{len(t.List) > 0, t.Count != 0, t.Population != nil} {
		if said {
			n++
		}
	}
	return n
}

func (t *Tenants) validateCount(c *checker, path string) {
	if t.Count < 1 || t.Count > mostTenants {
		c.add(path+".count", "is %d, must be 1 to %d", t.Count, mostTenants)
	}
	if !(t.Zipf >= 0 && t.Zipf <= 10) {
		c.add(path+".zipf", "is %v, must be 0 (all alike) to 10", t.Zipf)
	}
	if t.Prefix != "" && !isLabel(t.Prefix) || len(t.Prefix) > 50 {
		c.add(path+".prefix", "is %q, must be lower-case letters, digits and hyphens, at most 50 characters", t.Prefix)
	}
}

// counted lists Count tenants Prefix-001, Prefix-002… with weight 1/rank^Zipf.
func (t *Tenants) counted() []Tenant {
	prefix := t.Prefix
	if prefix == "" {
		prefix = "tenant"
	}
	digits := max(3, len(strconv.Itoa(t.Count)))
	list := make([]Tenant, t.Count)
	for i := range list {
		list[i] = Tenant{
			Name:   fmt.Sprintf("%s-%0*d", prefix, digits, i+1),
			Weight: exactExp(-float64(t.Zipf * exactLog(float64(i+1)))),
		}
	}
	return list
}

// population reads tenants from a CSV table.
func population(c *checker, path string, p Population, files fs.FS) []Tenant {
	table, err := OpenTable(files, p.File)
	if err != nil {
		c.add(path+".file", "%v", err)
		return nil
	}
	names, weights := table.column(c, path+".name", p.Name), table.column(c, path+".weight", p.Weight)
	if names < 0 || weights < 0 {
		return nil
	}
	if len(table.Rows) == 0 || len(table.Rows) > mostTenants {
		c.add(path+".file", "%s has %d rows, must have 1 to %d", p.File, len(table.Rows), mostTenants)
		return nil
	}
	list, taken := make([]Tenant, len(table.Rows)), map[string]bool{}
	for i, row := range table.Rows {
		weight, err := strconv.ParseFloat(strings.TrimSpace(row[weights]), 64)
		if err != nil || !(weight > 0) || math.IsInf(weight, 0) {
			c.problems = append(c.problems, &Problem{
				File: p.File, Line: table.lines[i], Column: table.starts[i][weights], Field: p.Weight,
				Message: fmt.Sprintf("is %q, must be a number above 0, without separators", row[weights]),
			})
			return nil
		}
		title := strings.TrimSpace(row[names])
		list[i] = Tenant{Name: unique(label(title), taken), Title: title, Weight: weight}
	}
	return list
}

// column is the index of a table's column, −1 with a problem where there is none.
func (t *Table) column(c *checker, path, name string) int {
	for i, column := range t.Columns {
		if column == name {
			return i
		}
	}
	hint := "its columns are " + strings.Join(t.Columns, ", ")
	if near := nearest(name, t.Columns); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.add(path, "no column %q in %s, %s", name, t.Name, hint)
	return -1
}

// folds are the letters of German and neighbouring languages as DNS labels write them.
var folds = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss",
	"á", "a", "à", "a", "â", "a", "ã", "a", "å", "a", "æ", "ae", "ç", "c", "č", "c", "ć", "c", "é", "e", "è", "e", "ê", "e",
	"ë", "e", "ě", "e", "í", "i", "ì", "i", "î", "i", "ï", "i", "ł", "l", "ñ", "n", "ń", "n", "ó", "o", "ò", "o", "ô", "o",
	"õ", "o", "ø", "oe", "œ", "oe", "ř", "r", "š", "s", "ś", "s", "ú", "u", "ù", "u", "û", "u", "ů", "u", "ý", "y", "ž", "z", "ź", "z", "ż", "z")

// label makes a DNS label of a name: "Bad Tölz, St." becomes bad-toelz-st.
func label(title string) string {
	var b strings.Builder
	for _, r := range folds.Replace(strings.ToLower(title)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 57 { // room for a number that makes it unique
			break
		}
	}
	if name := strings.Trim(b.String(), "-"); name != "" {
		return name
	}
	return "tenant"
}

// unique adds a number to a name that is taken.
func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// isLabel says whether s is a DNS label (RFC 1123): 1 to 63 lower-case letters, digits and inner hyphens.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') {
			return false
		}
	}
	return true
}
