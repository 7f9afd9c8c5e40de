package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
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

func newHost(t *testing.T, options HostOptions) *LocalHost {
	t.Helper()
	if options.Method == "" {
		options.Method = v1alpha1.RebootLogind
	}
	host, err := NewLocalHost(options)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func TestTheBootIsReadFromProc(t *testing.T) {
	host := newHost(t, HostOptions{Root: fakeProc(t, map[string]string{
		"sys/kernel/random/boot_id": "5ec81ea2-47ae-4b3f-8a0c-0e5ab0a5a3c5\n",
		"stat":                      "cpu  1 2 3\nbtime 1767225600\nprocesses 1\n",
	})})
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
			host := newHost(t, HostOptions{Root: fakeProc(t, files)})
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
	host := newHost(t, HostOptions{})
	if id, err := host.BootID(); err != nil || len(id) != 36 {
		t.Errorf("boot ID %q, error %v", id, err)
	}
	if booted, err := host.BootTime(); err != nil || booted.IsZero() {
		t.Errorf("boot time %s, error %v", booted, err)
	}
}

func TestWhichMethodReboots(t *testing.T) {
	signal := []v1alpha1.RebootMethod{v1alpha1.RebootSignal}
	for name, test := range map[string]struct {
		method  v1alpha1.RebootMethod
		allowed []v1alpha1.RebootMethod
		want    string
		wantErr string
	}{
		"none named":                {method: "", want: "Logind"},
		"the installed one":         {method: v1alpha1.RebootInstalled, want: "Logind"},
		"the installed one by name": {method: v1alpha1.RebootLogind, want: "Logind"},
		"another that is allowed":   {method: v1alpha1.RebootSignal, allowed: signal, want: "Signal"},
		"another that is not": {
			method:  v1alpha1.RebootCommand,
			wantErr: "reboot method Command is not allowed on this node: the helper was installed with Logind",
		},
		"yet another that is not": {method: v1alpha1.RebootCommand, allowed: signal, wantErr: "installed with Logind, Signal"},
		"one that does not exist": {method: "Hammer", wantErr: "reboot method Hammer is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, HostOptions{Allowed: test.allowed})
			var got string
			for method := range host.reboot {
				host.reboot[method] = func(context.Context) error {
					got += string(method)
					return nil
				}
			}
			err := host.Reboot(t.Context(), test.method)
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
	host := newHost(t, HostOptions{DryRun: true})
	host.reboot[v1alpha1.RebootLogind] = func(context.Context) error { return errors.New("rebooted") }
	if err := host.Reboot(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func TestHostOptionsAreChecked(t *testing.T) {
	for name, options := range map[string]HostOptions{
		"no method":                {},
		"Installed is no method":   {Method: v1alpha1.RebootInstalled},
		"an unknown one allowed":   {Method: v1alpha1.RebootLogind, Allowed: []v1alpha1.RebootMethod{"Hammer"}},
		"Command needs a command":  {Method: v1alpha1.RebootCommand},
		"Command allowed needs it": {Method: v1alpha1.RebootLogind, Allowed: []v1alpha1.RebootMethod{v1alpha1.RebootCommand}},
	} {
		if _, err := NewLocalHost(options); err == nil {
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
	if err := newHost(t, HostOptions{}).Reboot(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "system bus") {
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
			host := newHost(t, HostOptions{Root: fakeProc(t, files)})
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
	host := newHost(t, HostOptions{Method: v1alpha1.RebootCommand, Command: []string{"touch", file}})
	if err := host.Reboot(t.Context(), v1alpha1.RebootInstalled); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	host = newHost(t, HostOptions{Method: v1alpha1.RebootCommand, Command: []string{"ls", "/does/not/exist"}})
	err := host.Reboot(t.Context(), v1alpha1.RebootInstalled)
	if err == nil || !strings.Contains(err.Error(), "reboot by Command: ls /does/not/exist: exit status 2: ") {
		t.Errorf("error %v", err)
	}
}
