package hostexec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/test/await"
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

func TestHowACommandEnded(t *testing.T) {
	for name, test := range map[string]struct {
		script  string
		timeout time.Duration
		want    string
	}{
		"with a code":   {script: "echo a new kernel; exit 1", want: "exit status 1: a new kernel"},
		"both outputs":  {script: "echo out; echo broken >&2; exit 3", want: "exit status 3: out broken"},
		"without words": {script: "exit 0", want: "exit status 0"},
		"killed":        {script: "kill -9 $$", want: "signal: killed"},
		"too slow, with what it started": {
			script: "sleep 60 & sleep 60", timeout: 100 * time.Millisecond, want: "it took longer than 100ms",
		},
		"its output stays open": {script: "setsid sleep 5 & exit 0", want: "exit status 0"},
		"much output": {
			script: "head -c 100000 /dev/zero | tr '\\0' x; exit 1", want: "exit status 1: " + strings.Repeat("x", maxSummary),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.timeout == 0 {
				test.timeout = time.Minute
			}
			got, err := Runner{Timeout: test.timeout}.Run(t.Context(), []string{script(t, test.script)})
			if err != nil || got.String() != test.want {
				t.Errorf("error %v, %q, want %q", err, got, test.want)
			}
			if len(got.Output) > maxOutput {
				t.Errorf("%d bytes of output", len(got.Output))
			}
		})
	}
}

func TestWhatACommandStartedEndsWithIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := filepath.Join(t.TempDir(), "pid")
	command := script(t, "sleep 600 & echo $! > "+started+".new; mv "+started+".new "+started+"; wait")
	ended := make(chan error, 1)
	go func() {
		result, err := Runner{}.Run(ctx, []string{command})
		if err == nil && result.Exited {
			err = errors.New(result.String())
		}
		ended <- err
	}()
	var text []byte
	await.True(t, "the command has started a process", func() (is bool) {
		var err error
		text, err = os.ReadFile(started)
		return err == nil
	})
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	cancel()
	if err := await.Receive(t, "the command has ended", ended); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the process that it started has ended", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(status), ") Z ")
	})
}

// Where something else takes the end of children, such as a parent that ignores SIGCHLD, a command runs and how it ended is not known.
func TestACommandWhoseEndIsTakenByOthersIsUncertain(t *testing.T) {
	const alone = "TEST_IGNORES_SIGCHLD"
	if os.Getenv(alone) == "" { // What is ignored stays so, so this needs a process of its own.
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		command.Env = append(os.Environ(), alone+"=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	signal.Ignore(syscall.SIGCHLD)
	got, err := Runner{Timeout: time.Minute}.Run(t.Context(), []string{script(t, "exit 0")})
	if err != nil || got.Exited || !strings.Contains(got.String(), "no child processes") {
		t.Errorf("error %v, %+v", err, got)
	}
}

func TestACommandThatCannotBeStartedIsAnError(t *testing.T) {
	for _, program := range []string{"/does/not/exist", "/etc"} {
		if got, err := (Runner{}).Run(t.Context(), []string{program}); err == nil {
			t.Errorf("%s: %s", program, got)
		}
	}
}

func TestCommandsKnowNothingOfTheRebootersEnvironment(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "secret")
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	got, err := Runner{}.Run(t.Context(), []string{script(t, "env | grep -c DBUS; pwd; echo $LC_ALL")})
	if err != nil || got.Output != "0\n/\nC.UTF-8\n" {
		t.Errorf("error %v, result %+v", err, got)
	}
}

func TestProgramsAreFound(t *testing.T) {
	root := t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"usr/bin/yes": 0o755, "usr/bin/data": 0o644, "opt/tool": 0o755, "usr/sbin/twice": 0o644, "bin/twice": 0o755,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/opt/tool", filepath.Join(root, "usr", "bin", "alternative")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"yes": "/usr/bin/yes", "alternative": "/usr/bin/alternative", "twice": "/bin/twice", "/opt/tool": "/opt/tool", "opt/tool": "/opt/tool",
		"data": "", "/usr/bin/data": "", "/opt": "", "missing": "", "/missing/tool": "",
	} {
		got, err := Runner{}.Find(name, root)
		if want == "" && err == nil || want != "" && (err != nil || got != want) {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, want)
		}
	}
	if content, err := (Runner{}).Read("/usr/bin/alternative", root); err != nil || string(content) != "content" {
		t.Errorf("error %v, content %q", err, content)
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
	r := Runner{Namespaces: hostOf(t, program)}
	if path, err := r.Find(program, "/"); err != nil || path != program {
		t.Errorf("the host's program is not found: %q, %v", path, err)
	}
	if content, err := r.Read(program, "/"); err != nil || !strings.HasPrefix(string(content), "#!/bin/sh") {
		t.Errorf("error %v, content %q", err, content)
	}
	got, err := r.Run(t.Context(), []string{program})
	if err != nil || !got.Exited || got.Code != 1 || got.Output != "from the host\n" {
		t.Errorf("error %v, result %+v", err, got)
	}
	// Nothing else of this process was moved.
	for range 100 {
		if _, err := os.Stat(program); err == nil {
			t.Fatal("the rebooter itself sees the host's files")
		}
	}
	if _, err := (Runner{}).Run(t.Context(), []string{program}); err == nil {
		t.Error("the program is found without the host's namespaces")
	}
}

func TestNamespacesThatCannotBeEnteredAreAnError(t *testing.T) {
	r := Runner{Namespaces: t.TempDir()}
	const want = "enter the host's namespaces"
	if _, err := r.Run(t.Context(), []string{"/bin/true"}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	if _, err := r.Find("true", "/"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	if _, err := r.Read("/bin/true", "/"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}
