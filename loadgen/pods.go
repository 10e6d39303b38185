package loadgen

import (
	"bytes"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// The first request of each pod, told from the answers that name their pod. A pod's first request came in after it was
// sent and before any answer came, but answers need not come in the order of the requests. So the earliest request that
// has been answered is kept for each pod, and an earlier one that is answered later is told, too: the last word bounds the
// moment most truly from below, the first from above.

const (
	// mostPodName is the longest that a pod's name can be, a DNS subdomain's length (RFC 1123).
	mostPodName = 253
	// mostPods is how many pods of a tenant a shard knows: a server that makes names up must not fill the memory.
	mostPods = 1 << 14
)

// podByte says which bytes a pod's name is made of.
var podByte = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '.'
	}
	return table
}()

// podNameLength is the length of the pod's name that b begins with; 0 where there is none.
func podNameLength(b []byte) int {
	for i, c := range b {
		if !podByte[c] {
			return i
		}
		if i == mostPodName {
			return 0
		}
	}
	return len(b)
}

// podName is a field's value where it is a pod's name, else nothing.
func podName(value []byte) []byte {
	value = trimSpace(value)
	if len(value) > mostPodName || podNameLength(value) < len(value) {
		return nil
	}
	return value
}

// findPod is where the pod's name that p has read begins in a head; 0 for a head without one. It is not ok where the head
// has the field more than once.
func (p *parser) findPod(head []byte) (from int, ok bool) {
	if len(p.pod) == 0 {
		return 0, true
	}
	at, name := 0, len(p.podHeader)
	for line := range bytes.Lines(head) {
		if len(line) > name && line[name] == ':' && equalFold(line[:name], p.podHeader) {
			if from > 0 {
				return 0, false
			}
			from = at + name + 1 + bytes.Index(line[name+1:], p.pod)
		}
		at += len(line)
	}
	return from, from > 0
}

// noteAnswerOf tells of an answer that a pod gave to v, if it says anything new about when the pod's first request came in.
func (s *shard) noteAnswerOf(pod []byte, v *visit) {
	known := s.answered[v.Tenant]
	sent, told := known[string(pod)]
	if told && sent <= v.sent || len(known) == mostPods && !told {
		return
	}
	if known == nil {
		known = map[string]time.Duration{}
		s.answered[v.Tenant] = known
	}
	known[string(pod)] = v.sent
	e := s.e
	at := e.platform(v.sent)
	e.cfg.Recorder.Event(record.Event{
		At: at, Within: &record.Span{From: at, To: e.platform(v.firstByte)}, Evidence: record.EvidenceAnswer,
		Wall: e.start.Add(v.firstByte).Round(0), Source: "generator", Kind: record.KindPod,
		Tenant: e.tenants[v.Tenant].name, Object: string(pod), Phase: record.PhaseServing,
	})
}
