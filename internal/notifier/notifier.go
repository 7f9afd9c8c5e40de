package notifier

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

const (
	// rest is how long there is between two looks at the least: what happens at once is seen at once.
	rest = time.Second
	// maxSending is how many receivers are notified at once, and maxRetrying how many of those for which the last try failed: one that is
	// well never waits for those that hang.
	maxSending  = 16
	maxRetrying = 8
	// maxTurn is for how long a receiver keeps others from their turn. Some services make several requests.
	maxTurn = 30 * time.Second
	// pause is how long nothing is checked after a check failed that must not fail.
	pause = time.Minute
)

var errPanic = errors.New("panic")

// Results of what was sent.
const (
	ResultDelivered = "Delivered"
	// ResultFailed is a try that failed; there is another one.
	ResultFailed = "Failed"
	// ResultDropped is a message that was given up.
	ResultDropped = "Dropped"
)

// Results are all results.
var Results = []string{ResultDelivered, ResultFailed, ResultDropped}

// Options of a Notifier.
type Options struct {
	// Live reads Secrets and the ConfigMap from the API server, and Client writes the ConfigMap.
	Live   client.Reader
	Client client.Writer
	// Namespace of the Secrets and of the ConfigMap.
	Namespace string
	// AllowedCIDRs are local addresses that receivers may have.
	AllowedCIDRs []netip.Prefix
	Clock        clock.PassiveClock
	Log          logr.Logger
	// Count counts what was sent for a policy, by result.
	Count func(policy, result string)
}

// Notifier notifies receivers. It is a Runnable of the manager that leads: the lead is given up when Start has returned, so the next leader
// knows what was sent.
type Notifier struct {
	options Options
	sender  teller
	store   *store
	// news says that there is something in observed.
	news    chan struct{}
	results chan result
	// turns of receivers that are well, and of those that are not.
	turns, retries chan struct{}

	mu sync.Mutex
	// changed asks for a pass.
	changed  func()
	observed *observation
	problems map[string]model.NotificationProblem

	// The rest belongs to run.
	last     *observation
	policies map[types.UID]*tracked
	looked   time.Time
	sending  sync.WaitGroup
	// beyond is the context of what is being sent: it outlives that of Start for a moment.
	beyond context.Context
}

// teller tells a receiver of an event; without one it finds out whether the receiver is configured right.
type teller interface {
	send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem
}

// observation is what a pass has read.
type observation struct {
	policies []*v1alpha1.RebootPolicy
	reboots  []*v1alpha1.NodeReboot
}

// New makes a Notifier.
func New(options Options) *Notifier {
	return &Notifier{
		options: options,
		sender: &sender{
			secrets: secrets{live: options.Live, namespace: options.Namespace},
			guard:   outbound.Guard{Allowed: options.AllowedCIDRs}, clock: options.Clock,
		},
		store:    &store{live: options.Live, namespace: options.Namespace},
		news:     make(chan struct{}, 1),
		results:  make(chan result),
		turns:    make(chan struct{}, maxSending),
		retries:  make(chan struct{}, maxRetrying),
		policies: map[types.UID]*tracked{},
		changed:  func() {},
	}
}

// Ask says how to ask for a pass, which is done when there is another problem.
func (n *Notifier) Ask(changed func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed = changed
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (n *Notifier) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable. It sends nothing before a pass was made. When the context has ended it waits a moment for what is
// being sent, and stores what was taken.
func (n *Notifier) Start(ctx context.Context) error {
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	n.beyond = sending
	n.run(ctx)
	n.finish(ctx)
	return nil
}

// Observe takes what a pass has read: objects that nobody changes. It never waits.
func (n *Notifier) Observe(policies []*v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot) {
	n.mu.Lock()
	n.observed = &observation{policies, reboots}
	n.mu.Unlock()
	select {
	case n.news <- struct{}{}:
	default:
	}
}

// Problems are those with the receivers of policies, by the name of the policy.
func (n *Notifier) Problems() map[string]model.NotificationProblem {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.problems
}

func (n *Notifier) take() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = n.observed
}

func (n *Notifier) run(ctx context.Context) {
	timer := clock.RealClock{}.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wake := n.safely(func() time.Duration { return n.step(ctx) })
		timer.Stop()
		if wake > 0 {
			timer = clock.RealClock{}.NewTimer(wake)
		}
		select {
		case <-ctx.Done():
			return
		case <-n.news:
			n.take()
		case r := <-n.results:
			n.safely(func() time.Duration { n.handle(ctx, r); return 0 })
		case <-timer.C():
		}
	}
}

// finish takes what comes of what is being sent, for a moment, and stores it.
func (n *Notifier) finish(ctx context.Context) {
	timer := clock.RealClock{}.NewTimer(endTimeout)
	defer timer.Stop()
	sent := make(chan struct{})
	go func() {
		n.sending.Wait()
		close(sent)
	}()
	for waiting := true; waiting; {
		select {
		case r := <-n.results:
			n.safely(func() time.Duration { n.handle(ctx, r); return 0 })
		case <-sent:
			waiting = false
		case <-timer.C():
			waiting = false
		}
	}
	n.saveAtLast(ctx)
}

// safely does not let a panic end the manager: reboots continue without notifications.
func (n *Notifier) safely(do func() time.Duration) (wake time.Duration) {
	defer func() {
		if recovered := recover(); recovered != nil {
			n.options.Log.Error(errPanic, "Cannot find out what is due", "panic", fmt.Sprint(recovered), "stack", string(debug.Stack()))
			wake = pause
		}
	}()
	return do()
}

// step looks, and has done what there is to do. It returns when to do so again; 0 is when something happens.
func (n *Notifier) step(ctx context.Context) time.Duration {
	if n.last == nil {
		return 0
	}
	if !n.wanted() {
		n.show(nil) // there is no receiver, so none fails
		return 0
	}
	if !n.store.loaded {
		return n.load(ctx)
	}
	now := n.options.Clock.Now()
	if next := n.looked.Add(rest); now.Before(next) && !now.Before(n.looked) {
		return next.Sub(now)
	}
	n.looked = now
	wake := n.look(ctx, now)
	n.tell()
	if w := n.save(ctx, now); !w.IsZero() && (wake.IsZero() || w.Before(wake)) {
		wake = w
	}
	if wake.IsZero() {
		return 0
	}
	return max(wake.Sub(now), rest)
}

// wanted says that a policy has notifications, or had some.
func (n *Notifier) wanted() bool {
	if len(n.policies) > 0 {
		return true
	}
	for _, policy := range n.last.policies {
		if len(policy.Spec.Notifications) > 0 {
			return true
		}
	}
	return false
}

// look finds out what is due for each receiver, and has it sent. It returns when to look again; zero means never.
func (n *Notifier) look(ctx context.Context, now time.Time) time.Time {
	var wake time.Time
	current := map[types.UID]bool{}
	for _, facts := range notify.Group(n.last.policies, n.last.reboots) {
		uid := facts.Policy.UID
		current[uid] = true
		policy := n.policies[uid]
		if policy == nil {
			policy = newTracked(n.store.state(facts.Policy, now, n.options.Log))
			n.policies[uid] = policy
		}
		policy.object, policy.gone, policy.defect = facts.Policy, false, true
		again := n.safely(func() time.Duration {
			wake = soonest(wake, n.lookAt(ctx, policy, facts, now))
			policy.defect = false
			return 0
		})
		if again > 0 {
			wake = soonest(wake, now.Add(again))
		}
	}
	for uid, policy := range n.policies {
		if current[uid] {
			continue
		}
		// A receiver that is being notified now must not be notified a second time because its policy has notifications again in the meantime.
		if policy.gone = true; !policy.busy() {
			delete(n.policies, uid)
		}
	}
	return wake
}

// lookAt finds out what is due for the receivers of one policy, and has it sent.
func (n *Notifier) lookAt(ctx context.Context, policy *tracked, facts *notify.Facts, now time.Time) time.Time {
	outcome := policy.state.Look(facts, policy.memory, now)
	policy.dirty = policy.dirty || outcome.Changed
	wake := outcome.Wake
	for i := range facts.Policy.Spec.Notifications {
		receiver := policy.receiver(facts.Policy.Spec.Notifications[i].Name)
		dropped := receiver.update(&facts.Policy.Spec.Notifications[i], facts.Policy.Generation, outcome.Due, now)
		for range dropped {
			n.options.Count(facts.Policy.Name, ResultDropped)
		}
		wake = soonest(wake, n.begin(ctx, policy, receiver, now))
	}
	policy.keep()
	return wake
}

// begin has the next message sent to a receiver, if it is time. It returns when it is; zero means never, or when something happens.
func (n *Notifier) begin(ctx context.Context, policy *tracked, r *receiver, now time.Time) time.Time {
	next, something, later := r.next(policy.state, now)
	if r.busy || ctx.Err() != nil {
		return time.Time{}
	}
	if !something {
		return later
	}
	if ahead(r.notBefore, now, maxRetryAfter) {
		return r.notBefore
	}
	r.busy = true
	next = r.own(next, policy.state, now)
	spec := r.spec.DeepCopy()
	outgoing := result{policy: policy.object.UID, receiver: spec.Name, generation: policy.object.Generation, event: next}
	name, at := policy.object.Name, turn{of: n.turns}
	if changes := outgoing.changes(); r.failures > 0 || changes && r.changes.failures > 0 {
		at = turn{of: n.retries, orNot: changes}
	}
	n.sending.Go(func() { n.send(ctx, at, name, spec, outgoing) })
	return time.Time{}
}

// send tells a receiver, when it is its turn.
func (n *Notifier) send(ctx context.Context, at turn, policy string, spec *v1alpha1.Notification, r result) {
	taken := at.take(ctx)
	next := sync.OnceFunc(func() {
		if taken {
			<-at.of
		}
	})
	defer next()
	if ctx.Err() != nil {
		return
	}
	if r.late = !taken; taken {
		timer := clock.RealClock{}.AfterFunc(maxTurn, next)
		r.problem = n.try(n.beyond, policy, spec, r.event)
		timer.Stop()
		next()
	}
	select {
	case n.results <- r:
	case <-n.beyond.Done():
	}
}

// try notifies a receiver. A panic of a library is a failure like any other; its message may contain parts of a URL.
func (n *Notifier) try(ctx context.Context, policy string, spec *v1alpha1.Notification, e *notify.Event) (p *problem) {
	changes := e != nil && e.Shown() != ""
	defer func() {
		if recover() != nil {
			n.options.Log.Error(errPanic, "A receiver cannot be notified", "policy", policy, "receiver", spec.Name, "stack", string(debug.Stack()))
			p = failed("%s", saysNotTaken)
			p.ofChange = changes
		}
	}()
	return n.sender.send(ctx, policy, spec, e)
}

// ahead says that a time is to be waited for. One that is farther ahead than what is ever waited for is from before the clock went back.
func ahead(t, now time.Time, most time.Duration) bool {
	return t.After(now) && t.Sub(now) <= time.Duration(float64(most)*(1+jitter))
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
