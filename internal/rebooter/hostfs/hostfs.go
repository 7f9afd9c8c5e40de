// Package hostfs reads files of the host below the directory where the rebooter has them mounted. Symbolic links are followed as the host
// follows them: an absolute one begins at that directory and never leaves it, so that no link of the host leads to a file of the container.
package hostfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may have, as in the kernel.
const maxLinks = 40

// Root is the directory that has the host's files.
type Root string

// Resolve returns where a file of the host is found in this container. With an error it returns the path that cannot be followed further:
// one that is missing is reported by fs.ErrNotExist.
func (r Root) Resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%q is not an absolute path", path)
	}
	rest, at, links := elements(r.usual(filepath.Clean(path))), "/", 0
	for len(rest) > 0 {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(r.join(next))
		if err != nil {
			return r.join(filepath.Join(next, filepath.Join(rest...))), err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many symbolic links", path)
		}
		target, err := os.Readlink(r.join(next))
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(elements(target), rest...)
	}
	return r.join(at), nil
}

// usual replaces /var/run by /run where only that is mounted: on every host with systemd the one is a link to the other.
func (r Root) usual(path string) string {
	rest, below := strings.CutPrefix(path+"/", "/var/run/")
	if !below {
		return path
	}
	if _, err := os.Lstat(r.join("/var/run")); errors.Is(err, fs.ErrNotExist) {
		return "/run/" + strings.TrimSuffix(rest, "/")
	}
	return path
}

func elements(path string) []string {
	path = strings.Trim(filepath.Clean(path), "/")
	if path == "" || path == "." {
		return nil
	}
	return strings.Split(path, "/")
}

func (r Root) join(path string) string { return filepath.Join(string(r), path) }

// Stat describes a file of the host, and follows symbolic links.
func (r Root) Stat(path string) (fs.FileInfo, error) {
	resolved, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	return os.Lstat(resolved)
}

// Read returns at most the first limit bytes of a regular file of the host.
func (r Root) Read(path string, limit int64) ([]byte, error) {
	resolved, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(resolved)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	return read(path, resolved, limit)
}

// regular refuses what may do something when it is opened.
func regular(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file but %s", path, info.Mode().Type())
	}
	return nil
}

// read does not wait for a writer, and checks the file that it has opened: since the last check it may have been replaced, for example by a
// pipe.
func read(path, resolved string, limit int64) ([]byte, error) {
	file, err := os.OpenFile(resolved, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// Names lists a directory of the host.
func (r Root) Names(path string) ([]string, error) {
	resolved, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	directory, err := os.Open(resolved)
	if err != nil {
		return nil, err
	}
	defer func() { _ = directory.Close() }()
	return directory.Readdirnames(-1)
}
