// Package hostexec runs programs, in the namespaces of the rebooter or in those of its host.
package hostexec

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput is how much of each of a command's two outputs is kept, in bytes.
	maxOutput = 64 << 10
	// maxSummary is how much of the output is shown to people, in bytes.
	maxSummary = 512
	// killDelay is how long a command that was killed may keep its output open.
	killDelay = 2 * time.Second
)

// searchPath is where programs are that are named without their directory.
var searchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// environment of every command: nothing of the rebooter's own, and messages in English.
var environment = []string{"PATH=" + strings.Join(searchPath, ":"), "LANG=C.UTF-8", "LC_ALL=C.UTF-8"}

// Runner runs commands.
type Runner struct {
	// Namespaces is a directory like /proc/1/ns: commands run in the namespaces that it names. Empty is the rebooter's own.
	Namespaces string
	// Timeout ends a command; 0 does not.
	Timeout time.Duration
}

// Result is how a command ended.
type Result struct {
	// Exited by itself, with the code. Otherwise it was killed.
	Exited bool
	Code   int
	// How it ended, for people.
	How string
	// Output and Errors are the beginnings of what it wrote.
	Output, Errors string
}

// String says how the command ended and what it wrote first, in one line.
func (r Result) String() string {
	summary := strings.Join(strings.Fields(r.Output+" "+r.Errors), " ")
	if summary == "" {
		return r.How
	}
	return r.How + ": " + strings.ToValidUTF8(summary[:min(len(summary), maxSummary)], "")
}

// Run runs a command to its end. An error means that it was not started.
func (r Runner) Run(ctx context.Context, argv []string) (Result, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("it took longer than %s", r.Timeout))
		defer cancel()
	}
	output, errors := &limitedOutput{}, &limitedOutput{}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir, command.Env, command.Stdout, command.Stderr = "/", environment, output, errors
	// What the command starts is in its process group, and is killed with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = killDelay
	if err := r.within(command.Start); err != nil {
		return Result{}, err
	}
	// Processes that the command left running may hold its output open, which is an error here; it does not change how the command itself
	// ended.
	err := command.Wait()
	state := command.ProcessState
	if state == nil {
		return Result{How: err.Error()}, nil
	}
	ended := Result{Exited: state.Exited(), Code: state.ExitCode(), How: state.String(), Output: output.String(), Errors: errors.String()}
	if !ended.Exited && ctx.Err() != nil {
		ended.How = context.Cause(ctx).Error()
	}
	return ended, nil
}

// within does something in the namespaces of the runner.
func (r Runner) within(do func() error) error {
	if r.Namespaces == "" {
		return do()
	}
	return inNamespaces(r.Namespaces, do)
}

// limitedOutput keeps the beginning of what is written to it.
type limitedOutput struct {
	kept []byte
}

// Write implements io.Writer.
func (o *limitedOutput) Write(p []byte) (int, error) {
	o.kept = append(o.kept, p[:min(len(p), maxOutput-len(o.kept))]...)
	return len(p), nil
}

// String is valid UTF-8.
func (o *limitedOutput) String() string { return strings.ToValidUTF8(string(o.kept), "?") }
