package lease

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Forever is the To of a move that has no end.
const Forever = time.Duration(math.MaxInt64)

// Owner is one epoch of one worker: one life of one engine. A pair is never used twice. The zero Owner is nobody.
type Owner struct {
	Worker uint32 `json:"worker"`
	Epoch  uint32 `json:"epoch"`
}

// String is as "w2:1", "nobody" for the zero Owner.
func (o Owner) String() string {
	if o == (Owner{}) {
		return "nobody"
	}
	return fmt.Sprintf("w%d:%d", o.Worker, o.Epoch)
}

// Move makes an owner that of the parts Lo to Hi−1, from one Due to before another; nobody, if it is zero.
type Move struct {
	Lo   int           `json:"lo"`
	Hi   int           `json:"hi"`
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
	Owner
}

// Entry is one entry of the list: a deal, which has moves, of which a later one wins where two overlap, or epochs that are final;
// or a ceiling.
type Entry struct {
	// Coordinator is the number of the one that made it.
	Coordinator uint64 `json:"coordinator"`
	Moves       []Move `json:"moves,omitempty"`
	// Ceiling is the Due from which on nothing may be promised to anybody. A deal has none.
	Ceiling time.Duration `json:"ceiling,omitempty"`
	// Final are epochs from whom nothing is taken after this deal: what is theirs stays so for good.
	Final []Owner `json:"final,omitempty"`
	// Why is for people.
	Why string `json:"why,omitempty"`
}

// Line is the entry in JSON, one line without its end.
func (e Entry) Line() []byte {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // numbers and a text
	}
	return line
}

// ParseEntry reads what Line writes. Fields that it does not know are refused, and anything after the entry.
func ParseEntry(line []byte) (Entry, error) {
	var e Entry
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("lease: entry: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("lease: entry: something follows it")
	}
	return e, nil
}

func (e Entry) isDeal() bool { return len(e.Moves)+len(e.Final) > 0 }

// check says what is wrong with an entry for a table of that many parts.
func (e Entry) check(parts int) error {
	if e.isDeal() && e.Ceiling != 0 {
		return errors.New("a deal with a ceiling")
	}
	for _, m := range e.Moves {
		if m.Lo < 0 || m.Lo >= m.Hi || m.Hi > parts || m.From < 0 || m.From >= m.To {
			return fmt.Errorf("move %+v, must rise from 0 on and be within %d parts", m, parts)
		}
	}
	return nil
}
