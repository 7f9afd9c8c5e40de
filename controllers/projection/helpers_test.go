package projection

import (
	"strings"
	"testing"
)

func TestOfALongMessageTheEndIsKept(t *testing.T) {
	long := strings.Repeat("ü: ", 500) + "exec format error"
	got := lastOf(long)
	if len(got) > maxProblem || !strings.HasPrefix(got, "...") || !strings.HasSuffix(got, "exec format error") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
