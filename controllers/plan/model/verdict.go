package model

import (
	"fmt"
	"time"
)

// Verdict says what is in the way of a NodeReboot. The zero value is: nothing.
type Verdict struct {
	// Reason is one of the closed set in api/v1alpha1/reasons.go.
	Reason string
	// Message is a sentence that names the object in the way, and until when it is.
	Message string
	// Until is when time alone ends the wait; zero if it does not, or that is not known.
	Until time.Time
}

// OK says that nothing is in the way.
func (v Verdict) OK() bool { return v.Reason == "" }

// Ending is the verdict with the time at which the wait ends.
func (v Verdict) Ending(at time.Time) Verdict {
	v.Until = at
	return v
}

// Blocked is the verdict for one reason, with a formatted message.
func Blocked(reason, format string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
