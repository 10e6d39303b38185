//go:build race

package differential

// usual is how many worlds TestSameAsTheController plays: the race detector makes each several times as long.
const usual = 2_500
