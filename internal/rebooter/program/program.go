// Package program finds out which programs a command runs, before it runs: through programs such as env and timeout, through shells, and
// through scripts. A command whose program is missing fails, and a wrapper can make an answer of that: "! needs-restarting -r" succeeds
// where there is no needs-restarting. A command that runs nothing must not mean that a host needs a reboot.
package program

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// ErrAmbiguous says that the exit code of a command cannot tell an answer from a failure.
var ErrAmbiguous = errors.New("its exit code cannot tell an answer from a failure")

// maxDepth is how many programs may run one another.
const maxDepth = 16

// errPath says that a program changes where others are found.
func errPath(name string) error {
	return fmt.Errorf("%w: %s changes where programs are looked for; write them with their paths", ErrAmbiguous, name)
}

// MaxScript is how much of a program is read, in bytes. A longer script is refused.
const MaxScript = 64 << 10

// Host has the programs.
type Host interface {
	// Find returns the path of a program below the directory root, "/" unless a program changes it. A name without a slash is looked for
	// where programs usually are.
	Find(name, root string) (string, error)
	// Read returns the first bytes of a program, one more than MaxScript at most.
	Read(path, root string) ([]byte, error)
}

// Found is what a command runs.
type Found struct {
	// Names of the programs, without their directories.
	Names []string
	// Interpreter is the shell or the interpreter that decides with which code the command exits; empty if none does. It exits with 1 or 2
	// also when something in the script fails.
	Interpreter string
}

// Runs reports whether the command runs a program with one of the names.
func (f Found) Runs(names ...string) bool {
	return slices.ContainsFunc(f.Names, func(name string) bool { return slices.Contains(names, name) })
}

// word is an argument; an argument that is only known when the command runs has no text.
type word struct {
	text  string
	known bool
}

// findable refuses a name of a program that stands for another one each time.
func (w word) findable() error {
	switch {
	case !w.known:
		return fmt.Errorf("%w: the name of a program is known only when it runs; write it out", ErrAmbiguous)
	case strings.Contains(w.text, "/") && !filepath.IsAbs(w.text):
		return fmt.Errorf("%w: where %s is depends on the directory; write it with its path", ErrAmbiguous, w.text)
	}
	return nil
}

// Inspect looks for every program that a command runs. An error means that one is missing, or that this cannot be found out; it wraps
// ErrAmbiguous if it is not for the host that the command cannot be trusted.
func Inspect(argv []string, host Host) (Found, error) {
	words := make([]word, 0, len(argv))
	for _, argument := range argv {
		words = append(words, word{argument, true})
	}
	i := &inspection{host: host}
	err := i.command(words, "/")
	return i.found, err
}

type inspection struct {
	host  Host
	found Found
	depth int
}

// command looks at one command that runs below a root directory.
func (i *inspection) command(argv []word, root string) error {
	if i.depth++; i.depth > maxDepth {
		return fmt.Errorf("%w: more than %d programs run one another", ErrAmbiguous, maxDepth)
	}
	defer func() { i.depth-- }()
	if len(argv) == 0 {
		return fmt.Errorf("%w: there is no program", ErrAmbiguous)
	}
	if err := argv[0].findable(); err != nil {
		return err
	}
	path, err := i.host.Find(argv[0].text, root)
	if err != nil {
		return err
	}
	name := filepath.Base(argv[0].text)
	i.found.Names = append(i.found.Names, name)
	if use, hidden := hiding[name]; hidden {
		return fmt.Errorf("%w: %s exits with the code of the program that it runs, and with the same codes when it fails itself: %s",
			ErrAmbiguous, name, use)
	}
	if wrapper, ok := wrappers[name]; ok {
		return i.wrapped(name, &wrapper, argv[1:], root)
	}
	if isShell(name) {
		i.interpreted(name)
		return i.shell(name, argv[1:], root)
	}
	if isInterpreter(name) {
		i.interpreted(name)
		return nil
	}
	return i.file(path, root)
}

func (i *inspection) interpreted(name string) {
	if i.found.Interpreter == "" {
		i.found.Interpreter = name
	}
}

// file looks into a program: a script names another one in its first line.
func (i *inspection) file(path, root string) error {
	content, err := i.host.Read(path, root)
	if err != nil {
		return err
	}
	line, script := bytes.CutPrefix(content, []byte("#!"))
	if !script {
		return nil
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) > 0 && filepath.Base(fields[0]) == "env" {
		if _, err := i.host.Find(fields[0], root); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fields = slices.DeleteFunc(fields[1:], func(field string) bool { return field == "-S" })
	}
	if len(fields) == 0 {
		return fmt.Errorf("%w: the first line of %s names no program", ErrAmbiguous, path)
	}
	if _, err := i.host.Find(fields[0], root); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	interpreter := filepath.Base(fields[0])
	i.interpreted(interpreter)
	if !isShell(interpreter) {
		return nil
	}
	return i.script(path, interpreter, content, root)
}

func (i *inspection) script(path, shell string, content []byte, root string) error {
	if len(content) > MaxScript {
		return fmt.Errorf("%w: the script %s has more than %d bytes", ErrAmbiguous, path, MaxScript)
	}
	if err := i.commands(shell, string(content), root); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func isShell(name string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "ash", "ksh", "mksh", "rbash"}, name)
}

// isInterpreter reports whether a program runs a script that this package cannot read.
func isInterpreter(name string) bool {
	name = strings.TrimRight(name, "0123456789.")
	return slices.Contains([]string{"awk", "gawk", "mawk", "fish", "lua", "node", "perl", "php", "python", "ruby", "zsh", "tclsh"}, name)
}
