package helper

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// hintTimeout is how long the kernel may take to tell of a change before the test gives up.
const hintTimeout = 10 * time.Second

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFileSentinelHasThreeStates(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, directory string)
		// paths are below the directory; "required" unless set.
		paths   []string
		want    v1alpha1.SentinelState
		message string
	}{
		"the file exists": {
			prepare: func(t *testing.T, d string) { write(t, d+"/required", "") },
			want:    v1alpha1.SentinelRequired, message: "DIR/required exists",
		},
		"the file exists and packages are listed": {
			prepare: func(t *testing.T, d string) {
				write(t, d+"/required", "*** System restart required ***\n")
				write(t, d+"/required.pkgs", "libc6\nlinux-image-6.12\nlibc6\n")
			},
			want: v1alpha1.SentinelRequired, message: "DIR/required: libc6, linux-image-6.12",
		},
		"the list of packages is empty": {
			prepare: func(t *testing.T, d string) {
				write(t, d+"/required", "")
				write(t, d+"/required.pkgs", "\n")
			},
			want: v1alpha1.SentinelRequired, message: "DIR/required exists",
		},
		"there is only a list of packages": {
			prepare: func(t *testing.T, d string) { write(t, d+"/required.pkgs", "libc6") },
			want:    v1alpha1.SentinelNotRequired, message: "DIR/required does not exist",
		},
		"the directory is empty": {want: v1alpha1.SentinelNotRequired, message: "DIR/required does not exist"},
		"the path is a directory": {
			prepare: func(t *testing.T, d string) {
				if err := os.Mkdir(d+"/required", 0o700); err != nil {
					t.Fatal(err)
				}
			},
			want: v1alpha1.SentinelUnknown, message: "DIR/required is not a regular file but d---------",
		},
		"the path is a link to nowhere": {
			prepare: func(t *testing.T, d string) {
				if err := os.Symlink("nowhere", d+"/required"); err != nil {
					t.Fatal(err)
				}
			},
			want: v1alpha1.SentinelUnknown, message: "DIR/required is a symbolic link to nowhere, or came just now",
		},
		"the parent is missing": {
			paths: []string{"missing/required"},
			want:  v1alpha1.SentinelUnknown, message: "cannot look for DIR/missing/required: open DIR/missing: no such file or directory",
		},
		"the parent is a file": {
			prepare: func(t *testing.T, d string) { write(t, d+"/file", "") },
			paths:   []string{"file/required"},
			want:    v1alpha1.SentinelUnknown, message: "stat DIR/file/required: not a directory",
		},
		"one of two exists, the other is unknown": {
			prepare: func(t *testing.T, d string) { write(t, d+"/required", "") },
			paths:   []string{"missing/required", "required"},
			want:    v1alpha1.SentinelRequired, message: "DIR/required exists",
		},
		"one of two is unknown, the other does not exist": {
			paths: []string{"required", "missing/required"},
			want:  v1alpha1.SentinelUnknown, message: "cannot look for DIR/missing/required: open DIR/missing: no such file or directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			if test.prepare != nil {
				test.prepare(t, directory)
			}
			if test.paths == nil {
				test.paths = []string{"required"}
			}
			paths := make([]string, 0, len(test.paths))
			for _, path := range test.paths {
				paths = append(paths, filepath.Join(directory, path))
			}
			state, message := NewFileSentinel(t.Context(), paths, logr.Discard()).Check(t.Context())
			if state != test.want {
				t.Errorf("state %s, want %s", state, test.want)
			}
			if want := strings.ReplaceAll(test.message, "DIR", directory); message != want {
				t.Errorf("message %q, want %q", message, want)
			}
		})
	}
}

func TestAFileSentinelThatMayNotBeReadIsUnknown(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	directory := t.TempDir()
	if err := os.Chmod(directory, 0); err != nil {
		t.Fatal(err)
	}
	state, message := NewFileSentinel(t.Context(), []string{directory + "/required"}, logr.Discard()).Check(t.Context())
	if state != v1alpha1.SentinelUnknown || !strings.Contains(message, "permission denied") {
		t.Errorf("%s: %s", state, message)
	}
}

func TestAFileSentinelWithoutFilesIsUnknown(t *testing.T) {
	if state, _ := NewFileSentinel(t.Context(), nil, logr.Discard()).Check(t.Context()); state != v1alpha1.SentinelUnknown {
		t.Errorf("state %s", state)
	}
}

func TestALongListOfPackagesIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "required")
	write(t, path, "")
	var packages strings.Builder
	for i := range 2000 {
		packages.WriteString(strings.Repeat("ü", i%7+1) + string(rune('a'+i%26)) + "\n")
	}
	write(t, path+".pkgs", packages.String())
	_, message := NewFileSentinel(t.Context(), []string{path}, logr.Discard()).Check(t.Context())
	if got := len([]rune(message)); got != 512 || !strings.HasSuffix(message, "...") {
		t.Errorf("%d characters: %s", got, message)
	}
}

// waitFor reads hints until the sentinel says what is wanted.
func waitFor(t *testing.T, s *FileSentinel, want v1alpha1.SentinelState) {
	t.Helper()
	timeout := time.After(hintTimeout)
	for {
		if state, _ := s.Check(context.Background()); state == want {
			return
		}
		select {
		case <-s.Changes():
		case <-timeout:
			state, message := s.Check(context.Background())
			t.Fatalf("no hint: state %s (%s), want %s", state, message, want)
		}
	}
}

func TestAFileSentinelHintsWhenTheFileComesAndGoes(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "required")
	s := NewFileSentinel(t.Context(), []string{path}, logr.Discard())
	steps := []struct {
		name string
		do   func() error
		want v1alpha1.SentinelState
	}{
		{"nothing yet", func() error { return nil }, v1alpha1.SentinelNotRequired},
		{"created", func() error { return os.WriteFile(path, nil, 0o600) }, v1alpha1.SentinelRequired},
		{"removed", func() error { return os.Remove(path) }, v1alpha1.SentinelNotRequired},
		{"moved here", func() error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, v1alpha1.SentinelRequired},
		{"moved away", func() error { return os.Rename(path, path+".old") }, v1alpha1.SentinelNotRequired},
		{"a directory in its place", func() error { return os.Mkdir(path, 0o700) }, v1alpha1.SentinelUnknown},
	}
	for _, step := range steps {
		t.Log(step.name)
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, s, step.want)
	}
}

func TestAFileSentinelHintsWhenItsDirectoryGoesAndSeesTheNextOne(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(directory, "required")
	s := NewFileSentinel(t.Context(), []string{path}, logr.Discard())
	for range 2 {
		if err := os.Mkdir(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		// The slow poll finds the new directory: there is no hint while nothing is watched.
		if state, message := s.Check(t.Context()); state != v1alpha1.SentinelNotRequired {
			t.Fatalf("%s: %s", state, message)
		}
		write(t, path, "")
		waitFor(t, s, v1alpha1.SentinelRequired)
		if err := os.RemoveAll(directory); err != nil {
			t.Fatal(err)
		}
		waitFor(t, s, v1alpha1.SentinelUnknown)
	}
}

func TestAFileSentinelIsQuietAboutOtherFiles(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "required")
	s := NewFileSentinel(t.Context(), []string{path}, logr.Discard())
	s.Check(t.Context())
	for _, name := range []string{"other", "requiredX", "required.pkgs.tmp"} {
		write(t, filepath.Join(directory, name), "")
	}
	write(t, path, "") // Events come in order, so the first hint is about this file if the others made none.
	<-s.Changes()
	if state, _ := s.Check(t.Context()); state != v1alpha1.SentinelRequired {
		t.Errorf("a hint about another file")
	}
}
