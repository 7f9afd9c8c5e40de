package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

var start = time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)

// fleet is a policy with its NodeReboots, and a manager that looks at it.
type fleet struct {
	t       *testing.T
	facts   Facts
	state   *State
	memory  *Memory
	now     time.Time
	sent    []string
	changed int
	wake    time.Time
}

func newFleet(t *testing.T, receivers ...v1alpha1.Notification) *fleet {
	t.Helper()
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "workers", UID: "p"}}
	policy.Spec.Schedule.TimeZone = "UTC"
	if len(receivers) == 0 {
		receivers = []v1alpha1.Notification{{Name: "slack", DrainRefusedSeconds: ptr.To[int32](600), GateFailingSeconds: ptr.To[int32](900)}}
	}
	policy.Spec.Notifications = receivers
	return &fleet{t: t, facts: Facts{Policy: policy}, state: &State{}, memory: &Memory{}, now: start}
}

// add makes a NodeReboot that waits for a reason.
func (f *fleet) add(node, reason string) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: node + "-0", UID: types.UID("uid-" + node)}}
	r.Spec.NodeName = node
	r.Status.PolicyName, r.Status.Reason, r.Status.Message = "workers", reason, "Because of "+reason+"."
	r.Status.RequiredSince = f.at(0)
	f.facts.Reboots = append(f.facts.Reboots, r)
	return r
}

func (f *fleet) at(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: f.now.Add(d)} }

func (f *fleet) grant(r *v1alpha1.NodeReboot) {
	number := int32(1)
	if r.Status.Attempt != nil {
		number = r.Status.Attempt.Number + 1
	}
	r.Status.Attempt = &v1alpha1.Attempt{Number: number, GrantedTime: *f.at(0), DrainOrderedTime: f.at(0)}
	r.Status.Reason, r.Status.Phase = v1alpha1.ReasonDraining, v1alpha1.PhaseDraining
}

func (f *fleet) succeed(r *v1alpha1.NodeReboot) {
	r.Status.Attempt.DrainedTime, r.Status.Attempt.RebootOrderedTime = f.at(0), f.at(0)
	r.Status.Attempt.EndedTime, r.Status.CompletionTime = f.at(0), f.at(0)
	r.Status.Outcome, r.Status.OutcomeReason, r.Status.Reason = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, v1alpha1.ReasonProved
}

// look looks, and delivers what is due to the receivers that take it.
func (f *fleet) look(down ...string) {
	o := f.state.Look(&f.facts, f.memory, f.now)
	if o.Changed {
		f.changed++
	}
	f.wake = o.Wake
	for i := range f.facts.Policy.Spec.Notifications {
		name := f.facts.Policy.Spec.Notifications[i].Name
		for _, e := range o.Due[name] {
			if slices.Contains(down, name) {
				continue
			}
			f.sent = append(f.sent, fmt.Sprintf("%s %s %s: %s", f.now.Format("15:04:05"), name, e.Event, e.Title))
			f.state.Delivered(name, e, f.now)
		}
	}
}

// pass lets time go by, with a look every ten seconds.
func (f *fleet) pass(d time.Duration, down ...string) {
	for end := f.now.Add(d); f.now.Before(end); {
		f.now = f.now.Add(10 * time.Second)
		f.look(down...)
	}
}

// restart is another manager that leads: it knows what is stored.
func (f *fleet) restart() {
	f.memory = &Memory{}
	f.look()
}

func (f *fleet) want(want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.sent); diff != "" {
		f.t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestARolloutIsOneMessageAtTheStartAndOneAtTheEnd(t *testing.T) {
	f := newFleet(t)
	a, b, c := f.add("a", "ZoneBusy"), f.add("b", "ZoneBusy"), f.add("c", "Skipped")
	f.pass(time.Minute)
	f.want()
	for _, r := range []*v1alpha1.NodeReboot{a, b} {
		f.grant(r)
		f.pass(5 * time.Minute)
		if r == b {
			f.pass(3 * time.Minute)
		}
		f.succeed(r)
		f.pass(10 * time.Second)
	}
	_ = c
	f.pass(time.Hour)
	f.restart()
	f.pass(25 * time.Hour)
	f.want("01:01:10 slack RolloutStarted: RebootPolicy workers: rollout started",
		"01:22:10 slack RolloutFinished: RebootPolicy workers: rollout finished, 2 nodes rebooted in 13m, 1 remaining")
}

func TestTheSummaryNamesTheSlowestNodeAndThoseThatRefusedToBeDrained(t *testing.T) {
	f := newFleet(t)
	quick, slow, refuses := f.add("quick", "ZoneBusy"), f.add("slow", "ZoneBusy"), f.add("refuses", v1alpha1.ReasonDrainImpossible)
	f.grant(quick)
	f.grant(slow)
	f.look()
	f.pass(time.Minute)
	f.succeed(quick)
	f.pass(9 * time.Minute)
	f.succeed(slow)
	f.state.Rollout.Finished = f.now
	o := f.state.Look(&f.facts, f.memory, f.now)
	i := slices.IndexFunc(o.Due["slack"], func(e *Event) bool { return e.Event == v1alpha1.EventRolloutFinished })
	if i < 0 {
		t.Fatalf("no summary is due: %v", o.Due)
	}
	e := o.Due["slack"][i]
	r := e.Rollout
	if r.Rebooted != 2 || r.Slowest == nil || r.Slowest.Name != "slow" || r.Slowest.Seconds != 600 || r.Refused != 1 ||
		r.RefusedNodes[0].Name != refuses.Spec.NodeName || r.Remaining != 1 {
		t.Errorf("summary: %+v", r)
	}
	want := "From 2026-11-28 01:00 +00:00 to 2026-11-28 01:10 +00:00.\nSlowest: slow, 10m.\n1 node could not be drained: refuses.\n" +
		"1 node still needs a reboot: 1 DrainImpossible."
	if diff := cmp.Diff(want, e.Text); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsInTheWayEndsARolloutAfterAnHourOnly(t *testing.T) {
	f := newFleet(t, v1alpha1.Notification{Name: "slack", Events: []v1alpha1.NotificationEvent{v1alpha1.EventRolloutFinished}})
	a := f.add("a", "ZoneBusy")
	f.add("b", v1alpha1.ReasonBlockedByAlert)
	f.grant(a)
	f.pass(time.Minute)
	f.succeed(a)
	f.pass(59 * time.Minute)
	f.want()
	f.pass(2 * time.Minute)
	f.want("02:01:00 slack RolloutFinished: RebootPolicy workers: rollout finished, 1 node rebooted in 60s, 1 remaining")
}

func TestEachEventIsSentOnceWhoeverLeads(t *testing.T) {
	for name, story := range map[string]struct {
		prepare func(f *fleet)
		want    string
	}{
		"halted": {func(f *fleet) {
			f.facts.Policy.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionHalted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNodesNotBack, Message: "A node is not back.",
				LastTransitionTime: metav1.NewTime(start),
			}}
		}, "01:00:10 slack Halted: RebootPolicy workers: halted"},
		"not back": {func(f *fleet) {
			r := f.add("a", v1alpha1.ReasonNodeNotBack)
			f.grant(r)
			r.Status.Attempt.RebootOrderedTime, r.Status.Attempt.StalledTime = f.at(0), f.at(0)
			r.Status.Attempt.Result = v1alpha1.ReasonNodeNotBack
		}, "01:00:10 slack NodeNotBack: RebootPolicy workers: 1 node did not come back"},
		"drain refused": {func(f *fleet) { f.add("a", v1alpha1.ReasonDrainImpossible) },
			"01:10:10 slack DrainRefused: RebootPolicy workers: 1 node cannot be drained, the first since 2026-11-28 01:00 +00:00"},
		"gate": {func(f *fleet) { f.add("a", v1alpha1.ReasonGateError) },
			"01:15:10 slack GateFailing: RebootPolicy workers: 1 node held up since 2026-11-28 01:00 +00:00 (GateError)"},
		"overdue": {func(f *fleet) {
			f.add("a", "Skipped")
			f.facts.Policy.Spec.Schedule.MaxDeferralSeconds = ptr.To[int32](1200)
		}, "01:20:00 slack Overdue: RebootPolicy workers: 1 node overdue, the first has needed a reboot since 2026-11-28 01:00 +00:00"},
		"approval": {func(f *fleet) { f.add("a", v1alpha1.ReasonAwaitingApproval) },
			"01:00:20 slack ApprovalNeeded: RebootPolicy workers: 1 node waits for approval"},
		"window": {func(f *fleet) {
			f.add("a", v1alpha1.ReasonWindowClosed).Status.RequiredSince = f.at(-time.Hour)
			f.facts.Policy.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0 0 * * *", DurationSeconds: 3600}}
		}, "01:00:10 slack WindowMissed: RebootPolicy workers: the window closed at 2026-11-28 01:00 +00:00, and 1 node still needs a reboot"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			story.prepare(f)
			f.pass(30 * time.Minute)
			f.restart()
			f.pass(30 * time.Minute)
			f.want(story.want)
		})
	}
}

func TestNothingIsStoredWhileNothingHappens(t *testing.T) {
	f := newFleet(t)
	f.add("a", v1alpha1.ReasonBlockedByAlert)
	f.pass(20 * time.Minute)
	if len(f.sent) != 1 {
		t.Fatalf("sent %v", f.sent)
	}
	f.changed = 0
	f.pass(6 * time.Hour)
	if f.changed != 0 {
		t.Errorf("the state changed %d times", f.changed)
	}
}

func TestAGateThatFailsAgainIsToldAgainAndAMomentBetweenIsNoEnd(t *testing.T) {
	f := newFleet(t)
	r := f.add("a", v1alpha1.ReasonGateError)
	f.pass(10 * time.Minute)
	r.Status.Reason = v1alpha1.ReasonGatePending
	f.pass(30 * time.Second)
	r.Status.Reason = v1alpha1.ReasonGateError
	f.pass(6 * time.Minute)
	r.Status.Reason = v1alpha1.ReasonGatePending
	f.pass(10 * time.Minute)
	r.Status.Reason = v1alpha1.ReasonGateError
	f.pass(20 * time.Minute)
	f.want("01:15:10 slack GateFailing: RebootPolicy workers: 1 node held up since 2026-11-28 01:00 +00:00 (GateError)",
		"01:41:40 slack GateFailing: RebootPolicy workers: 1 node held up since 2026-11-28 01:26 +00:00 (GateError)")
}

func TestADrainThatFailsAndIsTriedAgainIsOneRefusal(t *testing.T) {
	f := newFleet(t, v1alpha1.Notification{
		Name: "slack", DrainRefusedSeconds: ptr.To[int32](3600), Events: []v1alpha1.NotificationEvent{v1alpha1.EventDrainRefused},
	})
	r := f.add("a", "ZoneBusy")
	for i := range int32(4) {
		f.grant(r)
		f.pass(time.Minute)
		r.Status.Attempt.StuckTime = f.at(0)
		f.pass(9 * time.Minute)
		r.Status.Attempt.EndedTime = f.at(0)
		r.Status.Failures = &v1alpha1.Failures{Count: i + 1, LastTime: *f.at(0), LastReason: v1alpha1.ReasonDrainTimedOut}
		r.Status.Reason = v1alpha1.ReasonBackingOff
		f.pass(10 * time.Minute)
	}
	f.want("02:01:00 slack DrainRefused: RebootPolicy workers: 1 node cannot be drained, the first since 2026-11-28 01:01 +00:00")
}

func TestManyNodesAtOnceAreOneMessage(t *testing.T) {
	f := newFleet(t)
	for i := range 5000 {
		f.add(fmt.Sprintf("n%04d", i), v1alpha1.ReasonAwaitingApproval)
	}
	f.pass(time.Minute)
	f.want("01:00:20 slack ApprovalNeeded: RebootPolicy workers: 5000 nodes wait for approval")
	if size := len(f.state.Receivers["slack"].Keys[v1alpha1.EventApprovalNeeded]); size != maxKeys {
		t.Errorf("%d keys are remembered, want %d", size, maxKeys)
	}
	f.add("late", v1alpha1.ReasonAwaitingApproval)
	f.pass(time.Hour)
	if len(f.sent) != 1 {
		t.Errorf("sent %v", f.sent)
	}
}

func TestAFewMoreAreToldOfAfterTenMinutesAndAllOfThemAreNamed(t *testing.T) {
	f := newFleet(t)
	f.add("a", v1alpha1.ReasonAwaitingApproval)
	f.pass(time.Minute)
	f.add("b", v1alpha1.ReasonAwaitingApproval)
	f.pass(20 * time.Minute)
	f.want("01:00:20 slack ApprovalNeeded: RebootPolicy workers: 1 node waits for approval",
		"01:10:20 slack ApprovalNeeded: RebootPolicy workers: 2 nodes wait for approval")
}

func TestAReceiverThatWasDownIsToldByWhoeverLeadsThen(t *testing.T) {
	f := newFleet(t, v1alpha1.Notification{Name: "slack"}, v1alpha1.Notification{Name: "down"})
	a := f.add("a", "ZoneBusy")
	f.grant(a)
	f.pass(time.Minute, "down")
	f.succeed(a)
	f.pass(time.Hour, "down")
	f.restart()
	want := []string{
		"01:00:10 slack RolloutStarted: RebootPolicy workers: rollout started",
		"01:02:00 slack RolloutFinished: RebootPolicy workers: rollout finished, 1 node rebooted in 60s",
		"02:01:00 down RolloutFinished: RebootPolicy workers: rollout finished, 1 node rebooted in 60s",
	}
	f.want(want...)
}

func TestAnIDIsTheSameWheneverTheSameIsSent(t *testing.T) {
	ids := func(f *fleet) (all []string) {
		f.now = f.now.Add(time.Minute)
		for _, e := range f.state.Look(&f.facts, f.memory, f.now).Due["slack"] {
			all = append(all, string(e.Event)+" "+e.ID+" "+e.Rollout.ID)
		}
		return all
	}
	f := newFleet(t)
	f.grant(f.add("a", "ZoneBusy"))
	f.add("b", v1alpha1.ReasonAwaitingApproval)
	f.look("slack")
	first := ids(f)
	f.memory, f.state = &Memory{}, &State{} // crashed before anything was stored
	f.look("slack")
	if second := ids(f); len(first) != 2 || !cmp.Equal(first, second) {
		t.Errorf("%v, then %v", first, second)
	}
}

func TestWhatIsSoAgainHasAnotherID(t *testing.T) {
	f := newFleet(t)
	r := f.add("a", v1alpha1.ReasonAwaitingApproval)
	ids := map[string]bool{}
	for range 2 {
		r.Status.Reason = v1alpha1.ReasonAwaitingApproval
		f.now = f.now.Add(time.Hour)
		f.look("slack")
		f.now = f.now.Add(time.Minute)
		for _, e := range f.state.Look(&f.facts, f.memory, f.now).Due["slack"] {
			ids[e.ID] = true
		}
		f.look()
		r.Status.Reason = "Skipped"
		f.pass(time.Hour)
	}
	if len(ids) != 2 {
		t.Errorf("IDs: %v", ids)
	}
}

func TestTheSummaryOfARolloutTakesThePlaceOfAMissedWindow(t *testing.T) {
	f := newFleet(t)
	f.now = start.Add(-10 * time.Minute)
	f.facts.Policy.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0 0 * * *", DurationSeconds: 3600}}
	a, b := f.add("a", "ZoneBusy"), f.add("b", "ZoneBusy")
	f.grant(a)
	f.pass(5 * time.Minute)
	f.succeed(a)
	f.pass(5 * time.Minute)
	b.Status.Reason = v1alpha1.ReasonWindowClosed
	f.pass(time.Hour)
	f.want("00:50:10 slack RolloutStarted: RebootPolicy workers: rollout started",
		"01:00:20 slack RolloutFinished: RebootPolicy workers: rollout finished, 1 node rebooted in 5m, 1 remaining")
}

func TestEveryReasonThatIsNamedEndsUpInOneList(t *testing.T) {
	seen := map[string]bool{}
	for _, reason := range slices.Concat(paceReasons, heldReasons, gateReasons, refusals) {
		if seen[reason] {
			t.Errorf("%s is in two lists", reason)
		}
		seen[reason] = true
	}
}

func TestTextsAreBoundedAndTitlesAreOneLine(t *testing.T) {
	f := newFleet(t)
	for i := range 50 {
		r := f.add(fmt.Sprintf("n%02d", i), v1alpha1.ReasonAwaitingApproval)
		r.Status.Message = strings.Repeat("ß\r\nBcc: x@example.com ", 100)
	}
	f.now = f.now.Add(time.Minute)
	f.look("slack")
	f.now = f.now.Add(time.Minute)
	for _, e := range f.state.Look(&f.facts, f.memory, f.now).Due["slack"] {
		if strings.ContainsAny(e.Title, "\r\n") || len(e.Text) > maxText || strings.Contains(e.Text, "\r") {
			t.Errorf("title %q, text of %d bytes", e.Title, len(e.Text))
		}
		e.End()
		if len(e.Text) > maxText {
			t.Errorf("text of %d bytes at the end", len(e.Text))
		}
	}
}
