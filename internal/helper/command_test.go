package helper

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

const (
	required    = v1alpha1.SentinelRequired
	notRequired = v1alpha1.SentinelNotRequired
	unknown     = v1alpha1.SentinelUnknown
)

func TestOneSentinelThatAsksIsEnoughAndOneThatFailsHidesThatOthersDoNot(t *testing.T) {
	for name, test := range map[string]struct {
		readings    []reading
		want        v1alpha1.SentinelState
		wantMessage string
	}{
		"none":             {want: unknown, wantMessage: "no sentinel is configured"},
		"none asks":        {[]reading{{notRequired, "a"}, {notRequired, "b"}}, notRequired, "a; b"},
		"one asks":         {[]reading{{notRequired, "a"}, {required, "b"}}, required, "b"},
		"two ask":          {[]reading{{required, "a"}, {required, "b"}}, required, "a; b"},
		"one fails":        {[]reading{{notRequired, "a"}, {unknown, "b"}}, unknown, "b"},
		"one asks despite": {[]reading{{unknown, "a"}, {required, "b"}}, required, "b"},
		"the same twice":   {[]reading{{unknown, "a"}, {unknown, "a"}}, unknown, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if state, message := combine(test.readings); state != test.want || message != test.wantMessage {
				t.Errorf("%s %q, want %s %q", state, message, test.want, test.wantMessage)
			}
		})
	}
}

func TestSeveralSentinelsPassOnEachHint(t *testing.T) {
	first, second := newFakeSentinel(notRequired), newFakeSentinel(notRequired)
	both := NewSentinels(t.Context(), first, second)
	for _, sentinel := range []*fakeSentinel{first, second} {
		sentinel.set(required, true)
		await.Receive(t, "a hint is passed on", both.Changes())
		if state, _ := both.Check(t.Context()); state != required {
			t.Errorf("state %s", state)
		}
		sentinel.set(notRequired, false)
	}
}

func TestASentinelCommandIsAskedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var answer shared[reading]
		answer.set(reading{notRequired, "exit status 0"})
		var asked atomic.Int32
		s := NewCommandSentinel(ctx, clock.RealClock{}, 10*time.Minute, func(context.Context) (v1alpha1.SentinelState, string) {
			asked.Add(1)
			<-time.After(5 * time.Second)
			r := answer.get()
			return r.state, r.message
		})
		expect := func(when string, want v1alpha1.SentinelState, wantAsked int32, wantHint bool) {
			t.Helper()
			synctest.Wait()
			state, _ := s.Check(ctx)
			hint := false
			select {
			case <-s.Changes():
				hint = true
			default:
			}
			if state != want || asked.Load() != wantAsked || hint != wantHint {
				t.Errorf("%s: %s, asked %d times, hint is %t; want %s, %d, %t", when, state, asked.Load(), hint, want, wantAsked, wantHint)
			}
		}
		expect("before the first answer", unknown, 1, false)
		pass(5 * time.Second)
		expect("after the first answer", notRequired, 1, true)
		pass(10*time.Minute + 5*time.Second)
		expect("the same again", notRequired, 2, false)
		answer.set(reading{unknown, "killed"})
		pass(10*time.Minute + 5*time.Second)
		expect("it failed", unknown, 3, true)
		answer.set(reading{required, "exit status 1"})
		pass(time.Minute)
		expect("it is asked sooner after a failure", unknown, 4, false)
		pass(5 * time.Second)
		expect("it asks for a reboot", required, 4, true)
		cancel()
	})
}
