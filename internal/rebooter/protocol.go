// Package rebooter is the part of a helper's pod that has power over the host, and nothing else: it has no API token and asks nobody what
// to do. The helper, which has the token and no power over the host, asks it over a Unix socket that only their pod has.
//
// One connection carries one request, and one answer to it; the answer to Watch is one line after another until the connection ends. Each
// is a line of JSON. A request counts when its last byte, the line's end, has arrived: half a request does not count. This package imports
// nothing but the standard library, as it is linked into both programs.
package rebooter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// ProtocolVersion is in every request and in every answer. Helper and rebooter come from one image; a version that differs means that their
// containers do not. Version 1 had no such number: it reads as 0.
const ProtocolVersion = 2

// DefaultSocket is where the rebooter listens.
const DefaultSocket = "/run/reboot-operator/rebooter.sock"

// DefaultHelperUID is the user that the helper runs as. No other program has it: docs/security.md says how it was chosen.
const DefaultHelperUID = 61111

// Methods to reboot. They are those of the API, whose package is too large to be linked here.
const (
	MethodLogind  = "Logind"
	MethodSignal  = "Signal"
	MethodCommand = "Command"
)

// Paths that a reboot takes through the machine. They are those of the API.
const (
	// ViaFirmware is a full reboot.
	ViaFirmware = "Firmware"
	// ViaKexec starts the next kernel directly, without the firmware.
	ViaKexec = "Kexec"
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
	// ActionWatch asks for the facts about the host, now and whenever they change, until the connection ends.
	ActionWatch Action = "Watch"
	// ActionReboot asks to reboot the host.
	ActionReboot Action = "Reboot"
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

// Request is what the helper asks for. It never says what runs on the host: the installation of the rebooter decides that.
type Request struct {
	// Protocol is the ProtocolVersion of who asks.
	Protocol int    `json:"protocol"`
	Action   Action `json:"action"`
	// BootID is the boot that a reboot has to end. In any other boot it is refused.
	BootID string `json:"bootID,omitempty"`
	// Order is how to reboot.
	Order
	// Deadline is when it is too late to ask the host to reboot.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Order is how to reboot.
type Order struct {
	// Method is Logind, Signal or Command; empty means the method that the rebooter was installed with.
	Method string `json:"method,omitempty"`
	// Via is Firmware or Kexec; empty is Firmware.
	Via string `json:"via,omitempty"`
}

// Response is an answer.
type Response struct {
	// Protocol is the ProtocolVersion of who answers.
	Protocol int    `json:"protocol,omitempty"`
	Result   Result `json:"result"`
	// Message says more, for people.
	Message string `json:"message,omitempty"`
	// Kind is what sort of obstacle a reboot was refused for.
	Kind ObstacleKind `json:"kind,omitempty"`
	// Via is the path that a reboot takes, which may differ from the requested one: without a loaded kernel, kexec is a full reboot. Empty if
	// it is not known, as with the method Command.
	Via string `json:"via,omitempty"`
	// Facts answer Watch.
	Facts *Facts `json:"facts,omitempty"`

	// toVersion1 says that who asked understands version 1 only, which has no field Protocol: the refusal is then one in that version as well.
	toVersion1 bool
}

// Facts are what the rebooter knows about its host.
type Facts struct {
	// Sentinel is Required, NotRequired or Unknown.
	Sentinel string `json:"sentinel"`
	// SentinelMessage says why, for people.
	SentinelMessage string `json:"sentinelMessage,omitempty"`
	// Methods are the methods that the rebooter was installed with; the first is used unless an order names another.
	Methods []Method `json:"methods"`
	// HostOS is the operating system by the name that it gives itself (PRETTY_NAME of os-release), for people; empty if that is not known.
	HostOS string `json:"hostOS,omitempty"`
	// KexecLoaded reports whether a kernel is loaded that kexec can start.
	KexecLoaded bool `json:"kexecLoaded,omitempty"`
	// Notices are what else people should know, such as another program that would reboot this host.
	Notices []string `json:"notices,omitempty"`
}

// Method is one way to reboot.
type Method struct {
	Name string `json:"name"`
	// Obstacle is why it would not work now; empty if nothing is known to be in the way.
	Obstacle string `json:"obstacle,omitempty"`
	// Kind is what sort of obstacle that is.
	Kind ObstacleKind `json:"kind,omitempty"`
}

// ObstacleKind is what sort of obstacle is in the way of a reboot. Empty means any other.
type ObstacleKind string

const (
	// ObstacleInhibited is an inhibitor lock: a program on the host asks that it is not rebooted now.
	ObstacleInhibited ObstacleKind = "Inhibited"
	// ObstacleUnsupported is a host that can never be rebooted by this method, such as one without systemd.
	ObstacleUnsupported ObstacleKind = "Unsupported"
)

// RefusedError is an error that says why the host will not reboot.
type RefusedError struct {
	// Kind is what sort of obstacle is in the way.
	Kind ObstacleKind
	// Message says more, for people.
	Message string
}

// Error implements error.
func (r *RefusedError) Error() string { return r.Message }

const (
	// maxLine is how long a request or an answer may be, in bytes. All facts fit: see maxMessage, maxMethods and maxNotices.
	maxLine = 32 << 10
	// maxMessage is the most bytes of a message that are sent. In JSON it may be twice as long.
	maxMessage = 1024
)

// encode makes a line.
func encode(message any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(message); err != nil {
		return nil, err
	}
	if line.Len() > maxLine {
		return nil, fmt.Errorf("a message of %d bytes is too long", line.Len())
	}
	return line.Bytes(), nil
}

// newLines reads lines of at most maxLine bytes.
func newLines(from io.Reader) *bufio.Reader { return bufio.NewReaderSize(from, maxLine) }

// decode reads one line. An unknown field is an error, because its sender meant something by it. The meaning of a line in another version
// of the protocol is not known at all, so the version is checked first.
func decode(lines *bufio.Reader, message any) error {
	line, err := lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("%w: a line of more than %d bytes", errMalformed, maxLine)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the connection ended after %d bytes: %w", len(line), io.ErrUnexpectedEOF)
	case err != nil:
		return err
	}
	var version struct {
		Protocol int    `json:"protocol"`
		Result   Result `json:"result"`
	}
	if err := json.Unmarshal(line, &version); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	if version.Protocol != ProtocolVersion {
		return &versionError{version: version.Protocol, result: version.Result}
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(message); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// versionError is a line in another version of the protocol.
type versionError struct {
	version int
	// result is what an answer says; a refusal is one in every version.
	result Result
}

// Error implements error.
func (e *versionError) Error() string { return e.between("the other side", "this side") }

// between says who speaks which version.
func (e *versionError) between(them, us string) string {
	return fmt.Sprintf("%s speaks version %d of the protocol between helper and rebooter, and %s speaks version %d: "+
		"use one image for both containers of the helper's pod", them, max(e.version, 1), us, ProtocolVersion)
}

// errMalformed is a line that arrived and cannot be understood.
var errMalformed = errors.New("malformed message")

// Truncate shortens text to at most limit bytes of valid UTF-8 without control characters.
func Truncate(text string, limit int) string {
	const mark = "..."
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= limit {
		return text
	}
	return string(bytes.ToValidUTF8([]byte(text[:limit-len(mark)]), nil)) + mark
}
