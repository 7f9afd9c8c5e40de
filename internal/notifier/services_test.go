package notifier

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// offered is a service, and what it answers when it has taken a message.
type offered struct {
	// url has HOST where the address of the server belongs; without it, it is that of a cloud.
	url, answer string
	// steps are answers to requests before the message.
	steps map[string]string
	// has is in a message, and got the last one, with what its URL asks for. Requests has how many messages there were.
	has, got string
	requests int
}

// all are all services that are offered.
var all = map[string]offered{
	"bark":       {url: "bark://:key@bark.example.com/", answer: `{"code":200,"message":"success","timestamp":1}`},
	"discord":    {url: "discord://token@1234567890123456789", answer: "204"},
	"generic":    {url: "generic://HOST/hook?disabletls=yes", answer: "thanks"},
	"googlechat": {url: "googlechat://chat.googleapis.com/v1/spaces/a/messages?key=k&token=t", answer: `{"name":"spaces/a/messages/b"}`},
	"gotify":     {url: "gotify://HOST/AzyoeNS.D4iJLVa?disabletls=yes", answer: `{"id":1,"message":"m"}`},
	"hangouts":   {url: "hangouts://chat.googleapis.com/v1/spaces/a/messages?key=k&token=t", answer: `{"name":"spaces/a/messages/b"}`},
	"ifttt":      {url: "ifttt://key/?events=halted", answer: "Congratulations! You've fired the halted event"},
	"join":       {url: "join://shoutrrr:key@join/?devices=a,b", answer: `{"success":true,"errorMessage":""}`},
	"lark":       {url: "lark://open.larksuite.com/token", answer: `{"code":0,"msg":"success","data":{}}`},
	"matrix": {
		url: "matrix://u:p@matrix.example.com/?rooms=!room:example.com", answer: `{"event_id":"$1"}`, steps: map[string]string{
			"GET /login": `{"flows":[{"type":"m.login.password"}]}`, "POST /login": `{"access_token":"t"}`,
			"POST /join/": `{"room_id":"!room:example.com"}`,
		},
	},
	"mattermost": {url: "mattermost://HOST/token?disabletls=yes", answer: "ok"},
	"notifiarr":  {url: "notifiarr://key?channel=123", answer: `{"result":"success"}`},
	"ntfy":       {url: "ntfy://HOST/topic?scheme=http", answer: `{"id":"a","time":1,"event":"message","topic":"topic"}`},
	"opsgenie": {url: "opsgenie://api.opsgenie.com/key", answer: `{"result":"Request will be processed","requestId":"r"}`,
		has: `"alias":"0123456789abcdef"`},
	"pagerduty": {url: "pagerduty://events.pagerduty.com/0123456789abcdef0123456789abcdef", answer: `{"status":"success","dedup_key":"k"}`,
		has: `"dedup_key":"0123456789abcdef"`},
	"pushbullet": {
		url:    "pushbullet://" + strings.Repeat("o.", 17) + "/device",
		answer: `{"active":true,"type":"note","title":"another title","body":"another body"}`,
	},
	"pushover":   {url: "pushover://shoutrrr:token@user/", answer: `{"status":1,"request":"r"}`},
	"rocketchat": {url: "rocketchat://chat.example.com/a/b/@c", answer: `{"success":true}`},
	"signal":     {url: "signal://HOST/+15550000001/+15550000002?disabletls=yes", answer: `{"timestamp":"1"}`},
	"slack":      {url: "slack://hook:T00000000-B00000000-" + strings.Repeat("x", 24) + "@webhook", answer: "ok"},
	"smtp":       {}, // see mail_test.go
	"teams": {
		url: "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/" +
			"44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=contoso.webhook.office.com",
		answer: "1",
	},
	"telegram": {
		url:    "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@reboots",
		answer: `{"ok":true,"result":{"message_id":1}}`,
	},
	"wecom": {url: "wecom://key", answer: `{"errcode":0,"errmsg":"ok"}`},
	"zulip": {url: "zulip://bot%40example.com:key@zulip.example.com?stream=reboots&topic=t", answer: `{"result":"success","id":1}`},
}

// played answers as a service, but for the last request, which is the message.
type played struct {
	service *offered
	last    http.HandlerFunc
}

func (p played) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for step, answer := range p.service.steps {
		method, part, _ := strings.Cut(step, " ")
		if r.Method == method && strings.Contains(r.URL.Path, part) {
			write := respond(200, answer)
			write(w, r)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p.service.got = strings.Join([]string{r.URL.RawQuery, r.Header.Get("Title"), string(body)}, "\n")
	p.service.requests++
	p.last(w, r)
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := fmt.Fprint(w, body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func TestNoServiceTakesAFailureForASuccess(t *testing.T) {
	if diff := cmp.Diff(schemes, slices.Sorted(maps.Keys(all))); diff != "" {
		t.Fatalf("services that are offered (-), and tested (+):\n%s", diff)
	}
	const page = "<!DOCTYPE html><html><body>Sign in</body></html>"
	answers := map[string]struct {
		answer http.HandlerFunc
		// good says that the status is.
		good bool
		says string
	}{
		"overloaded": {respond(503, "overloaded"), false, "503"},
		"forbidden":  {respond(403, `{"ok":false,"description":"Forbidden: bot was blocked by the user"}`), false, "403"},
		"too many":   {respond(429, ""), false, "429"},
		"empty":      {respond(200, ""), true, saysEmpty},
		"spaces":     {respond(200, " \n"), true, saysEmpty},
		"page":       {respond(200, page), true, saysPage},
		"other page": {respond(203, "\ufeff\n"+page), true, saysPage},
		"hangs up":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, saysReset},
		"no":         {respond(200, `{"ok":false,"success":false,"error":"x"}`), true, saysNotTaken},
	}
	for name, service := range all {
		if service.url == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if got := service.send(t, service.success()); got != nil {
				t.Errorf("taken: %+v", got)
			}
			if !strings.Contains(service.got, service.has) {
				t.Errorf("%s is not in %s", service.has, service.got)
			}
			for kind, bad := range answers {
				if name == schemeGeneric && bad.good {
					if got := service.send(t, bad.answer); got != nil { // it may be any server, so only the status counts
						t.Errorf("%s: %+v", kind, got)
					}
					continue
				}
				got := service.send(t, bad.answer)
				if got == nil || got.invalid || bad.says != "" && !strings.Contains(got.text, bad.says) {
					t.Errorf("%s: %+v, want %q", kind, got, bad.says)
				}
			}
			if got := service.send(t, nil); got == nil || got.text != saysRefused && name != schemeMatrix {
				t.Errorf("a refused connection: %+v", got)
			}
		})
	}
}

// send sends a message to a service that gives the answer. Without an answer, connections are refused, also in earlier steps.
func (o *offered) send(t *testing.T, answer http.HandlerFunc) *problem {
	t.Helper()
	return o.sendEvent(t, halted(), answer)
}

func (o *offered) sendEvent(t *testing.T, event *notify.Event, answer http.HandlerFunc) *problem {
	t.Helper()
	server := httptest.NewServer(played{o, answer})
	defer server.Close()
	cloud.mu.Lock()
	cloud.instead = played{o, answer}
	cloud.mu.Unlock()
	defer func() {
		cloud.mu.Lock()
		defer cloud.mu.Unlock()
		cloud.instead = nil
		cloud.refuses.Store(false)
	}()
	if answer == nil {
		server.Close()
		cloud.refuses.Store(true)
	}
	raw := strings.Replace(o.url, "HOST", server.Listener.Addr().String(), 1)
	return senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), event)
}

// success is how the service answers when it has taken a message.
func (o *offered) success() http.HandlerFunc {
	if o.answer == "204" {
		return respond(204, "")
	}
	return respond(200, o.answer)
}

// A message names up to ten nodes, each in a line of its own.
func TestAMessageOfManyLinesIsOneRequestWithAllOfThem(t *testing.T) {
	lines := []string{"the-title"}
	for i := range 12 {
		lines = append(lines, fmt.Sprintf("worker-%d-waits", i))
	}
	event := halted()
	event.Title, event.Text = lines[0], strings.Join(lines[1:], "\n")
	for name, service := range all {
		if service.url == "" {
			continue
		}
		if got := service.sendEvent(t, event, service.success()); got != nil || service.requests != 1 {
			t.Errorf("%s: %d requests, %+v", name, service.requests, got)
		}
		for _, line := range lines {
			if !strings.Contains(service.got, line) {
				t.Errorf("%s: %s is not in %s", name, line, service.got)
			}
		}
	}
}

func TestAURLNamesOneTarget(t *testing.T) {
	for raw, want := range map[string]string{
		"matrix://u:p@matrix.example.com/?rooms=!a:example.com,!b:example.com":                        "names 2 rooms: write one receiver",
		"matrix://u:p@matrix.example.com/":                                                            "names no room",
		"ifttt://key/?events=a,b":                                                                     "names 2 events",
		"pushbullet://" + strings.Repeat("o.", 17) + "/a/b/c":                                         "names 3 targets",
		"signal://signal.example.com/+15550000001/+15550000002/+15550000003":                          "names 2 recipients",
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@reboots,-1001234567": "names 2 chats",
	} {
		cloud.will(500, "nobody is to be asked")
		got := senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), nil)
		if says(t, got, want); got != nil && !got.invalid {
			t.Errorf("%s is tried again: %+v", raw, got)
		}
		if len(cloud.requests) > 0 {
			t.Errorf("%s: asked %v", raw, cloud.requests)
		}
	}
}
