package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
)

// Version is that of the messages; a fleet speaks one.
const Version = 1

// versioned is what every message begins with.
type versioned struct {
	V int `json:"v"`
}

// Hello is how a worker asks to be taken in.
type Hello struct {
	versioned
	Build string `json:"build"`
	Name  string `json:"name,omitempty"`
	Host  string `json:"host"`
	Pid   int    `json:"pid"`
	// Processors that its goroutines can use at one time: its share of the schedule goes by it. It is no measurement of what they can fire.
	Processors int `json:"processors"`
	// Former is the epoch that the same worker was before; nil for one that begins.
	Former *Life `json:"former,omitempty"`
}

// Life is one epoch of a worker.
type Life struct {
	Run    string `json:"run"`
	Worker uint32 `json:"worker"`
	Epoch  uint32 `json:"epoch"`
	// Proof shows that whoever returns was this worker.
	Proof string `json:"proof"`
}

// Welcome is what a worker has to know that was taken in.
type Welcome struct {
	versioned
	Life Life `json:"life"`
	// Kept is how many messages of the former epoch are in the record.
	Kept uint64 `json:"kept"`
	Spec Spec   `json:"spec"`
}

// Beat is a worker's word, five times a second. Stamps are of the sender's own clock in ns since 1970, monotonic while it lives.
type Beat struct {
	versioned
	N     uint64 `json:"n"`
	Sent  int64  `json:"sent"`
	Deals uint64 `json:"deals"` // that its holding follows from
	// Clock is its run's clock, on the wall since the start; 0 before it knows the start.
	Clock time.Duration `json:"clock"`
	// Uncertainty bounds how far its clock may be from what it takes for the coordinator's; 0 before it is measured.
	Offset      time.Duration `json:"offset"`
	Uncertainty time.Duration `json:"uncertainty"`
	State       State         `json:"state"`
	// Yield says why the epoch begins nothing any more, though its journeys may go on; empty while it does.
	Yield string `json:"yield,omitempty"`
	// Waiting messages are in its journal and not in the stream yet.
	Waiting  int              `json:"waiting"`
	Progress loadgen.Progress `json:"progress"`
}

// State is how far an epoch has come.
type State string

// The states of an epoch.
const (
	Preparing State = "preparing"
	Ready     State = "ready" // its engine is made, its clock measured
	Firing    State = "firing"
	Done      State = "done" // its engine has ended and all that it told is in the stream
)

// Reply answers a beat.
type Reply struct {
	versioned
	N              uint64 `json:"n"`
	Received, Sent int64  // of the coordinator's clock
	Coordinator    uint64 `json:"coordinator"`
	// Start is offset 0 on the coordinator's clock; 0 while nobody knows it.
	Start int64 `json:"start"`
	// Deals is how many entries of the list Grants and Until follow from. Grants is nil where they are as at the deals that the beat named.
	Deals  uint64          `json:"deals"`
	Grants []loadgen.Grant `json:"grants"`
	Until  time.Duration   `json:"until"` // platform time
	// Kept is how many of the epoch's messages are in the record.
	Kept uint64 `json:"kept"`
	// Lost: the epoch was taken for dead and is promised nothing more. Stop: end as on Ctrl-C. Closed: the record is closed.
	Lost   bool `json:"lost,omitempty"`
	Stop   bool `json:"stop,omitempty"`
	Closed bool `json:"closed,omitempty"`
}

// told is a message of a coordinator's own in the stream: one of its fields.
type told struct {
	versioned
	Coordinator uint64 `json:"coordinator"`
	// Begins: this coordinator goes on from here; those before it are not heard any more.
	Begins string       `json:"begins,omitempty"`
	Joined *joined      `json:"joined,omitempty"`
	Start  *time.Time   `json:"start,omitempty"` // offset 0
	Events *eventsTold  `json:"events,omitempty"`
	Accept []byte       `json:"accept,omitempty"` // a piece of the platform's accepted Seqs, as a serialized Roaring bitmap
	Close  *closingTold `json:"close,omitempty"`
}

// joined says that an epoch has been given away.
type joined struct {
	Worker     uint32 `json:"worker"`
	Epoch      uint32 `json:"epoch"`
	Name       string `json:"name"`
	Processors int    `json:"processors"`
}

type eventsTold struct {
	At   time.Duration  `json:"at"`
	List []record.Event `json:"list"`
}

// closingTold ends the stream: what comes after it is not heard.
type closingTold struct {
	Ended       time.Time          `json:"ended"`
	Interrupted bool               `json:"interrupted,omitempty"`
	Entries     uint64             `json:"entries"` // of the list, by which what is missing is settled
	Lab         *record.LabAccount `json:"lab,omitempty"`
	Warnings    []record.Warning   `json:"warnings,omitempty"`
}

// encode writes a message.
func encode(m any) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // no message has anything that JSON has not
	}
	return b
}

// decode reads a message of this version; fields that it does not know are an error, what follows it too.
func decode[T any](what string, b []byte) (m T, err error) {
	var v versioned
	if err := json.Unmarshal(b, &v); err != nil {
		return m, fmt.Errorf("fleet: %s: %w", what, err)
	}
	if v.V != Version {
		return m, fmt.Errorf("fleet: %s: it speaks version %d, this is %d: use the same build of ansturm on both sides", what, v.V, Version)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("fleet: %s: %w", what, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return m, fmt.Errorf("fleet: %s: something follows it", what)
	}
	return m, nil
}
