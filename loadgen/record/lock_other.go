//go:build !unix || solaris || illumos || aix

package record

import "io"

type unlocked struct{}

func (unlocked) Close() error { return nil }

// lock does nothing where there is no flock.
func lock(string) (io.Closer, error) { return unlocked{}, nil }
