package bus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Serve, as [Store] says. One at a time.
func (s *Server) Serve(ctx context.Context, service Service) error {
	if !s.serving.TryLock() {
		return errors.New("the bus is served already")
	}
	defer s.serving.Unlock()
	s.refusals.listen(service.Refused)
	defer s.refusals.listen(nil)

	var wait sync.WaitGroup
	defer wait.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, desk := range []struct {
		word   string
		hands  int
		answer func(*nats.Msg)
	}{
		{"join", 1, func(m *nats.Msg) { s.answerJoin(m, service) }},
		{"beat", 1, func(m *nats.Msg) { s.answerBeat(m, service) }},
		{"frame", 4, func(m *nats.Msg) { s.answerFrame(ctx, m) }},
		{"welcome", 1, s.answerAsk},
	} {
		subscription, err := s.connection.SubscribeSync(s.all(desk.word))
		if err != nil {
			return err
		}
		defer subscription.Unsubscribe() //nolint:errcheck // a closed connection has none
		for range desk.hands {
			wait.Go(func() { work(ctx, subscription, desk.answer) })
		}
	}
	return s.untilClosed(ctx)
}

// untilClosed returns when ctx ends, or the connection for good.
func (s *Server) untilClosed(ctx context.Context) error {
	closed := s.connection.StatusChanged(nats.CLOSED)
	defer s.connection.RemoveStatusListener(closed)
	if !s.connection.IsClosed() {
		select {
		case <-ctx.Done():
			return nil
		case <-closed:
		}
	}
	return errors.New("the bus is closed")
}

// work answers what comes. More than the library lets wait (64 MiB) is dropped, and asked again.
func work(ctx context.Context, from *nats.Subscription, answer func(*nats.Msg)) {
	for {
		m, err := from.NextMsgWithContext(ctx)
		switch {
		case err == nil:
			answer(m)
		case !errors.Is(err, nats.ErrSlowConsumer):
			return
		}
	}
}

// bad counts a message that changes nothing.
func (s *Server) bad(name, reason, text string) {
	s.refusals.add(reason, name, text)
	if s.embedded != nil {
		s.embedded.gate.blame(name)
	}
}

// refuse answers no, in a way that its sender believes.
func (s *Server) refuse(m *nats.Msg, key []byte, k kind, at mark, reason, text string) {
	s.respond(m, key, refusing(k), at, []byte(reason+": "+text))
}

// respond: an answer that does not arrive is one that the sender asks for again.
func (s *Server) respond(m *nats.Msg, key []byte, k kind, at mark, body []byte) {
	_ = m.Respond(seal(key, s.run, k, at, body))
}

const elsewhere = "an answer is wanted elsewhere than in the sender's inbox"

// sender judges a worker's message: whose subject, whose inbox, whose seal. What does not hold is refused here.
func (s *Server) sender(m *nats.Msg, k kind) (at mark, key, body []byte, ok bool) {
	worker, epoch, whole := whose(m.Subject)
	name := s.workerName(worker, epoch)
	if !whole || worker == 0 || epoch == 0 || !strings.HasPrefix(m.Reply, s.workersInbox(worker, epoch)+".") {
		s.bad(name, foreign, elsewhere)
		return mark{}, nil, nil, false
	}
	key = s.keys.epoch(worker, epoch)
	at, body, err := open(key, s.run, k, m.Data)
	reason, text := "", ""
	switch {
	case err != nil:
		reason, text = reasonOf(err), err.Error()
	case at.worker != worker || at.epoch != epoch:
		reason, text = foreign, "a message of another worker"
	case k == beat && len(body) > mostBeat:
		reason, text = garbage, "a beat that is too long"
	default:
		return at, key, body, true
	}
	s.bad(name, reason, text)
	s.refuse(m, key, k, at, reason, text)
	return mark{}, nil, nil, false
}

func (s *Server) answerBeat(m *nats.Msg, service Service) {
	at, key, body, ok := s.sender(m, beat)
	if !ok {
		return
	}
	epoch := mark{worker: at.worker, epoch: at.epoch}
	seen := s.beats[epoch]
	if seen == nil {
		seen = &window{}
		s.beats[epoch] = seen
		s.forget(epoch) // it has its welcome
	}
	if !seen.fresh(at.sequence) { // no answer, which might be taken for that to the beat itself
		s.bad(s.workerName(at.worker, at.epoch), replayed, "a beat told before")
		return
	}
	if answer := service.Beat(at.worker, at.epoch, body); answer != nil {
		s.respond(m, key, reply, at, answer)
	}
}

func (s *Server) answerFrame(ctx context.Context, m *nats.Msg) {
	at, key, _, ok := s.sender(m, frame)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	if err := s.keep(ctx, at.worker, at.epoch, m.Data); err != nil {
		s.refuse(m, key, frame, at, laterReason, "the bus cannot keep it now: "+err.Error())
		return
	}
	s.respond(m, key, kept, at, nil)
}

// laterReason is that of an answer which is no refusal: it should be asked again.
const laterReason = "later"

// window remembers the last 64 numbers of a sender whose messages may overtake each other (RFC 4303, 3.4.3).
type window struct {
	last uint64
	seen uint64 // bit i: last − i
}

// fresh takes a number once; they count from 1.
func (w *window) fresh(n uint64) bool {
	if n > w.last {
		w.seen = w.seen<<(n-w.last) | 1 // a shift by 64 and more leaves nothing
		w.last = n
		return true
	}
	bit := uint64(1) << (w.last - n) // 0 if too old
	if n == 0 || bit == 0 || w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return true
}

// forget drops a welcome that nobody will ask for any more.
func (s *Server) forget(epoch mark) {
	s.guests.Lock()
	delete(s.welcomes, epoch)
	s.guests.Unlock()
}

// answerJoin takes a worker in, if the token vouches for it and the coordinator will have it.
func (s *Server) answerJoin(m *nats.Msg, service Service) {
	nonce := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	name, key := s.joinerName(nonce), joinKey(s.keys.token())
	if checkRun(nonce) != nil {
		name = "a joiner" // whose name is not fit to be printed
	}
	if m.Subject != s.join(nonce) || !strings.HasPrefix(m.Reply, s.joinersInbox(nonce)+".") {
		s.bad(name, foreign, elsewhere)
		return
	}
	at, body, err := open(key, s.run, knock, m.Data)
	reason, text := "", ""
	switch {
	case err != nil:
		reason, text = reasonOf(err), err.Error()
	case at != mark{} || len(body) < publicBytes || len(body) > publicBytes+mostBeat:
		reason, text = garbage, "no request to join"
	case s.knocked[string(body[:publicBytes])]:
		reason, text = replayed, "a request to join told before"
	case time.Now().After(s.state.Expires):
		reason, text = expired, "the token let workers in until "+s.state.Expires.UTC().Format(time.RFC3339)
	default:
		s.knocked[string(body[:publicBytes])] = true
		s.takeIn(m, key, body[:publicBytes], body[publicBytes:], service)
		return
	}
	s.bad(name, reason, text)
	s.refuse(m, key, knock, mark{}, reason, text)
}

func (s *Server) takeIn(m *nats.Msg, key, public, hello []byte, service Service) {
	worker, epoch, welcome, err := service.Join(hello)
	if err == nil && (worker == 0 || epoch == 0) {
		err = errors.New("no place is left")
	}
	var answer []byte
	at := mark{worker: worker, epoch: epoch}
	if err == nil {
		answer, err = admission(s.run, key, public, s.keys.epoch(worker, epoch), at, welcome)
	}
	if err != nil {
		s.refusals.add(Denied, "a joiner", err.Error())
		s.refuse(m, key, knock, mark{}, Denied, err.Error())
		return
	}
	s.guests.Lock()
	s.welcomes[at] = pieces(welcome)
	s.guests.Unlock()
	s.respond(m, key, admit, at, answer)
}

const noPiece = "no such piece of the welcome"

// answerAsk gives a piece of a welcome, as often as it is asked for, until the first beat.
func (s *Server) answerAsk(m *nats.Msg) {
	at, key, _, ok := s.sender(m, ask)
	if !ok {
		return
	}
	s.guests.Lock()
	all := s.welcomes[mark{worker: at.worker, epoch: at.epoch}]
	s.guests.Unlock()
	if at.sequence >= uint64(len(all)) {
		s.bad(s.workerName(at.worker, at.epoch), garbage, noPiece)
		s.refuse(m, key, ask, at, garbage, noPiece)
		return
	}
	s.respond(m, key, piece, at, hide(welcomeKey(key), at.sequence, all[at.sequence]))
}
