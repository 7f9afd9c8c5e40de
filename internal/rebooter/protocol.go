// Package rebooter is the part of a helper's pod that has power over the host, and nothing else: it has no API token and asks nobody what
// to do. The helper, which has the token and no power over the host, asks it over a Unix socket that only their pod has.
//
// One connection carries one request and one answer, each a line of JSON. A request counts when its last byte, the line's end, has arrived:
// half a request is none. This package imports nothing but the standard library, for it is linked into both programs.
package rebooter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// DefaultSocket is where the rebooter listens.
const DefaultSocket = "/run/reboot-operator/rebooter.sock"

// DefaultHelperUID is the user that the helper runs as. No other program has it: docs/safety.md says how it was chosen.
const DefaultHelperUID = 61111

// Methods to reboot. They are those of the API, whose package is too large to be linked here.
const (
	MethodLogind  = "Logind"
	MethodSignal  = "Signal"
	MethodCommand = "Command"
)

// States of a sentinel. They are those of the API.
const (
	SentinelRequired    = "Required"
	SentinelNotRequired = "NotRequired"
	SentinelUnknown     = "Unknown"
)

// ErrUncertain means that the host was asked to reboot and did not answer: it may still reboot.
var ErrUncertain = errors.New("the host may still reboot")

// Action is what a request asks for.
type Action string

const (
	// ActionPing asks for an answer, to see that the rebooter works.
	ActionPing Action = "Ping"
	// ActionMethods asks which methods to reboot there are, and what is in the way of each.
	ActionMethods Action = "Methods"
	// ActionReboot asks to reboot the host.
	ActionReboot Action = "Reboot"
	// ActionSentinel asks what the sentinel command says.
	ActionSentinel Action = "Sentinel"
)

// Result is what became of a request.
type Result string

const (
	// Accepted says that it was done; for a reboot, the host has said yes.
	Accepted Result = "Accepted"
	// Refused says that it was not done, and will not be.
	Refused Result = "Refused"
	// Uncertain says that the host was asked and did not answer.
	Uncertain Result = "Uncertain"
)

// Request is what the helper asks. What runs on the host is never part of it: that comes from how the rebooter was installed.
type Request struct {
	Action Action `json:"action"`
	// BootID is the boot that a reboot has to end. In any other boot it is refused.
	BootID string `json:"bootID,omitempty"`
	// Method is how to reboot; empty is the one that the rebooter was installed with.
	Method string `json:"method,omitempty"`
	// Deadline is when it is too late to ask the host to reboot.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Response is the answer.
type Response struct {
	Result Result `json:"result"`
	// Message says more, for people.
	Message string `json:"message,omitempty"`
	// Methods are those that the rebooter was installed with; the first is the one that is used unless a request names another.
	Methods []Method `json:"methods,omitempty"`
	// Sentinel is what the sentinel command says.
	Sentinel string `json:"sentinel,omitempty"`
}

// Method is one way to reboot.
type Method struct {
	Name string `json:"name"`
	// Obstacle is why it would not work now; empty if nothing is known to be in the way.
	Obstacle string `json:"obstacle,omitempty"`
}

const (
	// maxLine is how long a request or an answer may be, in bytes.
	maxLine = 16 << 10
	// maxMessage is the most bytes of a message that are sent.
	maxMessage = 1024
)

// encode makes a line.
func encode(message any) ([]byte, error) {
	line, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxLine {
		return nil, fmt.Errorf("a message of %d bytes is too long", len(line))
	}
	return append(line, '\n'), nil
}

// decode reads one line. A field that is not known is an error: whoever sent it meant something by it.
func decode(from io.Reader, message any) error {
	line, err := bufio.NewReader(io.LimitReader(from, maxLine)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection ended, or the line is too long, after %d bytes: %w", len(line), io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(message); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	if decoder.More() {
		return fmt.Errorf("%w: more than one message in a line", errMalformed)
	}
	return nil
}

// errMalformed is a line that arrived and cannot be understood.
var errMalformed = errors.New("malformed message")

// Truncate shortens text to at most limit bytes of valid UTF-8.
func Truncate(text string, limit int) string {
	const mark = "..."
	text = string(bytes.ToValidUTF8([]byte(text), []byte("?")))
	if len(text) <= limit {
		return text
	}
	return string(bytes.ToValidUTF8([]byte(text[:limit-len(mark)]), nil)) + mark
}
