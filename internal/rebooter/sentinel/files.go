package sentinel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

const (
	// packagesSuffix makes the name of the file next to a sentinel that lists the packages which ask for the reboot (Debian, Ubuntu).
	packagesSuffix = ".pkgs"
	// maxPackagesFile is how many bytes of that file are read.
	maxPackagesFile = 16 << 10
)

// Files says Required when one of several files exists. It watches their directories, which must be mounted instead of the files:
// those come and go.
type Files struct {
	root    hostfs.Root
	paths   []string
	log     *slog.Logger
	watcher *fsnotify.Watcher
	changes chan struct{}
}

var _ Sentinel = &Files{}

// NewFiles watches until ctx ends. The paths are those on the host, and are looked up below the root. If the kernel refuses to watch, for
// example because the user's inotify instances are used up, the sentinel still works and gives no hints.
func NewFiles(ctx context.Context, root string, paths []string, log *slog.Logger) (*Files, error) {
	s := &Files{root: hostfs.Root(root), paths: paths, log: log, changes: make(chan struct{}, 1)}
	for _, path := range paths {
		if !filepath.IsAbs(path) || path != filepath.Clean(path) || filepath.Dir(path) == "/" {
			return nil, fmt.Errorf("sentinel %q: write the absolute path of a file in a directory, such as /run/reboot-required", path)
		}
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Error("Cannot watch for the sentinel, only polling", "error", err)
		return s, nil
	}
	s.watcher = watcher
	go s.forward(ctx)
	return s, nil
}

// local is where a file of the host is looked for, or its directory if that cannot be followed.
func (s *Files) local(path string) string {
	directory, err := s.root.Resolve(filepath.Dir(path))
	if err != nil {
		return directory
	}
	return filepath.Join(directory, filepath.Base(path))
}

// Changes implements Sentinel.
func (s *Files) Changes() <-chan struct{} {
	return s.changes
}

// forward turns events about the files, and the loss of events, into hints.
func (s *Files) forward(ctx context.Context) {
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
			s.log.Error("Watching for the sentinel", "error", err)
		}
		select {
		case s.changes <- struct{}{}:
		default:
		}
	}
}

// concerns reports whether the name is a sentinel, its list of packages, or a directory that holds one.
func (s *Files) concerns(name string) bool {
	return slices.ContainsFunc(s.paths, func(path string) bool {
		path = s.local(path)
		return name == path || name == path+packagesSuffix || name == filepath.Dir(path)
	})
}

// Check implements Sentinel. One file that exists is enough for Required; otherwise one that cannot be checked is enough for Unknown.
func (s *Files) Check(context.Context) (state, message string) {
	readings := make([]Reading, 0, len(s.paths))
	for _, path := range s.paths {
		s.watch(filepath.Dir(s.local(path)))
		state, message := s.checkFile(path)
		readings = append(readings, Reading{State: state, Message: message})
	}
	return Combine(readings)
}

// watch starts to watch a directory, before it is looked at, so that nothing is missed in between. Repeating it is cheap and finds a
// directory that was missing or was replaced.
func (s *Files) watch(directory string) {
	if s.watcher == nil {
		return
	}
	if err := s.watcher.Add(directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Debug("Cannot watch", "directory", directory, "error", err)
	}
}

func (s *Files) checkFile(path string) (state, message string) {
	err := s.root.CheckMounted(filepath.Dir(path))
	if err != nil {
		return rebooter.SentinelUnknown, fmt.Sprintf("cannot look for %s: %v", path, cause(err))
	}
	info, err := s.root.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular():
		return rebooter.SentinelRequired, s.describe(path)
	case err == nil:
		return rebooter.SentinelUnknown, fmt.Sprintf("%s is not a regular file but %s", path, info.Mode().Type())
	case errors.Is(err, fs.ErrNotExist):
		err = s.checkAbsent(path)
	}
	if err != nil {
		return rebooter.SentinelUnknown, fmt.Sprintf("cannot look for %s: %v", path, cause(err))
	}
	return rebooter.SentinelNotRequired, path + " does not exist"
}

// checkAbsent makes sure that there is nothing at the path: a directory that is missing or cannot be read proves nothing, and neither does
// a symbolic link to nowhere.
func (s *Files) checkAbsent(path string) error {
	directory, err := s.root.Resolve(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("its directory: %w", cause(err))
	}
	if _, err := os.Lstat(filepath.Join(directory, filepath.Base(path))); err == nil {
		return errors.New("it is a symbolic link to nowhere, or has only just appeared")
	}
	file, err := os.Open(directory)
	if err != nil {
		return fmt.Errorf("its directory: %w", cause(err))
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("its directory: %w", cause(err))
	}
	return nil
}

// cause is an error without the path, which is not the host's.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// describe names the file and the packages that made it.
func (s *Files) describe(path string) string {
	content, err := s.root.Read(path+packagesSuffix, maxPackagesFile)
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
