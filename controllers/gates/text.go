package gates

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// ownPort is the manager's end of a connection, which is another one each time.
var ownPort = regexp.MustCompile(`\S+:\d+->`)

// failure says why a gate could not be asked, in the same words for as long as the reason is the same: every change is written.
func failure(ctx context.Context, err error, timeout time.Duration) string {
	text := err.Error()
	var requested *url.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		text = fmt.Sprintf("there was no answer within %s", timeout)
	case errors.As(err, &dial) && dial.Op == "dial":
		text = dial.Error()
	case errors.As(err, &requested):
		text = requested.Err.Error()
	}
	return sentence(ownPort.ReplaceAllString(text, ""))
}

// sentence is text in one line that ends in a full stop.
func sentence(text string) string {
	const most = 512
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimSuffix(shortened(text, most), ".") + "."
}

// shortened cuts text to a number of bytes, between characters.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// enumerate names some of what is in the way, which is sorted. How many more there are is not said: that number changes too often.
func enumerate(all []string) string {
	const shown = 3
	if len(all) > shown {
		return strings.Join(all[:shown], ", ") + " and more"
	}
	return strings.Join(all, ", ")
}
