//go:build linux && !race

package plan

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the processor time that this process has used, with that of its garbage collector.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
