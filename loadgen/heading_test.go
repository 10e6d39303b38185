package loadgen

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A head that is known may be read by a shorter way, but to the same end: whatever came before, wherever the pieces are
// torn, and whatever is asked of the parser.
func TestKnownHeadsReadTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	g, known := newGrammar(), 0
	for seed := range uint64(4000) {
		answer, head := g.make(seed)
		var h heading
		for range 4 {
			head, keepHeader, keepBody := head != (random.IntN(8) == 0), random.IntN(8) == 0, random.IntN(4) == 0
			var whole, short parser
			whole.reset(head, keepHeader, keepBody)
			short.reset(head, keepHeader, keepBody)
			for rest := answer; len(rest) > 0; {
				piece := rest[:min(len(rest), 1+random.IntN(2*len(rest)))]
				rest = rest[len(piece):]
				if len(h.text) > 0 && !short.begun() && bytes.HasPrefix(piece, h.text) {
					known++
				}
				n, err := whole.feed(piece)
				m, shortErr := h.feed(&short, piece)
				if n != m || (err == nil) != (shortErr == nil) || err != nil && err.Error() != shortErr.Error() || whole.framing != short.framing ||
					!bytes.Equal(whole.header, short.header) || !bytes.Equal(whole.body, short.body) || !bytes.Equal(whole.line, short.line) {
					t.Fatalf("seed %d: %q\nread %d, %v, %+v %q\nknown %d, %v, %+v %q", seed, piece, n, err, whole.framing, whole.line, m, shortErr, short.framing, short.line)
				}
				if err != nil {
					break
				}
			}
		}
	}
	if known < 1000 {
		t.Errorf("only %d heads were known", known)
	}
}
