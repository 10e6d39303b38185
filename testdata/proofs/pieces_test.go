package proofs

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func pieces(from, to, goal, piece int64, done ...Span) (got []Span) {
	for from, to := range Pieces(from, to, goal, piece, done) {
		got = append(got, Span{from, to})
	}
	return got
}

func TestPieces(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want []Span
	}{
		{"a range, done or not", pieces(5, 12, 100, 3, Span{0, 100}), []Span{{5, 8}, {8, 11}, {11, 12}}},
		{"up to the goal", pieces(0, -1, 20, 10), []Span{{0, 10}, {10, 20}}},
		{"after what is done", pieces(-1, -1, 30, 10, Span{10, 20}, Span{0, 10}), []Span{{20, 30}}},
		{"a hole", pieces(-1, -1, 30, 10, Span{0, 10}, Span{20, 30}), []Span{{10, 20}}},
		{"half a piece", pieces(-1, -1, 30, 10, Span{0, 15}, Span{20, 30}), []Span{{15, 20}}},
		{"a goal raised", pieces(-1, 25, 10, 10, Span{0, 10}, Span{10, 12}), []Span{{12, 22}, {22, 25}}},
		{"the same piece twice", pieces(-1, 20, 10, 10, Span{0, 10}, Span{0, 10}), []Span{{10, 20}}},
		{"nothing left", pieces(-1, -1, 20, 10, Span{0, 40}), nil},
		{"an empty range", pieces(7, 7, 20, 10), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestPiecesEndWhenTheLoopDoes(t *testing.T) {
	seen := 0
	for range Pieces(0, -1, 100, 10, nil) {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("%d pieces, want 2", seen)
	}
}

// Whatever was done before, in whatever order: together every seed is done, and none is done again.
func TestPiecesFillWhatIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		goal := rapid.Int64Range(0, 60).Draw(t, "goal")
		piece := rapid.Int64Range(1, 20).Draw(t, "piece")
		times := make([]int, goal)
		var done []Span
		for range rapid.IntRange(0, 5).Draw(t, "spans") {
			from := rapid.Int64Range(0, 60).Draw(t, "from")
			done = append(done, Span{from, from + rapid.Int64Range(1, 20).Draw(t, "length")})
		}
		for seed := range goal {
			if slices.ContainsFunc(done, func(s Span) bool { return s.From <= seed && seed < s.To }) {
				times[seed]++
			}
		}
		for _, s := range pieces(-1, -1, goal, piece, done...) {
			if s.To-s.From > piece || s.To <= s.From {
				t.Fatalf("piece %v, at most %d", s, piece)
			}
			for seed := s.From; seed < s.To; seed++ {
				times[seed]++
			}
		}
		for seed, n := range times {
			if n != 1 {
				t.Fatalf("seed %d is done %d times beside %v", seed, n, done)
			}
		}
	})
}
