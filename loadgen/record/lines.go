package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// damage says what of a file could not be read. A torn end is what a killed run leaves; anything else was broken later.
type damage struct {
	torn   []string
	broken []string
}

// add notes a broken line or frame; whole says whether its end was there.
func (d *damage) add(whole bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if whole {
		d.broken = append(d.broken, text)
	} else {
		d.torn = append(d.torn, text+" (the end is cut off)")
	}
}

// err is the first break that no kill explains, nil where there is none.
func (d *damage) err() error {
	switch len(d.broken) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("record: %s", d.broken[0])
	default:
		return fmt.Errorf("record: %s (and %d more)", d.broken[0], len(d.broken)-1)
	}
}

// longestLine bounds the memory one line may take.
const longestLine = 16 << 20

var errLongLine = errors.New("a line is longer than 16 MiB")

// eachLine calls do with every line, counted from 1 and without its end; whole is false for a last line without one.
// line is valid during the call only.
func eachLine(r io.Reader, do func(number int, line []byte, whole bool)) error {
	in := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	for number := 1; ; {
		part, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = append(long, part...); len(long) > longestLine {
				return errLongLine
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		line := part
		if len(long) > 0 {
			long = append(long, part...)
			line = long
		}
		if err != nil { // the end
			if len(line) > 0 {
				do(number, line, false)
			}
			return nil
		}
		do(number, line[:len(line)-1], true)
		number++
		long = long[:0]
	}
}
