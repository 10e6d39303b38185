package fleet

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

// journalEnd is how the names of journals end.
const journalEnd = ".journal"

// mostEntry bounds an entry of a journal, in bytes: frames have half a mebibyte, and one too long line twice the room.
const mostEntry = 4 << 20

// journal keeps an epoch's frames in a file until the record has them: written before they are delivered, read from it for the delivery, and taken up by
// the worker's next process where this one dies. It is not synced: it outlives its process, not its machine.
//
// An entry is: length 4 · CRC-32C 4 · bytes; little-endian. The first is the [Life] whose journal it is, as JSON; the others are frames.
type journal struct {
	path string
	more chan struct{} // holds the word that something has changed

	mu   sync.Mutex // guards what follows
	file *os.File
	size int64
	at   []int64 // where frame i begins
	next int     // the first frame that the bus has not taken
	full bool    // no frame comes any more
	err  error   // of writing
}

// newJournal makes the journal of a life, in a directory that it makes where there is none.
func newJournal(dir string, of Life) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("fleet: journal: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-w%d-e%d%s", url.PathEscape(of.Run), of.Worker, of.Epoch, journalEnd))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // never over what another process left
	if err != nil {
		return nil, fmt.Errorf("fleet: journal: %w", err)
	}
	j := &journal{path: path, file: file, more: make(chan struct{}, 1)}
	head, err := json.Marshal(of)
	if err == nil {
		err = j.write(head)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// write adds an entry. The caller holds mu, or is alone.
func (j *journal) write(b []byte) error {
	entry := binary.LittleEndian.AppendUint32(make([]byte, 0, 8+len(b)), uint32(len(b)))
	entry = binary.LittleEndian.AppendUint32(entry, crc32.Checksum(b, castagnoli))
	n, err := j.file.WriteAt(append(entry, b...), j.size)
	if err != nil { // a part of it may be there: it is written over, or is the torn end
		return fmt.Errorf("fleet: journal: %w", err)
	}
	j.size += int64(n)
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// add adds a frame. After an error nothing is added any more: an epoch's frames have no gap.
func (j *journal) add(frame []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	at := j.size
	if j.err = j.write(frame); j.err != nil {
		return j.err
	}
	j.at = append(j.at, at)
	j.tell()
	return nil
}

// end says that no frame comes any more.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full = true
	j.tell()
}

func (j *journal) tell() {
	select {
	case j.more <- struct{}{}:
	default:
	}
}

// first gives the first frame that the bus has not taken, and its number there; none where all are taken, or until more comes. Over says that no
// frame is left and none comes.
func (j *journal) first() (number uint64, frame []byte, over bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.next == len(j.at) {
		return 0, nil, j.full, nil
	}
	frame, err = readEntry(io.NewSectionReader(j.file, j.at[j.next], mostEntry))
	return uint64(j.next) + 1, frame, false, err
}

// taken says that the bus keeps a frame.
func (j *journal) taken(number uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if number == uint64(j.next)+1 {
		j.next++
	}
}

// back makes the frames after the first kept ones be delivered again: another coordinator's bus may have lost them. It says whether there are any.
func (j *journal) back(kept uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if kept >= uint64(j.next) {
		return false
	}
	j.next = int(kept)
	j.tell()
	return true
}

// waiting is how many frames the bus has not taken.
func (j *journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.at) - j.next
}

// close lets go of the file, and removes it where nobody needs it any more.
func (j *journal) close(remove bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.file.Close()
	if remove {
		err = errors.Join(err, os.Remove(j.path))
	}
	return err
}

// readEntry reads one entry; io.EOF at the end, another error where it is torn or damaged.
func readEntry(r io.Reader) (b []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > mostEntry {
		return nil, fmt.Errorf("fleet: journal: an entry of %d bytes", n)
	}
	b = make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errors.New("fleet: journal: a checksum does not hold")
	}
	return b, nil
}

// relic is a journal that a process left behind which is no more.
type relic struct {
	path string
	of   Life
}

// relics finds the journals of a directory; a file without a whole head is none.
func relics(dir string) ([]relic, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*"+journalEnd))
	if err != nil {
		return nil, fmt.Errorf("fleet: journal: %w", err)
	}
	var all []relic
	for _, path := range paths {
		r := relic{path: path}
		err := r.read(func(n uint64, b []byte) error {
			if n == 0 && json.Unmarshal(b, &r.of) == nil && r.of.Worker > 0 {
				all = append(all, r)
			}
			return io.EOF // enough
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// read gives the entries of a relic, the head as number 0, the frames from 1 on. What is torn or damaged ends it: that was not delivered
// either. It ends at an error of give, and gives that unless it is io.EOF.
func (r relic) read(give func(n uint64, b []byte) error) error {
	file, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("fleet: journal: %w", err)
	}
	defer file.Close()
	in := bufio.NewReader(file)
	for n := uint64(0); ; n++ {
		b, err := readEntry(in)
		if err != nil {
			return nil
		}
		if err := give(n, b); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// takeUp copies a relic's frames after the first kept ones, and removes it.
func (j *journal) takeUp(r relic, kept uint64) error {
	err := r.read(func(n uint64, frame []byte) error {
		if n <= kept {
			return nil
		}
		return j.add(frame)
	})
	if err != nil {
		return err
	}
	return os.Remove(r.path)
}
