package machine

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// busLogind is logind's manager object on a private bus, as systemd 249 and later have it.
type busLogind struct {
	flags chan uint64
	// err is the answer to an order to reboot.
	err *dbus.Error
	// can is the answer to CanReboot, or canErr is.
	can    string
	canErr *dbus.Error
	// locks are the answer to ListInhibitors, or locksErr is.
	locks    []inhibitor
	locksErr *dbus.Error
	// mu is held while locks are listed. asked is called before.
	mu    sync.Mutex
	asked func()
	// unknownFlags are refused.
	unknownFlags uint64
	// dies when it is ordered to reboot, without an answer; hangs never answers that.
	dies, hangs bool
	// diesBefore that, when it is asked for locks.
	diesBefore bool
	connection *dbus.Conn
	// scheduled is the reboot that was scheduled with shutdown(8); nil is none.
	scheduled any
	// units are active.
	units []string
	// os is the operating system as hostnamed names it; empty if there is no hostnamed.
	os string
}

func (l *busLogind) CanReboot() (string, *dbus.Error) { return l.can, l.canErr }

func (l *busLogind) ListInhibitors() ([]inhibitor, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.diesBefore {
		_ = l.connection.Close()
	}
	if l.asked != nil {
		l.asked()
	}
	return l.locks, l.locksErr
}

func (l *busLogind) RebootWithFlags(flags uint64) *dbus.Error {
	if flags&l.unknownFlags != 0 {
		return dbus.NewError(invalidArguments, []any{"Invalid flags parameter"})
	}
	l.flags <- flags
	if l.dies {
		_ = l.connection.Close()
	}
	if l.hangs {
		select {}
	}
	return l.err
}

// busSystemd is systemd's manager object.
type busSystemd struct{ logind *busLogind }

func (s busSystemd) ListUnitsByPatterns(states, names []string) (units []unit, failure *dbus.Error) {
	for _, name := range s.logind.units {
		if slices.Contains(names, name) && slices.Contains(states, "active") {
			units = append(units, unit{Name: name, Load: "loaded", Active: "active", Path: "/", JobPath: "/"})
		}
	}
	return units, nil
}

// startBus runs a private bus with such a logind, if there is one, and makes it the system bus of this test.
func startBus(t *testing.T, logind *busLogind) {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon")
	}
	// The directory of the test may have too long a name for a socket.
	directory, err := os.MkdirTemp("", "bus") //nolint:usetesting // That is what this is for.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	address := "unix:path=" + filepath.Join(directory, "bus")
	command := exec.CommandContext(t.Context(), daemon, "--session", "--nofork", "--print-address", "--address="+address)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() })
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil { // It listens once it says where.
		t.Fatal(err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	if logind == nil {
		return
	}
	connection, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	logind.connection = connection
	if logind.scheduled == nil {
		logind.scheduled = scheduled{}
	}
	offer(t, connection, logindName, logindPath, logindManager, logind, map[string]any{"ScheduledShutdown": logind.scheduled})
	offer(t, connection, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", busSystemd{logind}, nil)
	if logind.os != "" {
		offer(t, connection, "org.freedesktop.hostname1", "/org/freedesktop/hostname1", "org.freedesktop.hostname1", struct{}{},
			map[string]any{"OperatingSystemPrettyName": logind.os})
	}
}

// offer makes an object known on the bus.
func offer(t *testing.T, connection *dbus.Conn, name string, path dbus.ObjectPath, on string, object any, values map[string]any) {
	t.Helper()
	if err := connection.Export(object, path, on); err != nil {
		t.Fatal(err)
	}
	properties := map[string]*prop.Prop{}
	for name, value := range values {
		properties[name] = &prop.Prop{Value: value}
	}
	if _, err := prop.Export(connection, path, prop.Map{on: properties}); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.RequestName(name, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

// facts of a machine that has this bus.
func facts(t *testing.T, options Options) rebooter.Facts {
	t.Helper()
	return newMachine(t, options).Facts(t.Context())
}

// serveBadly makes the system bus of this test one that does something else with each connection.
func serveBadly(t *testing.T, do func(connection net.Conn)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = connection.Close() })
			go do(connection)
		}
	}()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
}

func TestABusThatMisbehavesIsAnObstacleInBoundedTime(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(net.Conn)
		want string
	}{
		"it never answers": {func(net.Conn) {}, "greet the system bus: no answer within 3s"},
		"it hangs up":      {func(c net.Conn) { _ = c.Close() }, "greet the system bus: "},
		"it writes garbage": {func(c net.Conn) {
			_, _ = c.Write([]byte(strings.Repeat("\x00\xff garbage\r\n", 1000)))
		}, "greet the system bus: "},
		"it accepts and then writes garbage": {func(c net.Conn) {
			lines := bufio.NewReader(c)
			_, _ = lines.ReadString('\n')
			_, _ = c.Write([]byte("REJECTED EXTERNAL\r\n"))
			_, _ = lines.ReadString('\n')
			_, _ = c.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
			_, _ = lines.ReadString('\n')
			_, _ = c.Write([]byte(strings.Repeat("\x00\xff garbage", 1000)))
		}, "greet the system bus: "},
		"it knows nobody": {func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = c.Write([]byte("REJECTED\r\n"))
		}, "greet the system bus: dbus: authentication protocol error"},
	} {
		t.Run(name, func(t *testing.T) {
			serveBadly(t, test.do)
			m := newMachine(t, Options{HostRoot: systemdHost(t)})
			before := runtime.NumGoroutine()
			begin := time.Now()
			methods := m.Facts(t.Context()).Methods
			if len(methods) != 1 || !strings.HasPrefix(methods[0].Obstacle, test.want) || methods[0].Kind != "" {
				t.Errorf("methods %+v, want %q", methods, test.want)
			}
			if took := time.Since(begin); took > busTimeout+2*time.Second {
				t.Errorf("it took %s", took)
			}
			// Nobody was asked to reboot the host: that is certain.
			if _, err := m.Reboot(t.Context(), rebooter.Order{}); err == nil || errors.Is(err, rebooter.ErrUncertain) {
				t.Errorf("error %v", err)
			}
			await.True(t, "nothing is left behind", func() bool { return runtime.NumGoroutine() <= before+1 }) // the bus's own
		})
	}
}

func TestWhatIsNoBusIsNamed(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"unix:path=" + file:              "there is no system bus: " + file + " is not a socket",
		"unix:path=" + directory:         "there is no system bus: " + directory + " is not a socket",
		"unix:path=" + directory + "/no": "there is no system bus: " + directory + "/no does not exist",
		"tcp:host=example.com,port=1": `DBUS_SYSTEM_BUS_ADDRESS is "tcp:host=example.com,port=1": ` +
			`write an address such as unix:path=/run/dbus/system_bus_socket`,
	} {
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
		if got := facts(t, Options{HostRoot: systemdHost(t)}).Methods[0].Obstacle; got != want {
			t.Errorf("%s: obstacle %q, want %q", address, got, want)
		}
		if _, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{}); err == nil || errors.Is(err, rebooter.ErrUncertain) {
			t.Errorf("%s: error %v", address, err)
		}
	}
}

func TestWithoutAnAddressTheBusIsWhereDistributionsHaveIt(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
	const want = "/run/dbus/system_bus_socket"
	path, err := busPath()
	if path != want && (!errors.Is(err, errNoBus) || !strings.Contains(err.Error(), want)) {
		t.Errorf("path %q, error %v; want %s, or that it is not there", path, err, want)
	}
}

// systemdHost is a directory with the files of a host that systemd booted.
func systemdHost(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "run", "systemd", "system"), 0o700); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestALogindThatDoesNotAnswerIsAnObstacle(t *testing.T) {
	release := make(chan struct{})
	logind := &busLogind{can: "yes", asked: func() { <-release }}
	startBus(t, logind)
	defer close(release)
	want := []rebooter.Method{{Name: rebooter.MethodLogind, Obstacle: "ListInhibitors: no answer within 3s"}}
	if diff := cmp.Diff(want, facts(t, Options{HostRoot: systemdHost(t)}).Methods); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	if _, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{}); err == nil || errors.Is(err, rebooter.ErrUncertain) {
		t.Errorf("error %v", err)
	}
}

func TestABusWithoutLogindIsInTheWay(t *testing.T) {
	startBus(t, nil)
	methods := facts(t, Options{HostRoot: systemdHost(t)}).Methods
	if len(methods) != 1 || !strings.Contains(methods[0].Obstacle, "org.freedesktop.login1 was not provided") || methods[0].Kind != "" {
		t.Errorf("methods %+v", methods)
	}
}
