package helper

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
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
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestTheBootIsReadFromProc(t *testing.T) {
	host := localHost(t, "", fakeProc(t, map[string]string{
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
			host := localHost(t, "", fakeProc(t, files))
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
	host := localHost(t, "", "/")
	if id, err := host.BootID(); err != nil || len(id) != 36 {
		t.Errorf("boot ID %q, error %v", id, err)
	}
	if booted, err := host.BootTime(); err != nil || booted.IsZero() {
		t.Errorf("boot time %s, error %v", booted, err)
	}
}

// localHost listens to its rebooter until the test ends.
func localHost(t *testing.T, socket, root string) *LocalHost {
	t.Helper()
	return NewLocalHost(t.Context(), socket, root, clock.RealClock{}, logr.Discard())
}

// fakeMachine is what a rebooter finds.
type fakeMachine struct {
	facts shared[rebooter.Facts]
	asked []string
	err   error
}

func (m *fakeMachine) BootID() (string, error)              { return bootA, nil }
func (m *fakeMachine) Facts(context.Context) rebooter.Facts { return m.facts.get() }
func (m *fakeMachine) Changes() <-chan struct{}             { return nil }
func (m *fakeMachine) Reboot(_ context.Context, order rebooter.Order) (via string, err error) {
	m.asked = append(m.asked, order.Method)
	return rebooter.ViaFirmware, m.err
}

// hostWith has a rebooter, which ends with the test.
func hostWith(t *testing.T, machine rebooter.Machine) *LocalHost {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	rebooterAt(t, socket, machine)
	return localHost(t, socket, "/")
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
		if _, err := hostWith(t, machine).Reboot(ctx, bootA, rebooter.Order{Method: string(method)}); err != nil {
			t.Errorf("%q: %v", method, err)
		}
		if diff := cmp.Diff([]string{want}, machine.asked); diff != "" {
			t.Errorf("%q: asked for (-want +got):\n%s", method, diff)
		}
	}
	machine := &fakeMachine{err: rebooter.ErrUncertain}
	if _, err := hostWith(t, machine).Reboot(ctx, bootA, rebooter.Order{}); !errors.Is(err, ErrUncertain) {
		t.Errorf("error %v", err)
	}
	machine = &fakeMachine{}
	_, err := hostWith(t, machine).Reboot(ctx, bootB, rebooter.Order{})
	if err == nil || errors.Is(err, ErrUncertain) || len(machine.asked) > 0 {
		t.Errorf("of another boot: error %v, asked %v", err, machine.asked)
	}
}

func TestFactsAreThoseOfTheRebooter(t *testing.T) {
	machine := &fakeMachine{}
	machine.facts.set(rebooter.Facts{
		Methods: []rebooter.Method{{Name: rebooter.MethodSignal, Obstacle: "no systemd"}, {Name: rebooter.MethodLogind}},
		HostOS:  "Debian", Notices: []string{"locksmithd is active"},
	})
	host := hostWith(t, machine)
	want := []v1alpha1.MethodReport{{Name: v1alpha1.RebootSignal, Obstacle: "no systemd"}, {Name: v1alpha1.RebootLogind}}
	if diff := cmp.Diff(want, host.Methods(t.Context())); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(HostDescription{OS: "Debian", Notices: []string{"locksmithd is active"}}, host.Describe(t.Context())); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}

func TestWhateverChangesAboutTheHostIsHinted(t *testing.T) {
	host := &LocalHost{changes: make(chan struct{}, 1), first: make(chan struct{})}
	for i, step := range []struct {
		facts rebooter.Facts
		err   error
		want  bool
	}{
		{err: errors.New("the socket is missing"), want: true},
		{err: errors.New("the socket is missing")},
		{err: errors.New("nothing listens"), want: true},
		{facts: rebooter.Facts{HostOS: "Debian"}, want: true},
		{facts: rebooter.Facts{HostOS: "Debian"}},
		{facts: rebooter.Facts{HostOS: "Ubuntu"}, want: true},
		{err: errors.New("nothing listens"), want: true},
	} {
		host.note(step.facts, step.err)
		hinted := false
		select {
		case <-host.changes:
			hinted = true
		default:
		}
		if hinted != step.want {
			t.Errorf("step %d is hinted: %t, want %t", i, hinted, step.want)
		}
	}
}

func TestASentinelHasThreeStates(t *testing.T) {
	for state, want := range map[string]v1alpha1.SentinelState{
		rebooter.SentinelRequired: v1alpha1.SentinelRequired, rebooter.SentinelNotRequired: v1alpha1.SentinelNotRequired,
		rebooter.SentinelUnknown: v1alpha1.SentinelUnknown, "": v1alpha1.SentinelUnknown, "Perhaps": v1alpha1.SentinelUnknown,
	} {
		machine := &fakeMachine{}
		machine.facts.set(rebooter.Facts{Sentinel: state, SentinelMessage: "exit status 1"})
		got, message := hostWith(t, machine).Check(t.Context())
		if got != want || message != "exit status 1" {
			t.Errorf("%q became %s %q", state, got, message)
		}
	}
}

func TestALongMessageOfTheSentinelIsCut(t *testing.T) {
	machine := &fakeMachine{}
	machine.facts.set(rebooter.Facts{Sentinel: rebooter.SentinelRequired, SentinelMessage: strings.Repeat("ü", 2000)})
	_, message := hostWith(t, machine).Check(t.Context())
	if got := len([]rune(message)); got > 512 || !strings.HasSuffix(message, "...") {
		t.Errorf("%d characters: %s", got, message)
	}
}
