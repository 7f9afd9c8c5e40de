package helper

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// fakeProc makes a root with these files.
func fakeProc(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, "proc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, content)
	}
	return root
}

func TestTheBootIsReadFromProc(t *testing.T) {
	host := NewLocalHost("", fakeProc(t, map[string]string{
		"sys/kernel/random/boot_id": "5ec81ea2-47ae-4b3f-8a0c-0e5ab0a5a3c5\n",
		"stat":                      "cpu  1 2 3\nbtime 1767225600\nprocesses 1\n",
	}))
	id, err := host.BootID()
	if err != nil || id != "5ec81ea2-47ae-4b3f-8a0c-0e5ab0a5a3c5" {
		t.Errorf("boot ID %q, error %v", id, err)
	}
	booted, err := host.BootTime()
	if err != nil || !booted.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("boot time %s, error %v", booted, err)
	}
}

func TestABootThatCannotBeReadIsAnError(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing there": {},
		"empty":         {"sys/kernel/random/boot_id": "\n", "stat": ""},
		"no number":     {"sys/kernel/random/boot_id": " ", "stat": "btime x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			host := NewLocalHost("", fakeProc(t, files))
			if id, err := host.BootID(); err == nil {
				t.Errorf("boot ID %q", id)
			}
			if booted, err := host.BootTime(); err == nil {
				t.Errorf("boot time %s", booted)
			}
		})
	}
}

func TestThisMachineHasABoot(t *testing.T) {
	host := NewLocalHost("", "/")
	if id, err := host.BootID(); err != nil || len(id) != 36 {
		t.Errorf("boot ID %q, error %v", id, err)
	}
	if booted, err := host.BootTime(); err != nil || booted.IsZero() {
		t.Errorf("boot time %s, error %v", booted, err)
	}
}

// fakeMachine is what a rebooter finds.
type fakeMachine struct {
	methods []rebooter.Method
	state   string
	asked   []string
	err     error
}

func (m *fakeMachine) BootID() (string, error)                   { return bootA, nil }
func (m *fakeMachine) Methods(context.Context) []rebooter.Method { return m.methods }
func (m *fakeMachine) Sentinel(context.Context) (state, message string) {
	return m.state, "exit status 1"
}
func (m *fakeMachine) Reboot(_ context.Context, method string) error {
	m.asked = append(m.asked, method)
	return m.err
}

// hostWith has a rebooter, which ends with the test.
func hostWith(t *testing.T, machine rebooter.Machine) *LocalHost {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := rebooter.Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &rebooter.Server{Machine: machine, HelperUID: uint32(os.Getuid()), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := await.Receive(t, "the rebooter ends", ended); err != nil {
			t.Error(err)
		}
	})
	return NewLocalHost(socket, "/")
}

func TestTheRebooterIsAskedToReboot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for method, want := range map[v1alpha1.RebootMethod]string{
		"": "", v1alpha1.RebootInstalled: "",
		v1alpha1.RebootLogind: rebooter.MethodLogind, v1alpha1.RebootSignal: rebooter.MethodSignal,
		v1alpha1.RebootCommand: rebooter.MethodCommand,
	} {
		machine := &fakeMachine{}
		if err := hostWith(t, machine).Reboot(ctx, bootA, method); err != nil {
			t.Errorf("%q: %v", method, err)
		}
		if diff := cmp.Diff([]string{want}, machine.asked); diff != "" {
			t.Errorf("%q: asked for (-want +got):\n%s", method, diff)
		}
	}
	machine := &fakeMachine{err: rebooter.ErrUncertain}
	if err := hostWith(t, machine).Reboot(ctx, bootA, ""); !errors.Is(err, ErrUncertain) {
		t.Errorf("error %v", err)
	}
	machine = &fakeMachine{}
	if err := hostWith(t, machine).Reboot(ctx, bootB, ""); err == nil || errors.Is(err, ErrUncertain) || len(machine.asked) > 0 {
		t.Errorf("of another boot: error %v, asked %v", err, machine.asked)
	}
}

func TestMethodsAreThoseOfTheRebooter(t *testing.T) {
	methods := []rebooter.Method{{Name: rebooter.MethodSignal, Obstacle: "no systemd"}, {Name: rebooter.MethodLogind}}
	host := hostWith(t, &fakeMachine{methods: methods})
	want := []v1alpha1.MethodReport{{Name: v1alpha1.RebootSignal, Obstacle: "no systemd"}, {Name: v1alpha1.RebootLogind}}
	if diff := cmp.Diff(want, host.Methods(t.Context())); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}

func TestARebooterThatDoesNotAnswerIsInTheWay(t *testing.T) {
	host := NewLocalHost(filepath.Join(t.TempDir(), "socket"), "/")
	methods := host.Methods(t.Context())
	if len(methods) != 1 || methods[0].Name != v1alpha1.RebootInstalled || !strings.Contains(methods[0].Obstacle, "does not answer") {
		t.Errorf("methods %+v", methods)
	}
	if state, message := host.Sentinel(t.Context()); state != v1alpha1.SentinelUnknown || !strings.Contains(message, "does not answer") {
		t.Errorf("%s: %s", state, message)
	}
}

func TestTheSentinelCommandHasThreeStates(t *testing.T) {
	for state, want := range map[string]v1alpha1.SentinelState{
		rebooter.SentinelRequired: v1alpha1.SentinelRequired, rebooter.SentinelNotRequired: v1alpha1.SentinelNotRequired,
		rebooter.SentinelUnknown: v1alpha1.SentinelUnknown, "": v1alpha1.SentinelUnknown, "Perhaps": v1alpha1.SentinelUnknown,
	} {
		got, message := hostWith(t, &fakeMachine{state: state}).Sentinel(t.Context())
		if got != want || message != "exit status 1" {
			t.Errorf("%q became %s %q", state, got, message)
		}
	}
}
