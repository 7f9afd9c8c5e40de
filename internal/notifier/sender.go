package notifier

import (
	"context"
	"fmt"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// sender sends events to receivers.
type sender struct {
	secrets
	guard outbound.Guard
	clock clock.PassiveClock
}

// send tells a receiver of an event; with none it only finds out whether the receiver is configured right.
func (s *sender) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	if n.Webhook != nil {
		if e != nil && e.IsProgress() { // it was another receiver when the rollout began
			e.Show("")
			return nil
		}
		return s.toWebhook(ctx, policy, n.Webhook, e)
	}
	return s.toService(ctx, policy, n, e)
}

func (s *sender) toService(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	if n.URL == nil {
		return invalid("it has neither url nor webhook")
	}
	raw, bad := s.value(ctx, policy, n.URL)
	if bad != nil {
		return bad
	}
	to, bad := newService(raw, s.where(n.URL), s.guard)
	if bad != nil || e == nil {
		return bad
	}
	if !e.AboutRollout() {
		return to.send(ctx, write(n, e))
	}
	if shows, is := to.(board); is {
		return show(ctx, shows, write(n, e), e)
	}
	if e.Show(""); e.IsProgress() {
		return nil
	}
	return to.send(ctx, write(n, e))
}

func (s *sender) where(key *v1alpha1.NotificationKey) string {
	return fmt.Sprintf("key %s of Secret %s/%s", key.Key, s.namespace, key.Secret)
}

func (s *sender) toWebhook(ctx context.Context, policy string, w *v1alpha1.NotificationWebhook, e *notify.Event) *problem {
	raw, bad := s.value(ctx, policy, &w.URL)
	if bad != nil {
		return bad
	}
	values := map[*v1alpha1.NotificationKey]string{}
	for _, key := range []*v1alpha1.NotificationKey{w.HMACKey, w.CA} {
		if key == nil {
			continue
		}
		if values[key], bad = s.value(ctx, policy, key); bad != nil {
			return bad
		}
	}
	to, bad := newWebhook(raw, s.where(&w.URL), values[w.HMACKey], values[w.CA], s.guard)
	if bad != nil || e == nil {
		return bad
	}
	return to.send(ctx, e, s.clock.Now())
}

// write is the message of an event. If its template cannot be used, the message is in plain English: that there is something to know
// matters more.
func write(n *v1alpha1.Notification, e *notify.Event) message {
	plain := message{id: e.ID, title: e.Title, text: e.Text}
	text := notify.TemplateOf(n, e.Event)
	if text == "" {
		return plain
	}
	template, err := notify.Parse(text)
	if err != nil {
		return plain
	}
	written, err := template.Execute(e)
	if err != nil || written == "" {
		return plain
	}
	return message{id: e.ID, title: e.Title, text: written, whole: true}
}
