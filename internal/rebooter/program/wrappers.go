package program

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// wrapper is a program that runs another one, and exits with 124 or more when it cannot.
type wrapper struct {
	// valued are the options that take the next argument as their value, flags those that take none.
	valued, flags []string
	// operands come before the program.
	operands int
	// assigns says that variables may come before the program.
	assigns bool
	// root says that the first operand is the root directory of the program.
	root bool
}

var wrappers = map[string]wrapper{
	"env": {
		valued: []string{"-u", "--unset", "-C", "--chdir"}, flags: []string{"-v", "--debug"}, assigns: true,
	},
	"timeout": {
		valued: []string{"-k", "--kill-after", "-s", "--signal"}, flags: []string{
			"--foreground", "--preserve-status", "-v", "--verbose",
		}, operands: 1,
	},
	"nice":  {valued: []string{"-n", "--adjustment"}},
	"nohup": {},
	"time": {
		valued: []string{"-f", "--format", "-o", "--output"}, flags: []string{"-p", "--portability", "-v", "--verbose", "-a", "--append"},
	},
	"stdbuf": {valued: []string{"-i", "--input", "-o", "--output", "-e", "--error"}},
	"chroot": {valued: []string{"--userspec", "--groups"}, flags: []string{"--skip-chdir"}, operands: 1, root: true},
}

const (
	useItself = "name the program itself as the command, or say what its output has to contain with --sentinel-required-output"
	useFlag   = "use --host-namespaces to run programs of the host, or say what the output has to contain with --sentinel-required-output"
)

// hiding are programs that run another one and whose own failure looks like an answer of it, with what to use instead.
var hiding = map[string]string{
	"nsenter": useFlag, "unshare": useFlag, "docker": useFlag, "podman": useFlag, "nerdctl": useFlag, "ctr": useFlag, "crictl": useFlag,
	"sudo": useItself, "doas": useItself, "su": useItself, "runuser": useItself, "setpriv": useItself, "capsh": useItself, "flock": useItself,
	"setsid": useItself, "systemd-run": useItself, "machinectl": useItself, "ssh": useItself, "xargs": useItself, "parallel": useItself,
	"taskset": useItself, "chrt": useItself, "ionice": useItself, "numactl": useItself, "strace": useItself,
	"setarch": useItself, "linux32": useItself, "linux64": useItself, "prlimit": useItself, "choom": useItself, "runcon": useItself,
	"cgexec": useItself, "pkexec": useItself, "run0": useItself, "sg": useItself, "gosu": useItself, "su-exec": useItself,
	"fakeroot": useItself, "bwrap": useItself, "firejail": useItself, "dbus-run-session": useItself, "ltrace": useItself,
	"busybox": useItself, "toybox": useItself, "kubectl": useItself,
}

// wrapped finds the program among the arguments of a wrapper.
func (i *inspection) wrapped(name string, w *wrapper, arguments []word, root string) error {
	rest, err := w.options(name, arguments)
	if err != nil {
		return err
	}
	if w.assigns && slices.ContainsFunc(arguments[:len(arguments)-len(rest)], isPath) {
		return errPath(name)
	}
	for w.assigns && len(rest) > 0 && rest[0].known && strings.Contains(rest[0].text, "=") {
		if strings.HasPrefix(rest[0].text, "PATH=") {
			return errPath(name)
		}
		rest = rest[1:]
	}
	if len(rest) <= w.operands {
		return fmt.Errorf("%w: %s runs no program", ErrAmbiguous, name)
	}
	if w.root {
		if !rest[0].known {
			return fmt.Errorf("%w: the directory of %s is known only when it runs; write it out", ErrAmbiguous, name)
		}
		root = filepath.Join(root, rest[0].text)
	}
	return i.command(rest[w.operands:], root)
}

// isPath reports whether an option, or its value, is about the variable PATH.
func isPath(option word) bool {
	return option.text == "PATH" || strings.HasSuffix(option.text, "=PATH") || option.text == "-uPATH"
}

// options returns what follows the options.
func (w *wrapper) options(name string, arguments []word) ([]word, error) {
	for len(arguments) > 0 {
		option := arguments[0]
		if !option.known || !strings.HasPrefix(option.text, "-") {
			return arguments, nil
		}
		arguments = arguments[1:]
		long, _, hasValue := strings.Cut(option.text, "=")
		short := option.text[:min(2, len(option.text))]
		switch {
		case option.text == "--":
			return arguments, nil
		case slices.Contains(w.flags, option.text):
		case hasValue && slices.Contains(w.valued, long):
		case slices.Contains(w.valued, option.text):
			arguments = arguments[min(1, len(arguments)):]
		case !strings.HasPrefix(option.text, "--") && slices.Contains(w.valued, short): // -n10, -oL
		default:
			return nil, fmt.Errorf("%w: the option %s of %s is not known here", ErrAmbiguous, option.text, name)
		}
	}
	return nil, nil
}
