package hostexec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// A sentinel command runs every minute for as long as the host is up.
func TestNamespacesLeaveNoFileOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes files as well, some time
	directory := t.TempDir()
	for _, name := range entered[:len(entered)-1] {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	before := open()
	if err := enter(directory); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want that a namespace is missing", err)
	}
	if after := open(); after != before {
		t.Errorf("%d files are open, and %d were before", after, before)
	}
}
