package hostfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// deletedMark ends the root of a mount in mountinfo whose directory was removed after it was mounted.
const deletedMark = "//deleted"

// CheckMounted makes sure that a directory of the host is one of the host. Below the root there may also be directories of the container's
// own file system, which only look as if nothing were in them, and directories that the host no longer has at that path.
func (r Root) CheckMounted(directory string) error {
	if filepath.Clean(string(r)) == "/" {
		return nil // not in a container
	}
	resolved, err := r.Resolve(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	mount, err := mountOf(resolved, file)
	if err != nil {
		return err
	}
	switch {
	case !within(mount.point, filepath.Clean(string(r))):
		return fmt.Errorf("the directory %s is not mounted from the host: add a volume with hostPath %s to the pod, "+
			"and mount it read-only at %s in the container rebooter", directory, directory, r.join(directory))
	case strings.HasSuffix(mount.root, deletedMark):
		return fmt.Errorf("the host replaced the directory %s after it was mounted from there: delete the pod, so that another mounts it again",
			directory)
	}
	return nil
}

// mount is one line of mountinfo, proc_pid_mountinfo(5).
type mount struct{ root, point string }

// mountOf finds the mount that has a path: the one with the longest mount point, and of those at one point the last, which hides others.
func mountOf(path string, mountinfo io.Reader) (mount, error) {
	var found mount
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			return mount{}, fmt.Errorf("mountinfo: %q has too few fields", lines.Text())
		}
		m := mount{root: unescape(fields[3]), point: unescape(fields[4])}
		if within(path, m.point) && len(m.point) >= len(found.point) {
			found = m
		}
	}
	if err := lines.Err(); err != nil {
		return mount{}, fmt.Errorf("mountinfo: %w", err)
	}
	if found.point == "" {
		return mount{}, fmt.Errorf("mountinfo has no mount for %s", path)
	}
	return found, nil
}

// within reports whether a path is a directory or below it.
func within(path, directory string) bool {
	return path == directory || directory == "/" || strings.HasPrefix(path, directory+"/")
}

// unescape undoes what the kernel does to spaces and the like: \040.
func unescape(text string) string {
	var result strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		result.WriteString(before)
		if !found {
			return result.String()
		}
		code, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8)
		if err != nil || len(after) < 3 {
			result.WriteByte('\\')
			text = after
			continue
		}
		result.WriteByte(byte(code))
		text = after[3:]
	}
}
