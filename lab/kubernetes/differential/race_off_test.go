//go:build !race

package differential

// usual is how many worlds TestSameAsTheController plays: a million syncs.
const usual = 25_000
