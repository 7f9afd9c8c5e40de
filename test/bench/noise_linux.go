package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func threadTime() time.Duration { return rusage(syscall.RUSAGE_THREAD) }

func rusage(who int) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tick is the unit of /proc/stat on Linux.
const tick = 10 * time.Millisecond

func used() (usage, error) {
	u := usage{at: time.Now(), own: rusage(syscall.RUSAGE_SELF) + rusage(syscall.RUSAGE_CHILDREN)}
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage{}, fmt.Errorf("read what the machine does: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	for i, field := range strings.Fields(first)[1:] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read what the machine does: %w", err)
		}
		switch i { // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user
		case 0, 1, 2, 5, 6, 7:
			u.busy += time.Duration(ticks) * tick
		case 3, 4:
			u.idle += time.Duration(ticks) * tick
		}
	}
	return u, nil
}

func loadAverage() (float64, error) {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("read the load average: %w", err)
	}
	load, err := strconv.ParseFloat(strings.Fields(string(content))[0], 64)
	if err != nil {
		return 0, fmt.Errorf("read the load average: %w", err)
	}
	return load, nil
}
