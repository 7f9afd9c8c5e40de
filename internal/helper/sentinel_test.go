package helper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// hintTimeout is how long the kernel may take to tell of a change before the test gives up.
const hintTimeout = await.Limit

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

// awaitHint waits until the sentinel has hinted at a change after which it says what is wanted.
func awaitHint(t *testing.T, s *FileSentinel, want v1alpha1.SentinelState) {
	t.Helper()
	timeout := time.After(hintTimeout)
	for {
		select {
		case <-s.Changes():
		case <-timeout:
			state, message := s.Check(t.Context())
			t.Fatalf("no hint that led to %s: it is %s (%s)", want, state, message)
		}
		if state, _ := s.Check(t.Context()); state == want {
			return
		}
	}
}

func TestAFileSentinelHintsAtEveryChange(t *testing.T) {
	exists := func(t *testing.T, path string) { write(t, path, "") }
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		change  func(path string) error
		want    v1alpha1.SentinelState
	}{
		"created": {
			change: func(path string) error { return os.WriteFile(path, nil, 0o600) },
			want:   v1alpha1.SentinelRequired,
		},
		"removed": {prepare: exists, change: os.Remove, want: v1alpha1.SentinelNotRequired},
		"moved here": {
			prepare: func(t *testing.T, path string) { write(t, path+".new", "") },
			change:  func(path string) error { return os.Rename(path+".new", path) },
			want:    v1alpha1.SentinelRequired,
		},
		"moved away": {
			prepare: exists,
			change:  func(path string) error { return os.Rename(path, path+".old") },
			want:    v1alpha1.SentinelNotRequired,
		},
		"replaced by another file": {
			prepare: func(t *testing.T, path string) {
				write(t, path, "")
				write(t, path+".new", "")
			},
			change: func(path string) error { return os.Rename(path+".new", path) },
			want:   v1alpha1.SentinelRequired,
		},
		"a directory in its place": {
			change: func(path string) error { return os.Mkdir(path, 0o700) },
			want:   v1alpha1.SentinelUnknown,
		},
		"its directory removed": {
			change: func(path string) error { return os.Remove(filepath.Dir(path)) },
			want:   v1alpha1.SentinelUnknown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "required")
			if test.prepare != nil {
				test.prepare(t, path)
			}
			s := NewFileSentinel(t.Context(), []string{path}, logr.Discard())
			s.Check(t.Context())
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			awaitHint(t, s, test.want)
		})
	}
}

func TestAFileSentinelSeesItsDirectoryComeAndWatchesIt(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(directory, "required")
	s := NewFileSentinel(t.Context(), []string{path}, logr.Discard())
	if state, message := s.Check(t.Context()); state != v1alpha1.SentinelUnknown {
		t.Fatalf("%s: %s", state, message)
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	// Nothing is watched yet: the slow poll finds the directory.
	if state, message := s.Check(t.Context()); state != v1alpha1.SentinelNotRequired {
		t.Fatalf("%s: %s", state, message)
	}
	write(t, path, "")
	awaitHint(t, s, v1alpha1.SentinelRequired)
}

func TestAFileSentinelHintsOnlyAtWhatConcernsIt(t *testing.T) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	watcher.Events, watcher.Errors = make(chan fsnotify.Event), make(chan error)
	s := &FileSentinel{paths: []string{"/run/required"}, log: logr.Discard(), watcher: watcher, changes: make(chan struct{}, 1)}
	go s.forward(t.Context())
	other := fsnotify.Event{Name: "/run/other"}
	hinted := func() bool {
		// It is received when the one before it was dealt with.
		await.Send(t, "the sentinel looks at an event", watcher.Events, other)
		select {
		case <-s.Changes():
			return true
		default:
			return false
		}
	}
	for name, want := range map[string]bool{
		"/run/required": true, "/run/required.pkgs": true, "/run": true,
		"/run/required.pkgs.tmp": false, "/run/other": false, "/required": false,
	} {
		await.Send(t, "the sentinel looks at an event", watcher.Events, fsnotify.Event{Name: name})
		if got := hinted(); got != want {
			t.Errorf("%s: hinted is %v, want %v", name, got, want)
		}
	}
	await.Send(t, "the sentinel looks at an error", watcher.Errors, fsnotify.ErrEventOverflow)
	if !hinted() {
		t.Error("no hint when events were lost")
	}
}
