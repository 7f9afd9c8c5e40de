package sentinel

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// hintTimeout is how long the kernel may take to report a change before the test gives up.
const hintTimeout = await.Limit

// newFiles looks for files of this machine.
func newFiles(t *testing.T, paths []string) *Files {
	t.Helper()
	s, err := NewFiles(t.Context(), "/", paths, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesHasThreeStates(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, directory string)
		// paths are below the directory; "required" unless set.
		paths   []string
		want    string
		message string
	}{
		"the file exists": {
			prepare: func(t *testing.T, d string) { write(t, d+"/required", "") },
			want:    rebooter.SentinelRequired, message: "DIR/required exists",
		},
		"the file exists and packages are listed": {
			prepare: func(t *testing.T, d string) {
				write(t, d+"/required", "*** System restart required ***\n")
				write(t, d+"/required.pkgs", "libc6\nlinux-image-6.12\nlibc6\n")
			},
			want: rebooter.SentinelRequired, message: "DIR/required: libc6, linux-image-6.12",
		},
		"the list of packages is empty": {
			prepare: func(t *testing.T, d string) {
				write(t, d+"/required", "")
				write(t, d+"/required.pkgs", "\n")
			},
			want: rebooter.SentinelRequired, message: "DIR/required exists",
		},
		"there is only a list of packages": {
			prepare: func(t *testing.T, d string) { write(t, d+"/required.pkgs", "libc6") },
			want:    rebooter.SentinelNotRequired, message: "DIR/required does not exist",
		},
		"the directory is empty": {want: rebooter.SentinelNotRequired, message: "DIR/required does not exist"},
		"the path is a directory": {
			prepare: func(t *testing.T, d string) {
				if err := os.Mkdir(d+"/required", 0o700); err != nil {
					t.Fatal(err)
				}
			},
			want: rebooter.SentinelUnknown, message: "DIR/required is not a regular file but d---------",
		},
		"the path is a link to nowhere": {
			prepare: func(t *testing.T, d string) {
				if err := os.Symlink("nowhere", d+"/required"); err != nil {
					t.Fatal(err)
				}
			},
			want: rebooter.SentinelUnknown, message: "cannot look for DIR/required: it is a symbolic link to nowhere, or has only just appeared",
		},
		"the parent is missing": {
			paths: []string{"missing/required"},
			want:  rebooter.SentinelUnknown, message: "cannot look for DIR/missing/required: its directory: no such file or directory",
		},
		"the parent is a file": {
			prepare: func(t *testing.T, d string) { write(t, d+"/file", "") },
			paths:   []string{"file/required"},
			want:    rebooter.SentinelUnknown, message: "cannot look for DIR/file/required: not a directory",
		},
		"one of two exists, the other is unknown": {
			prepare: func(t *testing.T, d string) { write(t, d+"/required", "") },
			paths:   []string{"missing/required", "required"},
			want:    rebooter.SentinelRequired, message: "DIR/required exists",
		},
		"one of two is unknown, the other does not exist": {
			paths: []string{"required", "missing/required"},
			want:  rebooter.SentinelUnknown, message: "cannot look for DIR/missing/required: its directory: no such file or directory",
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
			state, message := newFiles(t, paths).Check(t.Context())
			if state != test.want {
				t.Errorf("state %s, want %s", state, test.want)
			}
			if want := strings.ReplaceAll(test.message, "DIR", directory); message != want {
				t.Errorf("message %q, want %q", message, want)
			}
		})
	}
}

func TestFilesThatMayNotBeReadIsUnknown(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	directory := t.TempDir()
	if err := os.Chmod(directory, 0); err != nil {
		t.Fatal(err)
	}
	state, message := newFiles(t, []string{directory + "/required"}).Check(t.Context())
	if state != rebooter.SentinelUnknown || !strings.Contains(message, "permission denied") {
		t.Errorf("%s: %s", state, message)
	}
}

// awaitHint waits until the sentinel has hinted at a change after which it says what is wanted.
func awaitHint(t *testing.T, s *Files, want string) {
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

func TestFilesHintsAtEveryChange(t *testing.T) {
	exists := func(t *testing.T, path string) { write(t, path, "") }
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		change  func(path string) error
		want    string
	}{
		"created": {
			change: func(path string) error { return os.WriteFile(path, nil, 0o600) },
			want:   rebooter.SentinelRequired,
		},
		"removed": {prepare: exists, change: os.Remove, want: rebooter.SentinelNotRequired},
		"moved here": {
			prepare: func(t *testing.T, path string) { write(t, path+".new", "") },
			change:  func(path string) error { return os.Rename(path+".new", path) },
			want:    rebooter.SentinelRequired,
		},
		"moved away": {
			prepare: exists,
			change:  func(path string) error { return os.Rename(path, path+".old") },
			want:    rebooter.SentinelNotRequired,
		},
		"replaced by another file": {
			prepare: func(t *testing.T, path string) {
				write(t, path, "")
				write(t, path+".new", "")
			},
			change: func(path string) error { return os.Rename(path+".new", path) },
			want:   rebooter.SentinelRequired,
		},
		"a directory in its place": {
			change: func(path string) error { return os.Mkdir(path, 0o700) },
			want:   rebooter.SentinelUnknown,
		},
		"its directory removed": {
			change: func(path string) error { return os.Remove(filepath.Dir(path)) },
			want:   rebooter.SentinelUnknown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "required")
			if test.prepare != nil {
				test.prepare(t, path)
			}
			s := newFiles(t, []string{path})
			s.Check(t.Context())
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			awaitHint(t, s, test.want)
		})
	}
}

func TestFilesSeesItsDirectoryComeAndWatchesIt(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(directory, "required")
	s := newFiles(t, []string{path})
	if state, message := s.Check(t.Context()); state != rebooter.SentinelUnknown {
		t.Fatalf("%s: %s", state, message)
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	// Nothing is watched yet: the slow poll finds the directory.
	if state, message := s.Check(t.Context()); state != rebooter.SentinelNotRequired {
		t.Fatalf("%s: %s", state, message)
	}
	write(t, path, "")
	awaitHint(t, s, rebooter.SentinelRequired)
}

func TestFilesHintsOnlyAtWhatConcernsIt(t *testing.T) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	watcher.Events, watcher.Errors = make(chan fsnotify.Event), make(chan error)
	s := &Files{root: "/", paths: []string{"/run/required"}, watcher: watcher, changes: make(chan struct{}, 1)}
	s.log = slog.New(slog.DiscardHandler)
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

// A directory on a broken file system can be opened and not listed. Here a file stands for it.
func TestADirectoryThatCannotBeListedProvesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	path := filepath.Join(file, "required")
	if err := newFiles(t, []string{path}).checkAbsent(path); err == nil || !strings.Contains(err.Error(), "its directory: ") {
		t.Errorf("error %v, want that the directory cannot be listed", err)
	}
}

func TestADirectoryThatCannotBeWatchedIsLoggedUnlessItIsMissing(t *testing.T) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	s := &Files{root: "/", watcher: watcher, log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	directory := t.TempDir()
	s.watch(directory)
	s.watch(filepath.Join(directory, "missing"))
	if logged.Len() > 0 {
		t.Errorf("of a directory that is there, and one that is missing, it logs %s", logged.String())
	}
	if err := watcher.Close(); err != nil {
		t.Fatal(err)
	}
	s.watch(directory)
	if !strings.Contains(logged.String(), "Cannot watch") || !strings.Contains(logged.String(), directory) {
		t.Errorf("of a directory that cannot be watched it logs %q", logged.String())
	}
}

func TestASentinelThatCannotBeWatchedIsReadNonetheless(t *testing.T) {
	const alone = "TEST_OPENS_NO_FILE"
	if os.Getenv(alone) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$") //nolint:gosec // It is this test.
		again.Env = append(os.Environ(), alone+"=1")
		if output, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, output)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "required")
	var logged strings.Builder
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	s, err := NewFiles(t.Context(), "/", []string{path}, slog.New(slog.NewTextHandler(&logged, nil)))
	if restored := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); restored != nil || err != nil {
		t.Fatal(restored, err)
	}
	if !strings.Contains(logged.String(), "Cannot watch for the sentinel, only polling") {
		t.Errorf("it logs %q", logged.String())
	}
	if state, message := s.Check(t.Context()); state != rebooter.SentinelNotRequired {
		t.Errorf("without the file it says %s: %s", state, message)
	}
	write(t, path, "")
	if state, message := s.Check(t.Context()); state != rebooter.SentinelRequired {
		t.Errorf("with the file it says %s: %s", state, message)
	}
}
