package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// packagesSuffix makes the name of the file beside a sentinel that lists the packages which ask for the reboot (Debian, Ubuntu).
	packagesSuffix = ".pkgs"
	// maxPackagesFile is how many bytes of that file are read.
	maxPackagesFile = 16 << 10
	// maxReason is the most characters of a sentinel's message.
	maxReason = 512
)

// DefaultSentinelPaths are the files by which Debian and Ubuntu, and SUSE, say that the host needs a reboot.
func DefaultSentinelPaths() []string {
	return []string{"/var/run/reboot-required", "/run/reboot-needed"}
}

// FileSentinel says Required when one of several files exists. It watches their directories, which must be mounted instead of the files:
// those come and go.
type FileSentinel struct {
	paths   []string
	log     logr.Logger
	watcher *fsnotify.Watcher
	changes chan struct{}
}

var _ Sentinel = &FileSentinel{}

// NewFileSentinel watches until ctx ends. If the kernel refuses to watch, for example because the user's inotify instances are used up, the
// sentinel still works and gives no hints.
func NewFileSentinel(ctx context.Context, paths []string, log logr.Logger) *FileSentinel {
	s := &FileSentinel{paths: paths, log: log, changes: make(chan struct{}, 1)}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Error(err, "Cannot watch for the sentinel, only polling")
		return s
	}
	s.watcher = watcher
	go s.forward(ctx)
	return s
}

// Changes implements Sentinel.
func (s *FileSentinel) Changes() <-chan struct{} {
	return s.changes
}

// forward turns events about the files, and the loss of events, into hints.
func (s *FileSentinel) forward(ctx context.Context) {
	defer func() { _ = s.watcher.Close() }()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-s.watcher.Events:
			if !s.concerns(event.Name) {
				continue
			}
		case err := <-s.watcher.Errors:
			s.log.Error(err, "Watching for the sentinel")
		}
		select {
		case s.changes <- struct{}{}:
		default:
		}
	}
}

// concerns tells whether the name is that of a sentinel, of its list of packages, or of a directory that holds one.
func (s *FileSentinel) concerns(name string) bool {
	return slices.ContainsFunc(s.paths, func(path string) bool {
		return name == path || name == path+packagesSuffix || name == filepath.Dir(path)
	})
}

// Check implements Sentinel. One file that exists is enough for Required; otherwise one that cannot be checked is enough for Unknown.
func (s *FileSentinel) Check(context.Context) (v1alpha1.SentinelState, string) {
	readings := make([]reading, 0, len(s.paths))
	for _, path := range s.paths {
		s.watch(filepath.Dir(path))
		state, message := checkFile(path)
		readings = append(readings, reading{state: state, message: message})
	}
	return combine(readings)
}

// watch starts to watch a directory, before it is looked at, so that nothing is missed in between. Repeating it is cheap and finds a
// directory that was missing or was replaced.
func (s *FileSentinel) watch(directory string) {
	if s.watcher == nil {
		return
	}
	if err := s.watcher.Add(directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.V(1).Info("Cannot watch", "directory", directory, "error", err)
	}
}

func checkFile(path string) (v1alpha1.SentinelState, string) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular():
		return v1alpha1.SentinelRequired, describeFile(path)
	case err == nil:
		return v1alpha1.SentinelUnknown, fmt.Sprintf("%s is not a regular file but %s", path, info.Mode().Type())
	case !errors.Is(err, fs.ErrNotExist):
		return v1alpha1.SentinelUnknown, err.Error()
	}
	if err := checkAbsent(path); err != nil {
		return v1alpha1.SentinelUnknown, err.Error()
	}
	return v1alpha1.SentinelNotRequired, path + " does not exist"
}

// checkAbsent makes sure that there is nothing at the path: a directory that is missing, for example because it is not mounted, or cannot
// be read, proves nothing, and neither does a symbolic link to nowhere.
func checkAbsent(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is a symbolic link to nowhere, or came just now", path)
	}
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("cannot look for %s: %w", path, err)
	}
	defer func() { _ = directory.Close() }()
	if _, err := directory.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot look for %s: %w", path, err)
	}
	return nil
}

// describeFile names the file and the packages that made it.
func describeFile(path string) string {
	file, err := os.Open(path + packagesSuffix)
	if err != nil {
		return path + " exists"
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxPackagesFile))
	if err != nil {
		return path + " exists"
	}
	var packages []string
	for _, name := range strings.Fields(string(content)) {
		if !slices.Contains(packages, name) {
			packages = append(packages, name)
		}
	}
	if len(packages) == 0 {
		return path + " exists"
	}
	return path + ": " + strings.Join(packages, ", ")
}
