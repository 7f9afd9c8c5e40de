package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// fakeLogind answers like logind of some version.
type fakeLogind struct {
	dbus.BusObject
	answers map[string]error
	calls   []string
}

func (f *fakeLogind) CallWithContext(_ context.Context, method string, _ dbus.Flags, args ...any) *dbus.Call {
	call := fmt.Sprint(strings.TrimPrefix(method, logindManager+"."), args)
	f.calls = append(f.calls, call)
	return &dbus.Call{Err: f.answers[call]}
}

func TestLogindIsAskedToHonorInhibitorsInTheWayItKnows(t *testing.T) {
	inhibited := dbus.Error{Name: "org.freedesktop.login1.BlockedByInhibitorLock"}
	invalid, unknown := dbus.Error{Name: invalidArguments}, dbus.Error{Name: unknownMethod}
	for name, test := range map[string]struct {
		via     string
		answers map[string]error
		calls   []string
		taken   string
		err     error
	}{
		"accepted": {calls: []string{"RebootWithFlags[1]"}, taken: "Firmware"},
		"inhibited": {
			answers: map[string]error{"RebootWithFlags[1]": inhibited}, calls: []string{"RebootWithFlags[1]"}, taken: "Firmware",
			err: inhibited,
		},
		"before systemd 248": {
			answers: map[string]error{"RebootWithFlags[1]": unknown}, calls: []string{"RebootWithFlags[1]", "Reboot[false]"}, taken: "Firmware",
		},
		"kexec": {via: "Kexec", calls: []string{"RebootWithFlags[3]"}, taken: "Kexec"},
		"kexec, inhibited": {
			via: "Kexec", answers: map[string]error{"RebootWithFlags[3]": inhibited}, calls: []string{"RebootWithFlags[3]"}, taken: "Kexec",
			err: inhibited,
		},
		"kexec before systemd 249": {
			via: "Kexec", answers: map[string]error{"RebootWithFlags[3]": invalid}, calls: []string{
				"RebootWithFlags[3]", "RebootWithFlags[1]",
			}, taken: "Firmware",
		},
		"kexec before systemd 248": {
			via: "Kexec", answers: map[string]error{"RebootWithFlags[3]": unknown, "RebootWithFlags[1]": unknown},
			calls: []string{"RebootWithFlags[3]", "RebootWithFlags[1]", "Reboot[false]"}, taken: "Firmware",
		},
	} {
		t.Run(name, func(t *testing.T) {
			logind := &fakeLogind{answers: test.answers}
			taken, err := askLogind(t.Context(), logind, test.via)
			if fmt.Sprint(err) != fmt.Sprint(test.err) || taken != test.taken {
				t.Errorf("via %q, error %v, want %q, %v", taken, err, test.taken, test.err)
			}
			if diff := cmp.Diff(test.calls, logind.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnOrderThatIsTooLateIsNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	logind := &fakeLogind{}
	if _, err := askLogind(ctx, logind, ""); err == nil || errors.Is(err, rebooter.ErrUncertain) || len(logind.calls) > 0 {
		t.Errorf("error %v, calls %q", err, logind.calls)
	}
}

func TestOnARealBusLogindIsToldToReboot(t *testing.T) {
	for name, test := range map[string]struct {
		via, loaded  string
		unknownFlags uint64
		want         uint64
		wantVia      string
	}{
		"by firmware":                {loaded: "1\n", want: 1, wantVia: "Firmware"},
		"by kexec":                   {via: "Kexec", loaded: "1\n", want: 3, wantVia: "Kexec"},
		"by kexec without a kernel":  {via: "Kexec", loaded: "0\n", want: 1, wantVia: "Firmware"},
		"by kexec that is not built": {via: "Kexec", want: 1, wantVia: "Firmware"},
		"by kexec before it was known": {
			via: "Kexec", loaded: "1\n", unknownFlags: viaKexec, want: 1, wantVia: "Firmware",
		},
	} {
		t.Run(name, func(t *testing.T) {
			logind := &busLogind{flags: make(chan uint64, 1), can: "yes", unknownFlags: test.unknownFlags}
			startBus(t, logind)
			root := t.TempDir()
			if test.loaded != "" {
				writeFile(t, filepath.Join(root, "sys", "kernel", "kexec_loaded"), test.loaded)
			}
			m := newMachine(t, Options{Root: root})
			if got, want := m.Facts(t.Context()).KexecLoaded, test.loaded == "1\n"; got != want {
				t.Errorf("a kernel is loaded: %t, want %t", got, want)
			}
			via, err := m.Reboot(t.Context(), rebooter.Order{Via: test.via})
			if err != nil || via != test.wantVia {
				t.Errorf("via %s, error %v", via, err)
			}
			if got := await.Receive(t, "logind receives the request to reboot", logind.flags); got != test.want {
				t.Errorf("flags %d, want %d", got, test.want)
			}
		})
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOnARealBusARebootThatLogindRefusesIsAnErrorThatTellsALock(t *testing.T) {
	const denied = "org.freedesktop.DBus.Error.AccessDenied"
	for name, test := range map[string]struct {
		err  *dbus.Error
		came bool
		want string
		kind rebooter.ObstacleKind
	}{
		"a lock by its name": {
			err:  dbus.NewError("org.freedesktop.login1.BlockedByInhibitorLock", []any{"backup is running"}),
			want: "reboot by Logind: backup is running", kind: rebooter.ObstacleInhibited,
		},
		"a lock before systemd 257": {
			err: dbus.NewError(denied, []any{"due to active block inhibitor"}), came: true,
			want: `reboot by Logind: the host must not be rebooted while an inhibitor lock is held: by "apt"`, kind: rebooter.ObstacleInhibited,
		},
		"something else": {err: dbus.NewError(denied, []any{"no"}), want: "reboot by Logind: no"},
	} {
		t.Run(name, func(t *testing.T) {
			logind := &busLogind{flags: make(chan uint64, 1), err: test.err}
			logind.asked = func() {
				if test.came && len(logind.flags) > 0 { // It came after locks were listed.
					logind.locks = []inhibitor{{What: "shutdown", Who: "apt", Mode: "block"}}
				}
			}
			startBus(t, logind)
			_, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || errors.Is(err, rebooter.ErrUncertain) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			var refusal *rebooter.RefusedError
			if errors.As(err, &refusal) != (test.kind != "") || refusal != nil && refusal.Kind != test.kind {
				t.Errorf("refusal %+v, want kind %q", refusal, test.kind)
			}
		})
	}
}

// Then the bus answers in its place, or nothing does. That there is a lock by now does not say that the order was refused.
func TestOnARealBusALogindThatWasAskedAndDoesNotAnswerIsUncertain(t *testing.T) {
	for name, logind := range map[string]*busLogind{
		"it dies": {dies: true}, "it hangs": {hangs: true},
		"the bus says that it does not answer": {err: dbus.NewError(noReply, []any{"no reply"})},
	} {
		logind.flags = make(chan uint64, 1)
		logind.asked = func() {
			if len(logind.flags) > 0 {
				logind.locks = []inhibitor{{What: "shutdown", Who: "apt", Mode: "block"}}
			}
		}
		startBus(t, logind)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := newMachine(t, Options{}).Reboot(ctx, rebooter.Order{}); !errors.Is(err, rebooter.ErrUncertain) {
			t.Errorf("%s: error %v, and the host may still reboot", name, err)
		}
		cancel()
	}
}

// A logind that ends before it is ordered to reboot was not ordered to.
func TestOnARealBusALogindThatRestartsIsAnObstacleAndCertain(t *testing.T) {
	startBus(t, &busLogind{can: "yes", flags: make(chan uint64, 1), diesBefore: true})
	m := newMachine(t, Options{HostRoot: systemdHost(t)})
	_, err := m.Reboot(t.Context(), rebooter.Order{})
	if err == nil || errors.Is(err, rebooter.ErrUncertain) || !strings.Contains(err.Error(), "ListInhibitors: ") {
		t.Errorf("error %v", err)
	}
	if got := m.Facts(t.Context()).Methods[0]; got.Obstacle == "" || got.Kind != "" {
		t.Errorf("%+v", got)
	}
}

func TestOnARealBusLogindSaysWhetherItCouldReboot(t *testing.T) {
	for name, test := range map[string]struct {
		logind   *busLogind
		want     string
		wantKind rebooter.ObstacleKind
	}{
		"it could":  {&busLogind{can: "yes"}, "", ""},
		"it cannot": {&busLogind{can: "na"}, `logind says "na" to whether it can reboot this host`, ""},
		"it is held up": {
			&busLogind{can: "inhibitor-blocked"},
			`logind says "inhibitor-blocked": someone holds an inhibitor lock, which systemd-inhibit --list on the host names`,
			rebooter.ObstacleInhibited,
		},
		"it may not say": {
			&busLogind{canErr: dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"An AppArmor policy prevents this"})},
			"CanReboot: An AppArmor policy prevents this", "",
		},
		"it may not say who holds locks": {
			&busLogind{can: "yes", locksErr: dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"no"})}, "ListInhibitors: no", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			startBus(t, test.logind)
			want := []rebooter.Method{{Name: rebooter.MethodLogind, Obstacle: test.want, Kind: test.wantKind}}
			if diff := cmp.Diff(want, facts(t, Options{HostRoot: systemdHost(t)}).Methods); diff != "" {
				t.Errorf("methods (-want +got):\n%s", diff)
			}
		})
	}
}
