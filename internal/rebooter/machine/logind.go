package machine

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const (
	logindName    = "org.freedesktop.login1"
	logindPath    = "/org/freedesktop/login1"
	logindManager = "org.freedesktop.login1.Manager"

	// noReply is what the bus answers in the place of a logind that ended before it did.
	noReply = "org.freedesktop.DBus.Error.NoReply"
	// unknownMethod is what logind says to RebootWithFlags before systemd 248.
	unknownMethod = "org.freedesktop.DBus.Error.UnknownMethod"
	// invalidArguments is logind's answer to unknown flags.
	invalidArguments = "org.freedesktop.DBus.Error.InvalidArgs"

	// blocked is logind's answer while a lock is held, since systemd 257.
	blocked = "org.freedesktop.login1.BlockedByInhibitorLock"

	// checkInhibitors makes logind honor the inhibitor locks that others hold although root asks (SD_LOGIND_ROOT_CHECK_INHIBITORS).
	checkInhibitors = uint64(1)
	// viaKexec makes it start the loaded kernel directly (SD_LOGIND_KEXEC_REBOOT, systemd 249 and later; commit 0d96caa5c0).
	viaKexec = uint64(2)
)

// logind asks the host's login manager, which gives programs with a delay lock their time.
type logind struct {
	machine *Machine
}

func newLogind(m *Machine) (method, error) { return &logind{m}, nil }

// obstacle implements method.
func (l *logind) obstacle(_ context.Context, bus *busFacts) obstacle {
	for _, err := range []error{bus.err, bus.canErr, bus.locksErr} {
		if err == nil {
			continue
		}
		if reason := l.machine.unsupported(err); reason != "" {
			return obstacle{rebooter.ObstacleUnsupported, reason}
		}
		return because(err)
	}
	if len(bus.locks) > 0 {
		return obstacle{rebooter.ObstacleInhibited, inhibited(bus.locks)}
	}
	return explain(bus.can)
}

// explain says what an answer of CanReboot has against a reboot. Before systemd 257 logind says "yes" to root whatever locks are held.
func explain(answer string) obstacle {
	switch answer {
	case "yes":
		return obstacle{}
	case "inhibited", "inhibitor-blocked", "challenge-inhibitor-blocked":
		return obstacle{
			rebooter.ObstacleInhibited,
			fmt.Sprintf("logind says %q: someone holds an inhibitor lock, which systemd-inhibit --list on the host names", answer),
		}
	default:
		return obstacle{reason: fmt.Sprintf("logind says %q to whether it can reboot this host", answer)}
	}
}

// reboot implements method.
func (l *logind) reboot(ctx context.Context, via string) (taken string, err error) {
	bus, err := connectBus(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = bus.Close() }()
	manager := bus.Object(logindName, logindPath)
	locks, err := blockers(ctx, manager)
	if err != nil {
		return "", err
	}
	if err := refusedBy(locks); err != nil {
		return "", err
	}
	taken, err = askLogind(ctx, manager, via)
	if err != nil && !errors.Is(err, rebooter.ErrUncertain) {
		err = whyRefused(ctx, manager, err)
	}
	return taken, err
}

// whyRefused finds out whether logind said no because of a lock that came since locks were listed. Only new versions say so by a name.
func whyRefused(ctx context.Context, manager dbus.BusObject, refusal error) error {
	if locks, err := blockers(ctx, manager); err == nil && len(locks) > 0 {
		return refusedBy(locks)
	}
	if says(refusal, blocked) {
		return &rebooter.RefusedError{Kind: rebooter.ObstacleInhibited, Message: refusal.Error()}
	}
	return refusal
}

// askLogind asks for a reboot that honors inhibitor locks, and falls back to what older versions know. RebootWithFlags came with systemd
// 248 (commit 8885fed4e3); before it there is only Reboot, which honors locks for everybody but root.
func askLogind(ctx context.Context, manager dbus.BusObject, via string) (taken string, err error) {
	if via == rebooter.ViaKexec {
		err := order(ctx, manager, "RebootWithFlags", checkInhibitors|viaKexec)
		if !says(err, invalidArguments) && !says(err, unknownMethod) {
			return rebooter.ViaKexec, err
		}
	}
	err = order(ctx, manager, "RebootWithFlags", checkInhibitors)
	if says(err, unknownMethod) {
		err = order(ctx, manager, "Reboot", false)
	}
	return rebooter.ViaFirmware, err
}

// order tells logind to reboot. An error means that it said no, unless it is rebooter.ErrUncertain.
func order(ctx context.Context, manager dbus.BusObject, name string, argument any) error {
	if err := ctx.Err(); err != nil {
		return err // Nothing was sent.
	}
	err := manager.CallWithContext(ctx, logindManager+"."+name, 0, argument).Err
	var answer dbus.Error
	if err != nil && (!errors.As(err, &answer) || answer.Name == noReply) {
		return fmt.Errorf("%w: %w", rebooter.ErrUncertain, err) // no answer: logind may have taken the call
	}
	return err
}

func says(err error, name string) bool {
	var answer dbus.Error
	return errors.As(err, &answer) && answer.Name == name
}

// busFacts is what the bus says about the host.
type busFacts struct {
	// err is why it says nothing.
	err error
	// can is what logind says to whether it can reboot, canErr why it does not say.
	can    string
	canErr error
	// locks forbid a reboot; locksErr is why they are not known.
	locks    []inhibitor
	locksErr error
	// name of the operating system, if hostnamed was asked.
	name string
	// notices are what else would reboot the host.
	notices []string
}

// askBus asks everything over one connection.
func (m *Machine) askBus(ctx context.Context) *busFacts {
	facts := &busFacts{}
	var bus *dbus.Conn
	if bus, facts.err = connectBus(ctx); facts.err != nil {
		return facts
	}
	defer func() { _ = bus.Close() }()
	manager := bus.Object(logindName, logindPath)
	facts.canErr = ask(ctx, manager, logindManager+".CanReboot", nil, &facts.can)
	if errors.Is(facts.canErr, errSilent) {
		return facts // Any other request may take as long.
	}
	facts.locks, facts.locksErr = blockers(ctx, manager)
	if errors.Is(facts.locksErr, errSilent) {
		return facts
	}
	facts.notices = notices(ctx, bus, m.host())
	facts.name = m.askName(ctx, bus)
	return facts
}
