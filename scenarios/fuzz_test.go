package scenarios

import (
	"bytes"
	"testing"
	"testing/fstest"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(base))
	for _, e := range Library() {
		if len(e.YAML) < 4000 {
			f.Add(e.YAML)
		}
	}
	f.Add([]byte(login))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("name: x\narrivals: {total: 1, over: 1s, curve: [{kind: points, points: [{at: 0, rate: 1e12}, {at: 0, rate: 0}]}]}\n"))
	f.Add([]byte("? a\n: b\n<<: *c\n--- !!x\n"))
	files := fstest.MapFS{"t.csv": {Data: []byte("a,b\nx,1\n")}}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("f.yaml", data, files)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
		c, err := s.Curve()
		if err != nil {
			t.Fatalf("valid, but without a curve: %v", err)
		}
		if a, b := c.Quantile(0), c.Quantile(1); a < 0 || a > b || b > s.Arrivals.Over {
			t.Fatalf("arrivals from %s to %s", a, b)
		}
		written, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse("w.yaml", written, files)
		if err != nil {
			t.Fatalf("%v in what was written:\n%s", err, written)
		}
		if again := must(Marshal(back)); !bytes.Equal(again, written) {
			t.Fatalf("written twice:\n%s\n%s", written, again)
		}
	})
}

func FuzzParsePlatform(f *testing.F) {
	f.Add([]byte(basePlatform))
	for _, e := range Library() {
		if len(e.PlatformYAML) < 4000 {
			f.Add(e.PlatformYAML)
		}
	}
	f.Add([]byte("pools: [{name: a, count: 1, capacity: {cpu: 1e400}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePlatform("f.yaml", data)
		if err != nil {
			return
		}
		for _, n := range p.Pools {
			if cores, memory, pods := n.Allocatable(); cores < 0 || memory < 0 || pods < 0 {
				t.Fatalf("allocatable %v %v %v", cores, memory, pods)
			}
		}
		written, err := MarshalPlatform(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParsePlatform("w.yaml", written)
		if err != nil {
			t.Fatalf("%v in what was written:\n%s", err, written)
		}
		if again := must(MarshalPlatform(back)); !bytes.Equal(again, written) {
			t.Fatalf("written twice:\n%s\n%s", written, again)
		}
	})
}

func FuzzParseTable(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a;b\n1;\"2\n3\"\n", "\ufeffa\n", "", "\n\n", "a,a\n", "\"a\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ParseTable("f.csv", data)
		if err != nil {
			return
		}
		for i, row := range table.Rows {
			if len(row) != len(table.Columns) {
				t.Fatalf("row %d has %d fields of %d", i, len(row), len(table.Columns))
			}
		}
		taken := map[string]bool{}
		for _, column := range table.Columns {
			if name := unique(label(column), taken); !isLabel(name) {
				t.Fatalf("%q becomes %q", column, name)
			}
		}
	})
}
