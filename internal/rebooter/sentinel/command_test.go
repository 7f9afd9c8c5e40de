package sentinel

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

const (
	required    = rebooter.SentinelRequired
	notRequired = rebooter.SentinelNotRequired
	unknown     = rebooter.SentinelUnknown
)

// fakeSentinel says what it is made to say.
type fakeSentinel struct {
	state   string
	changes chan struct{}
}

func (s *fakeSentinel) Check(context.Context) (state, message string) { return s.state, "" }
func (s *fakeSentinel) Changes() <-chan struct{}                      { return s.changes }

func TestOneSentinelThatAsksIsEnoughAndOneThatFailsHidesThatOthersDoNot(t *testing.T) {
	for name, test := range map[string]struct {
		readings    []Reading
		want        string
		wantMessage string
	}{
		"none": {want: unknown, wantMessage: "the rebooter was installed with none of --sentinel, --sentinel-preset, --sentinel-command and " +
			"--sentinel-kernel; " +
			"if only people and node conditions are to ask for reboots, install it with --no-sentinel"},
		"none asks":        {[]Reading{{notRequired, "a"}, {notRequired, "b"}}, notRequired, "a; b"},
		"one asks":         {[]Reading{{notRequired, "a"}, {required, "b"}}, required, "b"},
		"two ask":          {[]Reading{{required, "a"}, {required, "b"}}, required, "a; b"},
		"one fails":        {[]Reading{{notRequired, "a"}, {unknown, "b"}}, unknown, "b"},
		"one asks despite": {[]Reading{{unknown, "a"}, {required, "b"}}, required, "b"},
		"the same twice":   {[]Reading{{unknown, "a"}, {unknown, "a"}}, unknown, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if state, message := Combine(test.readings); state != test.want || message != test.wantMessage {
				t.Errorf("%s %q, want %s %q", state, message, test.want, test.wantMessage)
			}
		})
	}
}

func TestSeveralSentinelsPassOnEachHint(t *testing.T) {
	first, second := &fakeSentinel{notRequired, make(chan struct{})}, &fakeSentinel{notRequired, make(chan struct{})}
	both := NewSeveral(t.Context(), first, second)
	for _, sentinel := range []*fakeSentinel{first, second} {
		sentinel.state = required
		await.Send(t, "a hint", sentinel.changes, struct{}{})
		await.Receive(t, "a hint is passed on", both.Changes())
		if state, _ := both.Check(t.Context()); state != required {
			t.Errorf("state %s", state)
		}
		sentinel.state = notRequired
	}
}

func TestASentinelCommandIsAskedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var answer atomic.Pointer[Reading]
		answer.Store(&Reading{notRequired, "exit status 0"})
		var asked atomic.Int32
		s := NewCommand(ctx, time.After, 10*time.Minute, func(context.Context) (state, message string) {
			asked.Add(1)
			<-time.After(5 * time.Second)
			r := answer.Load()
			return r.State, r.Message
		})
		expect := func(when string, want string, wantAsked int32, wantHint bool) {
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
		time.Sleep(5 * time.Second)
		expect("after the first answer", notRequired, 1, true)
		time.Sleep(10*time.Minute + 5*time.Second)
		expect("the same again", notRequired, 2, false)
		answer.Store(&Reading{unknown, "killed"})
		time.Sleep(10*time.Minute + 5*time.Second)
		expect("it failed", unknown, 3, true)
		answer.Store(&Reading{required, "exit status 1"})
		time.Sleep(time.Minute)
		expect("it is asked sooner after a failure", unknown, 4, false)
		time.Sleep(5 * time.Second)
		expect("it asks for a reboot", required, 4, true)
		cancel()
	})
}
