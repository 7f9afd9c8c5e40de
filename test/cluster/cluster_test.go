// Package cluster follows what "make cluster" prints, line by line, as a person would who copies it into a terminal.
package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// startTime bounds the start of the cluster on a busy machine, stepTime each line that is copied.
	startTime = 5 * time.Minute
	stepTime  = 3 * time.Minute
)

// interrupted marks a line that runs until it is interrupted.
const interrupted = "# until Ctrl-C"

func TestEachLineThatIsPrintedCanBeTyped(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no control plane; make test-envtest sets it")
	}
	text := start(t, "-nodes=4", "-control-plane=1", "-reboot-seconds=1")
	lines := typed(text)
	if len(lines) < 15 {
		t.Fatalf("%d lines to type were found in:\n%s", len(lines), text)
	}
	shell := newShell(t)
	for _, line := range lines {
		output, code := shell.run(t, line)
		t.Logf("$ %s\n%s", line, output)
		switch {
		case code != 0:
			t.Errorf("%q ended with %d", line, code)
		case strings.TrimSpace(output) == "" && !strings.HasPrefix(line, "export "):
			t.Errorf("%q wrote nothing", line)
		}
	}
}

// typed are the lines of the text that are to be typed: those that are indented, and documents that begin at the margin.
func typed(text string) []string {
	var lines []string
	document := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case document:
			lines[len(lines)-1] += "\n" + line
			document = line != "EOF"
		case strings.HasPrefix(line, "  "):
			lines = append(lines, strings.TrimSpace(line))
		case strings.HasSuffix(line, "<<EOF"):
			lines, document = append(lines, line), true
		}
	}
	return lines
}

// start runs the command until the test ends, and returns what it printed up to its last line.
func start(t *testing.T, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	command := exec.Command("go", append([]string{"run", "../../hack/cluster"}, args...)...)
	command.Stderr = &errs
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGINT)
		_ = command.Wait()
	})
	read := make(chan string, 1)
	go func() {
		var text strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
			if strings.HasPrefix(lines.Text(), "Logs: ") {
				break
			}
		}
		read <- text.String()
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case text := <-read:
		if !strings.Contains(text, "Logs: ") {
			t.Fatalf("the cluster ended:\n%s%s", text, errs.String())
		}
		return text
	case <-time.After(startTime):
		t.Fatalf("the cluster is not there after %s:\n%s", startTime, errs.String())
	}
	return ""
}

// shell remembers what was exported, as a terminal does.
type shell struct{ exported string }

func newShell(*testing.T) *shell { return &shell{} }

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

// run types a line. One that runs until it is interrupted is, once a person has seen it.
func (s *shell) run(t *testing.T, line string) (output string, code int) {
	t.Helper()
	if strings.HasPrefix(line, "export ") {
		s.exported += line + "\n"
	}
	ctx, cancel := context.WithTimeout(t.Context(), stepTime)
	defer cancel()
	text := &screen{}
	if strings.HasSuffix(line, interrupted) {
		text.wrote = cancel
	}
	command := exec.CommandContext(ctx, "bash", "-c", "set -e\n"+s.exported+"exec 2>&1\n"+line+"\n")
	command.Stdout, command.Stderr = text, text
	command.Env = append(os.Environ(), "BROWSER=true") // "kubectl reboots dashboard" opens no browser on the machine of the test.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGINT) }
	command.WaitDelay = 10 * time.Second
	err := command.Run()
	switch {
	case err == nil:
		return text.String(), 0
	case errors.Is(ctx.Err(), context.Canceled) && text.wrote != nil && ended(command.ProcessState.ExitCode()):
		return text.String(), 0
	case errors.Is(ctx.Err(), context.Canceled):
		return text.String() + err.Error() + "\n", 1
	case ctx.Err() != nil:
		return text.String() + fmt.Sprintf("it did not end within %s\n", stepTime), 1
	}
	return text.String() + err.Error() + "\n", 1
}
