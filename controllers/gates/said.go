package gates

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// said is an error that anyone may read who can read a NodeReboot: it is made of fixed sentences, of what the policy itself says, and of
// the names that docs/security.md lists. It quotes neither an object nor a server. The cause is for the manager's log.
type said struct {
	text  string
	cause error
}

// Error implements error.
func (s *said) Error() string {
	if s.cause == nil {
		return s.text
	}
	return s.text + ": " + s.cause.Error()
}

// Unwrap returns what is not said.
func (s *said) Unwrap() error { return s.cause }

// say makes an error that may be read, of a cause that may not; nil if there is none.
func say(cause error, format string, args ...any) error {
	return &said{text: fmt.Sprintf(format, args...), cause: cause}
}

// unspoken is what is said about an error that was not made by say.
const unspoken = "it could not be asked; the manager's log says why, with --log-level=Debug"

// failure says why a gate could not be asked, in the same words for as long as the reason is the same: every change is written. Errors that
// are not meant to be read are left out.
func failure(ctx context.Context, err error, timeout time.Duration) string {
	text := unspoken
	var readable *said
	switch {
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		text = fmt.Sprintf("there was no answer within %s", timeout)
	case errors.As(err, &readable):
		text = readable.text
	}
	return sentence(text)
}

// detail is an error for the log, in one line and bounded.
func detail(err error) string {
	const most = 1024
	var requested *url.Error
	if errors.As(err, &requested) {
		err = requested.Err // The rest repeats the url with the whole query.
	}
	return shorten.Marked(strings.Join(strings.Fields(err.Error()), " "), most)
}
