package scenarios

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// mostTable bounds a CSV file, in bytes.
const mostTable = 256 << 20

// Table is a CSV file with a header.
type Table struct {
	Name    string
	Columns []string
	Rows    [][]string

	lines  []int   // of each row
	starts [][]int // columns in the file, of each row's fields
}

// Table reads the CSV of a feeder from beside the scenario.
func (s *Scenario) Table(feeder string) (*Table, error) {
	f, known := s.Feeders[feeder]
	if !known || f.CSV == "" {
		return nil, fmt.Errorf("scenario %s has no CSV feeder %q", s.Name, feeder)
	}
	return OpenTable(s.files, f.CSV)
}

// OpenTable reads a CSV table from files; name is a path below it.
func OpenTable(files fs.FS, name string) (*Table, error) {
	if name == "" {
		return nil, errors.New("no CSV file is named")
	}
	data, err := readBeside(files, name, "a CSV", mostTable)
	if err != nil {
		return nil, err
	}
	return ParseTable(name, data)
}

// readBeside reads a file beside the scenario, of a kind that a refusal names; of one longer than most bytes, one more
// than that.
func readBeside(files fs.FS, name, kind string, most int64) ([]byte, error) {
	if files == nil {
		return nil, fmt.Errorf("cannot read %s: the scenario was not read from a directory", name)
	}
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%s is elsewhere: %s lies beside the scenario or below", name, kind)
	}
	file, err := files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s beside the scenario", name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	return data, nil
}

// ParseTable reads CSV with a header line, separated by commas or, if the header has more of them, semicolons. A byte
// order mark is skipped. Every row has as many fields as the header.
func ParseTable(name string, data []byte) (*Table, error) {
	if len(data) > mostTable {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, mostTable>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	header, _, _ := bytes.Cut(data, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(data))
	if bytes.Count(header, []byte(";")) > bytes.Count(header, []byte(",")) {
		r.Comma = ';'
	}
	t := &Table{Name: name}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, badRow(name, err)
		}
		if t.Columns == nil {
			if err := t.header(row); err != nil {
				return nil, err
			}
			continue
		}
		line, starts := 0, make([]int, len(row))
		for i := range row {
			line, starts[i] = r.FieldPos(i)
		}
		t.Rows, t.lines, t.starts = append(t.Rows, row), append(t.lines, line), append(t.starts, starts)
	}
	if t.Columns == nil {
		return nil, &Problem{File: name, Line: 1, Column: 1, Message: "the file is empty, a header line is needed"}
	}
	return t, nil
}

func (t *Table) header(row []string) error {
	seen := map[string]bool{}
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
		if seen[row[i]] {
			return &Problem{File: t.Name, Line: 1, Column: 1, Message: fmt.Sprintf("column %q is there twice", row[i])}
		}
		seen[row[i]] = true
	}
	t.Columns = row
	return nil
}

// badRow places the CSV reader's error.
func badRow(name string, err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return &Problem{File: name, Line: bad.Line, Column: bad.Column, Message: bad.Err.Error()}
	}
	return fmt.Errorf("%s: %w", name, err)
}
