package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
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
	// Relics: a process of that epoch has left messages that this one is to deliver.
	Relics bool `json:"relics,omitempty"`
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

// Beat is a worker's word, five times a second. Stamps are of the sender's own clock, in ns since 1970.
type Beat struct {
	versioned
	N    uint64 `json:"n"`
	Sent int64  `json:"sent"`
	// Heard is the last of its beats of which it has heard the reply.
	Heard uint64 `json:"heard,omitempty"`
	// Deals are those that its grants follow from.
	Deals uint64 `json:"deals"`
	State State  `json:"state"`
	// Yield says why the epoch begins nothing any more, though its journeys may go on. Empty while it does.
	Yield string `json:"yield,omitempty"`
	// Offset is how far it takes the coordinator's clock to be ahead of its own, Uncertainty bounds how far that is from the truth. Apart
	// bounds how far its run's clock is from the coordinator's. All are 0 before they are Measured.
	Offset      time.Duration `json:"offset,omitempty"`
	Uncertainty time.Duration `json:"uncertainty,omitempty"`
	Apart       time.Duration `json:"apart,omitempty"`
	Measured    bool          `json:"measured,omitempty"`
	// Clock is the same over the time since the epoch began to fire; nil before.
	Clock *record.FleetClock `json:"clock,omitempty"`
	// Waiting messages are in its journal and not in the stream yet.
	Waiting  int              `json:"waiting"`
	Progress loadgen.Progress `json:"progress"`
}

// State is how far an epoch has come.
type State string

// The states of an epoch.
const (
	Preparing State = "preparing"
	Ready     State = "ready" // its engine can be made, its clock is measured
	Firing    State = "firing"
	Done      State = "done" // its engine has ended, and all that it told is in the stream
)

// Reply answers a beat.
type Reply struct {
	versioned
	N        uint64 `json:"n"`
	Received int64  `json:"received"`
	Sent     int64  `json:"sent"`
	// Coordinator is the number of the one that answers. A worker does not hear a lower one any more.
	Coordinator uint64 `json:"coordinator"`
	// Start is offset 0 on the coordinator's clock; 0 while that is not known.
	Start int64 `json:"start,omitempty"`
	// Holding is nil where the coordinator promises nothing as yet. Same: its grants are left out, they are those at the deals that the
	// beat named. Last: they are the epoch's last, what of them has not begun is unsent.
	Holding *loadgen.Holding `json:"holding,omitempty"`
	Same    bool             `json:"same,omitempty"`
	Last    bool             `json:"last,omitempty"`
	// Kept is how many of the epoch's messages are in the record without a gap.
	Kept uint64 `json:"kept"`
	// Lost: the epoch was taken for dead, and is promised nothing more. Stopped: the run ends early.
	Lost    bool `json:"lost,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
}

// told is a message of a coordinator's own in the stream.
type told struct {
	versioned
	Coordinator uint64 `json:"coordinator"`
	// Begins: this coordinator goes on from here, and says who it is; those before it are not heard any more.
	Begins string  `json:"begins,omitempty"`
	Joined *joined `json:"joined,omitempty"`
	// Epochs are how some fare, by the coordinator's last word: how they ended, and their clocks.
	Epochs []record.FleetEpoch `json:"epochs,omitempty"`
	// Start is offset 0.
	Start  *time.Time  `json:"start,omitempty"`
	Events *eventsTold `json:"events,omitempty"`
	// Stopped: the run ends early, nothing is dealt or promised any more.
	Stopped bool `json:"stopped,omitempty"`
	// Accepted is a piece of the platform's accepted Seqs, a serialized Roaring bitmap.
	Accepted []byte       `json:"accepted,omitempty"`
	Close    *closingTold `json:"close,omitempty"`
}

// joined says that an epoch has been given away.
type joined struct {
	Worker     uint32 `json:"worker"`
	Epoch      uint32 `json:"epoch"`
	Name       string `json:"name"`
	Host       string `json:"host"`
	Processors int    `json:"processors"`
}

func (j *joined) owner() lease.Owner { return lease.Owner{Worker: j.Worker, Epoch: j.Epoch} }

// eventsTold are lines of the timeline, at a time of the run.
type eventsTold struct {
	At    time.Duration     `json:"at"`
	Lines []json.RawMessage `json:"lines"`
}

// closingTold ends the stream: what comes after it is not heard.
type closingTold struct {
	Ended       time.Time `json:"ended"`
	Interrupted bool      `json:"interrupted,omitempty"`
	// Entries of the list, and Promised, the Due from which on nobody can have been promised anything, settle what is missing.
	Entries  uint64             `json:"entries"`
	Promised time.Duration      `json:"promised"`
	Lab      *record.LabAccount `json:"lab,omitempty"`
	// Refused is what the bus has refused, by reason.
	Refused  map[string]int64 `json:"refused,omitempty"`
	Warnings []record.Warning `json:"warnings,omitempty"`
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
