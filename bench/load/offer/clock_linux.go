package offer

import (
	"syscall"
	"time"
)

// sleep waits as finely as the kernel can: about 60 µs too long, where a timer of Go's may take a millisecond.
func sleep(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&left, nil) // woken early, it is asked again
}
