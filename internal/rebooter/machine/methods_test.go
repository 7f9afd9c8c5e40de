package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

func noKill(int, syscall.Signal) error { return nil }

// script makes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil { //nolint:gosec // A program has to be executable.
		t.Fatal(err)
	}
	return path
}

func TestOnlySystemdIsSignaled(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	for name, test := range map[string]struct {
		init, via string
		want      []int
		wantVia   string
		err       string
	}{
		"systemd":       {init: "systemd\n", want: []int{1, 39}, wantVia: "Firmware"},
		"by kexec":      {init: "systemd\n", via: "Kexec", want: []int{1, 40}, wantVia: "Kexec"},
		"a container":   {init: "helper\n", err: `process 1 is "helper", not systemd: does the pod run in the host's process namespace?`},
		"nothing there": {err: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			if test.init != "" {
				files["1/comm"] = test.init
			}
			host := newMachine(t, Options{Method: rebooter.MethodSignal, Root: fakeProc(t, files)})
			writeFile(t, filepath.Join(host.options.Root, "sys", "kernel", "kexec_loaded"), "1\n")
			var got []int
			host.methods[rebooter.MethodSignal].(*signaling).kill = func(pid int, signal syscall.Signal) error {
				got = append(got, pid, int(signal))
				return nil
			}
			via, err := host.Reboot(t.Context(), rebooter.Order{Via: test.via})
			if diff := cmp.Diff(test.want, got); diff != "" || via != test.wantVia {
				t.Errorf("via %q, signaled (-want +got):\n%s", via, diff)
			}
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestWhatIsInTheWayOfASignal(t *testing.T) {
	for name, test := range map[string]struct {
		init string
		err  error
		want string
	}{
		"nothing": {init: "systemd"},
		"another init": {
			init: "rebooter", want: `process 1 is "rebooter", not systemd: does the pod run in the host's process namespace?`,
		},
		"it may not be sent":  {init: "systemd", err: syscall.EACCES, want: "process 1 may not be signaled"},
		"nor without a right": {init: "systemd", err: syscall.EPERM, want: "process 1 may not be signaled"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Options{
				HostRoot: systemdHost(t), Method: rebooter.MethodSignal, Root: fakeProc(t, map[string]string{"1/comm": test.init + "\n"}),
			})
			signal := m.methods[rebooter.MethodSignal].(*signaling)
			signal.kill = func(pid int, signal syscall.Signal) error {
				if pid != 1 || signal != syscall.SIGCONT {
					t.Errorf("process %d was sent signal %d", pid, signal)
				}
				return test.err
			}
			got := signal.obstacle(t.Context(), &busFacts{}).reason
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("obstacle %q, want %q", got, test.want)
			}
		})
	}
}

func TestAHostWithoutSystemdIsUnsupportedBySignalAsWell(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	root := fakeProc(t, map[string]string{"1/comm": "init\n"})
	writeFile(t, filepath.Join(root, "run", "x"), "")
	writeFile(t, filepath.Join(root, "etc", "os-release"), "ID=alpine\nPRETTY_NAME=Alpine\n")
	got := facts(t, Options{Method: rebooter.MethodSignal, Root: root, HostRoot: root}).Methods[0]
	const want = `Alpine (os-release ID alpine) cannot be rebooted by systemd: it has none (process 1 is "init", not systemd`
	if got.Kind != rebooter.ObstacleUnsupported || !strings.HasPrefix(got.Obstacle, want) {
		t.Errorf("%+v", got)
	}
}

func TestTheCommandIsRunAsInstalled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rebooted $HOME")
	host := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{"/usr/bin/touch", file}})
	// Whichever way the program takes is not known.
	if via, err := host.Reboot(t.Context(), rebooter.Order{Via: rebooter.ViaKexec}); err != nil || via != "" {
		t.Fatalf("via %q, error %v", via, err)
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

func TestACommandThatIsMissingIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		"/bin/true": "", "/does/not/exist": "program /does/not/exist: lstat /does: no such file or directory",
		"/etc": "/etc: this is not a program",
		file:   file + ": this is not a program",
	} {
		m := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{program}})
		if got := m.methods[rebooter.MethodCommand].obstacle(t.Context(), &busFacts{}).reason; got != want {
			t.Errorf("%s: obstacle %q, want %q", program, got, want)
		}
	}
}

func TestHostNamespacesThatCannotBeEnteredAreInTheWay(t *testing.T) {
	m := newMachine(t, Options{Method: rebooter.MethodCommand, Command: []string{"/bin/true"}, HostNamespaces: true, Root: t.TempDir()})
	const want = "enter the host's namespaces"
	if _, err := m.Reboot(t.Context(), rebooter.Order{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	if obstacle := m.Facts(t.Context()).Methods[0].Obstacle; !strings.Contains(obstacle, want) {
		t.Errorf("obstacle %q", obstacle)
	}
}

func TestTheInstalledMethodIsToldFirst(t *testing.T) {
	m := newMachine(t, Options{
		Method: rebooter.MethodCommand, Command: []string{"/bin/true"}, Root: fakeProc(t, map[string]string{"1/comm": "init"}),
		Allowed: []string{rebooter.MethodSignal, rebooter.MethodCommand},
	})
	var names []string
	for _, method := range m.Facts(t.Context()).Methods {
		names = append(names, method.Name)
	}
	if diff := cmp.Diff([]string{"Command", "Signal"}, names); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}
