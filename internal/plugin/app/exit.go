package app

import "errors"

// The exit codes of all commands.
const (
	ExitOK = iota
	// ExitFailed: something could not be done.
	ExitFailed
	// ExitUsage: the command line is wrong.
	ExitUsage
	// ExitNo: the answer is no. There is an obstacle, a failed reboot, or a finding.
	ExitNo
)

// UsageError is a mistake on the command line.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e UsageError) Unwrap() error { return e.Err }

// NoError is an answer that is no.
type NoError struct{ Err error }

func (e NoError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e NoError) Unwrap() error { return e.Err }

// SilentError was written already, with everything that there is to say. It ends the command with a code.
type SilentError struct{ Code int }

func (SilentError) Error() string { return "the answer was written" }

// ExitCode of an error.
func ExitCode(err error) int {
	var (
		usage  UsageError
		no     NoError
		silent SilentError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &silent):
		return silent.Code
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &no):
		return ExitNo
	}
	return ExitFailed
}
