package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

func TestOnARealBusALockThatForbidsARebootIsAnObstacle(t *testing.T) {
	own, other := uint32(os.Geteuid()), uint32(os.Geteuid()+1000)
	backup := inhibitor{What: "shutdown:sleep", Who: "backup", Why: "nightly copy", Mode: "block", UID: own, PID: 42}
	const held = "the host must not be rebooted while an inhibitor lock is held: by "
	for name, test := range map[string]struct {
		locks []inhibitor
		want  string
	}{
		"none":              {nil, ""},
		"of root":           {[]inhibitor{backup}, held + `"backup" (uid 0, pid 42) because of "nightly copy"`},
		"of sleep only":     {[]inhibitor{{What: "sleep:idle", Who: "x", Mode: "block"}}, ""},
		"of a similar name": {[]inhibitor{{What: "handle-shutdown-key", Who: "x", Mode: "block"}}, ""},
		"to delay": {
			[]inhibitor{{What: "shutdown", Who: "kubelet", Why: "Kubelet needs time to handle node shutdown", Mode: "delay"}}, "",
		},
		"a weak one of this user": {[]inhibitor{{What: "shutdown", Who: "x", Mode: "block-weak", UID: own}}, ""},
		"a weak one of another user": {
			[]inhibitor{{What: "shutdown", Who: "x", Mode: "block-weak", UID: other, PID: 7}}, held + `"x" (uid 1000, pid 7) because of ""`,
		},
		"hostile text": {
			[]inhibitor{{What: "shutdown", Who: "a\x01\x1b[31mb\n\u202e" + strings.Repeat("x", 500), Why: strings.Repeat("y", 5000), Mode: "block"}},
			held + `"a [31mb ` + strings.Repeat("x", 53) + `..." (uid 0, pid 0) because of "` + strings.Repeat("y", 125) + `..."`,
		},
		"many": {
			[]inhibitor{backup, {What: "shutdown", Who: "d", Mode: "block"}, {What: "shutdown", Who: "c", Mode: "block"},
				{What: "shutdown", Who: "b", Mode: "block"}, {What: "shutdown", Who: "e", Mode: "block"}},
			held + `"b" (uid 0, pid 0) because of "", by "backup" (uid 0, pid 42) because of "nightly copy", ` +
				`by "c" (uid 0, pid 0) because of "" and 2 more`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			logind := &busLogind{flags: make(chan uint64, 1), can: "yes", locks: test.locks}
			startBus(t, logind)
			options := Options{
				Allowed: []string{rebooter.MethodSignal, rebooter.MethodCommand}, Command: []string{"/bin/true"},
				Root: fakeProc(t, map[string]string{"1/comm": "systemd"}), HostRoot: systemdHost(t),
			}
			m := newMachine(t, options)
			m.methods[rebooter.MethodSignal].(*signaling).kill = noKill
			kind := rebooter.ObstacleInhibited
			if test.want == "" {
				kind = ""
			}
			var want []rebooter.Method
			for _, name := range []string{rebooter.MethodLogind, rebooter.MethodSignal, rebooter.MethodCommand} {
				want = append(want, rebooter.Method{Name: name, Obstacle: test.want, Kind: kind})
			}
			if diff := cmp.Diff(want, m.Facts(t.Context()).Methods); diff != "" {
				t.Errorf("methods (-want +got):\n%s", diff)
			}
			for _, method := range want {
				_, err := m.Reboot(t.Context(), rebooter.Order{Method: method.Name})
				want := "<nil>"
				if test.want != "" {
					want = fmt.Sprintf("reboot by %s: %s", method.Name, test.want)
				}
				if got := fmt.Sprint(err); got != want || errors.Is(err, rebooter.ErrUncertain) {
					t.Errorf("%s: error %v, want %q", method.Name, err, test.want)
				}
				var refusal *rebooter.RefusedError
				if errors.As(err, &refusal) != (test.want != "") || refusal != nil && refusal.Kind != kind {
					t.Errorf("%s: refusal %+v, want kind %q", method.Name, refusal, kind)
				}
			}
			if test.want != "" && len(logind.flags) > 0 {
				t.Error("logind was asked to reboot")
			}
		})
	}
}

// A lock that comes after the facts were sent is seen before the host is ordered to reboot.
func TestLocksAreAskedAgainBeforeTheReboot(t *testing.T) {
	logind := &busLogind{flags: make(chan uint64, 1), can: "yes"}
	asked := 0
	logind.asked = func() {
		if asked++; asked == 2 {
			logind.locks = []inhibitor{{What: "shutdown", Who: "backup", Mode: "block"}}
		}
	}
	startBus(t, logind)
	m := newMachine(t, Options{})
	if obstacle := m.Facts(t.Context()).Methods[0].Obstacle; obstacle != "" {
		t.Fatal(obstacle)
	}
	_, err := m.Reboot(t.Context(), rebooter.Order{})
	if err == nil || !strings.Contains(err.Error(), `by "backup"`) || len(logind.flags) > 0 {
		t.Errorf("error %v, %d orders", err, len(logind.flags))
	}
}

// Where nobody can be asked for locks, methods that need no bus still work.
func TestWithoutABusLocksAreNotKnown(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	file := filepath.Join(t.TempDir(), "rebooted")
	m := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{"/usr/bin/touch", file}})
	if methods := m.Facts(t.Context()).Methods; methods[0].Obstacle != "" {
		t.Errorf("methods %+v", methods)
	}
	if _, err := m.Reboot(t.Context(), rebooter.Order{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestChangesOfLocksAreHinted(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	root := systemdHost(t)
	m := newMachine(t, Options{HostRoot: root})
	lock := filepath.Join(root, "run", "systemd", "inhibit", "1")
	m.Facts(t.Context())
	writeFile(t, lock, "WHO=x")
	await.Receive(t, "a hint about the first lock of this boot", m.Changes())
	m.Facts(t.Context()) // From now on the directory of locks is watched.
	for len(m.Changes()) > 0 {
		<-m.Changes()
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	await.Receive(t, "a hint about a lock that ended", m.Changes())
	writeFile(t, lock, "WHO=x")
	await.Receive(t, "a hint about a lock that came", m.Changes())
}
