package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// shows delivers what is due to receivers of which some show a rollout by one message.
func (f *fleet) shows(boards ...string) {
	o := f.state.Look(&f.facts, f.memory, f.now)
	f.wake = o.Wake
	for i := range f.facts.Policy.Spec.Notifications {
		name := f.facts.Policy.Spec.Notifications[i].Name
		for _, e := range o.Due[name] {
			e.Show(f.state.Shown(name, e))
			how := "sends"
			switch {
			case !e.AboutRollout() || !slices.Contains(boards, name):
			case e.Shown() != "":
				how = "changes " + e.Shown()
			default:
				e.Show("board/" + name)
			}
			title, _ := strings.CutPrefix(e.Title, "RebootPolicy workers: ")
			f.sent = append(f.sent, fmt.Sprintf("%s %s %s: %s", f.now.Format("15:04:05"), name, how, title))
			f.state.Delivered(name, e, f.now)
		}
	}
}

func (f *fleet) passShowing(d time.Duration, boards ...string) {
	for end := f.now.Add(d); f.now.Before(end); {
		f.now = f.now.Add(10 * time.Second)
		f.shows(boards...)
	}
}

func TestARolloutIsOneMessageThatChangesWhereThatIsPossible(t *testing.T) {
	f := newFleet(t, v1alpha1.Notification{Name: "board"}, v1alpha1.Notification{Name: "mail"}, v1alpha1.Notification{
		Name: "starts", Events: []v1alpha1.NotificationEvent{v1alpha1.EventRolloutStarted},
	})
	boards := []string{"board", "starts"}
	nodes := []string{"a", "b", "c"}
	for _, node := range nodes {
		f.add(node, "ZoneBusy")
	}
	for i := range nodes {
		f.grant(f.facts.Reboots[i])
		f.passShowing(40*time.Second, boards...)
		f.succeed(f.facts.Reboots[i])
		f.passShowing(10*time.Second, boards...)
	}
	// Another manager leads, which knows what is stored.
	stored, err := json.Marshal(f.state)
	if err != nil {
		t.Fatal(err)
	}
	f.state, f.memory = &State{}, &Memory{}
	if err := json.Unmarshal(stored, f.state); err != nil {
		t.Fatal(err)
	}
	f.passShowing(time.Hour, boards...)
	want := []string{
		"01:00:10 board sends: rollout started", "01:00:10 mail sends: rollout started", "01:00:10 starts sends: rollout started",
		"01:01:10 board changes board/board: rollout under way", "01:02:10 board changes board/board: rollout under way",
		"01:02:40 board changes board/board: rollout under way", // by the manager that leads now, which does not know what is shown
		"01:03:00 board changes board/board: rollout finished, 3 nodes rebooted in 2m20s",
		"01:03:00 mail sends: rollout finished, 3 nodes rebooted in 2m20s",
	}
	if diff := cmp.Diff(want, f.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if record := f.state.Receivers["board"]; record.Shown != "" {
		t.Errorf("it is remembered that the rollout is shown by %s, although it is over", record.Shown)
	}
	// The next rollout is shown by another message.
	f.sent = nil
	f.grant(f.add("d", "ZoneBusy"))
	f.passShowing(30*time.Second, boards...)
	if len(f.sent) != 3 || !strings.HasSuffix(f.sent[0], "board sends: rollout started") {
		t.Errorf("sent %q", f.sent)
	}
}

func TestAMessageIsNotChangedWhileNothingElseIsSo(t *testing.T) {
	f := newFleet(t, v1alpha1.Notification{Name: "board"})
	f.grant(f.add("a", "ZoneBusy"))
	f.passShowing(10*time.Hour, "board")
	if len(f.sent) != 1 || !f.wake.IsZero() {
		t.Errorf("sent %q, wakes at %s", f.sent, f.wake)
	}
}

// Chat services do not announce a change: no one would learn of nodes that missed the window.
func TestAWindowThatClosedIsToldWhereTheEndOfTheRolloutIsAChangeOfAMessage(t *testing.T) {
	const missed = " sends: the window closed at 2026-11-28 01:30 +00:00, and 1 node still needs a reboot"
	for name, lasts := range map[string]bool{"the rollout goes on": true, "the rollout has ended": false} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, v1alpha1.Notification{Name: "board"}, v1alpha1.Notification{Name: "mail"})
			f.facts.Policy.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0 0 * * *", DurationSeconds: 5400}}
			a, b := f.add("a", "ZoneBusy"), f.add("b", v1alpha1.ReasonAwaitingApproval)
			f.grant(a)
			f.passShowing(time.Minute, "board")
			if !lasts {
				f.succeed(a)
			}
			f.passShowing(29*time.Minute, "board")
			b.Status.Reason = v1alpha1.ReasonWindowClosed
			f.passShowing(time.Minute, "board")
			if lasts {
				f.succeed(a)
			}
			stored, err := json.Marshal(f.state)
			if err != nil {
				t.Fatal(err)
			}
			f.state, f.memory = &State{}, &Memory{} // another manager leads
			if err := json.Unmarshal(stored, f.state); err != nil {
				t.Fatal(err)
			}
			f.passShowing(2*time.Hour, "board")
			windows, ends := map[string]int{}, map[string]int{}
			for _, sent := range f.sent {
				for _, receiver := range []string{"board", "mail"} {
					if strings.Contains(sent, " "+receiver+missed) {
						windows[receiver]++
					}
					if strings.Contains(sent, " "+receiver+" ") && strings.Contains(sent, "rollout finished") {
						ends[receiver]++
					}
				}
			}
			if windows["board"] != 1 || windows["mail"] != 0 || ends["board"] != 1 || ends["mail"] != 1 {
				t.Errorf("%v messages about the window, %v about the end: %q", windows, ends, f.sent)
			}
		})
	}
}

func TestAnEndThatIsToldLateLeavesTheNextRolloutShown(t *testing.T) {
	state := &State{Rollout: &RolloutState{ID: "2"}}
	about := func(event v1alpha1.NotificationEvent, rollout string) *Event {
		return &Event{Event: event, Rollout: &Rollout{ID: rollout}}
	}
	start := about(v1alpha1.EventRolloutStarted, "2")
	start.Show("board/2")
	state.Delivered("board", start, time.Time{})
	state.Delivered("board", about(v1alpha1.EventRolloutFinished, "1"), time.Time{})
	if got := state.Receivers["board"]; got.Started != "2" || got.Finished != "1" || got.Shown != "board/2" || got.Silent {
		t.Errorf("remembered: %+v", got)
	}
}

func TestATextOfANodeCallsNobody(t *testing.T) {
	for text, want := range map[string]string{
		"<!channel> look":            "< !channel> look",
		"@everyone, @here":           "@ everyone, @ here",
		"<@U0123> and <https://e|x>": "< @U0123> and < https://e|x>",
		"mail ops@all.example.com":   "mail ops@all.example.com",
		"pod a/b: 3 < 5, <none>":     "pod a/b: 3 < 5, <none>",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	f := newFleet(t)
	f.add("a", v1alpha1.ReasonDrainImpossible).Status.Message = "<!channel> @everyone"
	f.now = f.now.Add(time.Minute)
	f.look()
	f.now = f.now.Add(time.Hour)
	o := f.state.Look(&f.facts, f.memory, f.now)
	if len(o.Due["slack"]) != 1 || strings.Contains(o.Due["slack"][0].Text, "<!") || strings.Contains(o.Due["slack"][0].Text, "@everyone") {
		t.Errorf("due: %+v", o.Due["slack"])
	}
}
