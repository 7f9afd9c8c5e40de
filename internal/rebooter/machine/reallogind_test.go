package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// realHost runs a system bus and systemd's own logind, with a /run of their own, in a mount namespace of their own. The first argument is
// the logind.
const realHost = `mount -t tmpfs run /run &&
	mkdir -p /run/dbus /run/udev /run/systemd/system /run/systemd/inhibit /run/systemd/seats /run/systemd/users /run/systemd/sessions \
		/run/systemd/machines /run/systemd/shutdown || exit 1
	dbus-daemon --config-file=/usr/share/dbus-1/system.conf --nofork --nopidfile &
	while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.1; done
	echo ready
	read -r line
	"$1" &
	wait`

// units is systemd's object of a unit that is loaded, and its manager, which starts units: here it only says which.
type fakeUnits struct{ started chan string }

func (u fakeUnits) StartUnit(name, _ string) (dbus.ObjectPath, *dbus.Error) {
	u.started <- name
	return "/org/freedesktop/systemd1/job/1", nil
}

func (fakeUnits) Get(_, property string) (dbus.Variant, *dbus.Error) {
	if property == "LoadState" {
		return dbus.MakeVariant("loaded"), nil
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", nil)
}

// startRealLogind returns the root of the host's files, a connection to its bus, and the units that logind has started.
func startRealLogind(t *testing.T) (root string, bus *dbus.Conn, started chan string) {
	t.Helper()
	const logind = "/lib/systemd/systemd-logind"
	if _, err := os.Stat(logind); err != nil || os.Geteuid() != 0 {
		t.Skip("this takes root and systemd-logind")
	}
	host := exec.CommandContext(t.Context(), "/bin/sh", "-c", realHost, "sh", logind)
	host.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	host.Cancel = func() error { return syscall.Kill(-host.Process.Pid, syscall.SIGKILL) }
	input, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Skipf("namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		_ = host.Cancel()
		_ = host.Wait()
	})
	if n, err := output.Read(make([]byte, 6)); n != 6 {
		t.Skipf("no system bus runs here: %v", err)
	}
	root = fmt.Sprintf("/proc/%d/root", host.Process.Pid)
	address := "unix:path=" + root + "/run/dbus/system_bus_socket"
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	if bus, err = dbus.Connect(address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	units := fakeUnits{make(chan string, 8)}
	for path, on := range map[dbus.ObjectPath]string{
		"/org/freedesktop/systemd1":                      "org.freedesktop.systemd1.Manager",
		"/org/freedesktop/systemd1/unit/reboot_2etarget": "org.freedesktop.DBus.Properties",
		"/org/freedesktop/systemd1/unit/kexec_2etarget":  "org.freedesktop.DBus.Properties",
	} {
		if err := bus.Export(units, path, on); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bus.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(input, "go"); err != nil {
		t.Fatal(err)
	}
	await.True(t, "logind is on the bus", func() bool {
		var has bool
		return bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, logindName).Store(&has) == nil && has
	})
	return root, bus, units.started
}

// hold takes an inhibitor lock, as root, until the returned function is called.
func hold(t *testing.T, bus *dbus.Conn, what, mode string) (release func()) {
	t.Helper()
	var fd dbus.UnixFD
	call := bus.Object(logindName, logindPath).Call(logindManager+".Inhibit", 0, what, "backup", "nightly copy", mode)
	if err := call.Store(&fd); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "lock")
	return func() { _ = file.Close() }
}

func TestARealLogindDoesNotKeepRootFromARebootAndTheRebooterDoes(t *testing.T) {
	root, bus, started := startRealLogind(t)
	m := newMachine(t, Options{HostRoot: root})
	method := func() rebooter.Method { return m.Facts(t.Context()).Methods[0] }
	if diff := cmp.Diff(rebooter.Method{Name: rebooter.MethodLogind}, method()); diff != "" {
		t.Fatalf("without locks (-want +got):\n%s", diff)
	}
	release := hold(t, bus, "shutdown:sleep", "block")
	await.Receive(t, "a hint about the lock", m.Changes())
	// What logind says, which is why the rebooter does not rely on it alone.
	var can string
	if err := bus.Object(logindName, logindPath).Call(logindManager+".CanReboot", 0).Store(&can); err != nil {
		t.Fatal(err)
	}
	t.Logf("while root holds a lock that blocks, CanReboot says %q to root", can)
	want := fmt.Sprintf(`by "backup" (uid 0, pid %d) because of "nightly copy"`, os.Getpid())
	if got := method(); got.Kind != rebooter.ObstacleInhibited || !strings.HasSuffix(got.Obstacle, want) {
		t.Errorf("%+v, want %q", got, want)
	}
	_, err := m.Reboot(t.Context(), rebooter.Order{})
	if err == nil || !strings.HasSuffix(err.Error(), want) || errors.Is(err, rebooter.ErrUncertain) || len(started) > 0 {
		t.Errorf("error %v, %d units started", err, len(started))
	}
	release()
	await.True(t, "the lock is gone", func() bool { return method().Obstacle == "" })
}

func TestARealLogindRebootsByItsTargetAndGivesDelayLocksTheirTime(t *testing.T) {
	root, bus, started := startRealLogind(t)
	files := t.TempDir()
	writeFile(t, filepath.Join(files, "sys", "kernel", "kexec_loaded"), "1\n")
	m := newMachine(t, Options{HostRoot: root, Root: files})
	release := hold(t, bus, "shutdown", "delay")
	if got := m.Facts(t.Context()).Methods[0]; got.Obstacle != "" {
		t.Errorf("a lock that only delays is in the way: %+v", got)
	}
	// logind takes the flag for kexec. It looks itself whether a kernel is loaded: on the machine of the test there is none.
	via, err := m.Reboot(t.Context(), rebooter.Order{Via: rebooter.ViaKexec})
	if err != nil || via != rebooter.ViaKexec {
		t.Fatalf("via %s, error %v", via, err)
	}
	if len(started) > 0 {
		t.Errorf("%s was started while a lock delays it", <-started)
	}
	release()
	want := "reboot.target"
	if loaded, err := os.ReadFile("/sys/kernel/kexec_loaded"); err == nil && strings.TrimSpace(string(loaded)) == "1" {
		want = "kexec.target"
	}
	if got := await.Receive(t, "logind starts a target", started); got != want {
		t.Errorf("%s was started, want %s", got, want)
	}
}
