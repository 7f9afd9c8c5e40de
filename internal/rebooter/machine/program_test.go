package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// script makes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil { //nolint:gosec // A program has to be executable.
		t.Fatal(err)
	}
	return path
}

func TestOnlyTheExitCodesThatWereSaidToMeanSomethingDo(t *testing.T) {
	const meanings = "0=NotRequired,1=Required,100=Required"
	for name, test := range map[string]struct {
		script      string
		program     string
		timeout     time.Duration
		want        string
		wantMessage string
	}{
		"required":     {script: "echo a new kernel; exit 1", want: rebooter.SentinelRequired, wantMessage: "exit status 1: a new kernel"},
		"not required": {script: "exit 0", want: rebooter.SentinelNotRequired, wantMessage: "exit status 0"},
		"another code": {script: "exit 100", want: rebooter.SentinelRequired, wantMessage: "exit status 100"},
		"a code that means nothing": {
			script: "echo broken >&2; exit 3", want: rebooter.SentinelUnknown, wantMessage: "exit status 3: broken",
		},
		"killed": {script: "kill -9 $$", want: rebooter.SentinelUnknown, wantMessage: "signal: killed"},
		"too slow, with what it started": {
			script: "sleep 60 & sleep 60", timeout: 100 * time.Millisecond,
			want: rebooter.SentinelUnknown, wantMessage: "it took longer than 100ms",
		},
		"ended, and its output stays open": {
			script: "setsid sleep 5 & exit 0", want: rebooter.SentinelNotRequired, wantMessage: "exit status 0",
		},
		"a missing program": {program: "/does/not/exist", want: rebooter.SentinelUnknown, wantMessage: "no such file or directory"},
		"no program":        {program: "/etc", want: rebooter.SentinelUnknown, wantMessage: "permission denied"},
		"much output": {
			script: "head -c 100000 /dev/zero | tr '\\0' x; exit 1", want: rebooter.SentinelRequired,
			wantMessage: "exit status 1: " + strings.Repeat("x", maxOutput),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.program == "" {
				test.program = script(t, test.script)
			}
			if test.timeout == 0 {
				test.timeout = time.Minute
			}
			codes, err := ParseExitCodes(meanings)
			if err != nil {
				t.Fatal(err)
			}
			m := newMachine(t, Options{Sentinel: SentinelCommand{
				Command: []string{test.program, "a"}, ExitCodes: codes, Timeout: test.timeout, Interval: time.Hour,
			}})
			state, message := m.checkByCommand(t.Context())
			if state != test.want || !strings.HasPrefix(message, test.program+" a: ") || !strings.HasSuffix(message, test.wantMessage) &&
				!strings.Contains(message, test.wantMessage) {
				t.Errorf("%s %q, want %s %q", state, message, test.want, test.wantMessage)
			}
		})
	}
}

func TestWhatIsSaidWithoutASentinel(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    string
		message string
	}{
		"by mistake": {want: rebooter.SentinelUnknown, message: "neither --sentinel nor --sentinel-command"},
		"on purpose": {options: Options{NoSentinel: true}, want: rebooter.SentinelNotRequired, message: "no sentinel is installed"},
	} {
		facts := newMachine(t, test.options).Facts(t.Context())
		if facts.Sentinel != test.want || !strings.Contains(facts.SentinelMessage, test.message) {
			t.Errorf("%s: %s %q", name, facts.Sentinel, facts.SentinelMessage)
		}
	}
}

func TestExitCodesAreParsed(t *testing.T) {
	for value, want := range map[string]map[int]string{
		"1=Required":               {1: "Required"},
		"0=NotRequired,1=Required": {0: "NotRequired", 1: "Required"},
		"255=Required":             {255: "Required"},
	} {
		got, err := ParseExitCodes(value)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: error %v, (-want +got):\n%s", value, err, diff)
		}
	}
	for _, value := range []string{
		"", "0", "0=", "=Required", "256=Required", "-1=Required", "0=Unknown", "0=required", "0=Required,", "1=Required,1=NotRequired",
	} {
		if got, err := ParseExitCodes(value); err == nil {
			t.Errorf("%q: %v", value, got)
		}
	}
}

func TestCommandsKnowNothingOfTheRebootersEnvironment(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "secret")
	got, err := runner{}.run(t.Context(), []string{script(t, "env | grep -c DBUS; pwd")})
	if err != nil || got.output != "0 /" {
		t.Errorf("error %v, result %s", err, got)
	}
}

// hostOf starts a process in namespaces of its own, where a file is that is nowhere else, and returns the directory of its namespaces.
func hostOf(t *testing.T, file string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make namespaces")
	}
	host := exec.CommandContext(t.Context(), "/bin/sh", "-c", `mount -t tmpfs host "$1" &&
		printf '#!/bin/sh\necho from the host; exit 1\n' > "$1/program" &&
		chmod +x "$1/program" && echo ready && exec sleep 60`, "sh", filepath.Dir(file))
	host.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Skipf("namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		_ = host.Process.Kill()
		_ = host.Wait()
	})
	if n, err := output.Read(make([]byte, 6)); n != 6 {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	return fmt.Sprintf("/proc/%d/ns", host.Process.Pid)
}

func TestCommandsRunAmongTheHostsFiles(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	r := runner{namespaces: hostOf(t, program)}
	if err := r.look(t.Context(), program); err != nil {
		t.Errorf("the host's program is not found: %v", err)
	}
	got, err := r.run(t.Context(), []string{program})
	if err != nil || !got.exited || got.code != 1 || got.output != "from the host" {
		t.Errorf("error %v, result %+v", err, got)
	}
	// Nothing else of this process was moved.
	for range 100 {
		if _, err := os.Stat(program); err == nil {
			t.Fatal("the rebooter itself sees the host's files")
		}
	}
	if _, err := (runner{}).run(t.Context(), []string{program}); err == nil {
		t.Error("the program is found without the host's namespaces")
	}
}

func TestNamespacesThatCannotBeEnteredAreAnError(t *testing.T) {
	m := newMachine(t, Options{
		Method: rebooter.MethodCommand, Command: []string{"/bin/true"}, HostNamespaces: true, Root: t.TempDir(),
		Sentinel: SentinelCommand{
			Command: []string{"/bin/true"}, ExitCodes: map[int]string{0: rebooter.SentinelRequired}, Timeout: time.Minute, Interval: time.Hour,
		},
	})
	if _, err := m.Reboot(t.Context(), rebooter.Order{}); err == nil || !strings.Contains(err.Error(), "enter the host's namespaces") {
		t.Errorf("error %v", err)
	}
	if state, message := m.checkByCommand(t.Context()); state != rebooter.SentinelUnknown {
		t.Errorf("%s %q", state, message)
	}
	if methods := m.reportMethods(t.Context()); !strings.Contains(methods[0].Obstacle, "enter the host's namespaces") {
		t.Errorf("methods %+v", methods)
	}
}
