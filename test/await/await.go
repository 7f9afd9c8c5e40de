// Package await is how tests wait: for one thing, which has a name, and not forever. A bare receive from a channel hangs until the limit of
// `go test` if nothing comes, and that says neither what was waited for nor how the other tests went.
package await

import (
	"testing"
	"time"
)

const (
	// Limit is how long anything may take that happens without the test. It is not a measure of speed: on a busy machine a second is not
	// enough for anything, and a test that passes does not wait.
	Limit = 2 * time.Minute

	interval = 50 * time.Millisecond
)

// Receive returns what comes out of the channel next, or the zero value if it is closed.
func Receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case value := <-from:
		return value
	case <-limit.C:
		t.Fatalf("not within %s: %s", Limit, what)
		panic("unreachable")
	}
}

// Send hands the value to anyone who receives it.
func Send[T any](t testing.TB, what string, to chan<- T, value T) {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case to <- value:
	case <-limit.C:
		t.Fatalf("not within %s: %s", Limit, what)
	}
}

// True tries repeatedly until it is true, for what has no channel.
func True(t testing.TB, what string, is func() bool) {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for !is() {
		select {
		case <-limit.C:
			t.Fatalf("not within %s: %s", Limit, what)
		case <-tick.C:
		}
	}
}
