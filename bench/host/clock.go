package host

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc; Linux has told programs a hundredth of a second on every machine for decades.
const tick = 10 * time.Millisecond

// ProcessorTime gives what a process has used so far, threads included.
func ProcessorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// parseStat reads utime and stime out of /proc/<pid>/stat, whose second field is a name that may hold anything.
func parseStat(text []byte) (time.Duration, error) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc says %q", text)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc says %q", text)
	}
	return time.Duration(user+system) * tick, nil
}

// OwnTime gives what this process, the generator, has used so far.
func OwnTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busyTime gives what all processors together have worked so far, for whomever. What a hypervisor took away counts too.
func busyTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(text)
}

// parseBusy reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
func parseBusy(text []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat says %q", line)
	}
	sum := 0
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, fmt.Errorf("/proc/stat says %q", line)
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}

// MemoryOf gives what a process holds now and held at most, in MiB.
func MemoryOf(pid int) (now, most float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	return statusMiB(text, "VmRSS:"), statusMiB(text, "VmHWM:"), nil
}

func statusMiB(text []byte, name string) float64 {
	_, rest, _ := bytes.Cut(text, []byte("\n"+name))
	var kB float64
	_, _ = fmt.Sscan(string(rest), &kB) // a kernel thread has none
	return kB / 1024
}

// Clock is a moment, by everybody's processor time.
type Clock struct {
	At        time.Time
	Server    time.Duration // of the process that is looked at
	busy, own time.Duration
	all       time.Duration
}

// ReadClock takes the time. all are our processes, server among them.
func ReadClock(server int, all []int) (c Clock, err error) {
	c.At, c.own = time.Now(), OwnTime()
	if c.busy, err = busyTime(); err != nil {
		return c, err
	}
	for _, pid := range all {
		used, err := ProcessorTime(pid)
		if err != nil {
			return c, err
		}
		c.all += used
		if pid == server {
			c.Server = used
		}
	}
	return c, nil
}

// Foreign gives the share of all processors that went, since an earlier moment, to programs that are not ours.
func (c Clock) Foreign(since Clock) float64 {
	all := c.At.Sub(since.At) * time.Duration(runtime.NumCPU())
	others := (c.busy - since.busy) - (c.own - since.own) - (c.all - since.all)
	return max(0, others.Seconds()/all.Seconds())
}
