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
	// checkInhibitors makes logind honor the inhibitor locks that others hold although root asks (SD_LOGIND_ROOT_CHECK_INHIBITORS).
	checkInhibitors = uint64(1)
)

// logindObstacle asks logind whether it could reboot the host. It answers "yes" to root also while an inhibitor lock is held, in versions
// before 257; then only the order to reboot finds out.
func logindObstacle(ctx context.Context) string {
	var answer string
	err := withLogind(ctx, func(manager dbus.BusObject) error {
		return manager.CallWithContext(ctx, logindManager+".CanReboot", 0).Store(&answer)
	})
	if err != nil {
		return err.Error()
	}
	return explain(answer)
}

// explain says what an answer of CanReboot has against a reboot.
func explain(answer string) string {
	switch answer {
	case "yes":
		return ""
	case "inhibited", "inhibitor-blocked", "challenge-inhibitor-blocked":
		return fmt.Sprintf("logind says %q: someone holds an inhibitor lock, which systemd-inhibit --list on the host names", answer)
	default:
		return fmt.Sprintf("logind says %q to whether it can reboot this host", answer)
	}
}

func rebootByLogind(ctx context.Context) error {
	return withLogind(ctx, func(manager dbus.BusObject) error { return askLogind(ctx, manager) })
}

func withLogind(ctx context.Context, do func(manager dbus.BusObject) error) error {
	connection, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer func() { _ = connection.Close() }()
	return do(connection.Object(logindName, logindPath))
}

// askLogind asks for a reboot that honors inhibitor locks. RebootWithFlags came with systemd 246; before it there is only Reboot, which
// honors them for everybody but root.
func askLogind(ctx context.Context, manager dbus.BusObject) error {
	err := manager.CallWithContext(ctx, logindManager+".RebootWithFlags", 0, checkInhibitors).Err
	var answer dbus.Error
	if errors.As(err, &answer) && answer.Name == "org.freedesktop.DBus.Error.UnknownMethod" {
		err = manager.CallWithContext(ctx, logindManager+".Reboot", 0, false).Err
	}
	if err != nil && (!errors.As(err, &answer) || answer.Name == noReply) {
		return fmt.Errorf("%w: %w", rebooter.ErrUncertain, err) // no answer: logind may have taken the call
	}
	return err
}
