package notifier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
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

// slow receivers take what they are sent after a while, no matter who leads in the meantime, but not once they are cut off.
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
					t.Errorf("sent %v, want %v", got, tc.want)
				}
				b.lead()
				b.after(time.Hour)
				if got := b.to.events("slack"); !slices.Equal(got, []string{"Halted"}) {
					t.Errorf("sent %v after another manager led", got)
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
			t.Errorf("%d were notified", got)
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
			t.Errorf("sent %v at once", got)
		}
	})
}

// oneAfterAnother take longer than others, by their names.
type oneAfterAnother struct {
	*receivers
	takes map[string]time.Duration
}

func (o oneAfterAnother) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) *problem {
	return slow{o.receivers, o.takes[n.Name]}.send(ctx, policy, n, e)
}

// A write that succeeded without the manager learning of it makes the last write fail.
func TestWhatWasSentLastIsStoredAfterAWriteThatWasCutOff(t *testing.T) {
	for name, before := range map[string]int{"the first write": 0, "another write": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "slack", "other")
				b.sender = oneAfterAnother{b.to, map[string]time.Duration{"other": savesAtLatest + 2*time.Second}}
				var writing atomic.Bool
				b.options.Client = cutOff(b.cluster, &writing)
				b.after(3 * time.Minute)
				for i := range before {
					b.reboot(fmt.Sprint(i), false)
					b.after(30 * time.Minute)
				}
				b.halt(true)
				b.pass()
				writing.Store(false)
				for range 1000 {
					if time.Sleep(10 * time.Millisecond); writing.Load() {
						break
					}
				}
				b.stop()
				want := b.to.events("other")
				if !slices.Contains(want, "Halted") {
					t.Fatalf("when the lead is given up, the other one got %v", want)
				}
				b.lead()
				b.after(time.Hour)
				if got := b.to.events("other"); !slices.Equal(got, want) {
					t.Errorf("sent %v, and %v after another manager led", want, got)
				}
				b.stop()
			})
		})
	}
}

// cutOff writes, and then lets nobody know if the context has ended.
func cutOff(cluster client.WithWatch, writing *atomic.Bool) client.WithWatch {
	know := func(ctx context.Context, err error) error {
		writing.Store(true)
		time.Sleep(500 * time.Millisecond)
		if err != nil {
			return err
		}
		return ctx.Err()
	}
	return interceptor.NewClient(cluster, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return know(ctx, c.Create(context.WithoutCancel(ctx), o, opts...))
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return know(ctx, c.Update(context.WithoutCancel(ctx), o, opts...))
		},
	})
}

// wrongClock is ahead of the time of the bubble.
type wrongClock struct{ ahead atomic.Int64 }

func (c *wrongClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *wrongClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Nothing that is waited for by the clock is waited for until the clock is there once more.
func TestNothingWaitsForHoursAfterTheClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, clock := newBench(t, "slack"), &wrongClock{}
		defer func() { b.stop() }()
		const hours = int64(3 * time.Hour)
		clock.ahead.Store(hours)
		b.options.Clock = clock
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
		b.after(time.Minute)
		down.Store(false)
		clock.ahead.Store(0)
		b.halt(true)
		b.after(2 * recheck)
		if got := b.to.events("slack"); len(got) != 1 {
			t.Errorf("what was sent before could not be read for a while, and then was sent %v", got)
		}

		clock.ahead.Store(hours)
		b.halt(false)
		b.after(2 * time.Minute) // what has ended is stored
		b.to.set(func() { b.to.broken["slack"] = failed("x") })
		b.halt(true)
		b.after(time.Minute)
		b.to.set(func() { delete(b.to.broken, "slack") })
		clock.ahead.Store(0)
		b.after(20 * time.Minute)
		if got := b.to.events("slack"); len(got) != 2 {
			t.Errorf("a receiver failed for a while, and was sent %v", got)
		}
		stored := &corev1.ConfigMap{}
		key := types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.NotificationsName}
		if err := b.cluster.Get(t.Context(), key, stored); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(b.policy.Status.Conditions[0].LastTransitionTime.Unix())
		if !strings.Contains(stored.Data["workers"], want) {
			t.Errorf("stored %v, want %s in it", stored.Data, want)
		}
	})
}
