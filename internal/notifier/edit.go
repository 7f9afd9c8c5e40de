package notifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"

	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// board is a service that can change a message which it shows.
type board interface {
	target
	// place is where it shows messages. It is stored, and has no secret in it.
	place() string
	// publish sends a message, and returns the ID by which it can be changed; empty if it cannot be.
	publish(ctx context.Context, m message) (id string, bad *problem)
	// change replaces a message that is shown. It returns errGone if there is no message that it can change.
	change(ctx context.Context, id string, m message) error
}

// errGone says that there is no message to change.
var errGone = errors.New("there is no message to change")

// maxShown bounds the place and the ID of a message, which are stored, in bytes.
const maxShown = 200

// show has a board show how a rollout goes: by the message that shows it already, otherwise by a new one. A board that refuses to change a
// message may still take a new one, so a refusal is not a failure.
func show(ctx context.Context, to board, m message, e *notify.Event) *problem {
	if id, is := strings.CutPrefix(e.Shown(), to.place()+"/"); is {
		err := to.change(ctx, id, m)
		if err == nil {
			return nil
		}
		if !refusesChange(err) {
			return unchanged(err)
		}
	}
	if e.IsProgress() {
		e.Show("") // the end of the rollout is shown by a message of its own
		return nil
	}
	id, bad := to.publish(ctx, m)
	if bad != nil {
		return bad
	}
	shown := to.place() + "/" + id
	if id == "" || len(shown) > maxShown {
		shown = ""
	}
	e.Show(shown)
	return nil
}

// editable is a service as one that can change its messages, if it can.
func editable(s *service) target {
	switch to := s.sender.(type) {
	case *discord.Service:
		if !to.Config.JSON {
			return &discordHook{s, to.Config}
		}
	case *slack.Service:
		if to.Config.Token.IsAPIToken() {
			return &slackBot{s, to.Config}
		}
	}
	return s
}

// discordHook is a webhook of Discord.
type discordHook struct {
	*service
	config *discord.Config
}

func (d *discordHook) place() string { return "discord/" + d.config.WebhookID }

// send makes one message of it: shoutrrr makes several of more than ten lines, and mixes these up.
func (d *discordHook) send(ctx context.Context, m message) *problem {
	_, bad := d.publish(ctx, m)
	return bad
}

func (d *discordHook) publish(ctx context.Context, m message) (id string, bad *problem) {
	payload := d.payload(m)
	if payload == nil {
		return "", d.service.send(ctx, m)
	}
	var made struct {
		ID string `json:"id"`
	}
	err := call(ctx, http.MethodPost, d.address("", "wait", "true"), "", payload, &made)
	if err != nil {
		return "", tell(err)
	}
	return made.ID, nil
}

func (d *discordHook) change(ctx context.Context, id string, m message) error {
	payload := d.payload(m)
	if payload == nil {
		return errGone
	}
	return call(ctx, http.MethodPatch, d.address("/messages/"+url.PathEscape(id)), "", payload, nil)
}

// address of a request about the webhook, with what its query has besides.
func (d *discordHook) address(path string, query ...string) string {
	to := url.URL{Scheme: "https", Host: "discord.com"}
	values := url.Values{}
	if d.config.ThreadID != "" {
		values.Set("thread_id", d.config.ThreadID)
	}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	to.RawQuery = values.Encode()
	return to.JoinPath("api/webhooks", d.config.WebhookID, d.config.Token, path).String()
}

// payload is what Discord shows of a message; nil if that is more than one message. All parts are in it, so that nothing is left of what
// was shown before. Each line is a box, unless there are more than Discord shows.
func (d *discordHook) payload(m message) map[string]any {
	text := m.full()
	few := strings.Count(text, "\n") < discord.MaxEmbeds && len(text) <= discord.TotalChunkSize-discord.ChunkSize
	batches := discord.CreateItemsFromPlain(text, d.config.SplitLines && few)
	if len(batches) != 1 {
		return nil
	}
	items, err := discord.CreatePayloadFromItems(batches[0], d.config.Title, d.config.LevelColors())
	if err != nil {
		return nil
	}
	payload := map[string]any{"content": items.Content, "embeds": []any{}}
	if len(items.Embeds) > 0 {
		payload["embeds"] = items.Embeds
	}
	if d.config.Username != "" {
		payload["username"] = d.config.Username
	}
	if d.config.Avatar != "" {
		payload["avatar_url"] = d.config.Avatar
	}
	return payload
}

// slackBot is a bot of Slack. Webhooks of Slack cannot change messages.
type slackBot struct {
	*service
	config *slack.Config
}

func (s *slackBot) place() string { return "slack/" + s.config.Channel }

// publish returns the ID of the channel, which is not always what the URL has, and the time by which Slack knows a message.
func (s *slackBot) publish(ctx context.Context, m message) (id string, bad *problem) {
	var made struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	payload := slack.CreateJSONPayload(s.config, m.full())
	if err := s.call(ctx, "chat.postMessage", payload, &made); err != nil {
		return "", tell(err)
	}
	if made.Channel == "" || made.TS == "" {
		return "", nil
	}
	return made.Channel + "/" + made.TS, nil
}

func (s *slackBot) change(ctx context.Context, id string, m message) error {
	channel, ts, _ := strings.Cut(id, "/")
	made, is := slack.CreateJSONPayload(s.config, m.full()).(slack.MessagePayload)
	if !is || ts == "" {
		return errGone
	}
	payload := map[string]any{"channel": channel, "ts": ts, "text": made.Text, "attachments": made.Attachments}
	return s.call(ctx, "chat.update", payload, nil)
}

func (s *slackBot) call(ctx context.Context, method string, body, answer any) error {
	return call(ctx, http.MethodPost, "https://slack.com/api/"+method, s.config.Token.Authorization(), body, answer)
}

func (b *telegramBot) place() string { return "telegram/" + b.config.Chats[0] }

func (b *telegramBot) publish(ctx context.Context, m message) (id string, bad *problem) {
	var made struct {
		Result struct {
			ID int64 `json:"message_id"`
		} `json:"result"`
	}
	if err := call(ctx, http.MethodPost, b.method("sendMessage"), "", b.payload(m), &made); err != nil {
		return "", tell(err)
	}
	if made.Result.ID == 0 {
		return "", nil
	}
	return strconv.FormatInt(made.Result.ID, 10), nil
}

func (b *telegramBot) change(ctx context.Context, id string, m message) error {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return errGone
	}
	p := b.payload(m)
	payload := map[string]any{
		"chat_id": p.ID, "message_id": number, "text": p.Text, "disable_web_page_preview": p.DisablePreview,
	}
	if p.ParseMode != "" {
		payload["parse_mode"] = p.ParseMode
	}
	err = call(ctx, http.MethodPost, b.method("editMessageText"), "", payload, nil)
	var no *refusal
	if errors.As(err, &no) && no.word == saysSame {
		return nil
	}
	return err
}

// refusesChange says that a message will not be changed, however often that is tried: the service says no, or something else answers
// instead. Only temporary failures are tried again: a limit, a timeout, a failing connection or server.
func refusesChange(err error) bool {
	var no *refusal
	if errors.As(err, &no) {
		switch no.code {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return false
		}
		return no.code < http.StatusInternalServerError
	}
	for _, definite := range []error{errGone, errDenied, errPage, errEmpty, errRedirects} {
		if errors.Is(err, definite) {
			return true
		}
	}
	return false
}

// unchanged is why a message was not changed, which says nothing about new messages unless it is a limit of all requests.
func unchanged(err error) *problem {
	p := *tell(err)
	p.ofChange = true
	if no := (*refusal)(nil); errors.As(err, &no) {
		p.ofAll = no.ofAll
	}
	return &p
}

// call makes a request with JSON of a service, and reads its answer. It goes by http.DefaultTransport, as those of shoutrrr do.
func call(ctx context.Context, method, to, authorization string, body, answer any) error {
	ctx, stop := context.WithTimeout(ctx, sendTimeout)
	defer stop()
	encoded, err := json.Marshal(body)
	if err != nil {
		return said{failed("the message cannot be written as JSON")}
	}
	request, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(encoded))
	if err != nil {
		return said{invalid("its URL cannot be used")}
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err //nolint:wrapcheck // what is said about it is chosen by what it is
	}
	defer response.Body.Close() //nolint:errcheck // nothing more of it is used
	if answer == nil {
		return nil
	}
	_ = json.NewDecoder(response.Body).Decode(answer) // the message was taken; without its ID it cannot be changed
	return nil
}
