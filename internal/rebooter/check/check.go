// Package check asks a program whether the host needs a reboot. Its exit code has to say so plainly: whatever is missing, fails, or cannot
// be distinguished from a failure is Unknown.
package check

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostexec"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/program"
)

const (
	// MaxTimeout of a command.
	MaxTimeout = 5 * time.Minute
	// maxExitCode is the highest exit code that can mean something. Higher ones are what timeout, env, shells and signals make.
	maxExitCode = 123
)

// Program is a program that says by its exit code whether the host needs a reboot.
type Program struct {
	// Command is the program and its arguments.
	Command []string
	// ExitCodes say what an exit code means. One that is missing means Unknown.
	ExitCodes map[int]string
	// RequiredOutput is text that the program must write for Required to count; empty requires nothing.
	RequiredOutput string
	// Timeout is how long the program may run.
	Timeout time.Duration
}

// Check finds what is wrong with the command on every host.
func (p *Program) Check() error {
	if len(p.Command) == 0 {
		if len(p.ExitCodes) > 0 || p.RequiredOutput != "" {
			return errors.New("there are exit codes or an output, but no command")
		}
		return nil
	}
	if len(p.ExitCodes) == 0 {
		return errors.New("say what its exit codes mean, for example 0=NotRequired,1=Required")
	}
	if p.Timeout <= 0 || p.Timeout > MaxTimeout {
		return fmt.Errorf("the timeout %s: write more than 0 and at most %s", p.Timeout, MaxTimeout)
	}
	if !filepath.IsAbs(p.Command[0]) {
		return fmt.Errorf("%q is not an absolute path: write the path of the program, such as /usr/bin/systemctl", p.Command[0])
	}
	_, _, err := p.inspect(anyHost{})
	return err
}

// anyHost has every program.
type anyHost struct{}

// Find implements program.Host.
func (anyHost) Find(name, _ string) (string, error) { return name, nil }

// Read implements program.Host.
func (anyHost) Read(string, string) ([]byte, error) { return nil, nil }

// inspect looks for the programs that the command runs, and says which output is the proof that an exit code is an answer.
func (p *Program) inspect(host program.Host) (found program.Found, proof string, err error) {
	found, err = program.Inspect(p.Command, host)
	switch {
	case errors.Is(err, program.ErrAmbiguous) && p.RequiredOutput != "":
		return found, p.RequiredOutput, nil
	case err != nil:
		return found, "", err
	case p.RequiredOutput != "":
		return found, p.RequiredOutput, nil
	case found.Runs(restartingPrograms...) && p.ExitCodes[1] == rebooter.SentinelRequired:
		return found, restartingProof, nil
	case found.Interpreter != "" && (p.ExitCodes[1] == rebooter.SentinelRequired || p.ExitCodes[2] == rebooter.SentinelRequired):
		return found, "", fmt.Errorf("%w: %s exits with 1 or 2 also when it fails; let another exit code mean Required, or say what the output "+
			"has to contain with --sentinel-required-output", program.ErrAmbiguous, found.Interpreter)
	}
	return found, "", nil
}

// complaints are how shells and dynamic linkers say that a program did not run.
var complaints = []string{
	"not found", "No such file or directory", "Permission denied", "cannot execute", "Exec format error",
	"error while loading shared libraries",
}

// Read runs the command. Only an exit code that was said to mean Required does, and only if all programs were there.
func (p *Program) Read(ctx context.Context, runner hostexec.Runner) (state, message string) {
	command := strings.Join(p.Command, " ")
	say := func(format string, args ...any) (state, message string) {
		return rebooter.SentinelUnknown, command + ": " + fmt.Sprintf(format, args...)
	}
	found, proof, err := p.inspect(runner)
	if err != nil {
		return say("%v", err)
	}
	runner.Timeout = p.Timeout
	result, err := runner.Run(ctx, p.Command)
	if err != nil {
		return say("%v", err)
	}
	if _, _, err := p.inspect(runner); err != nil {
		return say("since it ran: %v", err)
	}
	state, known := p.ExitCodes[result.Code]
	switch {
	case !result.Exited || !known:
		return say("%s", result)
	case state == rebooter.SentinelRequired && !strings.Contains(result.Output+result.Errors, proof):
		return say("it exits so also when it fails, and its output does not contain %q: %s", proof, result)
	case proof == "" && found.Interpreter != "" && contains(result.Errors, complaints):
		return say("a program did not run: %s", result)
	}
	return state, command + ": " + result.String()
}

func contains(text string, some []string) bool {
	return slices.ContainsFunc(some, func(part string) bool { return strings.Contains(text, part) })
}

// ParseExitCodes reads what exit codes mean, such as "0=NotRequired,1=Required".
func ParseExitCodes(value string) (map[int]string, error) {
	codes := map[int]string{}
	for entry := range strings.SplitSeq(value, ",") {
		number, state, _ := strings.Cut(entry, "=")
		code, err := strconv.ParseUint(number, 10, 8)
		if err != nil || (state != rebooter.SentinelRequired && state != rebooter.SentinelNotRequired) {
			return nil, fmt.Errorf("%q: write an exit code from 0 to %d and Required or NotRequired, such as 1=Required", entry, maxExitCode)
		}
		if code > maxExitCode {
			return nil, fmt.Errorf("%q: codes above %d are what shells, env and timeout exit with when a program did not run or was killed",
				entry, maxExitCode)
		}
		if _, twice := codes[int(code)]; twice {
			return nil, fmt.Errorf("exit code %d is given twice", code)
		}
		codes[int(code)] = state
	}
	return codes, nil
}
