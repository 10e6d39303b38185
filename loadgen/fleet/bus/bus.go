// Package bus carries what a fleet says: the workers' beats and frames, and the coordinator's list of deals and ceilings. The carrier is NATS
// with JetStream, embedded in the coordinator or the user's own; what must never fail is ours and not NATS': an entry of the list is created
// exclusively, a frame is sealed under a key of its epoch, and its sequence stands inside the seal.
//
// All contents are opaque here: beats, replies, hellos, welcomes, entries and the bodies of frames are bytes that loadgen/fleet understands.
package bus

import "context"

// Link is a worker's way to its coordinator. Its methods may be called from several goroutines at once.
type Link interface {
	// Beat sends a beat and waits for its reply. An error: nobody answered (or the reply was not the coordinator's); the caller beats again.
	Beat(ctx context.Context, beat []byte) (reply []byte, err error)

	// Deliver gives a frame of this epoch to the bus. Nil once the bus keeps it; until then the caller repeats it, with the same sequence and the
	// same bytes. Sequences count from 1. A frame that was kept before is kept once.
	Deliver(ctx context.Context, sequence uint64, frame []byte) error

	// Close ends the link. What Deliver has not confirmed is not sent any more.
	Close() error
}

// Store is a coordinator's side of the bus.
type Store interface {
	// Append creates entry k (they count from 1) of the coordinators' list, exclusively: taken says that somebody else's entry stands there.
	// Where an error leaves open whether the entry was created, the caller repeats the call with the same bytes, which finds its own and is not
	// taken; so entries of two coordinators must differ.
	Append(ctx context.Context, k uint64, entry []byte) (taken bool, err error)

	// Entries returns what the list holds from entry `from` on, without a gap.
	Entries(ctx context.Context, from uint64) ([][]byte, error)

	// Tell puts a message of the coordinator's own into the stream: Messages gives it with worker 0, epoch 0. Repeated as Deliver is.
	Tell(ctx context.Context, sequence uint64, body []byte) error

	// Messages gives take all that the stream keeps, from the first and in order, then what comes, until ctx ends (nil) or take returns an error
	// (that error). What is no whole frame, not sealed by its epoch or too large is refused and never given; what is repeated may be given again:
	// the sequence says so.
	Messages(ctx context.Context, take func(Message) error) error

	// Serve answers joins and beats, and takes frames into the stream, until ctx ends. It calls s from several goroutines, but never twice at
	// once for one worker's beats.
	Serve(ctx context.Context, s Service) error
}

// Message is one frame of the stream. Its seal was verified: it is from whom it says it is. Body is the caller's to keep.
type Message struct {
	Worker, Epoch uint32 // 0, 0: the coordinator's own
	Sequence      uint64 // counts from 1 within an epoch
	Body          []byte
}

// Service is what a coordinator does for its workers.
type Service interface {
	// Join takes a worker in: the pair (worker, epoch) is one that was never given before, neither number is 0. The bus has verified the token.
	// The text of err is what the worker is told, as a [Refusal]. A hello has at most 64 KiB, as a beat has, and a welcome 64 MiB.
	Join(hello []byte) (worker, epoch uint32, welcome []byte, err error)

	// Beat answers a beat whose seal was verified. Nil: no answer.
	Beat(worker, epoch uint32, beat []byte) (reply []byte)

	// Refused tells of one refusal: its reason (a word: forged, garbage, token, …) and from whom, as far as that is known.
	Refused(reason string, from string)
}
