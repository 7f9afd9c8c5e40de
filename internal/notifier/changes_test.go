package notifier

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// stands has a room stand for the cloud until the test ends.
func (c *room) stands(t *testing.T) {
	t.Helper()
	instead := func(handler http.Handler) {
		cloud.mu.Lock()
		defer cloud.mu.Unlock()
		cloud.instead = handler
	}
	c.t, c.messages = t, map[string]string{}
	instead(c)
	t.Cleanup(func() { instead(nil) })
}

// places are those of the messages of each service in rooms.
var places = map[string]string{
	"Discord": "discord/1234567890123456789/", "Telegram": "telegram/@reboots/", "Slack, bot": "slack/C001CH4NN3L/C001CH4NN3L/",
}

func TestWhereAChangeIsRefusedTheEndIsAMessageOfItsOwn(t *testing.T) {
	for name, refused := range map[string]http.HandlerFunc{
		"400": respond(400, "{}"), "401": respond(401, "{}"), "403, by a proxy": respond(403, "<html>"), "404": respond(404, "{}"),
		"405, by a proxy": respond(405, "no"), "413": respond(413, "{}"), "page": respond(200, "<html>"), "nothing": respond(200, ""),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example.com", http.StatusFound)
		},
		"archived channel":     respond(200, `{"ok": false, "error": "is_inactive"}`),
		"channel of another":   respond(200, `{"ok": false, "error": "channel_not_found"}`),
		"any word of Slack":    respond(200, `{"ok": false, "error": "some_word_of_tomorrow"}`),
		"no of another server": respond(200, `{"success": false}`),
	} {
		t.Run(name, func(t *testing.T) {
			for service, to := range rooms(t) {
				to.stands(t)
				to.refused = refused
				shown := places[service] + "999"
				s := senderWith(loopback, map[string]string{"url": to.url})
				going := progress(t)
				going.Show(shown)
				says(t, s.send(t.Context(), "workers", toURL(), going), "")
				if len(to.shown()) > 0 || going.Shown() != "" {
					t.Errorf("%s: how it goes is shown by %q, in %q", service, going.Shown(), to.shown())
				}
				ends := rolled(v1alpha1.EventRolloutFinished, "ends")
				ends.Show(shown)
				says(t, s.send(t.Context(), "workers", toURL(), ends), "")
				if len(to.shown()) != 1 || ends.Shown() == shown {
					t.Errorf("%s: the end is shown by %q, in %q", service, ends.Shown(), to.shown())
				}
			}
		})
	}
}

func TestAChangeIsTriedAgainWhereThatMayHelp(t *testing.T) {
	for name, is := range map[string]struct {
		status int
		header string
		ofAll  bool
	}{
		"timeout": {status: 408}, "too early": {status: 425}, "limit of changes": {status: 429}, "error": {status: 500}, "down": {status: 503},
		"limit of every request": {status: 429, header: "true", ofAll: true},
	} {
		t.Run(name, func(t *testing.T) {
			for service, to := range rooms(t) {
				to.stands(t)
				to.refused = func(w http.ResponseWriter, _ *http.Request) {
					if is.header != "" {
						w.Header().Set("X-RateLimit-Global", is.header)
					}
					w.Header().Set("Retry-After", "300")
					w.WriteHeader(is.status)
				}
				shown := places[service] + "999"
				for _, e := range []*notify.Event{rolled(v1alpha1.EventRolloutFinished, "ends"), progress(t)} {
					e.Show(shown)
					got := senderWith(loopback, map[string]string{"url": to.url}).send(t.Context(), "workers", toURL(), e)
					says(t, got, fmt.Sprintf("it answers %d", is.status))
					want := &problem{ofChange: true, ofAll: is.ofAll, after: 5 * time.Minute}
					if got != nil {
						want.text = got.text
					}
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(problem{})); diff != "" || len(to.shown()) > 0 || e.Shown() != shown {
						t.Errorf("%s: shown by %q, in %q (-want +got):\n%s", service, e.Shown(), to.shown(), diff)
					}
				}
			}
		})
	}
}

// stubborn receivers show a rollout by one message, which they do not change while there is a problem with that.
type stubborn struct {
	*receivers
	problem *problem
	tries   int
	// hangs is how long it takes until there is that problem.
	hangs time.Duration
}

func (s *stubborn) send(ctx context.Context, policy string, n *v1alpha1.Notification, e *notify.Event) (bad *problem) {
	if e == nil || !e.AboutRollout() {
		return s.receivers.send(ctx, policy, n, e)
	}
	s.set(func() {
		how := "sends:"
		if e.Shown() != "" {
			how, bad = "changes:", s.problem
			s.tries++
		}
		if bad != nil {
			return
		}
		s.taken = append(s.taken, n.Name+" "+how+string(e.Event))
		if e.Shown() == "" {
			e.Show(fmt.Sprintf("board/%d", len(s.taken)))
		}
	})
	if bad != nil {
		time.Sleep(s.hangs)
	}
	return bad
}

// changeFails is what may come of a change of a message, but for refusals.
var changeFails = map[string]problem{
	"down": {text: "it answers 503", ofChange: true}, "limit of changes": {text: "it answers 429", after: time.Hour, ofChange: true},
}

// showing is a bench with a receiver that shows a rollout, which has begun two minutes ago.
func showing(t *testing.T, p problem) (*bench, *stubborn) {
	t.Helper()
	b := newBench(t, "board")
	s := &stubborn{receivers: b.to, problem: &p}
	b.sender = s
	b.after(2 * time.Minute)
	b.reboot("a", false)
	b.after(2 * time.Minute)
	return b, s
}

func (b *bench) took(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.to.events("board")); diff != "" {
		b.t.Errorf("taken (-want +got):\n%s", diff)
	}
}

// unharmed says that a receiver that changes no message is not said to take none.
func (b *bench) unharmed() {
	b.t.Helper()
	if p, is := b.Problems()["workers"]; is {
		b.t.Errorf("problem: %+v", p)
	}
}

func TestAChangeThatFailsHoldsUpNoMessage(t *testing.T) {
	for name, p := range changeFails {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, s := showing(t, p)
				defer func() { b.stop() }()
				want := []string{"sends:RolloutStarted"}
				for i := range 5 {
					b.reboot(fmt.Sprintf("b%d", i), false)
					b.halt(true) // at the same look
					b.after(2 * time.Second)
					want = append(want, "Halted")
					b.took(want...)
					b.halt(false)
					b.after(30 * time.Minute)
				}
				b.unharmed()
				if b.counts[ResultFailed] > 0 || b.counts[ResultDelivered] != len(want) {
					t.Errorf("counts: %v", b.counts)
				}
				if s.tries < 2 || s.tries > 40 {
					t.Errorf("%d tries to change a message in %s", s.tries, 5*30*time.Minute)
				}
				s.set(func() { s.problem = nil })
				b.after(2 * time.Hour)
				b.took(append(want, "changes:RolloutStarted")...)
			})
		})
	}
}

func TestMessagesAreSentBeforeAChangeThatIsDueAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := showing(t, problem{text: saysTimeout, ofChange: true})
		defer func() { b.stop() }()
		s.hangs = sendTimeout
		b.reboot("b", false)
		b.halt(true)
		b.after(2 * time.Second)
		b.took("sends:RolloutStarted", "Halted")
		b.after(sendTimeout)
		if s.tries == 0 {
			t.Error("no change was tried")
		}
	})
}

func TestALimitOfEveryRequestHoldsUpMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := showing(t, problem{text: "it answers 429", after: time.Hour, ofChange: true, ofAll: true})
		defer func() { b.stop() }()
		b.reboot("b", false)
		b.after(time.Minute)
		b.halt(true)
		b.after(50 * time.Minute)
		b.took("sends:RolloutStarted")
		b.after(30 * time.Minute)
		b.took("sends:RolloutStarted", "Halted")
	})
}

func TestAChangeThatWaitsForItsTurnHoldsUpNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := showing(t, changeFails["down"])
		defer func() { b.stop() }()
		for range maxRetrying { // as many that hang
			b.retries <- struct{}{}
		}
		b.reboot("b", false)
		b.after(10 * time.Minute)
		if s.tries != 1 {
			t.Errorf("%d tries to change a message", s.tries)
		}
		b.halt(true)
		b.after(2 * time.Second)
		b.took("sends:RolloutStarted", "Halted")
		for range maxRetrying {
			<-b.retries
		}
		s.set(func() { s.problem = nil })
		b.after(2 * maxBackoff)
		b.took("sends:RolloutStarted", "Halted", "changes:RolloutStarted")
	})
}

func TestTheEndIsAMessageOfItsOwnIfItIsNotShownInTime(t *testing.T) {
	for name, p := range changeFails {
		for _, shows := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", how it goes is shown: ", shows), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, s := showing(t, p)
					defer func() { b.stop() }()
					if !shows { // a change has failed before the end
						b.reboot("b", false)
						b.after(time.Minute)
						b.reboot("b", true)
					}
					b.reboot("a", true)
					b.after(3 * time.Minute) // it settles
					for range 3 {
						b.after(2 * time.Minute)
						b.took("sends:RolloutStarted")
					}
					b.halt(true)
					b.after(2 * time.Second)
					b.took("sends:RolloutStarted", "Halted")
					b.unharmed()
					b.after(changedFor)
					want := []string{"sends:RolloutStarted", "Halted", "sends:RolloutFinished"}
					b.took(want...)
					b.after(24 * time.Hour)
					b.took(want...)
					b.unharmed()
					if s.tries == 0 || s.tries > 12 || b.counts[ResultDropped] > 0 {
						t.Errorf("%d tries to change a message, counts %v", s.tries, b.counts)
					}
				})
			})
		}
	}
}

func TestTheEndIsShownByTheMessageThatShowsTheRolloutIfThatFailsForAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := showing(t, changeFails["down"])
		defer func() { b.stop() }()
		b.reboot("a", true)
		b.after(5 * time.Minute)
		b.took("sends:RolloutStarted")
		s.set(func() { s.problem = nil })
		b.after(changedFor)
		b.took("sends:RolloutStarted", "changes:RolloutFinished")
	})
}

func TestTheNextRolloutIsToldAfterTheEndOfTheLastOne(t *testing.T) {
	for name, p := range changeFails {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := showing(t, p)
				defer func() { b.stop() }()
				b.reboot("a", true)
				b.after(5 * time.Minute)
				b.took("sends:RolloutStarted")
				b.reboot("b", false)
				b.after(5 * time.Second)
				want := []string{"sends:RolloutStarted", "sends:RolloutFinished", "sends:RolloutStarted"}
				b.took(want...)
				b.after(time.Hour)
				if got := b.to.events("board"); !slices.Equal(got, want) {
					t.Errorf("taken after an hour: %v", got)
				}
			})
		})
	}
}

func TestProgressThatSendsNothingDoesNotSayThatAReceiverIsWell(t *testing.T) {
	r := &receiver{problem: failed("it answers 500"), failures: 3, notBefore: time.Unix(1, 0), spec: &v1alpha1.Notification{Name: "r"}}
	policy := newTracked(&notify.State{})
	n := New(Options{Count: func(string, string) { t.Error("it is counted") }})
	n.note(policy, r, result{receiver: "r", event: progress(t)}, time.Unix(0, 0))
	if r.problem == nil || r.failures != 3 || r.notBefore.IsZero() {
		t.Errorf("receiver: %+v", r)
	}
}
