package machine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// command runs a program that the rebooter was installed with. The command decides which path the reboot takes, so it is not known.
type command struct {
	machine *Machine
	argv    []string
}

func newCommand(m *Machine) (method, error) {
	argv := m.options.Command
	switch {
	case len(argv) == 0:
		return nil, errors.New("it needs a command")
	case !filepath.IsAbs(argv[0]):
		return nil, fmt.Errorf("%q is not an absolute path: write the path of the program, such as /usr/bin/systemctl", argv[0])
	}
	return &command{m, argv}, nil
}

// obstacle implements method.
func (c *command) obstacle(context.Context, *busFacts) obstacle {
	_, err := c.machine.runner().Find(c.argv[0], "/")
	return because(err)
}

// reboot implements method.
func (c *command) reboot(ctx context.Context, _ string) (taken string, err error) {
	if err := c.machine.checkLocks(ctx); err != nil {
		return "", err
	}
	text := strings.Join(c.argv, " ")
	result, err := c.machine.runner().Run(ctx, c.argv)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", text, err)
	case !result.Exited:
		return "", fmt.Errorf("%w: %s: %s", rebooter.ErrUncertain, text, result) // perhaps by the reboot itself
	case result.Code != 0:
		return "", fmt.Errorf("%s: %s", text, result)
	}
	return "", nil
}
