// Package program runs installed programs in tests.
package program

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Find finds an installed program. Where one is missing, the test is skipped: Debian has them as prometheus and prometheus-alertmanager.
func Find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: apt-get install prometheus prometheus-alertmanager", strings.Join(names, " or "))
	return ""
}

// FreeAddress is one on loopback that nothing listens on, and that no other program is given: the IP address is that of this process alone.
func FreeAddress(t testing.TB) string {
	t.Helper()
	pid := os.Getpid()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// Run starts a program and ends it with the test.
func Run(t testing.TB, path string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(path), output.String())
		}
	})
}

// File writes a file that goes with the test.
func File(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
