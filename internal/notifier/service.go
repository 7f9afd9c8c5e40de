package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/lark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/teams"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/wecom"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/bark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/join"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/notifiarr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// services are the services of shoutrrr, by the schemes of their URLs. Its router is not used, nor its email, generic and logger services:
// they execute Go templates, so the linker can leave out no method, which costs 13 MB. See mail.go and generic.go; logger reaches no one.
// Telegram and Zulip are in bots.go: shoutrrr takes every failure of Telegram for a success, and panics at every failure of Zulip.
var services = map[string]func() types.Service{
	"bark":       func() types.Service { return &bark.Service{} },
	"discord":    func() types.Service { return &discord.Service{} },
	"googlechat": func() types.Service { return &googlechat.Service{} },
	"gotify":     func() types.Service { return &gotify.Service{} },
	"hangouts":   func() types.Service { return &googlechat.Service{} },
	"ifttt":      func() types.Service { return &ifttt.Service{} },
	"join":       func() types.Service { return &join.Service{} },
	"lark":       func() types.Service { return &lark.Service{} },
	"matrix":     func() types.Service { return &matrix.Service{} },
	"mattermost": func() types.Service { return &mattermost.Service{} },
	"notifiarr":  func() types.Service { return &notifiarr.Service{} },
	"ntfy":       func() types.Service { return &ntfy.Service{} },
	"opsgenie":   func() types.Service { return &opsgenie.Service{} },
	"pagerduty":  func() types.Service { return &pagerduty.Service{} },
	"pushbullet": func() types.Service { return &pushbullet.Service{} },
	"pushover":   func() types.Service { return &pushover.Service{} },
	"rocketchat": func() types.Service { return &rocketchat.Service{} },
	"signal":     func() types.Service { return &signal.Service{} },
	"slack":      func() types.Service { return &slack.Service{} },
	"teams":      func() types.Service { return &teams.Service{} },
	"wecom":      func() types.Service { return &wecom.Service{} },
}

// schemes are all schemes of URLs that there are.
var schemes = slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(services)),
	schemeGeneric, schemeMail, schemeTelegram, schemeZulip)))

// titled are services that show a title apart from the message.
var titled = []string{"bark", "gotify", "join", "ntfy", "opsgenie", "pushbullet", "pushover"}

// sameKeys are parameters of services by which they know a message that they have taken already.
var sameKeys = map[string]string{"pagerduty": "dedup_key", "opsgenie": "alias"}

// message is what a service is given.
type message struct {
	title, text string
	// id is the same of a message that is sent twice.
	id string
	// whole says that the text says it all, and needs no title above it.
	whole bool
}

// full is the message with its title above it.
func (m message) full() string {
	if m.whole || m.text == "" {
		return strings.TrimSpace(m.text)
	}
	return m.title + "\n" + m.text
}

// target takes messages.
type target interface {
	send(ctx context.Context, m message) *problem
}

// newService understands a URL in the syntax of shoutrrr. Errors of shoutrrr have parts of it in them and are not said.
func newService(raw, where string, guard outbound.Guard) (target, *problem) {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Scheme == "" {
		return nil, invalid("%s has no URL in the syntax of shoutrrr, such as slack://hook:...@webhook", where)
	}
	scheme, _, _ := strings.Cut(strings.ToLower(parsed.Scheme), "+")
	made, err := understand(scheme, parsed, guard)
	switch {
	case !slices.Contains(schemes, scheme):
		return nil, invalid("the URL in %s does not begin with the name of a service: write one of %s", where, strings.Join(schemes, ", "))
	case errors.As(err, &targetsError{}):
		return nil, invalid("the URL in %s %s", where, err)
	case err != nil && scheme == schemeMatrix:
		return nil, failed("cannot log in to the service matrix with the URL in %s, or the service does not accept that URL", where)
	case err != nil:
		return nil, invalid("the service %s does not accept the URL in %s: see docs/notifications.md for its parts", scheme, where)
	}
	return made, nil
}

// understand does not let a panic of a parser end the manager.
func understand(scheme string, parsed *url.URL, guard outbound.Guard) (made target, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("understand a URL: %v", recovered)
		}
	}()
	switch {
	case scheme == schemeGeneric:
		return newGeneric(parsed, guard)
	case scheme == schemeMail:
		mailer := &smtp.Service{}
		if err := mailer.Initialize(parsed, util.DiscardLogger); err != nil {
			return nil, err //nolint:wrapcheck // it is not said
		}
		return &mailServer{config: mailer.Config, guard: guard}, nil
	case scheme == schemeTelegram:
		return newTelegram(parsed)
	case scheme == schemeZulip:
		return newZulip(parsed)
	case services[scheme] == nil:
		return nil, nil
	}
	other, err := newOther(scheme, parsed, guard)
	if err != nil {
		return nil, err
	}
	return editable(other), nil
}

// newOther makes a service to which shoutrrr sends.
func newOther(scheme string, parsed *url.URL, guard outbound.Guard) (made *service, err error) {
	s := &service{scheme: scheme, url: parsed, sender: services[scheme](), guard: guard}
	if custom, is := s.sender.(types.CustomURLService); is && strings.Contains(parsed.Scheme, "+") {
		if parsed, err = custom.GetConfigURLFromCustom(parsed); err != nil {
			return nil, err //nolint:wrapcheck // it is not said
		}
	}
	if err := s.targets(parsed); err != nil {
		return nil, err
	}
	if err := s.sender.Initialize(parsed, util.DiscardLogger); err != nil {
		return nil, err //nolint:wrapcheck // it is not said
	}
	err = s.targets(parsed)
	return s, err
}

// service is one of shoutrrr. What it logs has parts of URLs in it, and is discarded.
type service struct {
	scheme string
	url    *url.URL
	sender types.Service
	guard  outbound.Guard
}

func (s *service) send(ctx context.Context, m message) *problem {
	if ctx.Err() != nil {
		return failed("%s", saysTimeout)
	}
	s.confine()
	if err := s.hand(m); err != nil {
		return tell(err)
	}
	return nil
}

// confine has services that connect by themselves go where notifications may go; the others use http.DefaultTransport. Discord's would
// sleep for minutes and try again: whether and when that is done is decided by the notifier.
func (s *service) confine() {
	switch to := s.sender.(type) {
	case *pagerduty.Service: // it has defaults of them, and does not use them
		to.Config.Host, to.Config.Port = cmp.Or(to.Config.Host, "events.pagerduty.com"), cmp.Or(to.Config.Port, 443)
	case *discord.Service:
		to.HTTPClient = once{&http.Client{Timeout: sendTimeout}}
	case *gotify.Service:
		to.GetHTTPClient().Transport = judging{newTransport(s.guard, insecure(to.Config.InsecureSkipVerify))}
	case *ntfy.Service:
		transport := judging{newTransport(s.guard, insecure(to.Config.DisableTLSVerification))}
		to.SetHTTPClient(&http.Client{Timeout: sendTimeout, Transport: transport})
	case interface{ GetHTTPClient() *http.Client }:
		if client := to.GetHTTPClient(); client != nil {
			client.Transport = judging{newTransport(s.guard, nil)}
		}
	}
}

// once makes a request, and returns errors that are not mistaken for temporary ones.
type once struct{ *http.Client }

// Do implements discord.HTTPClient.
func (o once) Do(request *http.Request) (*http.Response, error) {
	response, err := o.Client.Do(request)
	if err != nil {
		return nil, said{tell(err)}
	}
	return response, nil
}

// hand gives a message to the service. It does not let a panic end the manager.
func (s *service) hand(m message) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("send a message: %v", recovered)
		}
	}()
	params, text := types.Params{}, m.full()
	// A title of the URL is what its author chose.
	if slices.Contains(titled, s.scheme) && !s.url.Query().Has("title") {
		params.SetTitle(m.title)
		text = m.text
	}
	if key := sameKeys[s.scheme]; key != "" && !s.url.Query().Has(key) {
		params[key] = m.id
	}
	err = s.sender.Send(text, &params)
	if errors.Is(err, pushbullet.ErrResponseBodyMismatch) || errors.Is(err, pushbullet.ErrResponseTitleMismatch) {
		return nil // it has taken the note, and shows it in its own way
	}
	return err //nolint:wrapcheck // what is said about it is chosen by what it is
}
