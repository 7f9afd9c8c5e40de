package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// Signals by which systemd starts reboot.target (SIGRTMIN+5) and kexec.target (SIGRTMIN+6), see systemd(1).
const (
	rebootSignal = syscall.Signal(34 + 5)
	kexecSignal  = syscall.Signal(34 + 6)
)

// harmlessSignal continues a process that is stopped, which process 1 never is, and systemd has no handler for it. Signal 0 would not do:
// AppArmor's profile for containers allows it (set=("exists") of abstractions/base) and no other signal to a process of the host;
// SELinux has a permission of its own for it.
const harmlessSignal = syscall.SIGCONT

// signaling tells systemd itself to reboot, in the host's process namespace. Locks are honored only if the bus can be asked for them.
type signaling struct {
	machine *Machine
	kill    func(pid int, signal syscall.Signal) error
}

func newSignal(m *Machine) (method, error) { return &signaling{m, syscall.Kill}, nil }

// obstacle implements method. It tries a signal that is checked like the one for a reboot, and does nothing.
func (s *signaling) obstacle(context.Context, *busFacts) obstacle {
	err := s.findSystemd()
	if err != nil && s.machine.withoutSystemd() {
		return obstacle{rebooter.ObstacleUnsupported, s.machine.unsupported(err)}
	}
	if err == nil {
		err = s.kill(1, harmlessSignal)
	}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		err = fmt.Errorf("process 1 may not be signaled (does AppArmor's or SELinux's policy for containers forbid it?): %w", err)
	}
	return because(err)
}

// reboot implements method. It signals process 1, if that is systemd: without the host's process namespace it would be the rebooter itself.
func (s *signaling) reboot(ctx context.Context, via string) (taken string, err error) {
	if err := s.findSystemd(); err != nil {
		return "", err
	}
	if err := s.machine.checkLocks(ctx); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err // It is too late by now: the bus may have taken its time.
	}
	if via == rebooter.ViaKexec {
		return via, s.kill(1, kexecSignal)
	}
	return rebooter.ViaFirmware, s.kill(1, rebootSignal)
}

func (s *signaling) findSystemd() error {
	name, err := os.ReadFile(filepath.Join(s.machine.options.Root, "proc", "1", "comm"))
	if err != nil {
		return err
	}
	if init := strings.TrimSpace(string(name)); init != "systemd" {
		return fmt.Errorf("process 1 is %q, not systemd: does the pod run in the host's process namespace?", init)
	}
	return nil
}
