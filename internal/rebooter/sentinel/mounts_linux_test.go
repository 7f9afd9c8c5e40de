package sentinel

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// ownNamespace names the directory that a test has for itself in a mount namespace of its own.
const ownNamespace = "TEST_IN_MOUNT_NAMESPACE"

// inMountNamespace runs a test again as a process that may mount, and reports whether this is that process.
func inMountNamespace(t *testing.T) (directory string, inside bool) {
	t.Helper()
	if directory := os.Getenv(ownNamespace); directory != "" {
		return directory, true
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may make namespaces")
	}
	test := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	test.Env = append(os.Environ(), ownNamespace+"="+t.TempDir())
	test.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := test.CombinedOutput()
	if strings.Contains(fmt.Sprint(err), "operation not permitted") {
		t.Skipf("namespaces cannot be made here: %v", err)
	}
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, output)
	}
	return "", false
}

func mount(t *testing.T, source, target, kind string, flags uintptr) {
	t.Helper()
	if err := os.MkdirAll(target, 0o700); err != nil && flags&(unix.MS_SHARED|unix.MS_SLAVE) == 0 {
		t.Fatal(err)
	}
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		t.Fatalf("mount %s: %v", target, err)
	}
}

// mountedRun is a host's /run, as systemd mounts it, and a container that has it with the mount propagation HostToContainer.
func mountedRun(t *testing.T, directory string) (run string, files *Files) {
	t.Helper()
	run = filepath.Join(directory, "run")
	mount(t, "host", directory, "tmpfs", 0)
	mount(t, "", directory, "", unix.MS_SHARED)
	mount(t, "run", run, "tmpfs", 0)
	mount(t, "", run, "", unix.MS_SHARED)
	root := filepath.Join(directory, "container", "host")
	mount(t, run, filepath.Join(root, "run"), "", unix.MS_BIND|unix.MS_REC)
	mount(t, "", filepath.Join(root, "run"), "", unix.MS_SLAVE|unix.MS_REC)
	files, err := NewFiles(t.Context(), root, []string{"/run/reboot-required"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return run, files
}

func expect(t *testing.T, when string, files *Files, want, message string) {
	t.Helper()
	if got, said := files.Check(t.Context()); got != want || !strings.Contains(said, message) {
		t.Errorf("%s: %s (%s), want %s (%s)", when, got, said, want, message)
	}
}

func TestARunThatIsMountedOverIsSeen(t *testing.T) {
	directory, inside := inMountNamespace(t)
	if !inside {
		return
	}
	run, files := mountedRun(t, directory)
	expect(t, "at first", files, rebooter.SentinelNotRequired, "/run/reboot-required does not exist")
	mount(t, "another", run, "tmpfs", 0)
	write(t, filepath.Join(run, "reboot-required"), "")
	expect(t, "mounted over", files, rebooter.SentinelRequired, "/run/reboot-required exists")
	// The new directory is watched as well.
	if err := os.Remove(filepath.Join(run, "reboot-required")); err != nil {
		t.Fatal(err)
	}
	awaitHint(t, files, rebooter.SentinelNotRequired)
	write(t, filepath.Join(run, "reboot-required"), "")
	awaitHint(t, files, rebooter.SentinelRequired)
	if err := unix.Unmount(run, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	expect(t, "as before", files, rebooter.SentinelNotRequired, "/run/reboot-required does not exist")
}

// What the host unmounts below /run is not held in the container.
func TestNothingBelowRunIsHeld(t *testing.T) {
	directory, inside := inMountNamespace(t)
	if !inside {
		return
	}
	run, _ := mountedRun(t, directory)
	user := filepath.Join(run, "user")
	mount(t, "user", user, "tmpfs", 0)
	if err := unix.Unmount(user, 0); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), "/run/user ") {
		t.Errorf("error %v, mounts:\n%s", err, mounts)
	}
}

func TestADirectoryThatTheHostReplacedIsUnknown(t *testing.T) {
	directory, inside := inMountNamespace(t)
	if !inside {
		return
	}
	mountedRun(t, directory)
	updates, root := filepath.Join(directory, "updates"), filepath.Join(directory, "container", "host")
	if err := os.Mkdir(updates, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, updates, filepath.Join(root, "updates"), "", unix.MS_BIND)
	mount(t, "", filepath.Join(root, "updates"), "", unix.MS_SLAVE)
	files, err := NewFiles(t.Context(), root, []string{"/updates/required"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "at first", files, rebooter.SentinelNotRequired, "does not exist")
	if err := os.Rename(updates, updates+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(updates + ".old"); err != nil {
		t.Fatal(err)
	}
	expect(t, "replaced", files, rebooter.SentinelUnknown, "cannot look for /updates/required")
}

func TestASentinelWhoseDirectoryIsNotMountedIsUnknown(t *testing.T) {
	directory, inside := inMountNamespace(t)
	if !inside {
		return
	}
	mountedRun(t, directory)
	root := filepath.Join(directory, "container", "host")
	etc := filepath.Join(root, "etc")
	if err := os.Mkdir(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := NewFiles(t.Context(), root, []string{"/etc/required", "/run/reboot-required"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := "cannot look for /etc/required: the directory /etc is not mounted from the host: add a volume with hostPath /etc to the pod, " +
		"and mount it read-only at " + etc + " in the container rebooter"
	expect(t, "empty", files, rebooter.SentinelUnknown, want)
	write(t, filepath.Join(etc, "required"), "")
	expect(t, "a file of the container", files, rebooter.SentinelUnknown, want)
}
