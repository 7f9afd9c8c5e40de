package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/generic"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

const schemeGeneric = "generic"

// genericServer takes a text, or JSON with a title and a message, as a URL of shoutrrr's generic service says.
type genericServer struct {
	config *generic.Config
	// headers and extra are what the URL adds to the header of a request, and to JSON.
	headers, extra map[string]string
	ownTitle       bool
	guard          outbound.Guard
}

var errTemplate = errors.New("the template is not known")

// wordEnd is between two words of a header that is written as ContentType.
var wordEnd = regexp.MustCompile("([a-z])([A-Z])")

func newGeneric(parsed *url.URL, guard outbound.Guard) (*genericServer, error) {
	s := &genericServer{headers: map[string]string{}, extra: map[string]string{}, guard: guard, ownTitle: parsed.Query().Has("title")}
	for key, values := range parsed.Query() {
		if name, is := strings.CutPrefix(key, "@"); is && name != "" {
			s.headers[wordEnd.ReplaceAllString(name, "$1-$2")] = values[0]
		}
		if name, is := strings.CutPrefix(key, "$"); is && name != "" {
			s.extra[name] = values[0]
		}
	}
	var err error
	if custom, is := strings.CutPrefix(parsed.Scheme, schemeGeneric+"+"); is {
		webhook := *parsed
		webhook.Scheme = custom
		s.config, _, err = generic.ConfigFromWebhookURL(webhook)
	} else {
		s.config, _ = generic.DefaultConfig()
		err = s.config.SetURL(parsed)
	}
	switch {
	case err != nil:
		return nil, err //nolint:wrapcheck // it is not said
	case s.config.Template != "" && !strings.EqualFold(s.config.Template, "json"):
		return nil, errTemplate
	case s.config.WebhookURL().Hostname() == "":
		return nil, http.ErrNoLocation
	}
	return s, nil
}

func (s *genericServer) send(ctx context.Context, m message) *problem {
	body, kind := m.full(), "text/plain"
	if s.config.Template != "" {
		fields := map[string]string{}
		for key, value := range s.extra {
			fields[key] = value
		}
		fields[s.config.MessageKey], fields[s.config.TitleKey] = m.full(), m.title
		if s.ownTitle {
			fields[s.config.TitleKey] = s.config.Title
		}
		encoded, err := json.Marshal(fields)
		if err != nil {
			return failed("the message cannot be written as JSON")
		}
		body, kind = string(encoded), s.config.ContentType
	}
	ctx, stop := context.WithTimeout(ctx, sendTimeout)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, s.config.RequestMethod, s.config.WebhookURL().String(), strings.NewReader(body))
	if err != nil {
		return invalid("the URL of the service generic cannot be used")
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Accept", kind)
	for name, value := range s.headers {
		request.Header.Set(name, value)
	}
	return ask(&http.Client{Transport: newTransport(s.guard, nil)}, request)
}

// ask makes a request of whose answer only the status counts: what was taken is not sent again because the answer is long, or ends badly.
func ask(client *http.Client, request *http.Request) *problem {
	response, err := client.Do(request)
	if err != nil {
		return tell(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing of it is used
	return nil
}
