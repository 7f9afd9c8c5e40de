package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// only is a receiver of one event.
func only(event v1alpha1.NotificationEvent) v1alpha1.Notification {
	return v1alpha1.Notification{
		Name: "slack", Events: []v1alpha1.NotificationEvent{event},
		DrainRefusedSeconds: ptr.To[int32](600), GateFailingSeconds: ptr.To[int32](900),
	}
}

// The manager that leads next asks the gates again, and until they answer no node waits for one.
func TestAManagerThatLeadsNextDoesNotTellAgainWhatIsNotSoForAMoment(t *testing.T) {
	f := newFleet(t, only(v1alpha1.EventGateFailing))
	r := f.add("a", v1alpha1.ReasonGateError)
	f.pass(20 * time.Minute)
	r.Status.Reason = v1alpha1.ReasonGatePending
	f.restart()
	f.pass(20 * time.Second)
	r.Status.Reason = v1alpha1.ReasonGateError
	f.pass(time.Hour)
	if len(f.sent) != 1 {
		t.Errorf("sent %q", f.sent)
	}
}

// Nobody looks at a cluster in which nothing happens, but when a look said so.
func TestWhatFailsAgainLongAfterIsToldAgainAlthoughNobodyLookedMeanwhile(t *testing.T) {
	f := newFleet(t, only(v1alpha1.EventGateFailing))
	r := f.add("a", v1alpha1.ReasonGateError)
	f.pass(20 * time.Minute)
	r.Status.Reason = v1alpha1.ReasonGatePending
	for range 5 {
		f.look()
		if f.wake.IsZero() {
			break
		}
		f.now = f.wake
	}
	f.now = f.now.Add(2 * time.Hour)
	r.Status.Reason = v1alpha1.ReasonGateError
	f.pass(20 * time.Minute)
	if len(f.sent) != 2 {
		t.Errorf("sent %q", f.sent)
	}
}

func TestGatesThatFailInTurnAreInTheWayAllTheTime(t *testing.T) {
	f := newFleet(t, only(v1alpha1.EventGateFailing))
	r := f.add("a", "")
	for i := range 60 {
		r.Status.Reason = []string{v1alpha1.ReasonBlockedByAlert, v1alpha1.ReasonBlockedByPod}[i%2]
		f.pass(2 * time.Minute)
	}
	f.want("01:15:10 slack GateFailing: RebootPolicy workers: 1 node held up since 2026-11-28 01:00 +00:00 (BlockedByPod)")
}

func TestOfMoreThanAreRememberedNoneIsNewsBecauseOthersAreDone(t *testing.T) {
	receiver := only(v1alpha1.EventOverdue)
	receiver.OverdueSeconds = ptr.To[int32](600)
	f := newFleet(t, receiver)
	var all []*v1alpha1.NodeReboot
	for i := range 300 {
		all = append(all, f.add(fmt.Sprintf("n%03d", i), "ZoneBusy"))
	}
	f.pass(15 * time.Minute)
	for i, r := range all {
		f.grant(r)
		f.pass(time.Minute)
		f.succeed(r)
		if i == 100 {
			f.restart()
		}
	}
	f.want("01:10:00 slack Overdue: RebootPolicy workers: 300 nodes overdue, the first has needed a reboot since 2026-11-28 01:00 +00:00")
	f.pass(10 * time.Minute)
	record, err := json.Marshal(f.state.Receivers["slack"])
	if err != nil || strings.Contains(string(record), "keys") || strings.Contains(string(record), "more") {
		t.Errorf("remembered at the end: %s, %v", record, err)
	}
}

// Updates come at random times of an hour, and a reboot takes five minutes.
func TestNodesThatNeedARebootOneAfterTheOtherAreOneRollout(t *testing.T) {
	f := newFleet(t)
	for i := range 6 {
		r := f.add(fmt.Sprintf("n%d", i), "ZoneBusy")
		f.grant(r)
		f.pass(5 * time.Minute)
		f.succeed(r)
		f.pass(4 * time.Minute)
	}
	f.pass(time.Hour)
	f.succeedOne("late")
	f.pass(time.Hour)
	f.want("01:00:10 slack RolloutStarted: RebootPolicy workers: rollout started",
		"01:55:00 slack RolloutFinished: RebootPolicy workers: rollout finished, 6 nodes rebooted in 50m",
		"02:54:10 slack RolloutStarted: RebootPolicy workers: rollout started",
		"02:56:00 slack RolloutFinished: RebootPolicy workers: rollout finished, 1 node rebooted in 60s")
}

func (f *fleet) succeedOne(node string) {
	r := f.add(node, "ZoneBusy")
	f.grant(r)
	f.pass(time.Minute)
	f.succeed(r)
}

func TestANodeThatComesBackAfterItsRolloutBeginsNoOther(t *testing.T) {
	f := newFleet(t)
	f.succeedOne("a")
	r := f.add("b", v1alpha1.ReasonNodeNotBack)
	f.grant(r)
	r.Status.Attempt.RebootOrderedTime = f.at(0)
	f.pass(30 * time.Minute)
	r.Status.Attempt.StalledTime = f.at(0)
	f.pass(2 * time.Hour)
	r.Status.Attempt.StalledTime = nil
	f.pass(time.Minute)
	f.succeed(r)
	f.pass(time.Hour)
	started := 0
	for _, sent := range f.sent {
		if strings.Contains(sent, "RolloutStarted") {
			started++
		}
	}
	if started != 1 {
		t.Errorf("sent %q", f.sent)
	}
}

func TestAWindowThatClosedLongAgoIsNotLookedForAtEachLook(t *testing.T) {
	f := newFleet(t)
	f.facts.Policy.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0 2 * * 0", DurationSeconds: 3600}}
	f.look()
	if allocated := testing.AllocsPerRun(10, func() { f.look() }); allocated > 200 {
		t.Errorf("%v allocations for a look at a policy without NodeReboots", allocated)
	}
}

func TestTheEndOfARolloutIsNotOver(t *testing.T) {
	e := &Event{Event: v1alpha1.EventRolloutFinished, Title: "t", Text: "x"}
	e.End()
	if e.Ended || e.Title != "t" || e.Text != "x" {
		t.Errorf("%+v", e)
	}
}
