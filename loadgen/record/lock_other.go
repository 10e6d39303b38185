//go:build !unix || solaris || illumos || aix

package record

import "io"

type unlocked struct{}

func (unlocked) Close() error { return nil }

// Lock does nothing where there is no flock.
func Lock(string) (io.Closer, error) { return unlocked{}, nil }
