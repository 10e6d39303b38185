package bus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// How long a worker waits for an answer before it asks again; a frame has more time the longer it is, lest a slow line be filled with repeated ones.
const (
	beatTimeout    = time.Second
	deliverTimeout = 5 * time.Second
	slowest        = 64 << 10 // bytes a second
)

// link is a worker's way to its coordinator: two connections, for a beat must not wait behind a frame.
type link struct {
	subjects
	worker, epoch uint32
	key           []byte // of the epoch
	beats, frames *wire

	mu   sync.Mutex
	next uint64 // of beats
}

// wire is a connection of which one knows at once that it broke: the library lets what waits for an answer wait on.
type wire struct {
	connection *nats.Conn

	mu   sync.Mutex
	life context.Context // until the connection breaks
	end  context.CancelFunc
}

// dial opens a connection. It fails at once where there is no server; one that breaks later comes back by itself, and broke is called.
func dial(url string, broke func(), options []nats.Option) (*wire, error) {
	w := &wire{}
	w.anew()
	options = append(options, nats.DisconnectErrHandler(func(*nats.Conn, error) {
		w.mu.Lock()
		end := w.end
		w.mu.Unlock()
		w.anew()
		end()
		broke()
	}))
	var err error
	if w.connection, err = nats.Connect(url, options...); err != nil {
		w.end()
		return nil, err
	}
	return w, nil
}

func (w *wire) anew() {
	w.mu.Lock()
	w.life, w.end = context.WithCancel(context.Background())
	w.mu.Unlock()
}

func (w *wire) close() {
	w.connection.Close()
	w.mu.Lock()
	w.end()
	w.mu.Unlock()
}

// request asks and waits for the answer: until ctx ends, so long, or until the connection breaks.
func (w *wire) request(ctx context.Context, subject string, b []byte, long time.Duration) ([]byte, error) {
	w.mu.Lock()
	life := w.life
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	m, err := w.connection.RequestWithContext(ctx, subject, b)
	switch {
	case err == nil:
		return m.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errors.New("no coordinator listens on the bus")
	case life.Err() != nil || errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil, errors.New("the bus is away")
	case errors.Is(err, context.DeadlineExceeded):
		return nil, errors.New("nobody answers on the bus")
	}
	return nil, fmt.Errorf("the bus: %w", err)
}

// exchange sends a sealed message of the epoch and opens the answer.
func (l *link) exchange(ctx context.Context, w *wire, word string, asked, wanted kind, sequence uint64, body []byte, long time.Duration) ([]byte, error) {
	at := mark{l.worker, l.epoch, sequence}
	answer, err := w.request(ctx, l.of(word, l.worker, l.epoch), seal(l.key, l.run, asked, at, body), long)
	if err != nil {
		return nil, err
	}
	return answered(l.key, l.run, asked, wanted, at, answer)
}

// answered opens an answer to what was asked under this mark.
func answered(key []byte, run string, asked, wanted kind, sent mark, answer []byte) ([]byte, error) {
	if at, body, err := open(key, run, wanted, answer); err == nil && at == sent {
		return body, nil
	}
	return nil, refusedBy(key, run, asked, sent, answer)
}

// refusedBy reads the no in the answer to what was asked under this mark.
func refusedBy(key []byte, run string, asked kind, sent mark, answer []byte) error {
	at, body, err := open(key, run, refusing(asked), answer)
	var newer newerError
	switch {
	case err == nil && at == sent:
		return refused(body)
	case errors.As(err, &newer):
		return &Refusal{badVersion, fmt.Sprintf("the coordinator speaks version %d, this program %d", byte(newer), speaks)}
	}
	return errors.New("the answer on the bus is not the coordinator's")
}

// refused reads a no.
func refused(body []byte) error {
	reason, text, _ := strings.Cut(string(body), ": ")
	if reason == laterReason {
		return errors.New(text)
	}
	return &Refusal{Reason: reason, Text: text}
}

// Beat, as [Link] says.
func (l *link) Beat(ctx context.Context, body []byte) ([]byte, error) {
	if len(body) > mostBeat {
		return nil, fmt.Errorf("a beat has %d bytes, the bus carries %d at most", len(body), mostBeat)
	}
	l.mu.Lock()
	l.next++
	n := l.next
	l.mu.Unlock()
	return l.exchange(ctx, l.beats, "beat", beat, reply, n, body, beatTimeout)
}

// Deliver, as [Link] says.
func (l *link) Deliver(ctx context.Context, sequence uint64, body []byte) error {
	if most := min(mostBody, int(l.frames.connection.MaxPayload())-sealHead-sealFoot); len(body) > most {
		return fmt.Errorf("frame %d has %d bytes, the bus carries %d at most", sequence, len(body), most)
	}
	long := deliverTimeout + time.Duration(len(body))*time.Second/slowest
	_, err := l.exchange(ctx, l.frames, "frame", frame, kept, sequence, body, long)
	return err
}

// Close, as [Link] says.
func (l *link) Close() error {
	l.beats.close()
	l.frames.close()
	return nil
}

// welcome fetches what the admission announced.
func (l *link) welcome(ctx context.Context, a admitted) ([]byte, error) {
	welcome := make([]byte, 0, a.Length)
	for n := uint64(0); len(welcome) < a.Length; n++ {
		hidden, err := l.exchange(ctx, l.frames, "welcome", ask, piece, n, nil, deliverTimeout)
		if err != nil {
			return nil, fmt.Errorf("what the coordinator welcomes workers with: %w", err)
		}
		text, err := reveal(welcomeKey(l.key), n, hidden)
		if err != nil || len(text) == 0 {
			return nil, errors.New("what the coordinator welcomes workers with is damaged")
		}
		welcome = append(welcome, text...)
	}
	if sum := sha256.Sum256(welcome); !bytes.Equal(sum[:], a.Sum) {
		return nil, errors.New("what the coordinator welcomes workers with is damaged")
	}
	return welcome, nil
}
