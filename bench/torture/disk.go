package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// disk is a small file system of its own, which can be filled up. Only root can have one.
type disk struct{ dir string }

const diskSize = "800m"

// newDisk mounts one; nil where that is not allowed.
func newDisk(ctx context.Context, dir string) *disk {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil
	}
	mount := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size="+diskSize, "torture", dir) //nolint:gosec // our folder
	if err := mount.Run(); err != nil {
		return nil
	}
	return &disk{dir}
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill takes all the room that is left.
func (d *disk) fill() error {
	file, err := os.Create(d.filler())
	if err != nil {
		return fmt.Errorf("fill a disk: %w", err)
	}
	defer file.Close() //nolint:errcheck // nothing is written
	for n := int64(64 << 20); n >= 4096; n /= 2 {
		for err == nil {
			var info os.FileInfo
			if info, err = file.Stat(); err == nil {
				err = syscall.Fallocate(int(file.Fd()), 0, info.Size(), n)
			}
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("fill a disk: %w", err)
		}
		err = nil
	}
	return nil
}

// relieve gives the room back.
func (d *disk) relieve() error { return os.Remove(d.filler()) }

func (d *disk) close() {
	_ = exec.Command("umount", "--lazy", d.dir).Run() //nolint:gosec,noctx // it may still be in use by who was killed just now
}

// fullDisk is the trouble that Kafka can't write any more. It gives up then, so that somebody has to start it again.
func fullDisk(k *kafka) trouble {
	return trouble{
		name: "fill up the disk of kafka", least: 2 * time.Second, most: 8 * time.Second,
		begin: func(context.Context) error { return k.disk.fill() },
		end: func(ctx context.Context) error {
			if err := k.disk.relieve(); err != nil {
				return err
			}
			_ = k.nodes[0].kill() // it may have ended by itself
			return k.restart(ctx, k.nodes[0])
		},
	}
}
