//go:build !race

package record

// raced says that the race detector is at work.
const raced = false
