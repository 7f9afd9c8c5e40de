package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput is how much of a command's output is kept, in bytes.
	maxOutput = 512
	// killDelay is how long a command that was killed may keep its output open.
	killDelay = 2 * time.Second
)

// environment of every command: nothing of the rebooter's own.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}

// runner runs commands.
type runner struct {
	// namespaces is a directory like /proc/1/ns: commands run in the namespaces that it names. Empty is the rebooter's own.
	namespaces string
	// timeout ends a command; 0 does not.
	timeout time.Duration
}

// result is how a command ended.
type result struct {
	// exited by itself, with the code. Otherwise it was killed.
	exited bool
	code   int
	how    string
	output string
}

func (r result) String() string {
	if r.output == "" {
		return r.how
	}
	return r.how + ": " + r.output
}

// run runs a command to its end. An error means that it was not started.
func (r runner) run(ctx context.Context, argv []string) (result, error) {
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("it took longer than %s", r.timeout))
		defer cancel()
	}
	output := &limitedOutput{}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir, command.Env, command.Stdout, command.Stderr = "/", environment, output, output
	// What the command starts is in its process group, and is killed with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = killDelay
	if err := r.within(command.Start); err != nil {
		return result{}, err
	}
	// What the command left running may hold its output open, which is an error here; how the command itself ended is not changed by it.
	err := command.Wait()
	state := command.ProcessState
	if state == nil {
		return result{how: err.Error()}, nil
	}
	ended := result{exited: state.Exited(), code: state.ExitCode(), how: state.String(), output: output.String()}
	if !ended.exited && ctx.Err() != nil {
		ended.how = context.Cause(ctx).Error()
	}
	return ended, nil
}

// look says whether there is such a program.
func (r runner) look(_ context.Context, program string) error {
	return r.within(func() error {
		info, err := os.Stat(program)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			return fmt.Errorf("%s is no program", program)
		}
		return nil
	})
}

// within does something in the namespaces of the runner.
func (r runner) within(do func() error) error {
	if r.namespaces == "" {
		return do()
	}
	return inNamespaces(r.namespaces, do)
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

// String is one line.
func (o *limitedOutput) String() string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(o.kept), "?")), " ")
}
