package notifier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// slow receivers take what they are sent after a while, whoever leads meanwhile, but not once they are cut off.
type slow struct {
	*receivers
	takes time.Duration
}

func (s slow) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	select {
	case <-time.After(s.takes):
		return s.receivers.send(ctx, policy, n, e)
	case <-ctx.Done():
		return failed("%s", saysTimeout)
	}
}

func TestTheLeadIsGivenUpWhenWhatWasSentIsStored(t *testing.T) {
	for name, tc := range map[string]struct {
		takes time.Duration
		// within is how long it takes to give up the lead.
		within time.Duration
		want   []string
	}{
		"sent":        {takes: 0, within: time.Second, want: []string{"Halted"}},
		"being sent":  {takes: 2 * time.Second, within: 2 * time.Second, want: []string{"Halted"}},
		"for a while": {takes: time.Minute, within: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "slack", "other")
				b.sender = slow{b.to, tc.takes}
				b.options.Client = slowly(b.cluster, 500*time.Millisecond)
				b.after(3 * time.Minute)
				b.halt(true)
				b.after(time.Second)
				began := time.Now()
				b.stop()
				if took := time.Since(began); took > tc.within {
					t.Errorf("it took %s", took)
				}
				stored := &corev1.ConfigMap{}
				key := types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.NotificationsName}
				if err := b.cluster.Get(t.Context(), key, stored); client.IgnoreNotFound(err) != nil || (err == nil) != (tc.want != nil) {
					t.Errorf("when the lead is given up: %v, %v", stored.Data, err)
				}
				if got := b.to.events("slack"); !slices.Equal(got, tc.want) {
					t.Errorf("told %v, want %v", got, tc.want)
				}
				b.lead()
				b.after(time.Hour)
				if got := b.to.events("slack"); !slices.Equal(got, []string{"Halted"}) {
					t.Errorf("told %v after another manager led", got)
				}
				b.stop()
			})
		})
	}
}

// slowly writes after a while.
func slowly(cluster client.WithWatch, takes time.Duration) client.WithWatch {
	return interceptor.NewClient(cluster, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			time.Sleep(takes)
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			time.Sleep(takes)
			return c.Update(ctx, o, opts...)
		},
	})
}

// many receivers take what they are sent after less than a second each.
type many struct{ *receivers }

func (m many) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	time.Sleep(time.Duration(rand.IntN(70)) * time.Millisecond) //nolint:gosec // it is no secret
	return m.receivers.send(ctx, policy, n, e)
}

func TestManyReceiversThatAreToldAtOnceAreFewWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.sender = many{b.to}
		b.halt(true)
		var policies []*v1alpha1.RebootPolicy
		for i := range 200 {
			policy := b.policy.DeepCopy()
			policy.Name, policy.UID = fmt.Sprintf("p%d", i), types.UID(fmt.Sprint(i))
			policies = append(policies, policy)
		}
		b.Observe(policies, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(b.to.events("slack")); got != 200 {
			t.Errorf("%d were told", got)
		}
		if got := b.storedWrites(); got < 1 || got > 3 {
			t.Errorf("%d writes", got)
		}
	})
}

func TestAReceiverIsToldOfOneEventAfterTheOtherWithoutALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "slack")
		defer func() { b.stop() }()
		b.after(time.Minute)
		b.halt(true)
		b.reboot("a", false)
		b.after(10 * time.Millisecond)
		if got := b.to.events("slack"); len(got) != 2 {
			t.Errorf("told %v at once", got)
		}
	})
}

func TestAReceiverIsTriedAgainAfterTheClockWentBack(t *testing.T) {
	now := time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)
	for in, want := range map[time.Duration]bool{-time.Hour: false, 0: false, time.Minute: true, 12 * time.Minute: true, time.Hour: false} {
		if got := ahead(now.Add(in), now, maxBackoff); got != want {
			t.Errorf("in %s: %t", in, got)
		}
	}
}
