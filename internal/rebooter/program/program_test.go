package program

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files are the programs of a host, by path; what begins with "#!" is a script.
type files map[string]string

func (f files) Find(name, root string) (string, error) {
	paths := []string{name}
	if !strings.Contains(name, "/") {
		paths = []string{"/usr/bin/" + name, "/bin/" + name}
	}
	for _, path := range paths {
		if _, found := f[filepath.Join(root, path)]; found {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %s: %w", name, fs.ErrNotExist)
}

func (f files) Read(path, root string) ([]byte, error) {
	return []byte(f[filepath.Join(root, path)]), nil
}

const elf = "\x7fELF"

func hostOf(more files) files {
	host := files{
		"/bin/sh": elf, "/usr/bin/bash": elf, "/usr/bin/env": elf, "/usr/bin/timeout": elf, "/usr/bin/chroot": elf, "/usr/bin/nsenter": elf,
		"/usr/bin/grep": elf, "/usr/bin/needs-restarting": "#!/usr/bin/python3\n", "/usr/bin/python3": elf, "/usr/bin/nice": elf,
		"/usr/bin/sudo": elf, "/usr/bin/setarch": elf, "/usr/bin/time": elf,
		"/sysroot/usr/bin/needs-restarting": elf, "/sysroot/bin/sh": elf, "/usr/bin/stdbuf": elf,
	}
	for path, content := range more {
		host[path] = content
	}
	return host
}

func TestEveryProgramOfACommandIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		argv        []string
		more        files
		want        []string
		interpreter string
	}{
		"a program":    {argv: []string{"/usr/bin/grep", "x"}, want: []string{"grep"}},
		"a script":     {argv: []string{"/usr/bin/needs-restarting", "-r"}, want: []string{"needs-restarting"}, interpreter: "python3"},
		"a shell":      {argv: []string{"/bin/sh", "-c", "needs-restarting -r"}, want: []string{"sh", "needs-restarting"}, interpreter: "sh"},
		"with errexit": {argv: []string{"/bin/sh", "-ec", "grep x"}, want: []string{"sh", "grep"}, interpreter: "sh"},
		"nested shells": {
			argv: []string{"/bin/sh", "-c", `bash -o pipefail -c 'needs-restarting -r | grep -q "is required"'`},
			want: []string{"sh", "bash", "needs-restarting", "grep"}, interpreter: "sh",
		},
		"a list": {
			argv: []string{"/bin/sh", "-c", `if needs-restarting -r >/dev/null; then exit 0; else grep -q x /etc/y && exit 3; fi`},
			want: []string{"sh", "needs-restarting", "grep"}, interpreter: "sh",
		},
		"a substitution": {
			argv: []string{"/bin/sh", "-c", `x=$(grep a b); [ "$x" = 1 ]`}, want: []string{"sh", "grep"}, interpreter: "sh",
		},
		"a function": {argv: []string{"/bin/sh", "-c", `f() { grep x; }; f`}, want: []string{"sh", "grep"}, interpreter: "sh"},
		"exec --":    {argv: []string{"/bin/sh", "-c", "exec -- grep x"}, want: []string{"sh", "grep"}, interpreter: "sh"},
		"a question": {argv: []string{"/bin/sh", "-c", `command -v dnf5 || exit 3`}, want: []string{"sh"}, interpreter: "sh"},
		"exec": {
			argv: []string{"/bin/sh", "-c", `exec needs-restarting -r`}, want: []string{"sh", "needs-restarting"}, interpreter: "sh",
		},
		"a trap":        {argv: []string{"/bin/sh", "-c", `trap 'grep x' EXIT; trap - INT`}, want: []string{"sh", "grep"}, interpreter: "sh"},
		"env":           {argv: []string{"/usr/bin/env", "-u", "X", "A=b", "grep", "x"}, want: []string{"env", "grep"}},
		"timeout":       {argv: []string{"/usr/bin/timeout", "-k", "5", "--signal=TERM", "10", "grep"}, want: []string{"timeout", "grep"}},
		"short options": {argv: []string{"/usr/bin/stdbuf", "-oL", "/usr/bin/nice", "-n", "5", "grep"}, want: []string{"stdbuf", "nice", "grep"}},
		"chroot": {
			argv: []string{
				"/usr/bin/chroot", "/sysroot", "/bin/sh", "-c", "needs-restarting -r",
			}, want: []string{"chroot", "sh", "needs-restarting"},
			interpreter: "sh",
		},
		"one's own script": {
			argv: []string{"/opt/check"}, more: files{"/opt/check": "#!/usr/bin/env bash\n# comment\ngrep x /etc/y\n"},
			want: []string{"check", "grep"}, interpreter: "bash",
		},
		"a script for a shell": {
			argv: []string{"/bin/sh", "-e", "/opt/check", "argument"}, more: files{"/opt/check": "grep x /etc/y\n"},
			want: []string{"sh", "grep"}, interpreter: "sh",
		},
		"a coprocess of ksh": {
			argv: []string{"/bin/ksh", "-c", `grep a b |&`}, more: files{"/bin/ksh": elf}, want: []string{"ksh", "grep"},
			interpreter: "ksh",
		},
		"a coprocess of mksh": {
			argv: []string{"/bin/mksh", "-c", `grep a b |&`}, more: files{"/bin/mksh": elf}, want: []string{"mksh", "grep"},
			interpreter: "mksh",
		},
		"an interpreter": {argv: []string{"/usr/bin/python3", "-c", "import x"}, want: []string{"python3"}, interpreter: "python3"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Inspect(test.argv, hostOf(test.more))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Found{Names: test.want, Interpreter: test.interpreter}, found); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAProgramThatIsMissingIsFoundOut(t *testing.T) {
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }
	for _, argv := range [][]string{
		{"/usr/bin/dnf5"},
		sh("dnf5 needs-restarting"),
		sh("dnf5 needs-restarting && exit 0; exit 1"),
		sh("dnf5 needs-restarting || exit 1"),
		sh("if dnf5 needs-restarting; then exit 0; fi; exit 1"),
		sh("grep x | dnf5"),
		sh(`test -n "$(dnf5)"`),
		sh("exec dnf5"),
		sh("command dnf5"),
		sh("'dnf5'"),
		sh(`"dnf5"`),
		sh(`\dnf5`),
		sh("f() { dnf5; }; f"),
		sh("(dnf5)"),
		sh("dnf5 & wait"),
		sh("A=b dnf5"),
		sh("while dnf5; do grep x; done"),
		sh("case x in x) dnf5;; esac"),
		sh("cat <<EOF\n$(dnf5)\nEOF"),
		sh("trap dnf5 EXIT"),
		sh(`bash -c "bash -c 'dnf5'"`),
		sh("env dnf5"),
		sh("exec env A=b timeout 5 dnf5"),
		{"/usr/bin/env", "dnf5"},
		{"/usr/bin/env", "--", "dnf5"},
		{"/usr/bin/timeout", "10", "/usr/bin/dnf5"},
		{"/usr/bin/chroot", "/sysroot", "grep"},
		{"/usr/bin/time", "-p", "dnf5"},
		{"/usr/bin/chroot", "/nowhere", "/bin/sh"},
		{"/opt/check"},
		{"/opt/interpreter"},
		{"/opt/by-env"},
		{"/bin/sh", "/opt/missing"},
		{"/bin/sh", "/opt/check"},
	} {
		host := hostOf(files{
			"/opt/check": "#!/bin/sh\ndnf5 needs-restarting\n", "/opt/interpreter": "#!/usr/bin/python2\n",
			"/opt/by-env":  "#!/usr/bin/env python2\n",
			"/usr/bin/cat": elf,
		})
		_, err := Inspect(argv, host)
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrAmbiguous) {
			t.Errorf("%q: error %v", argv, err)
		}
		// Where it is there is nothing wrong: the test sees the program and nothing else.
		for _, path := range []string{"/usr/bin/dnf5", "/usr/bin/python2", "/opt/missing", "/sysroot/usr/bin/grep", "/nowhere/bin/sh"} {
			host[path] = elf
		}
		host["/opt/missing"] = "grep x\n"
		if slices.Contains(argv, "/opt/missing") || err != nil {
			if _, err := Inspect(argv, host); err != nil && !slices.Contains(argv, "/nowhere") {
				t.Errorf("%q: error %v though everything is there", argv, err)
			}
		}
	}
}

func TestWhatCannotBeJudgedIsRefused(t *testing.T) {
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }
	for name, test := range map[string]struct {
		argv []string
		want string
	}{
		"a negation":             {sh("! needs-restarting -r"), "--sentinel-exit-codes=0=NotRequired,1=Required"},
		"a negation inside":      {sh("if ! needs-restarting -r; then exit 0; fi"), "run the program without a shell"},
		"of a program not there": {sh("! dnf5 needs-restarting"), "run the program without a shell"},
		"in a nested shell":      {sh(`bash -c "! needs-restarting -r"`), "run the program without a shell"},
		"in a loop":              {sh("while ! needs-restarting -r; do :; done"), "run the program without a shell"},
		"in env":                 {[]string{"/usr/bin/env", "sh", "-c", "! needs-restarting -r"}, "run the program without a shell"},
		"in a script":            {[]string{"/opt/negated"}, "run the program without a shell"},
		"a variable":             {sh(`$X -r`), "write it out"},
		"a quoted variable":      {sh(`"$X/dnf" -r`), "write it out"},
		"a pattern":              {sh(`/usr/bin/dn* -r`), "write it out"},
		"eval":                   {sh("eval grep x"), `what "eval" runs`},
		"source":                 {sh(". /etc/x"), `what "." runs`},
		"alias":                  {sh("alias x=grep; x"), `"alias"`},
		"another path":           {sh("PATH=/opt grep x"), "write them with their paths"},
		"an exported path":       {sh("export PATH=/opt; grep x"), "write them with their paths"},
		"no path at all":         {sh("unset PATH; grep x"), "write them with their paths"},
		"no path in env":         {[]string{"/usr/bin/env", "-u", "PATH", "grep"}, "write them with their paths"},
		"no path in one word":    {[]string{"/usr/bin/env", "-uPATH", "grep"}, "write them with their paths"},
		"no path joined":         {[]string{"/usr/bin/env", "--unset=PATH", "grep"}, "write them with their paths"},
		"no environment":         {[]string{"/usr/bin/env", "-i", "grep"}, "the option -i of env"},
		"a relative path":        {sh("cd /opt; bin/check"), "write it with its path"},
		"setarch":                {[]string{"/usr/bin/setarch", "linux64", "grep"}, "--sentinel-required-output"},
		"a path for env":         {[]string{"/usr/bin/env", "PATH=/opt", "grep"}, "write them with their paths"},
		"input":                  {[]string{"/bin/sh"}, "from its input"},
		"input of a script":      {sh("bash <<EOF\ngrep\nEOF"), "from its input"},
		"a login shell":          {[]string{"/bin/sh", "-lc", "grep"}, "the option -lc"},
		"a variable script":      {sh(`sh -c "$X"`), "known only when it runs"},
		"nsenter":                {[]string{"/usr/bin/nsenter", "-t", "1", "-m", "needs-restarting", "-r"}, "--host-namespaces"},
		"sudo":                   {sh("sudo needs-restarting -r"), "--sentinel-required-output"},
		"an unknown long option": {[]string{"/usr/bin/nice", "--level=5", "grep"}, "the option --level=5 of nice"},
		"an unknown option":      {[]string{"/usr/bin/env", "-S", "grep x"}, "the option -S of env"},
		"no program":             {[]string{"/usr/bin/timeout", "5"}, "timeout runs no program"},
		"no command":             {nil, "there is no program"},
		"no shell":               {sh("if then"), "was not understood"},
		"no interpreter":         {[]string{"/opt/nothing"}, "names no program"},
		"a long script":          {[]string{"/opt/long"}, "more than 65536 bytes"},
		"endless":                {[]string{"/opt/endless"}, "run one another"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Inspect(test.argv, hostOf(files{
				"/opt/negated": "#!/bin/sh\n! needs-restarting -r\n", "/opt/nothing": "#!\n",
				"/opt/long":    "#!/bin/sh\n" + strings.Repeat("#", MaxScript),
				"/opt/endless": "#!/bin/sh\n/opt/endless\n",
			}))
			if !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzNoScriptBreaksTheInspection(f *testing.F) {
	for _, script := range []string{
		"exec --", "command", "trap", "trap -- x EXIT", "unset", "f() { f; }; f", "coproc x", "env", "timeout -k", "sh -c", "! x", "$(exec)",
		"exec 3<>x",
		"chroot", "x | y && z || a", "case x in y) exec --;; esac", "PATH=", "[[ ! -f x ]]", "time", "sh -c 'sh -c \"exec --\"'",
	} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		host := hostOf(nil)
		for _, shell := range []string{"/bin/sh", "/usr/bin/bash"} {
			if _, err := Inspect([]string{shell, "-c", script}, host); err == nil && strings.HasPrefix(strings.TrimSpace(script), "! ") {
				t.Errorf("%q is accepted", script)
			}
		}
	})
}
