package crowd

import (
	"fmt"
	"syscall"
)

// spare is how many files a process has open besides its connections.
const spare = 64

// Files says whether this process may open so many connections. Go has raised the limit as far as it may by itself.
func Files(connections int) error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("how many files may be open: %w", err)
	}
	if most := uint64(files.Cur); uint64(connections)+spare > most { //nolint:unconvert // signed on some systems
		return fmt.Errorf("%d connections need %d open files, and this process may have %d: raise the limit (ulimit -n, also its hard limit)",
			connections, connections+spare, most)
	}
	return nil
}
