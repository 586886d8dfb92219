package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

var (
	// ErrFormat says that a data directory was written by a version that keeps its data differently.
	ErrFormat = errors.New("data of another format")
	// ErrLocked says that another process has the data directory open.
	ErrLocked = errors.New("another process uses it; stop that one first, or choose another data_dir")
)

// format names how the data lies on the disk: our own layout and the module that writes Kafka's part of it. A test compares
// the latter to go.mod; who raises it proves by the committed directory in testdata that old data still opens, or changes
// the number.
const format = "optgate data, layout 1\nkafka by kfake " + kfakeVersion + "\n"

const kfakeVersion = "v0.0.0-20260918054303-01f206a7e32c"

// checkFormat makes the file FORMAT in a new directory, and refuses a directory of another one.
func checkFormat(dir string) error {
	path := filepath.Join(dir, "FORMAT")
	has, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Join(dir, "kafka")); err == nil {
			return fmt.Errorf("%s is missing beside a folder kafka: %w", path, ErrFormat)
		}
		return writeFormat(path)
	case err != nil:
		return err
	case string(has) != format:
		return fmt.Errorf("%w: %s says %q and this version writes %q; start the version that wrote it, or choose another data_dir",
			ErrFormat, path, has, format)
	}
	return nil
}

// writeFormat leaves the whole file or none, also after a crash.
func writeFormat(path string) error {
	if err := os.WriteFile(path+".new", []byte(format), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// acquire locks a file for this process; closing it, or the end of the process, gives it free.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
