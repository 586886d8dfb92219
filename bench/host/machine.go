package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine describes processors and memory.
func Machine() string {
	processor, memory := "unknown processor", ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			name, _, _ := strings.Cut(rest, "\n")
			processor = strings.TrimLeft(name, "\t :")
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kB float64
		if _, err := fmt.Sscanf(string(text), "MemTotal: %f", &kB); err == nil {
			memory = fmt.Sprintf(", %.0f GiB", kB/(1<<20))
		}
	}
	return fmt.Sprintf("%d cores, %s%s", runtime.NumCPU(), processor, memory)
}

// Kernel names the kernel; "" where it can't be told.
func Kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return "Linux " + strings.TrimSpace(string(text))
}

// Commit names what is checked out, and says where more than that is measured.
func Commit(ctx context.Context) string {
	text, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
