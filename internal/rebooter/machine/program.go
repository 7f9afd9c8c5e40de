package machine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// maxTimeout of a sentinel command.
const maxTimeout = 5 * time.Minute

// SentinelCommand is a program that says by its exit code whether the host needs a reboot.
type SentinelCommand struct {
	// Command is the program and its arguments.
	Command []string
	// ExitCodes say what an exit code means. One that is missing means Unknown.
	ExitCodes map[int]string
	// Timeout is how long the program may run.
	Timeout time.Duration
	// Interval is how often it is run.
	Interval time.Duration
}

func (s SentinelCommand) check() error {
	if len(s.Command) == 0 {
		if len(s.ExitCodes) > 0 {
			return errors.New("there are exit codes and no command")
		}
		return nil
	}
	if len(s.ExitCodes) == 0 {
		return errors.New("say what its exit codes mean, for example 0=NotRequired,1=Required")
	}
	if s.Timeout <= 0 || s.Timeout > maxTimeout {
		return fmt.Errorf("the timeout %s: want more than 0 and at most %s", s.Timeout, maxTimeout)
	}
	if s.Interval <= 0 {
		return fmt.Errorf("the interval %s: want more than 0", s.Interval)
	}
	return checkProgram(s.Command)
}

// checkProgram requires a program that is found the same way whatever the environment.
func checkProgram(command []string) error {
	switch {
	case len(command) == 0:
		return errors.New("it needs a command")
	case !filepath.IsAbs(command[0]):
		return fmt.Errorf("%q is no absolute path: write where the program is, such as /usr/bin/systemctl", command[0])
	}
	return nil
}

// ParseExitCodes reads what exit codes mean, such as "0=NotRequired,1=Required".
func ParseExitCodes(value string) (map[int]string, error) {
	codes := map[int]string{}
	for entry := range strings.SplitSeq(value, ",") {
		number, state, _ := strings.Cut(entry, "=")
		code, err := strconv.ParseUint(number, 10, 8)
		if err != nil || (state != rebooter.SentinelRequired && state != rebooter.SentinelNotRequired) {
			return nil, fmt.Errorf("%q: want an exit code from 0 to 255 and Required or NotRequired, such as 1=Required", entry)
		}
		if _, twice := codes[int(code)]; twice {
			return nil, fmt.Errorf("exit code %d is there twice", code)
		}
		codes[int(code)] = state
	}
	return codes, nil
}

// checkByCommand runs the sentinel command. Only an exit code that was said to mean Required does: whatever goes wrong is Unknown.
func (m *Machine) checkByCommand(ctx context.Context) (state, message string) {
	s := m.options.Sentinel
	command := strings.Join(s.Command, " ")
	result, err := m.runner(s.Timeout).run(ctx, s.Command)
	if err != nil {
		return rebooter.SentinelUnknown, fmt.Sprintf("%s: %v", command, err)
	}
	state, known := s.ExitCodes[result.code]
	if !result.exited || !known {
		return rebooter.SentinelUnknown, fmt.Sprintf("%s: %s", command, result)
	}
	return state, fmt.Sprintf("%s: %s", command, result)
}
