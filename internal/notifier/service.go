package notifier

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// schemes are the services of shoutrrr that there are here: all but logger, which reaches nobody.
var schemes = []string{
	"bark", "discord", "generic", "googlechat", "gotify", "hangouts", "ifttt", "join", "lark", "matrix", "mattermost", "notifiarr", "ntfy",
	"opsgenie", "pagerduty", "pushbullet", "pushover", "rocketchat", "signal", "slack", "smtp", "teams", "telegram", "wecom", "zulip",
}

// titled are those that show a title apart from the message.
var titled = []string{"bark", "gotify", "join", "ntfy", "opsgenie", "pushbullet", "pushover"}

// dialing are those that connect by themselves, and not by http.DefaultTransport.
var dialing = []string{"gotify", "ntfy", "signal"}

// message is what a service is given.
type message struct {
	title, text string
	// whole says that the text says it all, and needs no title above it.
	whole bool
}

// service sends messages by a URL in the syntax of shoutrrr.
type service struct {
	scheme string
	url    *url.URL
	sender types.Service
	guard  outbound.Guard
}

// newService understands a URL. Errors of shoutrrr have parts of it in them and are not said.
func newService(raw, where string, guard outbound.Guard) (*service, *problem) {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Scheme == "" {
		return nil, invalid("%s has no URL in the syntax of shoutrrr, such as slack://hook:...@webhook", where)
	}
	scheme, _, _ := strings.Cut(strings.ToLower(parsed.Scheme), "+")
	if !slices.Contains(schemes, scheme) {
		return nil, invalid("the URL in %s begins with the name of no service: write one of %s", where, strings.Join(schemes, ", "))
	}
	sender, err := locate(raw)
	if err != nil && scheme == "matrix" {
		return nil, failed("the service matrix cannot be logged in to by the URL in %s, or that is not one that it takes", where)
	}
	if err != nil {
		return nil, invalid("the URL in %s is not one that the service %s takes: see docs/notifications.md for its parts", where, scheme)
	}
	return &service{scheme: scheme, url: parsed, sender: sender, guard: guard}, nil
}

// locate does not let a panic of a parser end the manager.
func locate(raw string) (sender types.Service, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("understand a URL: %v", recovered)
		}
	}()
	sender, err = (&router.ServiceRouter{}).Locate(raw)
	if err == nil {
		sender.SetLogger(util.DiscardLogger) // what services log has parts of URLs in it
	}
	return sender, err //nolint:wrapcheck // it is not said
}

func (s *service) send(ctx context.Context, m message) *problem {
	if mailer, is := s.sender.(*smtp.Service); is {
		return sendMail(ctx, mailer.Config, s.guard, m)
	}
	if slices.Contains(dialing, s.scheme) {
		if err := reaches(ctx, s.guard, s.url); err != nil {
			return tell(err)
		}
	}
	if dials, is := s.sender.(interface{ GetHTTPClient() *http.Client }); is && dials.GetHTTPClient() != nil {
		dials.GetHTTPClient().Transport = newTransport(s.guard, nil)
	}
	if err := s.hand(m); err != nil {
		return tell(err)
	}
	return nil
}

// hand gives a message to the service. It does not let a panic end the manager.
func (s *service) hand(m message) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("send a message: %v", recovered)
		}
	}()
	params := types.Params{}
	text := m.text
	own := s.url.Query().Has("title") // of the URL is what its author chose
	switch {
	case slices.Contains(titled, s.scheme) && !own:
		params.SetTitle(m.title)
	case s.scheme == "generic" && !own:
		params.SetTitle(m.title)
		text = m.full()
	default:
		text = m.full()
	}
	return s.sender.Send(text, &params) //nolint:wrapcheck // what is said of it is chosen by what it is
}

// full is the message with its title above it.
func (m message) full() string {
	if m.whole || m.text == "" {
		return strings.TrimSpace(m.text)
	}
	return m.title + "\n" + m.text
}
