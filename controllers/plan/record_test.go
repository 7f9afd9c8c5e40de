package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// What is left of a reboot when it is over, and what happens to a reboot that does not go as it should.

func TestFinishedNodeRebootTellsEveryStepThatItTook(t *testing.T) {
	s := attemptIn(t, stageSettling)
	s.advance(time.Minute)
	status := s.reboot("ra").Status
	if status.Phase != v1alpha1.PhaseSucceeded {
		t.Fatalf("phase %s", status.Phase)
	}
	attempt := status.Attempt
	steps := []struct {
		what string
		time *metav1.MicroTime
	}{
		{"required since", status.RequiredSince}, {"granted", &attempt.GrantedTime}, {"cordoned", attempt.CordonedTime},
		{"ordered to drain", attempt.DrainOrderedTime}, {"drained", attempt.DrainedTime}, {"ordered to reboot", attempt.RebootOrderedTime},
		{"back", attempt.BackTime}, {"uncordoned", attempt.UncordonedTime}, {"ended", attempt.EndedTime},
	}
	before := time.Time{}
	for _, step := range steps {
		if step.time.IsZero() || step.time.Time.Before(before) {
			t.Errorf("%s at %v, after a step at %s", step.what, step.time, before)
			continue
		}
		before = step.time.Time
	}
	if status.CompletionTime.IsZero() || status.Before.BootID != bootOf("a", 1) || status.After.BootID != bootOf("a", 2) {
		t.Errorf("complete at %v, before %+v, after %+v", status.CompletionTime, status.Before, status.After)
	}
}

func TestSentinelThatStaysAfterEachRebootEndsInFailureAndNotInALoop(t *testing.T) {
	s := newStory(t, newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = ptr.To[int32](3) })),
		newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	for boot := 2; boot <= 4; boot++ {
		if got := s.underWay(); got != "a" {
			t.Fatalf("before boot %d under way: %q, %v", boot, got, s.reasons())
		}
		s.answer("ra", v1alpha1.OrderDone, "")
		s.settle()
		s.boot("a", boot)
		s.comeBack("ra", v1alpha1.SentinelRequired)
		s.settle()
		if result := s.reboot("ra").Status.Attempt.Result; result != v1alpha1.ReasonSentinelStillPresent {
			t.Fatalf("attempt of boot %d: %q", boot, result)
		}
		for waited := 0; s.underWay() == "" && waited < 24*60; waited++ { // for its back-off
			s.advance(time.Minute)
		}
	}
	if status := s.reboot("ra").Status; status.Phase != v1alpha1.PhaseFailed || status.OutcomeReason != v1alpha1.ReasonSentinelStillPresent {
		t.Errorf("phase %s, reason %s after three reboots", status.Phase, status.OutcomeReason)
	}
	if n := s.node("a"); n.Unschedulable || s.underWay() != "" {
		t.Errorf("cordoned %t, under way %q", n.Unschedulable, s.underWay())
	}
}

func TestUrgencyThatPassesByAWindowIsTold(t *testing.T) {
	closed := scheduled("0 3 * * *")
	cases := map[string]struct {
		policy []policyOption
		reboot []rebootOption
		want   string
	}{
		"outside of the window": {
			policy: []policyOption{closed}, reboot: []rebootOption{immediate},
			want: "Its urgency is Immediate, so it did not wait. The window of RebootPolicy p is closed",
		},
		"in a freeze": {
			policy: []policyOption{frozen("f", 0, time.Hour)}, reboot: []rebootOption{immediate},
			want: `Its urgency is Immediate, so it did not wait. RebootPolicy p has the freeze "f"`,
		},
		"with nothing in the way":      {reboot: []rebootOption{immediate}},
		"of one that is not Immediate": {},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", tc.policy...), newNode("a", "z1"), newReboot("ra", "a", tc.reboot...))
			var told []string
			for _, work := range s.compute().Work {
				for _, change := range work.Reboots {
					for _, e := range change.Events {
						told = append(told, e.Message)
					}
				}
			}
			all := strings.Join(told, "\n")
			if len(told) == 0 || strings.Contains(all, "urgency") != (tc.want != "") || !strings.Contains(all, tc.want) {
				t.Errorf("told: %q, want %q", told, tc.want)
			}
		})
	}
}

func TestSettlingBeginsAgainWhenTheNodeWasNotReady(t *testing.T) {
	ready := func(n *Node, transition time.Time) {
		n.Ready = true
		n.Conditions = []model.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Transition: metav1.NewTime(transition)}}
	}
	notReadyFor10s := func(s *story, _ time.Time) {
		s.node("a").Ready = false
		s.settle()
		if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonNodeNotReady {
			s.t.Fatalf("reason %s of a node that is not Ready", got)
		}
		s.advance(10 * time.Second)
	}
	cases := map[string]struct {
		meanwhile  func(*story, time.Time)
		transition time.Duration
		want       time.Duration
	}{
		"a node that stayed Ready settles on":      {transition: -time.Hour, want: time.Minute},
		"one that was not Ready begins again":      {notReadyFor10s, 20 * time.Second, 80 * time.Second},
		"whatever its own clock says of it, ahead": {notReadyFor10s, 9 * time.Hour, 80 * time.Second},
		"or behind": {notReadyFor10s, -9 * time.Hour, 80 * time.Second},
		"one that was not Ready while nobody looked begins again":   {transition: 5 * time.Second, want: 70 * time.Second},
		"also if its clock says that it happened before the reboot": {transition: -9 * time.Hour, want: 70 * time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := preparedAttemptIn(t, stageSettling, func(s *story) { ready(s.node("a"), start.Add(-time.Hour)) })
			since := s.now
			s.advance(10 * time.Second)
			transition := since.Add(tc.transition)
			if tc.want == time.Minute {
				transition = start.Add(-time.Hour)
			}
			if tc.meanwhile != nil {
				tc.meanwhile(s, since)
			}
			ready(s.node("a"), transition)
			s.settle()
			if until, want := s.reboot("ra").Status.UntilTime, since.Add(tc.want); until == nil || !until.Time.Equal(want) {
				t.Errorf("settles until %v, want %s", until, want)
			}
		})
	}
}

func TestTheNextNodeWaitsWhileOneSettles(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", unhurried()))...)
	s.settle()
	s.advance(time.Minute) // the delay before the drain
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.advance(time.Minute) // the delay before the reboot
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	s.advance(59 * time.Second)
	want := map[string]string{"ra": v1alpha1.ReasonSettling, "rb": v1alpha1.ReasonBudgetExhausted}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Fatalf("a second before it has settled (-want +got):\n%s", diff)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q", got)
	}
}

func TestNodeThatIsNoLongerSelectedIsPutBack(t *testing.T) {
	s := newStory(t, newPolicy("p", selecting("pool", "blue")), newNode("a", "z1", labeled("pool", "blue")), newReboot("ra", "a"))
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Fatalf("under way: %q", got)
	}
	s.node("a").Labels["pool"] = "green"
	s.settle()
	if status := s.reboot("ra").Status; status.Reason != v1alpha1.ReasonNoPolicy || status.Attempt.Result != v1alpha1.ReasonNotSelected {
		t.Errorf("reason %s, result %s", status.Reason, status.Attempt.Result)
	}
	if n := s.node("a"); n.Unschedulable || len(n.Taints) > 0 || n.CordonedFor != "" {
		t.Errorf("cordoned %t for %q, taints %v", n.Unschedulable, n.CordonedFor, n.Taints)
	}
}

func TestLabelsAreSetOnANodeThatSomeoneHadCordoned(t *testing.T) {
	s := newStory(t, newPolicy("p", maxUnavailable("9"), marking(0)), newNode("a", "z1", cordonedByHand), newReboot("ra", "a"))
	s.settle()
	s.prove("a")
	n := s.node("a")
	if want := "[tate=fresh done=yes]"; marksOf(n) != want || !n.Unschedulable {
		t.Errorf("marks %s, want %s; cordoned %t, as someone had", marksOf(n), want, n.Unschedulable)
	}
}
