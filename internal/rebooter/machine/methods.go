package machine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// method is one way to reboot a host. Each has a file of its own, and one entry in the table below.
type method interface {
	// obstacle says what is in the way of it, given what the bus said.
	obstacle(ctx context.Context, bus *busFacts) obstacle
	// reboot asks the host to reboot, and returns the path that the reboot takes; empty if that is not known. An error that is not
	// rebooter.ErrUncertain means that the host was not asked, or said no.
	reboot(ctx context.Context, via string) (taken string, err error)
}

// methods make each method from the options, and refuse options that it cannot work with.
var methods = map[string]func(m *Machine) (method, error){
	rebooter.MethodLogind:  newLogind,
	rebooter.MethodSignal:  newSignal,
	rebooter.MethodCommand: newCommand,
}

// MethodNames are for people.
func MethodNames() string {
	return strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
}

// obstacle is what is in the way of a method; nothing is if it has no reason.
type obstacle struct {
	kind   rebooter.ObstacleKind
	reason string
}

// because makes an obstacle of an error.
func because(err error) obstacle {
	if err == nil {
		return obstacle{}
	}
	return obstacle{reason: err.Error()}
}

// makeMethods makes those that are allowed.
func (m *Machine) makeMethods() error {
	m.methods = map[string]method{}
	for _, name := range m.allowed() {
		create, known := methods[name]
		if !known {
			return fmt.Errorf("unknown reboot method %q: write one of %s", name, MethodNames())
		}
		var err error
		if m.methods[name], err = create(m); err != nil {
			return fmt.Errorf("the reboot method %s: %w", name, err)
		}
	}
	return nil
}

// reportMethods says what is in the way of each method. A lock forbids a reboot whatever the method, where the bus says that there is one.
func (m *Machine) reportMethods(ctx context.Context, bus *busFacts) []rebooter.Method {
	reports := make([]rebooter.Method, 0, len(m.methods))
	for _, name := range m.allowed() {
		found := m.methods[name].obstacle(ctx, bus)
		if found.reason == "" {
			found = obstacle{rebooter.ObstacleInhibited, inhibited(bus.locks)}
		}
		if found.reason == "" {
			found.kind = ""
		}
		reports = append(reports, rebooter.Method{Name: name, Obstacle: found.reason, Kind: found.kind})
	}
	return reports
}
