package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// room is a chat room of a service, with the requests of its API that make and change messages.
type room struct {
	t *testing.T
	// made and changed are the methods and paths of these requests, and id finds the ID of a message in one that changes it.
	made, changed string
	id            func(r *http.Request, body map[string]any) string
	// answer is the answer to a new message, and refused the answer if there is no message to change.
	answer  func(id string) string
	refused http.HandlerFunc

	mu       sync.Mutex
	messages map[string]string
	order    []string
	broken   bool
}

func (c *room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		c.t.Error(err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch request := r.Method + " " + r.URL.Path; {
	case c.broken:
		w.WriteHeader(http.StatusServiceUnavailable)
	case request == c.made:
		id := fmt.Sprint(100 + len(c.order))
		c.messages[id], c.order = string(text), append(c.order, id)
		c.write(w, c.answer(id))
	case strings.HasPrefix(request, c.changed):
		id := c.id(r, body)
		if _, has := c.messages[id]; !has {
			c.refused(w, r)
			return
		}
		c.messages[id] = string(text)
		c.write(w, c.answer(id))
	default:
		c.t.Errorf("request %s", request)
	}
}

func (c *room) write(w io.Writer, text string) {
	if _, err := io.WriteString(w, text); err != nil {
		c.t.Error(err)
	}
}

// shown are the messages, in the order in which they were made.
func (c *room) shown() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range c.order {
		if text, has := c.messages[id]; has {
			all = append(all, text)
		}
	}
	return all
}

const telegramToken = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

// rooms are those of all services that can change messages, and the URLs that lead to them.
func rooms(t *testing.T) map[string]struct {
	url string
	*room
} {
	t.Helper()
	field := func(name string) func(*http.Request, map[string]any) string {
		return func(_ *http.Request, body map[string]any) string { return fmt.Sprint(body[name]) }
	}
	return map[string]struct {
		url string
		*room
	}{
		"Discord": {"discord://token@1234567890123456789", &room{
			made: "POST /api/webhooks/1234567890123456789/token", changed: "PATCH /api/webhooks/1234567890123456789/token/messages/",
			id: func(r *http.Request, _ map[string]any) string {
				return r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
			},
			answer:  func(id string) string { return `{"id": "` + id + `", "type": 0}` },
			refused: respond(404, `{"message": "Unknown Message", "code": 10008}`),
		}},
		"Telegram": {"telegram://" + telegramToken + "@telegram?chats=@reboots", &room{
			made: "POST /bot" + telegramToken + "/sendMessage", changed: "POST /bot" + telegramToken + "/editMessageText",
			id:      field("message_id"),
			answer:  func(id string) string { return `{"ok": true, "result": {"message_id": ` + id + `}}` },
			refused: respond(400, `{"ok": false, "error_code": 400, "description": "Bad Request: message to edit not found"}`),
		}},
		"Slack, bot": {"slack://xoxb:123456789012-1234567890123-" + strings.Repeat("x", 24) + "@C001CH4NN3L?botname=Reboots", &room{
			made: "POST /api/chat.postMessage", changed: "POST /api/chat.update", id: field("ts"),
			answer:  func(id string) string { return `{"ok": true, "channel": "C001CH4NN3L", "ts": "` + id + `"}` },
			refused: respond(200, `{"ok": false, "error": "message_not_found"}`),
		}},
	}
}

// rolled is an event of a rollout.
func rolled(event v1alpha1.NotificationEvent, title string) *notify.Event {
	return &notify.Event{
		ID: "0123456789abcdef", Event: event, Policy: "workers", Time: time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC),
		Title: title, Text: "How it goes.", Rollout: &notify.Rollout{ID: "r"},
	}
}

func TestARolloutIsOneMessageOfAServiceThatCanChangeIt(t *testing.T) {
	for name, to := range rooms(t) {
		t.Run(name, func(t *testing.T) {
			to.stands(t)
			s := senderWith(loopback, map[string]string{"url": to.url})
			sends := func(e *notify.Event, shown, want string) string {
				t.Helper()
				e.Show(shown)
				says(t, s.send(t.Context(), "workers", toURL(), e), want)
				return e.Shown()
			}
			shows := func(want ...string) {
				t.Helper()
				got := to.shown()
				if len(got) != len(want) {
					t.Fatalf("shown: %q, want %q", got, want)
				}
				for i := range want {
					if !strings.Contains(got[i], want[i]) || want[i] != "begins" && strings.Contains(got[i], "begins") {
						t.Errorf("shown: %q, want %q", got[i], want[i])
					}
				}
			}
			shown := sends(rolled(v1alpha1.EventRolloutStarted, "begins"), "", "")
			if shown == "" || len(shown) > maxShown || strings.Contains(shown, "token") || strings.Contains(shown, telegramToken) {
				t.Fatalf("shown by %q", shown)
			}
			shows("begins")
			sends(rolled(v1alpha1.EventRolloutFinished, "ends"), shown, "")
			shows("ends")
			// Halted is another message.
			sends(halted(), shown, "")
			shows("ends", "halted")

			// A service that is down for a moment is asked again.
			to.broken = true
			sends(rolled(v1alpha1.EventRolloutFinished, "ends again"), shown, "it answers 503")
			to.broken = false
			shows("ends", "halted")

			// What someone deleted is not changed, and neither is a message of another place.
			delete(to.messages, to.order[0])
			if again := sends(rolled(v1alpha1.EventRolloutFinished, "ends again"), shown, ""); again == shown || again == "" {
				t.Errorf("shown by %q, which was deleted", again)
			}
			shows("halted", "ends again")
			sends(rolled(v1alpha1.EventRolloutFinished, "elsewhere"), "elsewhere/"+shown, "")
			shows("halted", "ends again", "elsewhere")
		})
	}
}

func TestAMessageThatIsShownAsItIsAlreadyIsChanged(t *testing.T) {
	cloud.will(400, `{"ok": false, "description": "Bad Request: message is not modified: specified new message content is the same"}`)
	e := rolled(v1alpha1.EventRolloutFinished, "ends")
	e.Show("telegram/@reboots/100")
	s := senderWith(loopback, map[string]string{"url": "telegram://" + telegramToken + "@telegram?chats=@reboots"})
	says(t, s.send(t.Context(), "workers", toURL(), e), "")
	if got := cloud.got(t); !strings.HasSuffix(got.path, "/editMessageText") || e.Shown() != "telegram/@reboots/100" {
		t.Errorf("request %s, shown by %s", got.path, e.Shown())
	}
}

// boards are receivers that show a rollout by one message each, but for those that do not.
type boards struct {
	*receivers
	other string
}

func (b boards) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	if e == nil || !e.AboutRollout() || n.Name == b.other {
		return b.receivers.send(ctx, policy, n, e)
	}
	how := "sends"
	if e.Shown() != "" {
		how = "changes"
	}
	b.set(func() { b.taken = append(b.taken, n.Name+" "+how+":"+e.Title) })
	e.Show("board/" + n.Name)
	return nil
}

func TestWhereARolloutIsShownIsStoredWithWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "board", "mail")
		defer func() { b.stop() }()
		lead := func() {
			b.lead()
			b.sender = boards{b.to, "mail"}
		}
		lead()
		b.after(time.Minute)
		b.reboot("a", false)
		b.after(2 * time.Minute)
		b.reboot("b", false)
		b.after(10 * time.Minute)
		stored := &corev1.ConfigMap{}
		key := types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.NotificationsName}
		if err := b.cluster.Get(t.Context(), key, stored); err != nil || !strings.Contains(stored.Data["workers"], `"shown":"board/board"`) {
			t.Errorf("stored: %v, %v", stored.Data, err)
		}
		lead()
		b.after(10 * time.Minute)
		b.reboot("a", true)
		b.reboot("b", true)
		b.after(24 * time.Hour)
		if got := b.to.events("mail"); !slices.Equal(got, []string{"RolloutStarted", "RolloutFinished"}) {
			t.Errorf("mail: %v", got)
		}
		var got []string
		b.to.set(func() {
			for _, taken := range b.to.taken {
				if text, is := strings.CutPrefix(taken, "board "); is {
					got = append(got, strings.Replace(text, "RebootPolicy workers: ", "", 1))
				}
			}
		})
		want := []string{
			"sends:rollout started", "changes:rollout under way", "changes:rollout under way", "changes:rollout under way",
			"changes:rollout finished, 2 nodes rebooted in 22m",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if writes := b.storedWrites(); writes != 2 {
			t.Errorf("%d writes, want 2: changes of a message are no writes", writes)
		}
	})
}

func TestProgressIsForNobodyWhoShowsItByAMessage(t *testing.T) {
	cloud.will(200, "ok")
	e := progress(t)
	e.Show("telegram/@reboots/100")
	hook := "slack://hook:T00000000-B00000000-" + strings.Repeat("x", 24) + "@webhook"
	says(t, senderWith(loopback, map[string]string{"url": hook}).send(t.Context(), "workers", toURL(), e), "")
	if len(cloud.requests) > 0 || e.Shown() != "" {
		t.Errorf("requests %v, shown by %q", cloud.requests, e.Shown())
	}
	e.Show("telegram/@reboots/100")
	says(t, senderWith(loopback, map[string]string{"url": "https://example.com"}).send(t.Context(), "workers", toWebhook(), e), "")
	if len(cloud.requests) > 0 || e.Shown() != "" {
		t.Errorf("requests %v, shown by %q", cloud.requests, e.Shown())
	}
}

// progress is that of a rollout whose start was a message that can be changed.
func progress(t *testing.T) *notify.Event {
	t.Helper()
	b := &bench{t: t, policy: &v1alpha1.RebootPolicy{}}
	b.policy.Name, b.policy.Spec.Schedule.TimeZone = "workers", "UTC"
	b.policy.Spec.Notifications = []v1alpha1.Notification{{Name: "r"}}
	b.reboot("a", false)
	state, memory := &notify.State{}, &notify.Memory{}
	for range 2 {
		facts := &notify.Facts{Policy: b.policy, Reboots: b.reboots}
		for _, e := range state.Look(facts, memory, time.Now()).Due["r"] {
			if e.IsProgress() {
				return e
			}
			e.Show("telegram/@reboots/100")
			state.Delivered("r", e, time.Now().Add(-time.Hour))
		}
		b.reboot("b", false)
	}
	t.Fatal("there is no progress")
	return nil
}

func TestALongMessageOfDiscordHasAllItsLinesInOrder(t *testing.T) {
	for _, lines := range []int{2, 10, 11, 25} {
		cloud.will(200, `{"id": "1"}`)
		e := halted()
		e.Text = ""
		for i := range lines - 1 {
			e.Text += fmt.Sprintf("<line %02d>\n", i)
		}
		e.Text = strings.TrimSpace(e.Text)
		s := senderWith(loopback, map[string]string{"url": "discord://token@1234567890123456789"})
		says(t, s.send(t.Context(), "workers", toURL(), e), "")
		body := cloud.got(t).body
		at := 0
		for i := range lines - 1 {
			next := strings.Index(body, fmt.Sprintf("line %02d", i))
			if next < at {
				t.Fatalf("%d lines: line %d is missing, or in another place: %s", lines, i, body)
			}
			at = next
		}
	}
}
