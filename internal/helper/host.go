package helper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/godbus/dbus/v5"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// HostOptions say how a helper may reboot its host. They come from its installation, never from the API.
type HostOptions struct {
	// Method is what an order means that names no method.
	Method v1alpha1.RebootMethod
	// Allowed are the methods that an order may name; Method is always one of them.
	Allowed []v1alpha1.RebootMethod
	// Command is the program and its arguments for the method Command. It has to enter the host's namespaces itself, for example by
	// nsenter.
	Command []string
	// DryRun only says what it would do.
	DryRun bool
	// Root is where the host's /proc is found, "/" unless set.
	Root string
	// Log is where a dry run says what it would do.
	Log logr.Logger
}

// LocalHost is the host that the helper runs on.
type LocalHost struct {
	options HostOptions
	reboot  map[v1alpha1.RebootMethod]func(context.Context) error
}

var _ Host = &LocalHost{}

// NewLocalHost checks the options.
func NewLocalHost(options HostOptions) (*LocalHost, error) {
	if options.Root == "" {
		options.Root = "/"
	}
	host := &LocalHost{options: options}
	host.reboot = map[v1alpha1.RebootMethod]func(context.Context) error{
		v1alpha1.RebootLogind:  rebootByLogind,
		v1alpha1.RebootSignal:  host.rebootBySignal(syscall.Kill),
		v1alpha1.RebootCommand: host.rebootByCommand,
	}
	for _, method := range append([]v1alpha1.RebootMethod{options.Method}, options.Allowed...) {
		if host.reboot[method] == nil {
			return nil, fmt.Errorf("unknown reboot method %q: want Logind, Signal or Command", method)
		}
	}
	if host.allows(v1alpha1.RebootCommand) && len(options.Command) == 0 {
		return nil, errors.New("the reboot method Command needs a command")
	}
	return host, nil
}

// BootID implements Host.
func (h *LocalHost) BootID() (string, error) {
	content, err := os.ReadFile(h.path("proc/sys/kernel/random/boot_id"))
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(content))
	if id == "" {
		return "", errors.New("the kernel's boot_id is empty")
	}
	return id, nil
}

// BootTime implements Host.
func (h *LocalHost) BootTime() (time.Time, error) {
	content, err := os.ReadFile(h.path("proc/stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(content) {
		value, ok := strings.CutPrefix(string(line), "btime ")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("btime: %w", err)
		}
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, errors.New("/proc/stat has no btime")
}

// Reboot implements Host.
func (h *LocalHost) Reboot(ctx context.Context, method v1alpha1.RebootMethod) error {
	if method == "" || method == v1alpha1.RebootInstalled {
		method = h.options.Method
	}
	if !h.allows(method) {
		return fmt.Errorf("reboot method %s is not allowed on this node: the helper was installed with %s", method, h.methods())
	}
	if h.options.DryRun {
		h.options.Log.Info("Dry run: the host would reboot now", "method", method)
		return nil
	}
	if err := h.reboot[method](ctx); err != nil {
		return fmt.Errorf("reboot by %s: %w", method, err)
	}
	return nil
}

func (h *LocalHost) allows(method v1alpha1.RebootMethod) bool {
	return method == h.options.Method || slices.Contains(h.options.Allowed, method)
}

func (h *LocalHost) methods() string {
	names := []string{string(h.options.Method)}
	for _, method := range h.options.Allowed {
		if method != h.options.Method {
			names = append(names, string(method))
		}
	}
	return strings.Join(names, ", ")
}

func (h *LocalHost) path(name string) string {
	return filepath.Join(h.options.Root, name)
}

const (
	logindName    = "org.freedesktop.login1"
	logindPath    = "/org/freedesktop/login1"
	logindManager = "org.freedesktop.login1.Manager"
	// checkInhibitors makes logind honor the inhibitor locks that others hold although root asks (SD_LOGIND_ROOT_CHECK_INHIBITORS).
	checkInhibitors = uint64(1)
)

func rebootByLogind(ctx context.Context) error {
	connection, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer func() { _ = connection.Close() }()
	return askLogind(ctx, connection.Object(logindName, logindPath))
}

// askLogind asks for a reboot that honors inhibitor locks. RebootWithFlags came with systemd 246; before it there is only Reboot, which
// honors them for everybody but root.
func askLogind(ctx context.Context, manager dbus.BusObject) error {
	err := manager.CallWithContext(ctx, logindManager+".RebootWithFlags", 0, checkInhibitors).Err
	var answer dbus.Error
	if errors.As(err, &answer) && answer.Name == "org.freedesktop.DBus.Error.UnknownMethod" {
		err = manager.CallWithContext(ctx, logindManager+".Reboot", 0, false).Err
	}
	if err != nil && !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", ErrUncertain, err) // no answer: logind may have taken the call
	}
	return err
}

// rebootSignal is SIGRTMIN+5, by which systemd starts reboot.target (systemd(1)).
const rebootSignal = syscall.Signal(34 + 5)

// rebootBySignal signals process 1, if that is systemd: without the host's process namespace it would be the helper itself.
func (h *LocalHost) rebootBySignal(kill func(pid int, signal syscall.Signal) error) func(context.Context) error {
	return func(context.Context) error {
		name, err := os.ReadFile(h.path("proc/1/comm"))
		if err != nil {
			return err
		}
		if init := strings.TrimSpace(string(name)); init != "systemd" {
			return fmt.Errorf("process 1 is %q, not systemd: does the pod run in the host's process namespace?", init)
		}
		return kill(1, rebootSignal)
	}
}

func (h *LocalHost) rebootByCommand(ctx context.Context) error {
	command := exec.CommandContext(ctx, h.options.Command[0], h.options.Command[1:]...)
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && !exit.Exited():
		return fmt.Errorf("%w: %s: %w", ErrUncertain, strings.Join(h.options.Command, " "), err) // perhaps by the reboot itself
	case err != nil:
		return fmt.Errorf("%s: %w: %s", strings.Join(h.options.Command, " "), err, truncate(strings.TrimSpace(string(output)), maxReason))
	}
	return nil
}
