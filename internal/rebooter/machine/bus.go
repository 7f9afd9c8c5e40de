package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	// defaultBus is where a host has its system bus.
	defaultBus = "unix:path=/run/dbus/system_bus_socket"
	// busTimeout is how long the bus, and who is on it, may take to answer a question.
	busTimeout = 3 * time.Second
)

var (
	// errNoBus says that the host has no system bus that could be asked.
	errNoBus = errors.New("there is no system bus")
	// errSilent is a bus, or someone on it, that does not answer.
	errSilent = fmt.Errorf("no answer within %s", busTimeout)
)

// connectBus connects to the host's system bus. The connection is closed when ctx ends, so that nothing waits for a bus that hangs. Nobody
// on the bus was asked anything before it returns.
func connectBus(ctx context.Context) (*dbus.Conn, error) {
	path, err := busPath()
	if err != nil {
		return nil, err
	}
	greeting, cancel := context.WithTimeoutCause(ctx, busTimeout, errSilent)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(greeting, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to the system bus: %w", err)
	}
	stop := context.AfterFunc(greeting, func() { _ = connection.Close() })
	defer stop()
	bus, err := dbus.NewConn(connection, dbus.WithContext(ctx))
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	err = bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil {
		err = bus.Hello()
	}
	if err != nil {
		_ = bus.Close()
		if greeting.Err() != nil {
			err = context.Cause(greeting)
		}
		return nil, fmt.Errorf("greet the system bus: %w", err)
	}
	return bus, nil
}

// busPath is the path of the bus's socket, if that is one.
func busPath() (string, error) {
	address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = defaultBus
	}
	path, ok := strings.CutPrefix(address, "unix:path=")
	if !ok || strings.ContainsAny(path, ",;%") {
		return "", fmt.Errorf("DBUS_SYSTEM_BUS_ADDRESS is %q: write an address such as %s", address, defaultBus)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %s does not exist", errNoBus, path)
	case err != nil:
		return "", fmt.Errorf("look for the system bus: %w", err)
	case info.Mode()&fs.ModeSocket == 0:
		return "", fmt.Errorf("%w: %s is not a socket", errNoBus, path)
	}
	return path, nil
}

// ask calls a method that changes nothing, and waits a bounded time for the answer.
func ask(ctx context.Context, object dbus.BusObject, method string, arguments []any, results ...any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, busTimeout, errSilent)
	defer cancel()
	err := object.CallWithContext(ctx, method, 0, arguments...).Store(results...)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method[strings.LastIndex(method, ".")+1:], err)
	}
	return nil
}
