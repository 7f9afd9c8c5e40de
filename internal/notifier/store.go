package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// requestTimeout bounds a request to the API server.
	requestTimeout = 10 * time.Second
	// maxStored is how many bytes the ConfigMap may have; the API server takes 1 MiB.
	maxStored = 900 << 10
	// savesAtLatest is how long what was sent waits to be stored together with what is being sent.
	savesAtLatest = 5 * time.Second
	// betweenWrites is how long there is between two writes at the least, but for the last one.
	betweenWrites = 5 * time.Second
	// endTimeout bounds how long a manager that ends waits for what is being sent, and how long it then takes to store that.
	endTimeout = 2 * time.Second
)

// store is the ConfigMap that remembers what was sent. Only the manager that leads writes it, and only when something was sent. If two
// managers believe that they lead, one fails to write, reads what the other one wrote, and writes again.
type store struct {
	live      client.Reader
	namespace string
	loaded    bool
	object    *corev1.ConfigMap
	// notBefore is when to try again, or to write again.
	notBefore time.Time
	// failures in a row, of reads until one was good, and of writes after that.
	failures int
}

// again is how long to wait after one more failure.
func (s *store) again() time.Duration {
	s.failures++
	if s.failures >= 8 {
		return jittered(maxBackoff)
	}
	return jittered(min(firstBackoff<<(s.failures-1), maxBackoff))
}

// entry is what is stored of a policy.
type entry struct {
	UID types.UID `json:"uid"`
	*notify.State
}

// state is what is stored about a policy. Nothing is taken over from an earlier policy of the same name.
func (s *store) state(policy *v1alpha1.RebootPolicy, now time.Time, log logr.Logger) *notify.State {
	text := s.object.Data[policy.Name]
	if text == "" {
		return &notify.State{}
	}
	stored := entry{State: &notify.State{}}
	err := json.Unmarshal([]byte(text), &stored)
	if err != nil || stored.UID != policy.UID || stored.State == nil || !stored.Sound(now) {
		log.Info("It is not known what was sent for a policy, so it may be sent again", "policy", policy.Name)
		return &notify.State{}
	}
	return stored.State
}

// load reads the ConfigMap.
func (n *Notifier) load(ctx context.Context) time.Duration {
	if now := n.options.Clock.Now(); ahead(n.store.notBefore, now, recheck) {
		return n.store.notBefore.Sub(now)
	}
	if err := n.store.read(ctx); err != nil {
		n.options.Log.Error(err, "What was sent cannot be read; nothing is sent before that")
		wait := min(n.store.again(), recheck) // nothing is sent meanwhile
		n.store.notBefore = n.options.Clock.Now().Add(wait)
		if n.store.failures >= shownAfter {
			n.show(n.unread())
		}
		return wait
	}
	n.store.loaded, n.store.failures, n.store.notBefore = true, 0, time.Time{}
	return time.Millisecond
}

// unread says for every policy with receivers that nothing is sent.
func (n *Notifier) unread() map[string]model.NotificationProblem {
	problems := map[string]model.NotificationProblem{}
	for _, policy := range n.last.policies {
		if len(policy.Spec.Notifications) > 0 {
			problems[policy.Name] = model.NotificationProblem{Reason: v1alpha1.ReasonNotificationFailed, Message: fmt.Sprintf(
				"Nothing is sent, because what was sent before is not known: the manager cannot read ConfigMap %s/%s. See its log, and its Role.",
				n.options.Namespace, v1alpha1.NotificationsName)}
		}
	}
	return problems
}

// saveAtLast stores what was sent and is not stored yet, so that the next leader does not send it again.
func (n *Notifier) saveAtLast(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer stop()
	for _, policy := range n.policies {
		if policy.dirty {
			err := n.write(ctx)
			if outdated(err) {
				err = n.write(ctx) // a write that was cut off when the context ended may have been done
			}
			if err != nil {
				n.options.Log.Info("What was sent is not stored, so another manager may send it again", "because", err.Error())
			}
			return
		}
	}
}

func (s *store) read(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, requestTimeout)
	defer stop()
	object := &corev1.ConfigMap{}
	err := s.live.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: v1alpha1.NotificationsName}, object)
	if apierrors.IsNotFound(err) {
		s.object = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: v1alpha1.NotificationsName}}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ConfigMap %s: %w", v1alpha1.NotificationsName, err)
	}
	s.object = object
	return nil
}

// save stores what changed, once no receiver of the policy is being notified. It returns when to try again; zero is when something happens.
func (n *Notifier) save(ctx context.Context, now time.Time) time.Time {
	var wake time.Time
	due := false
	for _, policy := range n.policies {
		if !policy.dirty {
			continue
		}
		if policy.dirtySince.IsZero() {
			policy.dirtySince = now
		}
		if latest := policy.dirtySince.Add(savesAtLatest); policy.busy() && now.Before(latest) {
			wake = soonest(wake, latest)
			continue
		}
		due = true
	}
	if due && ahead(n.store.notBefore, now, maxBackoff) {
		return soonest(wake, n.store.notBefore)
	}
	if !due {
		return wake
	}
	if err := n.write(ctx); err != nil {
		n.options.Log.Error(err, "What was sent cannot be stored; another manager may send it again")
		n.store.notBefore = now.Add(n.store.again())
		return n.store.notBefore
	}
	n.store.failures, n.store.notBefore = 0, now.Add(betweenWrites)
	for _, policy := range n.policies {
		policy.dirty, policy.dirtySince = false, time.Time{}
	}
	return wake
}

// write stores the states of all policies. It replaces what another manager wrote in the meantime, which also believed that it leads.
func (n *Notifier) write(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, requestTimeout)
	defer stop()
	object := n.store.object.DeepCopy()
	object.Data = n.encoded()
	if maps.Equal(object.Data, n.store.object.Data) {
		return nil
	}
	object.Labels = map[string]string{"app.kubernetes.io/name": "reboot-operator"}
	// ConfigMaps are not cached; waiting for a cache to see the write would start one of all ConfigMaps.
	uncached := client.DisableReadYourWritesConsistency
	var err error
	if object.ResourceVersion == "" {
		err = n.options.Client.Create(ctx, object, uncached)
	} else {
		err = n.options.Client.Update(ctx, object, uncached)
	}
	if outdated(err) {
		if reading := n.store.read(ctx); reading != nil {
			return reading
		}
	}
	if err != nil {
		return fmt.Errorf("write ConfigMap %s: %w", v1alpha1.NotificationsName, err)
	}
	n.store.object = object
	return nil
}

// outdated says that a write was refused because the ConfigMap is not as it was read.
func outdated(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

// encoded is the content of the ConfigMap. Where it would be too large, keys are left out of all entries: what is still so is then sent
// again by the next leader. No policy is left out before that.
func (n *Notifier) encoded() map[string]string {
	whole := func(s *notify.State) *notify.State { return s }
	data, fits := n.encode(whole)
	if !fits {
		data, _ = n.encode((*notify.State).Slim)
	}
	return data
}

// encode writes the states of all policies in the order of their names, as far as they fit.
func (n *Notifier) encode(as func(*notify.State) *notify.State) (data map[string]string, fits bool) {
	data, fits = map[string]string{}, true
	size := 0
	byName := slices.SortedFunc(maps.Values(n.policies), func(a, b *tracked) int { return strings.Compare(a.object.Name, b.object.Name) })
	for _, policy := range byName {
		text, err := json.Marshal(entry{UID: policy.object.UID, State: as(policy.state)})
		if err != nil || size+len(text) > maxStored {
			fits = false
			continue
		}
		size += len(text)
		data[policy.object.Name] = string(text)
	}
	return data, fits
}
