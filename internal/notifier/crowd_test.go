package notifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// crowd watches how many receivers are notified at once.
type crowd struct {
	teller
	now, most int
	receivers *receivers
}

func (c *crowd) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	c.receivers.set(func() { c.now++; c.most = max(c.most, c.now) })
	defer c.receivers.set(func() { c.now-- })
	return c.teller.send(ctx, policy, n, e)
}

func TestManyReceiversThatHangDoNotHoldUpOneThatIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		const policies, each = 200, 8
		watched := &crowd{teller: b.to, receivers: b.to}
		b.sender = watched
		var all []*v1alpha1.RebootPolicy
		for i := range policies {
			policy := b.policy.DeepCopy()
			policy.Name, policy.UID = fmt.Sprintf("p%d", i), types.UID(fmt.Sprint(i))
			for r := range each {
				name := fmt.Sprintf("hangs-%d-%d", i, r)
				policy.Spec.Notifications = append(policy.Spec.Notifications, v1alpha1.Notification{Name: name})
				b.to.hang[name] = sendTimeout
			}
			all = append(all, policy)
		}
		b.Observe(all, nil)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		well := b.policy.DeepCopy()
		well.Name, well.Spec.Notifications = "well", []v1alpha1.Notification{{Name: "well"}}
		well.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionHalted, Status: metav1.ConditionTrue, LastTransitionTime: metav1.Now(), Reason: v1alpha1.ReasonNodesNotBack,
		}}
		b.Observe(append(all, well), nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := b.to.events("well"); !slices.Equal(diff, []string{"Halted"}) {
			t.Errorf("the one that is well got %v", diff)
		}
		if watched.most > maxSending+maxRetrying {
			t.Errorf("%d are notified at once", watched.most)
		}
	})
}

func TestAReceiverThatAsksToBeLeftAloneIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.to.broken["slack"] = &problem{text: "it answers 429", after: time.Hour}
		b.halt(true)
		b.after(24 * time.Hour)
		if b.to.tries < 20 || b.to.tries > 25 {
			t.Errorf("%d tries in a day", b.to.tries)
		}
	})
}

// panics is a service with a defect.
type panics struct{ teller }

func (p panics) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	if n.Name == "defect" {
		panic(secret)
	}
	return p.teller.send(ctx, policy, n, e)
}

func TestADefectOfAServiceDoesNotEndTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "defect", "slack")
		defer func() { b.stop() }()
		b.sender = panics{b.to}
		b.halt(true)
		b.after(time.Minute)
		if got := b.to.events("slack"); !slices.Equal(got, []string{"Halted"}) {
			t.Errorf("the other one got %v", got)
		}
		if problem := b.Problems()["workers"]; !strings.Contains(problem.Message, "defect") || strings.Contains(problem.Message, secret) {
			t.Errorf("problem: %+v", problem)
		}
	})
}

func TestADefectOfOursDoesNotEndTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.Observe([]*v1alpha1.RebootPolicy{nil}, nil)
		time.Sleep(time.Hour)
		b.halt(true)
		b.after(2 * pause)
		if got := b.to.events("slack"); !slices.Equal(got, []string{"Halted"}) {
			t.Errorf("sent %v", got)
		}
	})
}

func TestAConfigMapThatSomeoneChangedIsNoEndOfTheManager(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "{", "another policy": `{"uid": "q"}`, "null": "null", "no receiver": `{"uid": "p", "receivers": {"slack": null}}`,
		"of times to come": `{"uid": "p", "rollout": {"id": "x", "started": "9999-01-01T00:00:00Z"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "slack")
				defer func() { b.stop() }()
				stored := &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.NotificationsName},
					Data:       map[string]string{"workers": text},
				}
				if err := b.cluster.Create(t.Context(), stored); err != nil {
					t.Fatal(err)
				}
				b.halt(true)
				b.reboot("a", false)
				b.after(time.Minute)
				if got := b.to.events("slack"); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"Halted", "RolloutStarted"}) {
					t.Errorf("sent %v", got)
				}
			})
		})
	}
}

func TestAManagerThatMayNotReadTheConfigMapSaysSoAndAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		reads := 0
		b.store.live = interceptor.NewClient(b.cluster, interceptor.Funcs{
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				reads++
				return errors.New("forbidden")
			},
		})
		b.halt(true)
		b.after(24 * time.Hour)
		const want = "the manager cannot read ConfigMap operator/reboot-operator-notifications"
		if problem := b.Problems()["workers"]; !strings.Contains(problem.Message, want) {
			t.Errorf("problem: %+v", problem)
		}
		if reads > 1500 {
			t.Errorf("%d reads in a day", reads)
		}
	})
}

func TestAConfigMapThatCannotBeWrittenIsTriedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		writes := 0
		b.options.Client = interceptor.NewClient(b.cluster, interceptor.Funcs{
			Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
				writes++
				return errors.New("it is immutable")
			},
		})
		b.halt(true)
		b.after(24 * time.Hour)
		if got := b.to.events("slack"); len(got) != 1 {
			t.Errorf("sent %v", got)
		}
		if writes < 100 || writes > 200 {
			t.Errorf("%d writes in a day", writes)
		}
	})
}

func TestAManagerThatEndsStoresWhatItSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "hangs", "slack")
		defer func() { b.stop() }()
		b.after(time.Minute)
		b.to.set(func() { b.to.hang["hangs"] = sendTimeout })
		b.halt(true)
		b.after(2 * time.Second)
		b.lead()
		b.after(time.Hour)
		if got := b.to.events("slack"); !slices.Equal(got, []string{"Halted"}) {
			t.Errorf("sent %v", got)
		}
	})
}

// flickers has a receiver that hangs taken out and put back ten times, and returns how many sends were under way at once.
func (b *bench) flickers(takeOut, putBack func()) int {
	watched := &crowd{teller: b.to, receivers: b.to}
	b.sender = watched
	b.to.hang["hangs"] = sendTimeout
	b.halt(true)
	for range 10 {
		b.after(2 * time.Second)
		takeOut()
		b.after(2 * time.Second)
		putBack()
	}
	return watched.most
}

func TestAReceiverThatIsTakenOutAndPutBackIsNotNotifiedTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "hangs")
		defer func() { b.stop() }()
		rename := func(name string) func() { return func() { b.policy.Spec.Notifications[0].Name = name } }
		if most := b.flickers(rename("other"), rename("hangs")); most > 2 {
			t.Errorf("%d are notified at once", most)
		}
	})
}

func TestAReceiverWhosePolicyLosesItsNotificationsAndGetsThemBackIsNotNotifiedTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "hangs")
		defer func() { b.stop() }()
		saved := b.policy.Spec.Notifications
		have := func(all []v1alpha1.Notification) func() { return func() { b.policy.Spec.Notifications = all } }
		if most := b.flickers(have(nil), have(saved)); most > 1 {
			t.Errorf("%d are notified at once", most)
		}
		b.policy.Spec.Notifications = nil
		b.after(time.Minute)
		if _, is := b.Problems()["workers"]; is || len(b.policies) > 0 {
			t.Errorf("left: %v, %v", b.Problems(), b.policies)
		}
	})
}

func TestADefectWithOnePolicyLeavesTheOthersTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		broken := b.policy.DeepCopy()
		broken.Name, broken.UID = "broken", "b"
		b.Observe([]*v1alpha1.RebootPolicy{broken, b.policy.DeepCopy()}, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		memory := b.policies["b"].memory
		b.policies["b"].memory = nil // stands for any defect
		b.halt(true)
		b.Observe([]*v1alpha1.RebootPolicy{broken, b.policy.DeepCopy()}, nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := b.to.events("slack"); !slices.Equal(got, []string{"Halted"}) {
			t.Errorf("sent %v", got)
		}
		if got := b.Problems(); got["broken"].Message != saysDefect || len(got) != 1 {
			t.Errorf("problems: %+v", got)
		}
		b.policies["b"].memory = memory
		b.Observe([]*v1alpha1.RebootPolicy{broken, b.policy.DeepCopy()}, nil)
		time.Sleep(2 * pause)
		synctest.Wait()
		if got := b.Problems(); len(got) > 0 {
			t.Errorf("problems afterwards: %+v", got)
		}
	})
}

func TestAReceiverThatWasMisconfiguredForAnHourIsLookedAtAgainWithinTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.to.broken["slack"] = invalid("there is no Secret")
		b.after(time.Hour)
		b.to.set(func() { delete(b.to.broken, "slack") })
		b.after(2 * recheck)
		if got, is := b.Problems()["workers"]; is {
			t.Errorf("problem afterwards: %+v", got)
		}
	})
}

func TestAReceiverIsLeftAloneAlthoughItsPolicyIsEditedUnlessItIsAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.policy.Spec.Notifications[0].URL = keyOf("url")
		b.to.broken["slack"] = &problem{text: "it answers 429", after: time.Hour}
		b.halt(true)
		b.after(time.Minute)
		for range 10 {
			b.policy.Generation++
			b.after(time.Minute)
		}
		if b.to.tries != 1 {
			t.Errorf("%d tries", b.to.tries)
		}
		b.policy.Generation++
		b.policy.Spec.Notifications[0].URL = keyOf("another")
		b.after(time.Minute)
		if b.to.tries != 2 {
			t.Errorf("%d tries, one of another receiver", b.to.tries)
		}
	})
}

func TestANotifierThatNobodyNeedsAnyLongerHasNoProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.store.live = interceptor.NewClient(b.cluster, interceptor.Funcs{
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return errors.New("forbidden")
			},
		})
		b.after(time.Hour)
		if len(b.Problems()) != 1 {
			t.Fatalf("problems: %+v", b.Problems())
		}
		b.policy.Spec.Notifications = nil
		b.after(time.Second)
		if len(b.Problems()) != 0 {
			t.Errorf("problems afterwards: %+v", b.Problems())
		}
	})
}

func TestNoPolicyIsLeftOutOfTheConfigMapBeforeKeysAre(t *testing.T) {
	n := New(Options{})
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = fmt.Sprintf("%016d/%d", i, i)
	}
	for i := range 500 {
		state := &notify.State{Receivers: map[string]*notify.Record{"slack": {
			Started: "0123456789abcdef", Keys: map[v1alpha1.NotificationEvent][]string{
				v1alpha1.EventOverdue: keys, v1alpha1.EventApprovalNeeded: keys, v1alpha1.EventDrainRefused: keys,
			},
		}}}
		policy := newTracked(state)
		policy.object = &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), UID: types.UID(fmt.Sprint(i))}}
		n.policies[policy.object.UID] = policy
	}
	data := n.encoded()
	size := 0
	for _, text := range data {
		size += len(text)
	}
	if len(data) != 500 || size > maxStored || strings.Contains(data["p0"], keys[0]) {
		t.Errorf("%d policies in %d bytes, the first one is %s", len(data), size, data["p0"])
	}
}
