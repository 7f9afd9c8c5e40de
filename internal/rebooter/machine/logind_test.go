package machine

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// busLogind is logind's manager object on a private bus, as systemd 246 and later have it.
type busLogind struct {
	flags chan uint64
	err   *dbus.Error
	// can is the answer to CanReboot.
	can string
	// dies when it is ordered to reboot, without an answer.
	dies       bool
	connection *dbus.Conn
}

func (l *busLogind) CanReboot() (string, *dbus.Error) { return l.can, l.err }

func (l *busLogind) RebootWithFlags(flags uint64) *dbus.Error {
	l.flags <- flags
	if l.dies {
		_ = l.connection.Close()
	}
	return l.err
}

// startBus runs a private bus with such a logind, if there is one, and makes it the system bus of this test.
func startBus(t *testing.T, logind *busLogind) {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon")
	}
	address := "unix:path=" + filepath.Join(t.TempDir(), "bus")
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
	if err := connection.Export(logind, logindPath, logindManager); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.RequestName(logindName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

func TestOnARealBusLogindIsToldToReboot(t *testing.T) {
	logind := &busLogind{flags: make(chan uint64, 1)}
	startBus(t, logind)
	if _, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(checkInhibitors, await.Receive(t, "logind receives the request to reboot", logind.flags)); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

func TestOnARealBusAnInhibitedRebootIsAnError(t *testing.T) {
	startBus(t, &busLogind{
		flags: make(chan uint64, 1),
		err:   dbus.NewError("org.freedesktop.login1.BlockedByInhibitorLock", []any{"backup is running"}),
	})
	_, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{})
	if err == nil || !strings.Contains(err.Error(), "reboot by Logind: backup is running") {
		t.Errorf("error %v", err)
	}
}

// The bus then answers in its place.
func TestOnARealBusALogindThatDiesWithoutAnAnswerIsUncertain(t *testing.T) {
	startBus(t, &busLogind{flags: make(chan uint64, 1), dies: true})
	if _, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{}); !errors.Is(err, rebooter.ErrUncertain) {
		t.Errorf("error %v, and the host may still reboot", err)
	}
}

func TestOnARealBusLogindSaysWhetherItCouldReboot(t *testing.T) {
	for name, test := range map[string]struct {
		logind busLogind
		want   string
	}{
		"it could":  {busLogind{can: "yes"}, ""},
		"it cannot": {busLogind{can: "na"}, `logind says "na" to whether it can reboot this host`},
		"it is held up": {
			busLogind{can: "inhibitor-blocked"},
			`logind says "inhibitor-blocked": someone holds an inhibitor lock, which systemd-inhibit --list on the host names`,
		},
		"it may not say": {busLogind{err: dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"An AppArmor policy prevents this"})},
			"An AppArmor policy prevents this"},
	} {
		t.Run(name, func(t *testing.T) {
			startBus(t, &test.logind)
			want := []rebooter.Method{{Name: rebooter.MethodLogind, Obstacle: test.want}}
			if diff := cmp.Diff(want, newMachine(t, Options{}).reportMethods(t.Context())); diff != "" {
				t.Errorf("methods (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABusWithoutLogindIsInTheWay(t *testing.T) {
	startBus(t, nil)
	methods := newMachine(t, Options{}).reportMethods(t.Context())
	if len(methods) != 1 || !strings.Contains(methods[0].Obstacle, "org.freedesktop.login1 was not provided") {
		t.Errorf("methods %+v", methods)
	}
}
