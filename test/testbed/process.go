package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// probeInterval is how often an endpoint is asked whether it is ready: there is nothing to watch before it answers.
	probeInterval = 25 * time.Millisecond
	// tailBytes is how much of a log an error shows.
	tailBytes = 2048
)

// process is a child process whose output goes to a file.
type process struct {
	name    string
	logPath string
	command *exec.Cmd
	exited  chan struct{}
	err     error // valid once exited is closed
}

// startProcess starts the binary; its log is a file with its name in dir.
func startProcess(dir, name, binary string, env []string, args ...string) (*process, error) {
	p := &process{name: name, logPath: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	output, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	p.command = exec.Command(binary, args...)
	p.command.Stdout, p.command.Stderr = output, output
	p.command.Env = append(os.Environ(), env...)
	p.command.SysProcAttr = childAttributes()
	started := make(chan error)
	go p.run(output, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// run starts the process and waits for its end on a thread of its own: the child dies with the thread that started it.
func (p *process) run(output io.Closer, started chan<- error) {
	runtime.LockOSThread()
	err := p.command.Start()
	started <- err
	if err == nil {
		p.err = p.command.Wait()
	}
	_ = output.Close() // written by the child, which is gone
	close(p.exited)
}

// signal sends a signal to the process, and nothing when it has ended.
func (p *process) signal(signal syscall.Signal) error {
	err := p.command.Process.Signal(signal)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// waitFor asks ready repeatedly until it says nil. It gives up when ctx ends or when the process does, with the end of its log.
func (p *process) waitFor(ctx context.Context, ready func(context.Context) error) error {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.failure(fmt.Errorf("ended early: %w", p.endError()))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("not ready: %w (%w)", err, ctx.Err()))
		case <-ticker.C:
		}
	}
}

func (p *process) endError() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// failure adds the name of the log and its end to err.
func (p *process) failure(err error) error {
	return fmt.Errorf("%s: %w; end of %s:\n%s", p.name, err, p.logPath, tail(p.logPath, tailBytes))
}

// tail is the last whole lines of a file, of at most size bytes.
func tail(path string, size int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(content) <= size {
		return string(content)
	}
	cut := string(content[len(content)-size:])
	if _, rest, found := strings.Cut(cut, "\n"); found {
		return rest
	}
	return cut
}
