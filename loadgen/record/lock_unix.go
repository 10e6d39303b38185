//go:build unix && !solaris && !illumos && !aix

package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Lock takes a directory, a record or what lies beside one, for one who writes to it, until what it gives is closed or the process ends. A file
// system that has no locks does without. Held by another: [ErrRunning].
func Lock(dir string) (io.Closer, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, ErrRunning), d.Close())
	}
	return d, nil
}
