package loadgen

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// withPods puts the field that names a pod behind the first line of an answer, in one of many ways, or not at all.
func withPods(answer []byte, random *rand.Rand) []byte {
	names := []string{"web-1", "web-10", "antrag-7d4b9c6f5-x2x9z", "a", "Web", "", "a b", "web-1\r\n folded"}
	fields := []string{"Ansturm-Pod: ", "ansturm-pod:", "ANSTURM-POD: \t "}
	first := bytes.IndexByte(answer, '\n') + 1
	out := bytes.Clone(answer[:first])
	for range []int{0, 1, 1, 1, 1, 1, 1, 2}[random.IntN(8)] {
		out = append(out, fields[max(0, random.IntN(12)-9)]...)
		out = append(out, names[[]int{0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7}[random.IntN(12)]]...)
		out = append(out, []string{"\r\n", " \r\n", "\n"}[max(0, random.IntN(12)-9)]...)
	}
	return append(out, answer[first:]...)
}

// A head that is known may be read by a shorter way, but to the same end: whatever came before, wherever the pieces are
// torn, whatever is asked of the parser, and whichever pod is named.
func TestKnownHeadsReadTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	g, known, otherPod := newGrammar(), 0, 0
	for seed := range uint64(6000) {
		made, isHead := g.make(seed)
		podHeader := []string{"", "ansturm-pod"}[seed%2]
		var h heading
		for range 8 {
			answer := made
			if podHeader != "" {
				answer = withPods(made, random)
			}
			head, keepHeader, keepBody := isHead != (random.IntN(8) == 0), random.IntN(8) == 0, random.IntN(4) == 0
			whole, short := parser{podHeader: podHeader}, parser{podHeader: podHeader}
			whole.reset(head, keepHeader, keepBody)
			short.reset(head, keepHeader, keepBody)
			for rest := answer; len(rest) > 0; {
				piece := rest[:min(len(rest), 1+random.IntN(2*len(rest)))]
				rest = rest[len(piece):]
				if at, to := h.match(piece); len(h.text) > 0 && at > 0 && !short.begun() {
					known++
					if to > 0 && !bytes.HasPrefix(piece, h.text) {
						otherPod++
					}
				}
				n, err := whole.feed(piece)
				m, shortErr := h.feed(&short, piece)
				if n != m || (err == nil) != (shortErr == nil) || err != nil && err.Error() != shortErr.Error() || whole.framing != short.framing ||
					!bytes.Equal(whole.header, short.header) || !bytes.Equal(whole.body, short.body) || !bytes.Equal(whole.line, short.line) ||
					!bytes.Equal(whole.pod, short.pod) {
					t.Fatalf("seed %d: %q\nread %d, %v, %+v %q %q\nknown %d, %v, %+v %q %q",
						seed, piece, n, err, whole.framing, whole.line, whole.pod, m, shortErr, short.framing, short.line, short.pod)
				}
				if err != nil {
					break
				}
			}
		}
	}
	if known < 1000 || otherPod < 500 {
		t.Errorf("only %d heads were known, %d of them of another pod", known, otherPod)
	}
}
