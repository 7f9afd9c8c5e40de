// Package machine is what the rebooter may do to its host: ask logind to reboot it, signal its init, or run the programs that it was
// installed with.
package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/sentinel"
)

// Options say how the rebooter may reboot its host. They come from its installation, never from the API or from the socket.
type Options struct {
	// Method is what a request means that names no method.
	Method string
	// Allowed are the methods that a request may name; Method is always one of them.
	Allowed []string
	// Command is the program and its arguments for the method Command.
	Command []string
	// Sentinels are files of the host that exist when it needs a reboot, by their absolute paths there.
	Sentinels []string
	// HostRoot is the directory below which the host's files are found, "/" unless set.
	HostRoot string
	// Sentinel is the command that says whether the host needs a reboot; without a program there is none.
	Sentinel SentinelCommand
	// NoSentinel says that neither files nor a command are meant to say that the host needs a reboot.
	NoSentinel bool
	// HostNamespaces runs both commands in the namespaces of process 1, with the host's files. Without it they are programs of the
	// rebooter's own image.
	HostNamespaces bool
	// DryRun only says what it would do.
	DryRun bool
	// Root is where the host's /proc is found, "/" unless set.
	Root string
	// Log is where a dry run says what it would do.
	Log *slog.Logger
	// After is time.After.
	After func(time.Duration) <-chan time.Time
}

// Machine is the host that the rebooter runs on.
type Machine struct {
	options  Options
	methods  map[string]method
	sentinel sentinel.Sentinel
}

// method is one way to reboot.
type method struct {
	// obstacle says what is in the way of it; empty if nothing is known to be.
	obstacle func(context.Context) string
	reboot   func(context.Context) error
}

var _ rebooter.Machine = &Machine{}

// New checks the options, and looks for the sentinels until ctx ends.
func New(ctx context.Context, options Options) (*Machine, error) {
	if options.Root == "" {
		options.Root = "/"
	}
	if options.HostRoot == "" {
		options.HostRoot = "/"
	}
	m := &Machine{options: options}
	m.methods = map[string]method{
		rebooter.MethodLogind:  {logindObstacle, rebootByLogind},
		rebooter.MethodSignal:  {m.signalObstacle(syscall.Kill), m.rebootBySignal(syscall.Kill)},
		rebooter.MethodCommand: {m.commandObstacle, m.rebootByCommand},
	}
	for _, name := range m.allowed() {
		if _, known := m.methods[name]; !known {
			return nil, fmt.Errorf("unknown reboot method %q: want Logind, Signal or Command", name)
		}
	}
	if m.allows(rebooter.MethodCommand) {
		if err := checkProgram(options.Command); err != nil {
			return nil, fmt.Errorf("the reboot method Command: %w", err)
		}
	}
	if err := options.Sentinel.check(); err != nil {
		return nil, fmt.Errorf("the sentinel command: %w", err)
	}
	var err error
	m.sentinel, err = m.newSentinel(ctx)
	return m, err
}

// newSentinel is all that may say that the host needs a reboot.
func (m *Machine) newSentinel(ctx context.Context) (sentinel.Sentinel, error) {
	o := m.options
	var all []sentinel.Sentinel
	if len(o.Sentinels) > 0 {
		files, err := sentinel.NewFiles(ctx, o.HostRoot, o.Sentinels, o.Log)
		if err != nil {
			return nil, err
		}
		all = append(all, files)
	}
	if len(o.Sentinel.Command) > 0 {
		all = append(all, sentinel.NewCommand(ctx, o.After, o.Sentinel.Interval, m.checkByCommand))
	}
	switch {
	case o.NoSentinel && len(all) > 0:
		return nil, errors.New("there is a sentinel, and there is said to be none")
	case o.NoSentinel:
		return sentinel.None{}, nil
	}
	return sentinel.NewSeveral(ctx, all...), nil
}

// BootID implements rebooter.Machine.
func (m *Machine) BootID() (string, error) {
	return rebooter.BootID(m.options.Root)
}

// Facts implements rebooter.Machine.
func (m *Machine) Facts(ctx context.Context) rebooter.Facts {
	state, message := m.sentinel.Check(ctx)
	return rebooter.Facts{Sentinel: state, SentinelMessage: message, Methods: m.reportMethods(ctx)}
}

// Changes implements rebooter.Machine.
func (m *Machine) Changes() <-chan struct{} { return m.sentinel.Changes() }

func (m *Machine) reportMethods(ctx context.Context) []rebooter.Method {
	methods := make([]rebooter.Method, 0, len(m.methods))
	for _, name := range m.allowed() {
		methods = append(methods, rebooter.Method{Name: name, Obstacle: m.methods[name].obstacle(ctx)})
	}
	return methods
}

// Reboot implements rebooter.Machine.
func (m *Machine) Reboot(ctx context.Context, order rebooter.Order) (via string, err error) {
	name := order.Method
	if name == "" {
		name = m.options.Method
	}
	if !m.allows(name) {
		return "", fmt.Errorf("reboot method %s is not allowed on this node: the helper was installed with %s",
			name, strings.Join(m.allowed(), ", "))
	}
	if m.options.DryRun {
		m.options.Log.Info("Dry run: the host would reboot now", "method", name)
		return rebooter.ViaFirmware, nil
	}
	if err := m.methods[name].reboot(ctx); err != nil {
		return "", fmt.Errorf("reboot by %s: %w", name, err)
	}
	return rebooter.ViaFirmware, nil
}

// allowed are the methods, the installed one first.
func (m *Machine) allowed() []string {
	names := []string{m.options.Method}
	for _, name := range m.options.Allowed {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (m *Machine) allows(name string) bool { return slices.Contains(m.allowed(), name) }

// rebootSignal is SIGRTMIN+5, by which systemd starts reboot.target (systemd(1)).
const rebootSignal = syscall.Signal(34 + 5)

type killFunc func(pid int, signal syscall.Signal) error

// harmlessSignal continues a process that is stopped, which process 1 never is, and systemd has no handler for it. Signal 0 would not do:
// AppArmor's profile for containers allows it (set=("exists") of abstractions/base) and no other signal to a process of the host;
// SELinux has a permission of its own for it.
const harmlessSignal = syscall.SIGCONT

// signalObstacle tries a signal that is checked like the one for a reboot, and does nothing.
func (m *Machine) signalObstacle(kill killFunc) func(context.Context) string {
	return func(context.Context) string {
		err := m.findSystemd()
		if err == nil {
			err = kill(1, harmlessSignal)
		}
		if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("process 1 may not be signaled (does AppArmor's or SELinux's policy for containers forbid it?): %w", err)
		}
		return text(err)
	}
}

// rebootBySignal signals process 1, if that is systemd: without the host's process namespace it would be the rebooter itself.
func (m *Machine) rebootBySignal(kill killFunc) func(context.Context) error {
	return func(context.Context) error {
		if err := m.findSystemd(); err != nil {
			return err
		}
		return kill(1, rebootSignal)
	}
}

func (m *Machine) findSystemd() error {
	name, err := os.ReadFile(filepath.Join(m.options.Root, "proc", "1", "comm"))
	if err != nil {
		return err
	}
	if init := strings.TrimSpace(string(name)); init != "systemd" {
		return fmt.Errorf("process 1 is %q, not systemd: does the pod run in the host's process namespace?", init)
	}
	return nil
}

func (m *Machine) commandObstacle(ctx context.Context) string {
	return text(m.runner(0).look(ctx, m.options.Command[0]))
}

func (m *Machine) rebootByCommand(ctx context.Context) error {
	command := strings.Join(m.options.Command, " ")
	result, err := m.runner(0).run(ctx, m.options.Command)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", command, err)
	case !result.exited:
		return fmt.Errorf("%w: %s: %s", rebooter.ErrUncertain, command, result) // perhaps by the reboot itself
	case result.code != 0:
		return fmt.Errorf("%s: %s", command, result)
	}
	return nil
}

// runner runs commands for at most as long as the timeout, if there is one.
func (m *Machine) runner(timeout time.Duration) runner {
	r := runner{timeout: timeout}
	if m.options.HostNamespaces {
		r.namespaces = filepath.Join(m.options.Root, "proc", "1", "ns")
	}
	return r
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
