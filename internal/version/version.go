// Package version knows which version of reboot-operator this program is. It imports nothing but the standard library, because it is linked
// into every program.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// stamped is the version that the linker was given; empty if it was given none, as with `go install`.
var stamped string

// Get returns the version, such as v1.2.3; "(devel)" or "unknown" if the build says no more.
func Get() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return cmp.Or(stamped, info.Main.Version, "unknown")
}

// Describe names the program, its version, and what it was built by and for, in one line.
func Describe(program string) string {
	return fmt.Sprintf("reboot-operator %s %s %s %s/%s", program, Get(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
