package hostexec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/program"
)

var _ program.Host = Runner{}

// Find implements program.Host.
func (r Runner) Find(name, root string) (path string, err error) {
	err = r.within(func() error {
		path, err = find(name, root)
		return err
	})
	return path, err
}

// Read implements program.Host.
func (r Runner) Read(path, root string) (content []byte, err error) {
	err = r.within(func() error {
		content, err = hostfs.Root(root).Read(path, program.MaxScript+1)
		return err
	})
	return content, err
}

// find returns a program by its path, or where a name is found first.
func find(name, root string) (string, error) {
	if strings.Contains(name, "/") {
		path := filepath.Clean("/" + name) // Commands run in that directory.
		return path, executable(path, root)
	}
	for _, directory := range searchPath {
		path := filepath.Join(directory, name)
		err := executable(path, root)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoProgram) {
			return "", err
		}
	}
	return "", fmt.Errorf("there is no program %q in %s", name, strings.Join(searchPath, ":"))
}

var errNoProgram = errors.New("this is not a program")

func executable(path, root string) error {
	info, err := hostfs.Root(root).Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("program %s: %w", path, err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s: %w", path, errNoProgram)
	}
	return nil
}
