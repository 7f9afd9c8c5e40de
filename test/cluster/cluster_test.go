// Package cluster follows what "make cluster" prints, line by line, as a person would who copies it into a terminal.
package cluster

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/test/terminal"
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
	// "kubectl reboots dashboard" opens no browser on the machine of the test.
	shell := &terminal.Terminal{Limit: stepTime, Env: []string{"BROWSER=true"}}
	for _, line := range lines {
		run := shell.Type
		if strings.HasSuffix(line, interrupted) {
			run = shell.TypeUntilItWrites
		}
		result := run(t.Context(), line)
		t.Logf("$ %s\n%s", line, result.Output)
		switch {
		case result.Code != 0:
			t.Errorf("%q ended with %d", line, result.Code)
		case strings.TrimSpace(result.Output) == "" && !terminal.Assigns(line):
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
