// Package machine is the host that the rebooter runs on: what it says about itself, and the ways to reboot it.
package machine

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/check"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostexec"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
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
	// SentinelKernel compares the running kernel with the installed ones.
	SentinelKernel bool
	// NoSentinel says that nothing is meant to say that the host needs a reboot.
	NoSentinel bool
	// HostNamespaces runs both commands in the namespaces of process 1, with the host's files. Without it they are programs of the
	// rebooter's own image.
	HostNamespaces bool
	// DryRun only says what it would do.
	DryRun bool
	// Root is where the host's /proc and /sys are found, "/" unless set.
	Root string
	// Log is where a dry run says what it would do.
	Log *slog.Logger
	// After is time.After.
	After func(time.Duration) <-chan time.Time
}

// SentinelCommand is a program that says whether the host needs a reboot, and how often to ask it.
type SentinelCommand struct {
	check.Program
	// Interval is how often it is run.
	Interval time.Duration
}

// Machine is the host that the rebooter runs on.
type Machine struct {
	options  Options
	methods  map[string]method
	sentinel sentinel.Sentinel
	changes  chan struct{}
	locks    *lockWatch
	// looking is held by the one goroutine that gathers facts.
	looking chan struct{}
	// name is what hostnamed calls the operating system.
	name atomic.Pointer[string]
}

var _ rebooter.Machine = &Machine{}

// New checks the options, and watches the host until ctx ends.
func New(ctx context.Context, options Options) (*Machine, error) {
	if options.Root == "" {
		options.Root = "/"
	}
	if options.HostRoot == "" {
		options.HostRoot = "/"
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	m := &Machine{options: options, changes: make(chan struct{}, 1), looking: make(chan struct{}, 1)}
	if err := m.makeMethods(); err != nil {
		return nil, err
	}
	var err error
	if m.sentinel, err = m.newSentinel(ctx); err != nil {
		return nil, err
	}
	m.locks = newLockWatch(ctx, m.host(), options.Log)
	go m.forward(ctx, m.sentinel.Changes(), 0)
	go m.forward(ctx, m.locks.changes, lockPause)
	return m, nil
}

// forward makes one hint of those of several. After each it pauses, so that a program which changes something all the time does not keep
// the rebooter busy.
func (m *Machine) forward(ctx context.Context, hints <-chan struct{}, pause time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hints:
		}
		select {
		case m.changes <- struct{}{}:
		default:
		}
		if pause == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-m.options.After(pause):
		}
	}
}

// BootID implements rebooter.Machine.
func (m *Machine) BootID() (string, error) {
	return rebooter.BootID(m.options.Root)
}

// Changes implements rebooter.Machine.
func (m *Machine) Changes() <-chan struct{} { return m.changes }

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
	via = rebooter.ViaFirmware
	if order.Via == rebooter.ViaKexec && m.kexecLoaded() {
		via = rebooter.ViaKexec
	}
	if m.options.DryRun {
		m.options.Log.Info("Dry run: the host would reboot now", "method", name, "via", via)
		return via, nil
	}
	if via, err = m.methods[name].reboot(ctx, via); err != nil {
		return "", fmt.Errorf("reboot by %s: %w", name, err)
	}
	return via, nil
}

// checkLocks refuses a reboot while an inhibitor lock forbids it, for methods that do not ask logind to reboot. Their hosts need not have a
// bus: then nothing is known about locks.
func (m *Machine) checkLocks(ctx context.Context) error {
	bus, err := connectBus(ctx)
	if err != nil {
		m.options.Log.Info("Inhibitor locks are not known", "error", err)
		return nil
	}
	defer func() { _ = bus.Close() }()
	locks, err := blockers(ctx, bus.Object(logindName, logindPath))
	if err != nil {
		m.options.Log.Info("Inhibitor locks are not known", "error", err)
		return nil
	}
	return refusedBy(locks)
}

// kexecLoaded reports whether a kernel is loaded that kexec can start.
func (m *Machine) kexecLoaded() bool {
	content, err := hostfs.Root(m.options.Root).Read("/sys/kernel/kexec_loaded", 2)
	return err == nil && strings.TrimSpace(string(content)) == "1"
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

// host has the host's files.
func (m *Machine) host() hostfs.Root { return hostfs.Root(m.options.HostRoot) }

// runner runs the programs of the installation.
func (m *Machine) runner() hostexec.Runner {
	if m.options.HostNamespaces {
		return hostexec.Runner{Namespaces: filepath.Join(m.options.Root, "proc", "1", "ns")}
	}
	return hostexec.Runner{}
}
