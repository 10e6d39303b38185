package bus

import (
	"fmt"
	"strconv"
	"strings"
)

// The subjects of a run R, worker W, epoch E, joiner N:
//
//	ansturm.R.join.N         a joiner's request
//	ansturm.R.welcome.W.E    asks for a piece of the welcome
//	ansturm.R.beat.W.E       a beat
//	ansturm.R.frame.W.E      a frame, to the coordinator, which puts it into the stream
//	ansturm.R.kept.W.E       the stream ANSTURM_R; 0.0 is the coordinator
//	_INBOX_ansturm_R.>       answers; beneath it join.N, w.W.E
//
// The list is the key-value bucket ansturm_R.
//
// No worker publishes into a stream: a server answers such a message at whatever reply subject its sender names, with rights of
// its own, and what it says there could become an entry of the list or a purge. So the coordinator stands between, and itself
// answers into the sender's own inbox only.
type subjects struct{ run string }

func (s subjects) of(word string, worker, epoch uint32) string {
	return fmt.Sprintf("ansturm.%s.%s.%d.%d", s.run, word, worker, epoch)
}

func (s subjects) all(word string) string          { return "ansturm." + s.run + "." + word + ".>" }
func (s subjects) join(nonce string) string        { return "ansturm." + s.run + ".join." + nonce }
func (s subjects) inbox() string                   { return "_INBOX_ansturm_" + s.run }
func (s subjects) joinersInbox(n string) string    { return s.inbox() + ".join." + n }
func (s subjects) workersInbox(w, e uint32) string { return fmt.Sprintf("%s.w.%d.%d", s.inbox(), w, e) }
func (s subjects) stream() string                  { return "ANSTURM_" + s.run }
func (s subjects) bucket() string                  { return "ansturm_" + s.run }
func (s subjects) key(k uint64) string             { return fmt.Sprintf("$KV.%s.entry.%012d", s.bucket(), k) }

// whose takes worker and epoch from the end of a subject.
func whose(subject string) (worker, epoch uint32, ok bool) {
	words := strings.Split(subject, ".")
	if len(words) != 5 {
		return 0, 0, false
	}
	worker, ok = number(words[3])
	if !ok {
		return 0, 0, false
	}
	epoch, ok = number(words[4])
	return worker, epoch, ok
}

// number reads a number in its one spelling.
func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && strconv.FormatUint(n, 10) == s
}

// The names under which connections come in.
func (s subjects) joinerName(nonce string) string { return "joiner." + s.run + "." + nonce }

func (s subjects) workerName(w, e uint32) string { return fmt.Sprintf("worker.%s.%d.%d", s.run, w, e) }

const coordinatorName = "coordinator"
