package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostexec"
)

// tool makes a program with this name.
func tool(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o700); err != nil { //nolint:gosec // A program has to be executable.
		t.Fatal(err)
	}
	return path
}

type reading struct{ state, message string }

func read(t *testing.T, program *Program) reading {
	t.Helper()
	state, message := program.Read(t.Context(), hostexec.Runner{})
	return reading{state, message}
}

const (
	required    = rebooter.SentinelRequired
	notRequired = rebooter.SentinelNotRequired
	isUnknown   = rebooter.SentinelUnknown
)

func TestOnlyTheExitCodesThatWereSaidToMeanSomethingDo(t *testing.T) {
	for name, test := range map[string]struct {
		script, program string
		timeout         time.Duration
		want            string
		wantMessage     string
	}{
		"required":     {script: "echo a new kernel; exit 77", want: required, wantMessage: "exit status 77: a new kernel"},
		"not required": {script: "exit 0", want: notRequired, wantMessage: "exit status 0"},
		"a code that means nothing": {
			script: "echo broken >&2; exit 3", want: isUnknown, wantMessage: "exit status 3: broken",
		},
		"killed":   {script: "kill -9 $$", want: isUnknown, wantMessage: "signal: killed"},
		"too slow": {script: "sleep 60", timeout: 100 * time.Millisecond, want: isUnknown, wantMessage: "it took longer than 100ms"},
		"a program that is missing": {
			program: "/does/not/exist", want: isUnknown, wantMessage: "program /does/not/exist: lstat /does: no such file or directory",
		},
		"a directory": {program: "/etc", want: isUnknown, wantMessage: "this is not a program"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.program == "" {
				test.program = tool(t, "check", "#!/bin/sh\n"+test.script)
			}
			if test.timeout == 0 {
				test.timeout = time.Minute
			}
			command := Program{
				Command: []string{test.program, "a"}, ExitCodes: map[int]string{0: notRequired, 77: required}, Timeout: test.timeout,
			}
			got := read(t, &command)
			if got.state != test.want || !strings.HasPrefix(got.message, test.program+" a: ") || !strings.Contains(got.message, test.wantMessage) {
				t.Errorf("%+v, want %s %q", got, test.want, test.wantMessage)
			}
		})
	}
}

// Whatever the exit codes mean, a program that is missing asks for no reboot.
func TestAProgramThatIsMissingIsUnknownHoweverItIsWrapped(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "needs-restarting")
	scripts := map[string]string{
		"plain":            missing,
		"an or":            missing + " || exit 77",
		"an if":            "if " + missing + "; then exit 0; else exit 77; fi",
		"without errors":   missing + " 2>/dev/null || exit 77",
		"a pipe":           "test -z \"$(" + missing + " | cat)\" && exit 77",
		"a negation":       "! " + missing,
		"in another shell": "sh -c '" + missing + " || exit 77'",
		"by env":           "env A=b " + missing + " || exit 77",
		"by timeout":       "timeout 5 " + missing + " || exit 77",
		"by a variable":    "X=" + missing + "; $X || exit 77",
		"by eval":          "eval " + missing + " || exit 77",
		"in a function":    "check() { " + missing + "; }; check || exit 77",
	}
	allRequired := map[int]string{0: required, 1: required, 2: required, 77: required}
	for name, script := range scripts {
		for kind, argv := range map[string][]string{
			"sh -c":  {"/bin/sh", "-c", script},
			"script": {tool(t, "check", "#!/bin/sh\n"+script)},
			"nested": {"/usr/bin/env", "sh", "-c", "exec sh -c \"$0\"", script},
			"opened": {"/bin/bash", tool(t, "check", script)},
		} {
			command := Program{Command: argv, ExitCodes: allRequired, Timeout: time.Minute}
			if got := read(t, &command); got.state != isUnknown {
				t.Errorf("%s, %s: %+v", name, kind, got)
			}
			// What it has to write decides also where the command cannot be understood.
			command.RequiredOutput = "Reboot is required"
			if got := read(t, &command); got.state != isUnknown {
				t.Errorf("%s, %s, with an output: %+v", name, kind, got)
			}
		}
	}
}

func TestAProgramThatVanishesOrCannotRunIsUnknown(t *testing.T) {
	for name, text := range map[string]string{
		"it vanishes":      "#!/bin/sh\nrm \"$0\"\nexit 77",
		"no interpreter":   "#!/does/not/exist\n",
		"a wrong format":   "\x7fELF is no program",
		"missing library":  "#!/bin/sh\necho 'x: error while loading shared libraries: y' >&2; exit 77",
		"inside of itself": "#!/bin/sh\necho 'line 3: foo: command not found' >&2; exit 77",
	} {
		path := tool(t, "check", text)
		for kind, argv := range map[string][]string{"itself": {path}, "a shell": {"/bin/sh", "-c", path + " || exit 77"}} {
			command := Program{Command: argv, ExitCodes: map[int]string{0: notRequired, 77: required}, Timeout: time.Minute}
			if got := read(t, &command); got.state != isUnknown {
				t.Errorf("%s, %s: %+v", name, kind, got)
			}
		}
	}
}

// Only a shell says of another program that it is not there.
func TestAProgramThatIsNoScriptMaySayWhatItDidNotFind(t *testing.T) {
	command := Program{Command: []string{"/bin/ls", "/does/not/exist"}, ExitCodes: map[int]string{2: notRequired}, Timeout: time.Minute}
	if got := read(t, &command); got.state != notRequired || !strings.Contains(got.message, "No such file or directory") {
		t.Errorf("%+v", got)
	}
}

func TestAFailureOfThePackageManagerIsNoNeed(t *testing.T) {
	for name, test := range map[string]struct {
		text, want string
	}{
		"required":          {"echo 'Reboot is required to fully utilize these updates.'; exit 1", required},
		"not required":      {"echo 'Reboot should not be necessary.'; exit 0", notRequired},
		"a missing plugin":  {"echo 'No such command: needs-restarting. Please use /usr/bin/dnf --help'; exit 1", isUnknown},
		"a locked database": {"echo 'Error: database is locked' >&2; exit 1", isUnknown},
		"another error":     {"exit 2", isUnknown},
	} {
		dnf := tool(t, "dnf", "#!/bin/sh\n"+test.text)
		for kind, command := range map[string]Program{
			"the preset": restarting(dnf, "needs-restarting", "-r"),
			"one's own":  {Command: []string{dnf, "needs-restarting", "-r"}, ExitCodes: map[int]string{0: notRequired, 1: required}},
			"by a shell": {
				Command: []string{"/bin/sh", "-c", dnf + " needs-restarting -r"}, ExitCodes: map[int]string{0: notRequired, 1: required},
			},
			"in an order": {Command: []string{"/usr/bin/env", dnf}, ExitCodes: map[int]string{0: notRequired, 1: required}},
		} {
			command.Timeout = time.Minute
			if got := read(t, &command); got.state != test.want {
				t.Errorf("%s, %s: %+v, want %s", name, kind, got, test.want)
			}
		}
	}
}

func TestPresetsAreWhatTheirDocumentationSays(t *testing.T) {
	codes := map[string]map[int]string{}
	for _, name := range PresetNames() {
		preset, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		preset.Timeout = time.Minute
		if err := preset.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		codes[name+": "+strings.Join(preset.Command, " ")] = preset.ExitCodes
		if preset.ExitCodes[1] == required && preset.RequiredOutput == "" {
			t.Errorf("%s: 1 is also an error", name)
		}
		// Here no such program is installed.
		if got := read(t, &preset); got.state != isUnknown || !strings.Contains(got.message, "no such file or directory") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if diff := cmp.Diff(map[string]map[int]string{
		"dnf: /usr/bin/dnf needs-restarting -r":                    {0: notRequired, 1: required},
		"dnf5: /usr/bin/dnf5 needs-restarting":                     {0: notRequired, 1: required},
		"rpm-ostree: /usr/bin/rpm-ostree status --pending-exit-77": {0: notRequired, 77: required},
		"yum-utils: /usr/bin/needs-restarting -r":                  {0: notRequired, 1: required},
		"zypper: /usr/bin/zypper needs-rebooting":                  {0: notRequired, 102: required},
	}, codes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Preset("apt"); err == nil || !strings.Contains(err.Error(), "write one of dnf, dnf5, rpm-ostree, yum-utils, zypper") {
		t.Errorf("error %v", err)
	}
}

func TestCommandsThatCannotBeTrustedAreRefused(t *testing.T) {
	codes := map[int]string{0: notRequired, 77: required}
	for name, test := range map[string]struct {
		command Program
		want    string
	}{
		"nothing":       {Program{}, ""},
		"good":          {Program{Command: []string{"/bin/true"}, ExitCodes: codes, Timeout: time.Minute}, ""},
		"no command":    {Program{ExitCodes: codes}, "no command"},
		"no codes":      {Program{Command: []string{"/bin/true"}, Timeout: time.Minute}, "what its exit codes mean"},
		"no path":       {Program{Command: []string{"true"}, ExitCodes: codes, Timeout: time.Minute}, "not an absolute path"},
		"no time":       {Program{Command: []string{"/bin/true"}, ExitCodes: codes}, "the timeout"},
		"too much time": {Program{Command: []string{"/bin/true"}, ExitCodes: codes, Timeout: time.Hour}, "the timeout"},
		"a negation": {
			Program{Command: []string{"/bin/sh", "-c", "! needs-restarting -r"}, ExitCodes: codes, Timeout: time.Minute},
			"swap the exit codes",
		},
		"nsenter": {
			Program{Command: []string{"/usr/bin/nsenter", "-t1", "-m", "true"}, ExitCodes: codes, Timeout: time.Minute}, "--host-namespaces",
		},
		"1 of a shell": {
			Program{Command: []string{"/bin/sh", "-c", "test -f /x"}, ExitCodes: map[int]string{1: required}, Timeout: time.Minute},
			"--sentinel-required-output",
		},
		"1 of a program": {Program{Command: []string{"/bin/false"}, ExitCodes: map[int]string{1: required}, Timeout: time.Minute}, ""},
		"1 with an output": {Program{
			Command: []string{"/bin/sh", "-c", "! x"}, ExitCodes: map[int]string{1: required}, RequiredOutput: "x", Timeout: time.Minute,
		}, ""},
	} {
		err := test.command.Check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestExitCodesAreParsed(t *testing.T) {
	for value, want := range map[string]map[int]string{
		"1=Required":               {1: "Required"},
		"0=NotRequired,1=Required": {0: "NotRequired", 1: "Required"},
		"123=Required":             {123: "Required"},
	} {
		got, err := ParseExitCodes(value)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: error %v, (-want +got):\n%s", value, err, diff)
		}
	}
	for _, value := range []string{
		"", "0", "0=", "=Required", "256=Required", "-1=Required", "0=Unknown", "0=required", "0=Required,", "1=Required,1=NotRequired",
		"124=Required", "126=Required", "127=NotRequired", "137=Required", "255=Required",
	} {
		if got, err := ParseExitCodes(value); err == nil {
			t.Errorf("%q: %v", value, got)
		}
	}
}
