// Package terminal types lines into a shell, as a person does who copies them from a page.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// grace is how long a line that was interrupted may take to end.
const grace = 10 * time.Second

// Terminal remembers the variables that were set in it.
type Terminal struct {
	// Folder is where lines run. Empty is that of this process.
	Folder string
	// Env is added to the environment of this process, as NAME=VALUE.
	Env []string
	// Limit is how long a line may take.
	Limit time.Duration

	variables strings.Builder
}

// Result is what became of a line.
type Result struct {
	// Output is what the line wrote, to its standard output and error alike.
	Output string
	// Code is the exit code. A line that was interrupted after it wrote something has 0, and one that did not end within the limit -1.
	Code int
	// Took is how long the line ran.
	Took time.Duration
}

// assigns is a line that sets variables and does nothing else.
var assigns = regexp.MustCompile(`^(export )?[A-Za-z_][A-Za-z0-9_]*=("[^"]*"|'[^']*'|\$\([^)]*\)|[^\s|;&])*\s*(#.*)?$`)

// Assigns reports whether a line sets a variable and does nothing else.
func Assigns(line string) bool { return assigns.MatchString(line) }

// Type runs a line until it ends.
func (t *Terminal) Type(ctx context.Context, line string) Result { return t.run(ctx, line, false) }

// TypeUntilItWrites runs a line that stays, and interrupts it once it has written something.
func (t *Terminal) TypeUntilItWrites(ctx context.Context, line string) Result {
	return t.run(ctx, line, true)
}

func (t *Terminal) run(ctx context.Context, line string, stays bool) Result {
	ctx, cancel := context.WithTimeout(ctx, t.Limit)
	defer cancel()
	text := &screen{}
	if stays {
		text.wrote = cancel
	}
	script := "set -e -o pipefail\n" + t.variables.String() + "exec 2>&1\n" + line + "\n"
	command := exec.CommandContext(ctx, "bash", "-c", script)
	command.Dir, command.Env = t.Folder, append(os.Environ(), t.Env...)
	command.Stdout, command.Stderr = text, text
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGINT) }
	command.WaitDelay = grace
	began := time.Now()
	err := command.Run()
	result := Result{Output: text.String(), Took: time.Since(began)}
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled) && ended(command.ProcessState.ExitCode()):
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		result.Output, result.Code = result.Output+fmt.Sprintf("it did not end within %s\n", t.Limit), -1
	default:
		result.Output, result.Code = result.Output+err.Error()+"\n", max(1, command.ProcessState.ExitCode())
	}
	if result.Code == 0 && Assigns(line) {
		t.variables.WriteString(line + "\n")
	}
	return result
}

// screen is what a line writes. At the first text it calls wrote, if that is set.
type screen struct {
	text  bytes.Buffer
	wrote func()
}

func (s *screen) String() string { return s.text.String() }

func (s *screen) Write(text []byte) (int, error) {
	if s.wrote != nil && strings.TrimSpace(string(text)) != "" {
		s.wrote()
	}
	return s.text.Write(text)
}

// ended says whether an exit code is one of a line that was interrupted. One that failed has another.
func ended(code int) bool {
	const bySignal, ofShell = -1, 128 + int(syscall.SIGINT)
	return code == 0 || code == bySignal || code == ofShell
}
