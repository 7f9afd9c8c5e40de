package notifier

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip"
	"github.com/nicholas-fedor/shoutrrr/pkg/util"
)

const (
	schemeTelegram = "telegram"
	schemeZulip    = "zulip"
	// maxTelegram is how many characters a message of Telegram may have.
	maxTelegram = 4096
)

// telegramBot sends to one chat, as a URL of shoutrrr says.
type telegramBot struct{ config *telegram.Config }

func newTelegram(parsed *url.URL) (*telegramBot, error) {
	s := &telegram.Service{}
	if err := s.Initialize(parsed, util.DiscardLogger); err != nil {
		return nil, err //nolint:wrapcheck // it is not said
	}
	return &telegramBot{s.Config}, oneOf(len(s.Config.Chats), "chat", "chats")
}

func (b *telegramBot) send(ctx context.Context, m message) *problem {
	_, bad := b.publish(ctx, m)
	return bad
}

func (b *telegramBot) method(name string) string {
	return "https://api.telegram.org/bot" + b.config.Token + "/" + name
}

// payload is a message. A title of the URL is bold, which takes HTML.
func (b *telegramBot) payload(m message) telegram.SendMessagePayload {
	chat, thread, _ := strings.Cut(b.config.Chats[0], ":")
	text := m.full()
	if characters := []rune(text); len(characters) > maxTelegram-len(b.config.Title) {
		text = string(characters[:maxTelegram-len(b.config.Title)-1]) + "…"
	}
	payload := telegram.SendMessagePayload{
		ID: chat, Text: text, DisablePreview: !b.config.Preview, DisableNotification: !b.config.Notification,
	}
	if id, err := strconv.Atoi(thread); err == nil {
		payload.MessageThreadID = &id
	}
	mode := b.config.ParseMode
	if mode == telegram.ParseModes.None && b.config.Title != "" {
		mode, text = telegram.ParseModes.HTML, html.EscapeString(text)
	}
	if mode != telegram.ParseModes.None {
		payload.ParseMode = mode.String()
	}
	if mode == telegram.ParseModes.HTML && b.config.Title != "" {
		payload.Text = fmt.Sprintf("<b>%s</b>\n%s", html.EscapeString(b.config.Title), text)
	}
	return payload
}

// zulipBot sends to a stream, as a URL of shoutrrr says.
type zulipBot struct{ config *zulip.Config }

func newZulip(parsed *url.URL) (*zulipBot, error) {
	s := &zulip.Service{}
	if err := s.Initialize(parsed, util.DiscardLogger); err != nil {
		return nil, err //nolint:wrapcheck // it is not said
	}
	return &zulipBot{s.Config}, nil
}

func (b *zulipBot) send(ctx context.Context, m message) *problem {
	to := url.URL{
		Scheme: "https", Host: b.config.Host, Path: "/api/v1/messages", User: url.UserPassword(b.config.BotMail, b.config.BotKey),
	}
	form := zulip.CreatePayload(b.config, m.full())
	return post(ctx, to.String(), "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// post makes a request of a service. It goes by http.DefaultTransport, as those of shoutrrr do.
func post(ctx context.Context, to, kind string, body io.Reader) *problem {
	ctx, stop := context.WithTimeout(ctx, sendTimeout)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, body)
	if err != nil {
		return invalid("its URL cannot be used")
	}
	request.Header.Set("Content-Type", kind)
	return ask(&http.Client{}, request)
}
