package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const backupDone = "example.com/backup-done"

// hook of five minutes.
func hook(conditionType string, onTimeout v1alpha1.TimeoutAction) v1alpha1.Hook {
	return v1alpha1.Hook{ConditionType: conditionType, TimeoutSeconds: ptr.To[int32](300), OnTimeout: onTimeout}
}

func hooks(set func(*v1alpha1.HooksSpec)) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Hooks = &v1alpha1.HooksSpec{}
		set(s.Hooks)
	})
}

// hookIn has a hook in the stage where an attempt waits for it.
func hookIn(stage stage, hook v1alpha1.Hook) policyOption {
	return hooks(func(h *v1alpha1.HooksSpec) {
		switch stage {
		case stageCordoned:
			h.BeforeDrain = []v1alpha1.Hook{hook}
		case stageDrained:
			h.BeforeReboot = []v1alpha1.Hook{hook}
		default:
			h.AfterReboot = []v1alpha1.Hook{hook}
		}
	})
}

// set sets a condition of a NodeReboot, as its owner does.
func (s *story) set(reboot, conditionType string, status metav1.ConditionStatus) {
	changed := *s.reboot(reboot)
	changed.Status.Conditions = append([]metav1.Condition(nil), changed.Status.Conditions...)
	meta.SetStatusCondition(&changed.Status.Conditions, metav1.Condition{
		Type: conditionType, Status: status, Reason: "Theirs", LastTransitionTime: metav1.NewTime(s.now),
	})
	s.replace(&changed)
}

// hookStages are the stages in which hooks are awaited, with what comes after.
var hookStages = map[stage]string{
	stageCordoned: v1alpha1.ReasonDraining, stageDrained: v1alpha1.ReasonRebooting, stageSettling: v1alpha1.ReasonProved,
}

func TestHookIsAwaitedWhileTheSlotIsHeld(t *testing.T) {
	for stage, next := range hookStages {
		t.Run(stage.String(), func(t *testing.T) {
			s := attemptIn(t, stage, hookIn(stage, hook(backupDone, v1alpha1.TimeoutAbort)))
			s.advance(2 * time.Minute)
			status := s.reboot("ra").Status
			if status.Reason != v1alpha1.ReasonHookPending || !strings.Contains(status.Message, backupDone) || len(s.Slots) != 1 {
				t.Errorf("%s %q, slots %v", status.Reason, status.Message, s.Slots)
			}
			if diff := cmp.Diff([]string{backupDone}, status.PendingHooks); diff != "" {
				t.Errorf("pending hooks (-want +got):\n%s", diff)
			}
			s.set("ra", backupDone, metav1.ConditionFalse)
			s.settle()
			if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonHookPending {
				t.Errorf("reason %s while the condition is False", got)
			}
			s.set("ra", backupDone, metav1.ConditionTrue)
			s.settle()
			s.advance(0)
			if status := s.reboot("ra").Status; status.Reason != next || len(status.PendingHooks) != 0 {
				t.Errorf("reason %s, want %s; pending %v", status.Reason, next, status.PendingHooks)
			}
		})
	}
}

func TestHookThatIsLateFailsTheAttemptOrNot(t *testing.T) {
	failed := v1alpha1.ReasonBackingOff
	cases := map[string]struct {
		stage      stage
		onTimeout  v1alpha1.TimeoutAction
		want       string
		wantResult string
	}{
		"before the drain, Abort":     {stageCordoned, v1alpha1.TimeoutAbort, failed, v1alpha1.ReasonHookTimedOut},
		"before the drain, Continue":  {stageCordoned, v1alpha1.TimeoutContinue, v1alpha1.ReasonDraining, ""},
		"before the reboot, Abort":    {stageDrained, v1alpha1.TimeoutAbort, failed, v1alpha1.ReasonHookTimedOut},
		"before the reboot, Continue": {stageDrained, v1alpha1.TimeoutContinue, v1alpha1.ReasonRebooting, ""},
		"after the reboot, Abort":     {stageSettling, v1alpha1.TimeoutAbort, v1alpha1.ReasonHookTimedOut, v1alpha1.ReasonHookTimedOut},
		"after the reboot, Continue":  {stageSettling, v1alpha1.TimeoutContinue, v1alpha1.ReasonProved, v1alpha1.ReasonProved},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.stage, hookIn(tc.stage, hook(backupDone, tc.onTimeout)))
			if tc.stage == stageSettling {
				s.advance(time.Minute)
			}
			s.advance(4*time.Minute + 59*time.Second)
			if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonHookPending {
				t.Fatalf("reason %s a second before", got)
			}
			s.advance(time.Second)
			status := s.reboot("ra").Status
			if status.Reason != tc.want || status.Attempt.Result != tc.wantResult || len(status.PendingHooks) != 0 {
				t.Errorf("reason %s, result %s, pending %v: %s", status.Reason, status.Attempt.Result, status.PendingHooks, status.Message)
			}
			if cordoned := s.node("a").Unschedulable; tc.want == failed && cordoned {
				t.Error("the node is still cordoned")
			}
		})
	}
}

func TestNodeThatRecoveredWithoutItsHookIsWatchedAndMayYetSucceed(t *testing.T) {
	s := attemptIn(t, stageSettling, hookIn(stageSettling, hook(backupDone, v1alpha1.TimeoutAbort)))
	s.advance(6 * time.Minute)
	if sum := s.summary("ra"); sum.Phase != v1alpha1.PhaseFailed || len(s.Slots) != 1 {
		t.Errorf("%+v, slots %v", sum, s.Slots)
	}
	s.advance(2 * time.Hour)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonHookTimedOut {
		t.Errorf("reason %s after the time of the recovery, too", got)
	}
	s.set("ra", backupDone, metav1.ConditionTrue)
	s.settle()
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s after the hook was done", got)
	}
}

func TestGoingOnWithoutAHookIsToldOnce(t *testing.T) {
	for stage := range hookStages {
		s := attemptIn(t, stage, hookIn(stage, hook(backupDone, v1alpha1.TimeoutContinue)))
		told := 0
		for range 40 {
			s.now = s.now.Add(10 * time.Second)
			for range 3 {
				told += countEvents(s.pass(), v1alpha1.ReasonHookTimedOut)
			}
		}
		if told != 1 {
			t.Errorf("%s: told %d times", stage, told)
		}
	}
}

func countEvents(p *Plan, reason string) int {
	count := 0
	for _, work := range p.Work {
		for _, change := range work.Reboots {
			for _, event := range change.Events {
				if event.Reason == reason {
					count++
				}
			}
		}
	}
	return count
}

func TestHookOfAnEarlierAttemptDoesNotCount(t *testing.T) {
	for stage := range hookStages {
		if stage == stageSettling {
			continue
		}
		t.Run(stage.String(), func(t *testing.T) {
			s := preparedAttemptIn(t, stage, func(s *story) { s.set("ra", backupDone, metav1.ConditionTrue) },
				hookIn(stage, hook(backupDone, v1alpha1.TimeoutAbort)))
			s.advance(time.Minute)
			if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonHookPending {
				t.Fatalf("reason %s: what was True before the attempt began counts", got)
			}
			s.set("ra", backupDone, metav1.ConditionFalse)
			s.set("ra", backupDone, metav1.ConditionTrue)
			s.settle()
			s.advance(0)
			if got := s.reboot("ra").Status.Reason; got != hookStages[stage] {
				t.Errorf("reason %s after it was set again", got)
			}
		})
	}
}

func TestHookOfBeforeTheBootDoesNotCountAfterIt(t *testing.T) {
	s := attemptIn(t, stageRebooting, hookIn(stageSettling, hook(backupDone, v1alpha1.TimeoutAbort)))
	s.set("ra", backupDone, metav1.ConditionTrue)
	s.settle()
	s.boot("a", 2)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	s.advance(2 * time.Minute)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonHookPending {
		t.Errorf("reason %s", got)
	}
}

func TestSeveralHooksAreAwaitedTogether(t *testing.T) {
	s := attemptIn(t, stageCordoned, hooks(func(h *v1alpha1.HooksSpec) {
		h.BeforeDrain = []v1alpha1.Hook{hook("example.com/b", v1alpha1.TimeoutAbort), hook("example.com/a", v1alpha1.TimeoutAbort)}
	}))
	s.advance(2 * time.Minute)
	status := s.reboot("ra").Status
	want := "Waits until 2026-03-02 12:05 +00:00 (in 5m, as of 12:00) for someone to set condition example.com/b of this NodeReboot " +
		"to True (and 1 more)."
	if status.Message != want {
		t.Errorf("message %q, want %q", status.Message, want)
	}
	if diff := cmp.Diff([]string{"example.com/a", "example.com/b"}, status.PendingHooks); diff != "" {
		t.Errorf("pending hooks (-want +got):\n%s", diff)
	}
	s.set("ra", "example.com/b", metav1.ConditionTrue)
	s.settle()
	if diff := cmp.Diff([]string{"example.com/a"}, s.reboot("ra").Status.PendingHooks); diff != "" {
		t.Errorf("pending hooks after one is done (-want +got):\n%s", diff)
	}
}

func TestHooksAreAwaitedForNodesThatHoldASlotOnly(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", hookIn(stageCordoned, hook(backupDone, v1alpha1.TimeoutAbort))))...)
	s.settle()
	want := map[string]string{"ra": v1alpha1.ReasonHookPending, "rb": v1alpha1.ReasonBudgetExhausted}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestAttemptThatWaitsForAHookIsRolledBackLikeAnyOther(t *testing.T) {
	for _, stage := range []stage{stageCordoned, stageDrained} {
		s := attemptIn(t, stage, hookIn(stage, hook(backupDone, v1alpha1.TimeoutAbort)))
		s.advance(2 * time.Minute)
		paused(s)
		s.settle()
		if status := s.reboot("ra").Status; status.Reason != v1alpha1.ReasonPaused || len(status.PendingHooks) != 0 || s.node("a").Unschedulable {
			t.Errorf("%s: reason %s, pending %v", stage, status.Reason, status.PendingHooks)
		}
	}
}

func TestConditionsOfOthersAreLeftAlone(t *testing.T) {
	theirs := func(s *story) []metav1.Condition {
		var found []metav1.Condition
		for _, c := range s.reboot("ra").Status.Conditions {
			if strings.HasPrefix(c.Type, "example.com/") {
				found = append(found, c)
			}
		}
		return found
	}
	for stage := stageWaiting; stage <= stageSettling; stage++ {
		s := preparedAttemptIn(t, stage, func(s *story) {
			s.set("ra", backupDone, metav1.ConditionTrue)
			s.set("ra", "example.com/ticket", metav1.ConditionUnknown)
		})
		s.settle()
		if got := theirs(s); len(got) != 2 || got[0].LastTransitionTime.Sub(start) != 0 || got[0].Reason != "Theirs" {
			t.Errorf("%s: conditions %+v", stage, got)
		}
	}
}

func TestOneLateHookFailsTheAttemptThoughOthersMayStillBeDone(t *testing.T) {
	for name, timeouts := range map[string][2]int32{"the first is late": {300, 600}, "the last is late": {600, 300}} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDrained, hooks(func(h *v1alpha1.HooksSpec) {
				h.BeforeReboot = []v1alpha1.Hook{hook("example.com/a", v1alpha1.TimeoutAbort), hook("example.com/b", v1alpha1.TimeoutAbort)}
				h.BeforeReboot[0].TimeoutSeconds, h.BeforeReboot[1].TimeoutSeconds = &timeouts[0], &timeouts[1]
			}))
			s.advance(5 * time.Minute)
			if got := s.reboot("ra").Status; got.Attempt.Result != v1alpha1.ReasonHookTimedOut || len(got.PendingHooks) != 0 {
				t.Errorf("result %q, reason %s, pending %v", got.Attempt.Result, got.Reason, got.PendingHooks)
			}
		})
	}
}

// Times of conditions are whole seconds, and much happens in one.
func TestHookThatIsDoneInTheSecondInWhichTheAttemptBeganCounts(t *testing.T) {
	s := newStory(t, newPolicy("p", hookIn(stageCordoned, hook(backupDone, v1alpha1.TimeoutAbort))), newNode("a", "z1"), newReboot("ra", "a"))
	s.set("ra", backupDone, metav1.ConditionFalse)
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonHookPending {
		t.Fatalf("reason %s", got)
	}
	s.set("ra", backupDone, metav1.ConditionTrue)
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
}
