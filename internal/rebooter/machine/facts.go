package machine

import (
	"context"
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// factsTimeout is how long it may take to gather facts. It is shorter than what the server allows, and longer than one question that is not
// answered.
const factsTimeout = 8 * time.Second

// Facts implements rebooter.Machine. However long the host takes, it returns in time, and no more than one look at the host is under way.
func (m *Machine) Facts(ctx context.Context) rebooter.Facts {
	ctx, cancel := context.WithTimeoutCause(ctx, factsTimeout, fmt.Errorf("the host did not answer within %s", factsTimeout))
	defer cancel()
	found := make(chan rebooter.Facts, 1)
	select {
	case m.looking <- struct{}{}:
		go func() {
			defer func() { <-m.looking }()
			found <- m.look(ctx)
		}()
	case <-ctx.Done():
		return m.nothing(context.Cause(ctx))
	}
	select {
	case facts := <-found:
		return facts
	case <-ctx.Done():
		return m.nothing(context.Cause(ctx))
	}
}

// look gathers the facts.
func (m *Machine) look(ctx context.Context) rebooter.Facts {
	m.locks.watch()
	bus := m.askBus(ctx)
	state, message := m.sentinel.Check(ctx)
	name := m.operatingSystem().name
	if name == "" {
		name = bus.name
	}
	return rebooter.Facts{
		Sentinel: state, SentinelMessage: message,
		Methods: m.reportMethods(ctx, bus), HostOS: name, KexecLoaded: m.kexecLoaded(), Notices: bus.notices,
	}
}

// nothing is what is known about a host that does not answer.
func (m *Machine) nothing(why error) rebooter.Facts {
	facts := rebooter.Facts{Sentinel: rebooter.SentinelUnknown, SentinelMessage: why.Error()}
	for _, name := range m.allowed() {
		facts.Methods = append(facts.Methods, rebooter.Method{Name: name, Obstacle: why.Error()})
	}
	return facts
}
