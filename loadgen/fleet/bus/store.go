package bus

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Append, as [Store] says. Entry k is the list's message k, so that nobody can append without knowing the last, and no two can append the same.
func (s *Server) Append(ctx context.Context, k uint64, body []byte) (taken bool, err error) {
	if k == 0 || len(body) > mostBody {
		return false, fmt.Errorf("entry %d of %d bytes: entries count from 1 and have %d bytes at most", k, len(body), mostBody)
	}
	sealed := seal(s.keys.coordinator(), s.run, entry, mark{sequence: k}, body)
	_, err = s.jet.PublishMsg(ctx, &nats.Msg{Subject: s.key(k), Data: sealed}, jetstream.WithExpectLastSequence(k-1), jetstream.WithRetryAttempts(0))
	if err == nil {
		return false, nil
	}
	// It may be our own, whose acknowledgement was lost.
	there, lost := s.list.GetMsg(ctx, k)
	switch {
	case lost == nil:
		return !bytes.Equal(there.Data, sealed), nil
	case errors.Is(lost, jetstream.ErrMsgNotFound) && wrongLast(err):
		return false, fmt.Errorf("entry %d does not follow the list's last", k)
	}
	return false, fmt.Errorf("entry %d: %w", k, err)
}

// wrongLast says that the list's last entry is not the one before ours; replicated servers have a number of their own for it.
func wrongLast(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Entries, as [Store] says.
func (s *Server) Entries(ctx context.Context, from uint64) (entries [][]byte, err error) {
	from = max(from, 1)
	info, err := s.list.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("the list: %w", err)
	}
	if from > info.State.LastSeq {
		return nil, nil
	}
	k := from
	err = follow(ctx, s.jet, "KV_"+s.bucket(), from, func(sequence uint64, m jetstream.Msg) (bool, error) {
		at, body, err := open(s.keys.coordinator(), s.run, entry, m.Data())
		if err != nil || sequence != k || at != (mark{sequence: k}) || m.Subject() != s.key(k) {
			return false, fmt.Errorf("entry %d of the list is not this run's", k)
		}
		entries = append(entries, body)
		k++
		return sequence < info.State.LastSeq, nil
	})
	if err == nil && k <= info.State.LastSeq {
		err = context.Cause(ctx) // follow ends silently then
	}
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// Tell, as [Store] says.
func (s *Server) Tell(ctx context.Context, sequence uint64, body []byte) error {
	if len(body) > mostBody {
		return fmt.Errorf("message %d has %d bytes, the bus carries %d at most", sequence, len(body), mostBody)
	}
	return s.keep(ctx, 0, 0, seal(s.keys.coordinator(), s.run, told, mark{sequence: sequence}, body))
}

// keep puts a sealed message into the stream, once however often it is tried within two minutes.
func (s *Server) keep(ctx context.Context, worker, epoch uint32, sealed []byte) error {
	m := &nats.Msg{Subject: s.of("kept", worker, epoch), Data: sealed}
	_, err := s.jet.PublishMsg(ctx, m, jetstream.WithMsgID(hex.EncodeToString(footOf(sealed))), jetstream.WithRetryAttempts(0))
	return err
}

// Messages, as [Store] says.
func (s *Server) Messages(ctx context.Context, take func(Message) error) error {
	return follow(ctx, s.jet, s.subjects.stream(), 1, func(_ uint64, m jetstream.Msg) (bool, error) {
		message, reason := s.verify(m)
		if reason != "" {
			s.refusals.add(reason, "somebody", "a message in the stream that is none of this run's")
			return true, nil
		}
		return true, take(message)
	})
}

// verify looks at a kept message as if it had come from anybody: on a bus of the user's own it may have.
func (s *Server) verify(m jetstream.Msg) (Message, string) {
	worker, epoch, ok := whose(m.Subject())
	if !ok {
		return Message{}, foreign
	}
	key, k := s.keys.epoch(worker, epoch), frame
	if worker == 0 && epoch == 0 {
		key, k = s.keys.coordinator(), told
	}
	at, body, err := open(key, s.run, k, m.Data())
	if err != nil {
		return Message{}, reasonOf(err)
	}
	if at.worker != worker || at.epoch != epoch {
		return Message{}, foreign
	}
	return Message{worker, epoch, at.sequence, body}, ""
}

// follow gives take a stream's messages from one on, until ctx ends (no error) or take ends it. Where the server has gone away it begins anew,
// behind the last message that it gave.
func follow(ctx context.Context, jet jetstream.JetStream, name string, from uint64, take func(uint64, jetstream.Msg) (more bool, err error)) error {
	for ctx.Err() == nil {
		done, err := read(ctx, jet, name, &from, take)
		if done {
			return err
		}
		if jet.Conn().IsClosed() && ctx.Err() == nil {
			return errors.New("the bus is closed")
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
	return nil
}

// read is one attempt of follow; done says that take has ended it.
func read(ctx context.Context, jet jetstream.JetStream, name string, from *uint64, take func(uint64, jetstream.Msg) (bool, error)) (done bool, err error) {
	consumer, err := jet.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *from, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return false, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxBytes(8 << 20))
	if err != nil {
		return false, err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return false, err
		}
		at, err := m.Metadata()
		if err != nil {
			return false, err
		}
		more, err := take(at.Sequence.Stream, m)
		if err != nil || !more {
			return true, err
		}
		*from = at.Sequence.Stream + 1
	}
}
