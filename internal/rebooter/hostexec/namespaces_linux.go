package hostexec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// entered are the namespaces that a command of the host sees. The mount namespace comes last: it brings another /proc.
var entered = []string{"uts", "ipc", "net", "mnt"}

// inNamespaces does something on a thread of its own in the namespaces that a directory such as /proc/1/ns names, as nsenter does it; a
// process that it starts is in them as well. The image has no nsenter. The host's process namespace is the pod's (hostPID).
func inNamespaces(directory string, do func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine, and nothing else ever runs in these namespaces.
		runtime.LockOSThread()
		if err := enter(directory); err != nil {
			result <- fmt.Errorf("enter the host's namespaces: %w", err)
			return
		}
		result <- do()
	}()
	return <-result
}

// enter moves the calling thread. With the mount namespace comes its root directory.
func enter(directory string) (err error) {
	files := make([]*os.File, 0, len(entered))
	defer func() {
		for _, file := range files {
			err = errors.Join(err, file.Close())
		}
	}()
	for _, name := range entered {
		file, err := os.Open(filepath.Join(directory, name))
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	// A thread that shares its working directory with others cannot change its mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	for _, file := range files {
		if err := unix.Setns(int(file.Fd()), 0); err != nil {
			return fmt.Errorf("setns %s: %w", file.Name(), err)
		}
	}
	return nil
}
