package hostfs

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/reboot-operator/reboot-operator/test/await"
)

func newRoot(t *testing.T, links map[string]string, files ...string) Root {
	t.Helper()
	root := t.TempDir()
	for _, name := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	return Root(root)
}

func TestLinksOfTheHostStayAmongItsFiles(t *testing.T) {
	root := newRoot(t, map[string]string{
		"var/run":          "/run",
		"etc/os-release":   "../usr/lib/os-release",
		"etc/up":           "../../../../../../etc/passwd",
		"etc/alternatives": "/etc/../usr/lib",
	}, "run/needed", "usr/lib/os-release", "etc/passwd")
	for path, want := range map[string]string{
		"/run/needed":                  "run/needed",
		"/var/run/needed":              "run/needed",
		"/etc/os-release":              "usr/lib/os-release",
		"/etc/up":                      "etc/passwd",
		"/etc/alternatives/os-release": "usr/lib/os-release",
		"/run//../run/needed":          "run/needed",
	} {
		content, err := root.Read(path, 100)
		if err != nil || string(content) != want {
			t.Errorf("%s: error %v, content %q, want %q", path, err, content, want)
		}
	}
}

func TestRunIsFoundThoughOnlyItIsMounted(t *testing.T) {
	root := newRoot(t, nil, "run/needed")
	if content, err := root.Read("/var/run/needed", 3); err != nil || string(content) != "run" {
		t.Errorf("error %v, content %q", err, content)
	}
	if _, err := root.Stat("/var/running"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestWhatCannotBeFollowedIsAnError(t *testing.T) {
	root := newRoot(t, map[string]string{"loop": "loop", "nowhere": "/missing/file"}, "directory/file")
	for path, want := range map[string]string{
		"relative":        "not an absolute path",
		"/loop":           "too many symbolic links",
		"/nowhere":        "no such file",
		"/directory":      "not a regular file",
		"/directory/none": "no such file",
	} {
		if _, err := root.Read(path, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

// A file may have become a pipe, to which no one ever writes, between the check and the opening.
func TestAPipeInPlaceOfAFileHoldsUpNobody(t *testing.T) {
	root := newRoot(t, nil)
	pipe := root.join("/pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := read("/pipe", pipe, 10)
		ended <- err
	}()
	if err := await.Receive(t, "the end of a read", ended); err == nil || !strings.Contains(err.Error(), "/pipe is not a regular file") {
		t.Errorf("error %v", err)
	}
}

func TestNamesAreThoseOfADirectory(t *testing.T) {
	root := newRoot(t, map[string]string{"link": "/etc", "loop": "/loop"}, "etc/a", "etc/b", "file")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(string(root), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for path, want := range map[string]string{
		"/etc": "a b", "/link": "a b", "/missing": "", "/loop": "", "/file": "", "/socket": "", "etc": "",
	} {
		names, err := root.Names(path)
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, error %v, want %q", path, got, err, want)
		}
	}
}
