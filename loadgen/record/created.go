package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"unicode/utf8"
)

// Creation is one line of created.jsonl: something the run made at its target, to be found and removed there by its id.
type Creation struct {
	Seq    uint32 `json:"seq"`
	Tenant string `json:"tenant"`
	Step   string `json:"step"`
	// Name is the extraction's, Value the id.
	Name  string `json:"name"`
	Value string `json:"value"`
}

// longestID bounds an id, so that a target that answers nonsense does not fill the disk.
const longestID = 64 << 10

// creation is a Creation in a shard's buffer; its value ends at end in the buffer's values.
type creation struct {
	seq          uint32
	tenant, step int32
	name         string
	end          int
}

// create keeps what was created until the writer comes.
func (b *buffer) create(c Created) {
	switch {
	case b.closed:
		return
	case uint(c.Step) >= uint(len(b.names.steps)) || uint(c.Tenant) >= uint(len(b.names.tenants)):
		b.oddity.unknown++
		return
	case len(c.Value) > longestID:
		b.oddity.ids++
		return
	}
	b.values = append(b.values, c.Value...)
	b.created = append(b.created, creation{c.Seq, c.Tenant, c.Step, c.Name, len(b.values)})
}

// appendCreated adds the lines of what was created.
func (b *buffer) appendCreated(lines []byte) []byte {
	from := 0
	for _, c := range b.created {
		line := createdLine{Creation: Creation{Seq: c.seq, Tenant: b.names.tenants[c.tenant], Step: b.names.steps[c.step], Name: c.name}}
		if value := b.values[from:c.end]; utf8.Valid(value) {
			line.Value = string(value)
		} else {
			line.Bytes = value
		}
		from = c.end
		text, err := json.Marshal(line)
		if err != nil { // strings, numbers and bytes always can
			continue
		}
		lines = append(append(lines, text...), '\n')
	}
	return lines
}

// createdLine is a line as it stands in the file: an id that is no UTF-8 text is written in base64.
type createdLine struct {
	Creation
	Bytes []byte `json:"valueBase64,omitempty"`
}

func parseCreated(line []byte) (Creation, error) {
	var c createdLine
	if err := json.Unmarshal(line, &c); err != nil {
		return Creation{}, err
	}
	if len(c.Bytes) > 0 {
		c.Value = string(c.Bytes)
	}
	return c.Creation, nil
}

// Created reads created.jsonl, in the order written; nothing from a record that has no such file. Broken lines as with
// Windows: what could be read comes first, the error that names them last.
func (r *Record) Created() iter.Seq2[Creation, error] {
	return func(yield func(Creation, error) bool) {
		on := true
		damage, err := r.created(func(c Creation) {
			on = on && yield(c, nil)
		})
		if err = errors.Join(err, damage.err()); err != nil && on {
			yield(Creation{}, err)
		}
	}
}

func (r *Record) created(each func(Creation)) (d damage, err error) {
	err = r.read(createdFile, func(f io.Reader) error {
		d, err = readCreated(f, createdFile, each)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil // a record from before there was such a file
	}
	return d, err
}

// readCreated reads a whole file. Broken lines are left out and named in the damage.
func readCreated(in io.Reader, name string, each func(Creation)) (damage, error) {
	var d damage
	err := eachLine(in, func(number int, line []byte, whole bool) {
		if len(bytes.TrimSpace(line)) == 0 {
			return
		}
		c, err := parseCreated(line)
		if err != nil {
			d.add(whole, "%s:%d: not a created thing: %v", name, number, err)
			return
		}
		each(c)
	})
	if err != nil {
		return d, fmt.Errorf("record: read %s: %w", name, err)
	}
	return d, nil
}
