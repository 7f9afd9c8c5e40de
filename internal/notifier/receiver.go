package notifier

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// firstBackoff is how long there is between a try that failed and the next one. It doubles up to maxBackoff; jitter is how much is added
	// by chance, as a part of it.
	firstBackoff = 5 * time.Second
	maxBackoff   = 10 * time.Minute
	jitter       = 0.2
	// recheck is after how long a misconfigured receiver is checked again: a Secret has no watch.
	recheck = time.Minute
	// keptFor is how long a message is tried again.
	keptFor = 24 * time.Hour
	// shownAfter is how many tries have to fail before a condition says so.
	shownAfter = 2
)

// tracked is a policy.
type tracked struct {
	object    *v1alpha1.RebootPolicy
	state     *notify.State
	memory    *notify.Memory
	receivers map[string]*receiver
	// dirty says that the state is not stored, and since when.
	dirty      bool
	dirtySince time.Time
	// gone says that the policy has no notifications now, and defect that it cannot be found out what is due.
	gone, defect bool
}

func newTracked(state *notify.State) *tracked {
	return &tracked{state: state, memory: &notify.Memory{}, receivers: map[string]*receiver{}}
}

func (t *tracked) receiver(name string) *receiver {
	r := t.receivers[name]
	if r == nil {
		r = &receiver{pending: map[v1alpha1.NotificationEvent]*pending{}}
		t.receivers[name] = r
	}
	return r
}

// has says that the policy names a receiver.
func (t *tracked) has(name string) bool {
	return slices.ContainsFunc(t.object.Spec.Notifications, func(n v1alpha1.Notification) bool { return n.Name == name })
}

// keep forgets receivers that are gone, those that are being notified later: no receiver is notified twice at once.
func (t *tracked) keep() {
	for name := range t.receivers {
		if !t.receivers[name].busy && !t.has(name) {
			delete(t.receivers, name)
		}
	}
}

// busy says that a receiver is being notified.
func (t *tracked) busy() bool {
	for _, r := range t.receivers {
		if r.busy {
			return true
		}
	}
	return false
}

// receiver is one receiver of a policy.
type receiver struct {
	spec *v1alpha1.Notification
	// pending are the messages that wait, one for each event at most.
	pending map[v1alpha1.NotificationEvent]*pending
	busy    bool
	// checked is the generation of the policy as of which the receiver is known to be configured right.
	checked, generation int64
	failures            int
	notBefore           time.Time
	// alone is until when the receiver asked to be left alone.
	alone   time.Time
	problem *problem
	// since is when the problem began.
	since time.Time
	// template is what is wrong with a template; messages are then sent without it.
	template *problem
	changes  changes
}

// pending is a message that waits.
type pending struct {
	event *notify.Event
	since time.Time
	// same is since when it has been about the same rollout.
	same time.Time
	// tried says that it was tried to send it.
	tried bool
}

// update takes what is due now. An event that was tried and no longer applies keeps waiting, and says that it is over. An event that was
// never tried and no longer applies is dropped.
func (r *receiver) update(
	spec *v1alpha1.Notification, generation int64, due map[string][]*notify.Event, now time.Time,
) (dropped []v1alpha1.NotificationEvent) {
	if r.generation != generation {
		r.edited(spec)
	}
	r.spec, r.generation = spec, generation
	is := map[v1alpha1.NotificationEvent]bool{}
	for _, e := range due[spec.Name] {
		is[e.Event] = true
		if p := r.pending[e.Event]; p != nil {
			p.take(e, now)
			continue
		}
		r.pending[e.Event] = &pending{event: e, since: now, same: now}
	}
	for event, p := range r.pending {
		switch {
		case event == v1alpha1.EventRolloutStarted && !is[event] && !r.busy, !is[event] && !p.tried:
			// The summary of the rollout says it, or nobody was to know yet.
			delete(r.pending, event)
		case now.After(p.since.Add(keptFor)):
			delete(r.pending, event)
			dropped = append(dropped, event)
		case !is[event]:
			over := *p.event
			over.End()
			p.event = &over
		}
	}
	return dropped
}

// edited takes that the policy is another one than before: what changed may be what was wrong.
func (r *receiver) edited(spec *v1alpha1.Notification) {
	if r.spec == nil || !r.sameAddress(spec) {
		r.alone, r.changes = time.Time{}, changes{}
	}
	r.notBefore, r.template = r.alone, nil
	if path, err := notify.CheckTemplates(spec); err != nil {
		r.template = invalid("%s cannot be used, so messages are sent in plain English: %s", path, err)
	}
}

// sameAddress says that the receiver is to be found where it was.
func (r *receiver) sameAddress(spec *v1alpha1.Notification) bool {
	address := func(n *v1alpha1.Notification) *v1alpha1.NotificationKey {
		if n.Webhook != nil {
			return &n.Webhook.URL
		}
		return n.URL
	}
	return ptr.Equal(address(r.spec), address(spec))
}

// next is the event that the receiver has to be notified of next. Without any event it has to be found out whether it is configured right.
// Later is when a change of a message is tried again; zero means never.
func (r *receiver) next(state *notify.State, now time.Time) (event *notify.Event, something bool, later time.Time) {
	for _, kind := range v1alpha1.NotificationEvents {
		p := r.pending[kind]
		if p == nil {
			continue
		}
		if until := r.putOff(p, state, now); !until.IsZero() {
			later = soonest(later, until)
			continue
		}
		if event == nil || goesBefore(p.event, event) {
			event = p.event
		}
	}
	return event, event != nil || r.checked != r.generation || r.problem != nil && r.problem.invalid, later
}

// goesBefore says that an event is sent before another one: the earlier one is, and how a rollout goes comes last.
func goesBefore(a, b *notify.Event) bool {
	if a.IsProgress() != b.IsProgress() {
		return b.IsProgress()
	}
	return a.Time.Before(b.Time)
}

// result is what came of telling a receiver.
type result struct {
	policy     types.UID
	receiver   string
	generation int64
	// event that was sent; nil if the receiver was only looked at.
	event   *notify.Event
	problem *problem
	// late says that nothing was tried, because too many others were being notified.
	late bool
}

// progress says that the event only updates how a rollout goes, and is not a message of its own.
func (r *result) progress() bool { return r.event != nil && r.event.IsProgress() }

// handle takes what came of a message, and has the next one sent.
func (n *Notifier) handle(ctx context.Context, result result) {
	policy := n.policies[result.policy]
	if policy == nil {
		return
	}
	r := policy.receivers[result.receiver]
	if r == nil {
		return
	}
	now := n.options.Clock.Now()
	r.busy = false
	n.note(policy, r, result, now)
	if !policy.gone && policy.has(result.receiver) {
		n.begin(ctx, policy, r, now) // the next look says when, if that is later
	}
}

// note takes down what came of telling a receiver.
func (n *Notifier) note(policy *tracked, r *receiver, result result, now time.Time) {
	switch p := result.problem; {
	case result.late:
		r.failChange(&problem{}, now)
		return
	case p != nil && (p.ofChange || result.progress() && !p.invalid):
		n.count(policy, result, ResultFailed)
		n.options.Log.Info("A message that shows a rollout could not be changed", "policy", policy.object.Name, "receiver", result.receiver,
			"because", p.text)
		r.failChange(p, now)
		return
	case p != nil:
		n.count(policy, result, ResultFailed)
		n.options.Log.Info("A notification could not be delivered", "policy", policy.object.Name, "receiver", result.receiver,
			"because", result.problem.text)
		r.fail(result, now)
		return
	}
	n.count(policy, result, ResultDelivered)
	if !result.progress() { // that may be nothing sent, and is no proof that messages are taken
		r.checked = result.generation
		r.failures, r.notBefore, r.problem = 0, time.Time{}, nil
	}
	if result.event == nil {
		return
	}
	if result.event.AboutRollout() {
		r.changes = changes{}
	}
	policy.state.Delivered(result.receiver, result.event, now)
	policy.dirty = true
	delete(r.pending, result.event.Event)
	if r.template == nil && r.generation == result.generation {
		r.template = templateProblem(r.spec, result.event)
	}
}

func (n *Notifier) count(policy *tracked, result result, as string) {
	if result.event != nil && !result.progress() {
		n.options.Count(policy.object.Name, as)
	}
}

// templateProblem is what is wrong with the template of an event that was sent without it.
func templateProblem(spec *v1alpha1.Notification, e *notify.Event) *problem {
	text := notify.TemplateOf(spec, e.Event)
	if text == "" {
		return nil
	}
	template, err := notify.Parse(text)
	if err == nil {
		_, err = template.Execute(e)
	}
	if err != nil {
		return invalid("the template for %s cannot be used, so the message was sent in plain English: %s", e.Event, err)
	}
	return nil
}

func (r *receiver) fail(result result, now time.Time) {
	if r.problem == nil || r.problem.invalid != result.problem.invalid {
		r.since = now
	}
	r.failures++
	if r.problem == nil || r.problem.invalid || result.problem.invalid {
		r.problem = result.problem // of several failures in a row the first one is shown, so that the condition does not change all the time
	}
	wait := backoff(r.failures)
	if result.problem.invalid {
		wait = recheck // the person who corrects it checks whether that helped
	}
	if result.event == nil && !result.problem.invalid {
		r.checked = result.generation - 1
	}
	r.notBefore, r.alone = now.Add(jittered(max(wait, result.problem.after))), now.Add(result.problem.after)
}

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	if failures < 8 {
		return min(firstBackoff<<(failures-1), maxBackoff)
	}
	return maxBackoff
}

func jittered(d time.Duration) time.Duration { return wait.Jitter(d, jitter) }

// shown is the problem that people are to know of; nil if there is none.
func (r *receiver) shown() *problem {
	if r.problem != nil && (r.problem.invalid || r.failures >= shownAfter) {
		return r.problem
	}
	return r.template
}

// tell lets a condition of each policy say what is wrong with its receivers.
func (n *Notifier) tell() {
	problems := map[string]model.NotificationProblem{}
	for _, policy := range n.policies {
		if p, is := policy.worst(); is && !policy.gone {
			problems[policy.object.Name] = p
		}
	}
	n.show(problems)
}

// show has the next pass write problems, if there are others than before.
func (n *Notifier) show(problems map[string]model.NotificationProblem) {
	n.mu.Lock()
	changed, same := n.changed, len(problems) == len(n.problems)
	for name, p := range problems {
		same = same && n.problems[name] == p
	}
	if !same {
		n.problems = problems
	}
	n.mu.Unlock()
	if !same {
		changed()
	}
}

// saysDefect is the message for a policy whose check panics.
const saysDefect = "Nothing new is sent, because a defect of the manager prevents it from finding out what is due. Please report it with " +
	"what the manager's log says."

// worst is the problem of the first receiver that has one; an invalid one goes first.
func (t *tracked) worst() (shown model.NotificationProblem, is bool) {
	if t.defect {
		return model.NotificationProblem{Reason: v1alpha1.ReasonNotificationFailed, Message: saysDefect}, true
	}
	for i := range t.object.Spec.Notifications {
		name := t.object.Spec.Notifications[i].Name
		r := t.receivers[name]
		if r == nil {
			continue
		}
		switch p := r.shown(); {
		case p != nil && p.invalid:
			return model.NotificationProblem{
				Reason: v1alpha1.ReasonNotificationInvalid, Message: model.Bounded("Receiver " + name + ": " + p.text + "."),
			}, true
		case p != nil && !is:
			since := model.Clock{}.At(r.since.Truncate(time.Minute))
			shown = model.NotificationProblem{Reason: v1alpha1.ReasonNotificationFailed, Message: "Receiver " + name +
				" has not accepted notifications since " + since + ": " + p.text + ". They are sent again."}
			is = true
		}
	}
	return shown, is
}
