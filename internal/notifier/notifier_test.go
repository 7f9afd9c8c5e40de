package notifier

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const testNamespace = "operator"

// receivers take what they are sent, hang, or answer 500.
type receivers struct {
	mu     sync.Mutex
	hang   map[string]time.Duration
	broken map[string]*problem
	taken  []string
	tries  int
}

func (r *receivers) send(ctx context.Context, _ string, n *v1alpha1.Notification, e *notify.Event) *problem {
	r.mu.Lock()
	hang, broken := r.hang[n.Name], r.broken[n.Name]
	r.tries++
	r.mu.Unlock()
	if hang > 0 {
		select {
		case <-time.After(hang):
			return failed("%s", saysTimeout)
		case <-ctx.Done():
			return failed("%s", saysTimeout)
		}
	}
	if broken != nil || e == nil {
		return broken
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, n.Name+" "+string(e.Event)+" "+e.ID)
	return nil
}

func (r *receivers) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// events that a receiver took.
func (r *receivers) events(name string) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, taken := range r.taken {
		if words := strings.Fields(taken); words[0] == name {
			all = append(all, words[1])
		}
	}
	return all
}

// bench is a manager that leads, and what it is connected to.
type bench struct {
	*Notifier
	t       *testing.T
	cluster client.WithWatch
	to      *receivers
	policy  *v1alpha1.RebootPolicy
	reboots []*v1alpha1.NodeReboot
	counts  map[string]int
	mu      sync.Mutex
	asked   int
	writes  int
	// stop has the manager give up the lead, and returns when it has.
	stop func()
}

func newBench(t *testing.T, names ...string) *bench {
	t.Helper()
	b := &bench{t: t, to: &receivers{hang: map[string]time.Duration{}, broken: map[string]*problem{}}, counts: map[string]int{}}
	note := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.writes++
	}
	b.cluster = interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			note()
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			note()
			return c.Update(ctx, o, opts...)
		},
	})
	b.policy = &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "workers", UID: "p", Generation: 1}}
	b.policy.Spec.Schedule.TimeZone = "UTC"
	for _, name := range names {
		b.policy.Spec.Notifications = append(b.policy.Spec.Notifications, v1alpha1.Notification{Name: name})
	}
	b.lead()
	return b
}

// uncached is the manager's client, which reads what it caches. It would make a cache of all ConfigMaps, which the manager may not list, to
// see a write of one, unless it is asked not to.
func (b *bench) uncached() client.Client {
	check := func(uncached bool) {
		if !uncached {
			b.t.Error("a write of a ConfigMap waits for a cache of ConfigMaps")
		}
	}
	return interceptor.NewClient(b.cluster, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			check((&client.CreateOptions{}).ApplyOptions(opts).DisableReadYourWritesConsistency)
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			check((&client.UpdateOptions{}).ApplyOptions(opts).DisableReadYourWritesConsistency)
			return c.Update(ctx, o, opts...)
		},
	})
}

// lead has another manager lead.
func (b *bench) lead() {
	if b.stop != nil {
		b.stop()
	}
	b.Notifier = New(Options{
		Live: b.cluster, Client: b.uncached(), Namespace: testNamespace, Clock: clock.RealClock{}, Log: logr.Discard(),
		Count: func(_, result string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.counts[result]++
		},
	})
	b.sender = b.to
	ctx, cancel := context.WithCancel(b.t.Context())
	b.Ask(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked++
	})
	ended := make(chan struct{})
	go func(n *Notifier) {
		defer close(ended)
		if err := n.Start(ctx); err != nil {
			b.t.Error(err)
		}
	}(b.Notifier)
	b.stop = func() {
		cancel()
		<-ended
	}
}

// pass is what a pass hands over.
func (b *bench) pass() {
	reboots := make([]*v1alpha1.NodeReboot, 0, len(b.reboots))
	for _, r := range b.reboots {
		reboots = append(reboots, r.DeepCopy())
	}
	b.Observe([]*v1alpha1.RebootPolicy{b.policy.DeepCopy()}, reboots)
}

func (b *bench) after(d time.Duration) {
	b.pass()
	time.Sleep(d)
	synctest.Wait()
}

// halt begins a halt now.
func (b *bench) halt(halted bool) {
	b.policy.Status.Conditions = nil
	if halted {
		b.policy.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionHalted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNodesNotBack, Message: "A node is not back.",
			LastTransitionTime: metav1.Now(),
		}}
	}
}

func (b *bench) storedWrites() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writes
}

// reboot starts or ends the reboot of a node.
func (b *bench) reboot(node string, over bool) {
	now := metav1.NowMicro()
	i := slices.IndexFunc(b.reboots, func(r *v1alpha1.NodeReboot) bool { return r.Spec.NodeName == node })
	if i < 0 {
		r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: node + "-0", UID: types.UID(node)}}
		r.Spec.NodeName, r.Status.PolicyName, r.Status.Reason = node, "workers", v1alpha1.ReasonDraining
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: now}
		b.reboots = append(b.reboots, r)
		return
	}
	if over {
		s := &b.reboots[i].Status
		s.Attempt.EndedTime, s.CompletionTime, s.Outcome = &now, &now, v1alpha1.OutcomeSucceeded
	}
}

func TestARolloutIsToldOnceAndWrittenDownWithTwoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack", "mail")
		defer func() { b.stop() }()
		b.after(time.Minute)
		if b.storedWrites() != 0 {
			t.Errorf("%d writes before anything happened", b.storedWrites())
		}
		b.reboot("a", false)
		b.after(time.Minute)
		b.lead()
		b.after(time.Minute)
		b.reboot("a", true)
		b.after(time.Minute)
		b.lead()
		b.after(24 * time.Hour)
		for _, name := range []string{"slack", "mail"} {
			if diff := cmp.Diff([]string{"RolloutStarted", "RolloutFinished"}, b.to.events(name)); diff != "" {
				t.Errorf("%s got (-want +got):\n%s", name, diff)
			}
		}
		if got := b.storedWrites(); got != 2 {
			t.Errorf("%d writes, want 2", got)
		}
		if b.counts[ResultDelivered] != 4 || b.counts[ResultFailed] != 0 {
			t.Errorf("counts: %v", b.counts)
		}
	})
}

func TestAReceiverThatHangsHoldsUpNobodyAndIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "hangs", "well")
		defer func() { b.stop() }()
		b.to.hang["hangs"] = sendTimeout
		b.reboot("a", false)
		b.after(2 * time.Second)
		if diff := cmp.Diff([]string{"RolloutStarted"}, b.to.events("well")); diff != "" {
			t.Errorf("the other receiver got (-want +got):\n%s", diff)
		}
		began := time.Now()
		for range 10_000 {
			b.pass()
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("10000 passes waited for %s", took)
		}
		goroutines := runtime.NumGoroutine()
		for i := range 24 * 60 {
			b.halt(i%2 == 0)
			b.after(time.Minute)
		}
		if now := runtime.NumGoroutine(); now > goroutines+2 {
			t.Errorf("%d goroutines after a day, %d before", now, goroutines)
		}
		if waiting := len(b.policies["p"].receivers["hangs"].pending); waiting > len(v1alpha1.NotificationEvents) {
			t.Errorf("%d messages wait", waiting)
		}
		if tries := b.to.tries; tries > 2000 {
			t.Errorf("%d tries in a day", tries)
		}
		problem := b.Problems()["workers"]
		if problem.Reason != v1alpha1.ReasonNotificationFailed || !strings.Contains(problem.Message, "hangs") ||
			!strings.Contains(problem.Message, saysTimeout) {
			t.Errorf("problem: %+v", problem)
		}
		b.halt(true)
		b.after(time.Second)
		b.to.set(func() { delete(b.to.hang, "hangs") })
		b.after(maxBackoff * 2)
		if got := b.to.events("hangs"); !slices.Contains(got, "Halted") {
			t.Errorf("sent afterwards: %v", got)
		}
		if problem, is := b.Problems()["workers"]; is {
			t.Errorf("problem afterwards: %+v", problem)
		}
	})
}

func TestAReceiverThatAnswersWithAnErrorForADayIsToldWhatIsNewestAndWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.to.broken["slack"] = answered(500)
		b.halt(true)
		b.after(time.Hour)
		b.halt(false)
		b.after(20 * time.Hour)
		b.mu.Lock()
		asked, writes := b.asked, b.writes
		b.mu.Unlock()
		if asked > 2 || writes > 0 {
			t.Errorf("%d passes asked for and %d writes in 21 hours", asked, writes)
		}
		b.to.set(func() { delete(b.to.broken, "slack") })
		b.after(time.Hour)
		if diff := cmp.Diff([]string{"Halted"}, b.to.events("slack")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if tries := b.to.tries; tries < 100 || tries > 200 {
			t.Errorf("%d tries in 22 hours", tries)
		}
	})
}

func TestWhatWaitsForADayIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.to.broken["slack"] = answered(500)
		b.halt(true)
		b.after(time.Hour)
		b.halt(false)
		b.after(26 * time.Hour)
		if b.counts[ResultDropped] != 1 {
			t.Errorf("counts: %v", b.counts)
		}
	})
}

func TestAReceiverThatIsNotConfiguredRightSaysSoBeforeThereIsAnythingToTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.to.broken["slack"] = invalid("there is no Secret")
		b.after(5 * time.Second)
		want := model.NotificationProblem{Reason: v1alpha1.ReasonNotificationInvalid, Message: "Receiver slack: there is no Secret."}
		if got := b.Problems()["workers"]; got != want {
			t.Errorf("problem: %+v", got)
		}
		b.to.set(func() { delete(b.to.broken, "slack") })
		b.after(2 * recheck)
		if got, is := b.Problems()["workers"]; is {
			t.Errorf("problem afterwards: %+v", got)
		}
		tries := b.to.tries
		b.after(24 * time.Hour)
		if b.to.tries != tries {
			t.Errorf("looked at %d more times", b.to.tries-tries)
		}
	})
}

func TestATemplateThatCannotBeUsedIsReportedAndTheMessageSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.policy.Spec.Notifications[0].Template = "{{range 1000000000}}{{end}}"
		b.halt(true)
		b.after(time.Minute)
		got := b.Problems()["workers"]
		if got.Reason != v1alpha1.ReasonNotificationInvalid || !strings.Contains(got.Message, "template cannot be used") {
			t.Errorf("problem: %+v", got)
		}
		if diff := cmp.Diff([]string{"Halted"}, b.to.events("slack")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOfTwoManagersThatBelieveToLeadBothWriteDownWhatTheySent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.halt(true)
		b.after(time.Minute)
		key := types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.NotificationsName}
		other := &corev1.ConfigMap{}
		if err := b.cluster.Get(t.Context(), key, other); err != nil {
			t.Fatal(err)
		}
		other.Data["other"] = "x"
		if err := b.cluster.Update(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		b.halt(false)
		b.after(time.Minute)
		b.halt(true)
		b.after(time.Minute)
		stored := &corev1.ConfigMap{}
		if err := b.cluster.Get(t.Context(), key, stored); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(b.policy.Status.Conditions[0].LastTransitionTime.Unix())
		if !strings.Contains(stored.Data["workers"], want) {
			t.Errorf("stored %v, want %s in it", stored.Data, want)
		}
	})
}

func TestNothingIsSentBeforeItIsKnownWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		var down atomic.Bool
		down.Store(true)
		b.store.live = interceptor.NewClient(b.cluster, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if down.Load() {
					return errors.New("the API server is down")
				}
				return c.Get(ctx, key, o, opts...)
			},
		})
		b.halt(true)
		b.after(time.Hour)
		if got := b.to.events("slack"); len(got) > 0 {
			t.Errorf("sent %v", got)
		}
		down.Store(false)
		b.after(2 * recheck)
		if got := b.to.events("slack"); len(got) != 1 {
			t.Errorf("sent %v", got)
		}
	})
}
