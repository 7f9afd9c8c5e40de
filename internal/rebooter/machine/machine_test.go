package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

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

func newMachine(t *testing.T, options Options) *Machine {
	t.Helper()
	if options.Method == "" {
		options.Method = rebooter.MethodLogind
	}
	options.After = time.After
	m, err := New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhichMethodReboots(t *testing.T) {
	signal := []string{rebooter.MethodSignal}
	for name, test := range map[string]struct {
		method  string
		allowed []string
		want    string
		wantErr string
	}{
		"none named":                {method: "", want: "Logind"},
		"the installed one by name": {method: rebooter.MethodLogind, want: "Logind"},
		"another that is allowed":   {method: rebooter.MethodSignal, allowed: signal, want: "Signal"},
		"another that is not": {
			method:  rebooter.MethodCommand,
			wantErr: "reboot method Command is not allowed on this node: the helper was installed with Logind",
		},
		"yet another that is not": {method: rebooter.MethodCommand, allowed: signal, wantErr: "installed with Logind, Signal"},
		"one that does not exist": {method: "Hammer", wantErr: "reboot method Hammer is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			host := newMachine(t, Options{Allowed: test.allowed})
			var got string
			for name := range host.methods {
				host.methods[name] = method{reboot: func(context.Context) error {
					got += name
					return nil
				}}
			}
			_, err := host.Reboot(t.Context(), rebooter.Order{Method: test.method})
			if got != test.want {
				t.Errorf("rebooted by %q, want %q", got, test.want)
			}
			if (err != nil) != (test.wantErr != "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("error %v, want %q", err, test.wantErr)
			}
		})
	}
}

func TestADryRunDoesNotReboot(t *testing.T) {
	host := newMachine(t, Options{DryRun: true, Log: slog.New(slog.DiscardHandler)})
	host.methods[rebooter.MethodLogind] = method{reboot: func(context.Context) error { return errors.New("rebooted") }}
	if _, err := host.Reboot(t.Context(), rebooter.Order{}); err != nil {
		t.Error(err)
	}
}

func TestHostOptionsAreChecked(t *testing.T) {
	codes := map[int]string{1: rebooter.SentinelRequired}
	for name, options := range map[string]Options{
		"no method":                {},
		"Installed is no method":   {Method: "Installed"},
		"an unknown one allowed":   {Method: rebooter.MethodLogind, Allowed: []string{"Hammer"}},
		"Command needs a command":  {Method: rebooter.MethodCommand},
		"Command allowed needs it": {Method: rebooter.MethodLogind, Allowed: []string{rebooter.MethodCommand}},
		"a relative command":       {Method: rebooter.MethodCommand, Command: []string{"reboot"}},
		"codes and no command":     {Method: rebooter.MethodLogind, Sentinel: SentinelCommand{ExitCodes: codes, Interval: time.Hour}},
		"a command and no codes":   {Method: rebooter.MethodLogind, Sentinel: SentinelCommand{Command: []string{"/bin/true"}, Timeout: time.Minute}},
		"no time for the command":  {Method: rebooter.MethodLogind, Sentinel: SentinelCommand{Command: []string{"/bin/true"}, ExitCodes: codes, Interval: time.Hour}},
		"too much time for it": {
			Method: rebooter.MethodLogind, Sentinel: SentinelCommand{
				Command: []string{"/bin/true"}, ExitCodes: codes, Timeout: time.Hour, Interval: time.Hour,
			},
		},
		"no interval": {
			Method:   rebooter.MethodLogind,
			Sentinel: SentinelCommand{Command: []string{"/bin/true"}, ExitCodes: codes, Timeout: time.Minute},
		},
		"a relative sentinel":    {Method: rebooter.MethodLogind, Sentinels: []string{"run/reboot-required"}},
		"a sentinel in the root": {Method: rebooter.MethodLogind, Sentinels: []string{"/reboot-required"}},
		"a sentinel and none":    {Method: rebooter.MethodLogind, Sentinels: []string{"/run/reboot-required"}, NoSentinel: true},
		"a relative sentinel command": {
			Method: rebooter.MethodLogind, Sentinel: SentinelCommand{
				Command: []string{"true"}, ExitCodes: codes, Timeout: time.Minute, Interval: time.Hour,
			},
		},
	} {
		if _, err := New(t.Context(), options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// fakeLogind answers like logind of some version.
type fakeLogind struct {
	dbus.BusObject
	answers map[string]error
	calls   []string
}

func (f *fakeLogind) CallWithContext(_ context.Context, method string, _ dbus.Flags, args ...any) *dbus.Call {
	f.calls = append(f.calls, fmt.Sprint(method, args))
	return &dbus.Call{Err: f.answers[method]}
}

func TestLogindIsAskedToHonorInhibitors(t *testing.T) {
	const manager = "org.freedesktop.login1.Manager."
	inhibited := dbus.Error{Name: "org.freedesktop.login1.BlockedByInhibitorLock"}
	for name, test := range map[string]struct {
		answers map[string]error
		calls   []string
		err     error
	}{
		"accepted": {nil, []string{manager + "RebootWithFlags[1]"}, nil},
		"inhibited": {
			map[string]error{manager + "RebootWithFlags": inhibited}, []string{manager + "RebootWithFlags[1]"}, inhibited,
		},
		"before systemd 246": {
			map[string]error{manager + "RebootWithFlags": dbus.Error{Name: "org.freedesktop.DBus.Error.UnknownMethod"}},
			[]string{manager + "RebootWithFlags[1]", manager + "Reboot[false]"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			logind := &fakeLogind{answers: test.answers}
			err := askLogind(t.Context(), logind)
			if fmt.Sprint(err) != fmt.Sprint(test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.calls, logind.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASystemWithoutABusIsAnError(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	if _, err := newMachine(t, Options{}).Reboot(t.Context(), rebooter.Order{}); err == nil || !strings.Contains(err.Error(), "system bus") {
		t.Errorf("error %v", err)
	}
}

func TestOnlySystemdIsSignaled(t *testing.T) {
	for name, test := range map[string]struct {
		init string
		want []int
		err  string
	}{
		"systemd":       {"systemd\n", []int{1, 39}, ""},
		"a container":   {"helper\n", nil, `process 1 is "helper", not systemd: does the pod run in the host's process namespace?`},
		"nothing there": {"", nil, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			if test.init != "" {
				files["1/comm"] = test.init
			}
			host := newMachine(t, Options{Root: fakeProc(t, files)})
			var got []int
			err := host.rebootBySignal(func(pid int, signal syscall.Signal) error {
				got = append(got, pid, int(signal))
				return nil
			})(t.Context())
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("signaled (-want +got):\n%s", diff)
			}
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestTheCommandIsRunAsInstalled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rebooted $HOME")
	host := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{"/usr/bin/touch", file}})
	if _, err := host.Reboot(t.Context(), rebooter.Order{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	host = newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{"/bin/ls", "/does/not/exist"}})
	_, err := host.Reboot(t.Context(), rebooter.Order{})
	if err == nil || !strings.Contains(err.Error(), "reboot by Command: /bin/ls /does/not/exist: exit status 2: ") {
		t.Errorf("error %v", err)
	}
}

// The reboot itself may be what kills the command.
func TestARebootCommandThatIsKilledIsUncertain(t *testing.T) {
	for text, want := range map[string]bool{"kill -9 $$": true, "exit 1": false} {
		m := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{script(t, text)}})
		if _, err := m.Reboot(t.Context(), rebooter.Order{}); err == nil || errors.Is(err, rebooter.ErrUncertain) != want {
			t.Errorf("%s: error %v, uncertain should be %t", text, err, want)
		}
	}
}

func TestWhatIsInTheWayOfASignal(t *testing.T) {
	for name, test := range map[string]struct {
		init string
		err  error
		want string
	}{
		"nothing":             {init: "systemd"},
		"another init":        {init: "rebooter", want: `process 1 is "rebooter", not systemd: does the pod run in the host's process namespace?`},
		"it may not be sent":  {init: "systemd", err: syscall.EACCES, want: "process 1 may not be signaled"},
		"nor without a right": {init: "systemd", err: syscall.EPERM, want: "process 1 may not be signaled"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Options{Method: rebooter.MethodSignal, Root: fakeProc(t, map[string]string{"1/comm": test.init + "\n"})})
			got := m.signalObstacle(func(pid int, signal syscall.Signal) error {
				if pid != 1 || signal != syscall.SIGCONT {
					t.Errorf("process %d was sent signal %d", pid, signal)
				}
				return test.err
			})(t.Context())
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("obstacle %q, want %q", got, test.want)
			}
		})
	}
}

func TestACommandThatIsMissingIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		"/bin/true": "", "/does/not/exist": "stat /does/not/exist: no such file or directory", "/etc": "/etc is no program",
		file: file + " is no program",
	} {
		m := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{program}})
		if got := m.reportMethods(t.Context())[0].Obstacle; got != want {
			t.Errorf("%s: obstacle %q, want %q", program, got, want)
		}
	}
}

func TestTheInstalledMethodIsToldFirst(t *testing.T) {
	m := newMachine(t, Options{
		Method: rebooter.MethodCommand, Command: []string{"/bin/true"}, Root: fakeProc(t, map[string]string{"1/comm": "init"}),
		Allowed: []string{rebooter.MethodSignal, rebooter.MethodCommand},
	})
	var names []string
	for _, method := range m.reportMethods(t.Context()) {
		names = append(names, method.Name)
	}
	if diff := cmp.Diff([]string{"Command", "Signal"}, names); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}
