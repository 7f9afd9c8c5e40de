package machine

import (
	"context"
	"errors"
	"fmt"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/kernel"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/sentinel"
)

// newSentinel is all that may say that the host needs a reboot.
func (m *Machine) newSentinel(ctx context.Context) (sentinel.Sentinel, error) {
	o := &m.options
	var all []sentinel.Sentinel
	if len(o.Sentinels) > 0 {
		files, err := sentinel.NewFiles(ctx, o.HostRoot, o.Sentinels, o.Log)
		if err != nil {
			return nil, err
		}
		all = append(all, files)
	}
	if err := o.Sentinel.Check(); err != nil {
		return nil, fmt.Errorf("the sentinel command: %w", err)
	}
	if len(o.Sentinel.Command) > 0 {
		if o.Sentinel.Interval <= 0 {
			return nil, fmt.Errorf("the sentinel command: the interval %s: write more than 0", o.Sentinel.Interval)
		}
		all = append(all, sentinel.NewCommand(ctx, o.After, o.Sentinel.Interval, m.checkByCommand))
	}
	if o.SentinelKernel {
		all = append(all, kernels{m})
	}
	switch {
	case o.NoSentinel && len(all) > 0:
		return nil, errors.New("--no-sentinel says that there is no sentinel: remove it, or remove the flags that name sentinels")
	case o.NoSentinel:
		return sentinel.None{}, nil
	}
	return sentinel.NewSeveral(ctx, all...), nil
}

// checkByCommand runs the sentinel command.
func (m *Machine) checkByCommand(ctx context.Context) (state, message string) {
	return m.options.Sentinel.Read(ctx, m.runner())
}

// kernels asks for a reboot when a newer kernel is installed. The host is asked from time to time anyway, so it gives no hints.
type kernels struct{ machine *Machine }

var _ sentinel.Sentinel = kernels{}

// Check implements sentinel.Sentinel.
func (k kernels) Check(context.Context) (state, message string) {
	detector := kernel.Detector{Host: k.machine.host(), Proc: hostfs.Root(k.machine.options.Root), OS: k.machine.operatingSystem().id}
	return detector.Check()
}

// Changes implements sentinel.Sentinel.
func (kernels) Changes() <-chan struct{} { return nil }
