//go:build !linux

package offer

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
