package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// stage is how far an attempt is when something happens.
type stage int

const (
	stageWaiting stage = iota
	stageCordoned
	stageDraining
	stageDrained
	stageRebooting
	// stageBack: the node runs another boot and is not Ready yet.
	stageBack
	// stageSettling: the node is proved and uncordoned.
	stageSettling
)

var stageNames = []string{"waiting", "cordoned", "draining", "drained", "rebooting", "back", "settling"}

func (s stage) String() string { return stageNames[s] }

// attemptIn takes NodeReboot ra of node a, with one replica of Deployment web and one pod of DaemonSet agent, to a stage. It has just
// begun, and every stage has a time of its own.
func attemptIn(t *testing.T, to stage, options ...policyOption) *story {
	t.Helper()
	return preparedAttemptIn(t, to, func(*story) {}, options...)
}

// preparedAttemptIn is attemptIn with a cluster that was changed before the attempt began.
func preparedAttemptIn(t *testing.T, to stage, prepare func(*story), options ...policyOption) *story {
	t.Helper()
	s := newStory(t, newPolicy("p", append([]policyOption{unhurried()}, options...)...), newNode("a", "z1"), newReboot("ra", "a"))
	s.Pods["a"] = []Pod{
		readyPod("agent-a", start.Add(-24*time.Hour), daemonSet("agent")),
		readyPod("web-1", start.Add(-24*time.Hour), deployment("web")),
	}
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	prepare(s)
	steps := map[stage]func(){
		stageCordoned: func() {},
		stageDraining: func() { s.advance(time.Minute) },
		stageDrained: func() {
			s.Pods["a"] = s.Pods["a"][:1]
			s.answer("ra", v1alpha1.OrderDone, "")
		},
		stageRebooting: func() {
			s.advance(time.Minute)
			s.answer("ra", v1alpha1.OrderStarted, "")
		},
		stageBack:     func() { s.boot("a", 2) },
		stageSettling: func() { s.comeBack("ra", v1alpha1.SentinelNotRequired) },
	}
	for i := stageCordoned; i <= to; i++ {
		steps[i]()
		s.settle()
	}
	return s
}

func TestAttemptGoesOn(t *testing.T) {
	cases := map[string]struct {
		stage stage
		event func(*story)
		after time.Duration
		want  summary
	}{
		"the drain waits for its delay": {
			stage: stageCordoned, after: 59 * time.Second,
			want: summary{Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDrainDelayed, Cordoned: true, Tainted: true},
		},
		"the drain is ordered after its delay": {
			stage: stageCordoned, after: time.Minute,
			want: summary{
				Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDraining, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true,
			},
		},
		"a drain that was started is waited for": {
			stage: stageDraining, event: func(s *story) { s.answer("ra", v1alpha1.OrderStarted, "") }, after: 599 * time.Second,
			want: summary{
				Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDraining, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true,
			},
		},
		"an answer to an earlier order says nothing about the drain": {
			stage: stageDraining,
			event: func(s *story) {
				s.report("ra", func(r *v1alpha1.HelperReport) { r.Sequence, r.State = 0, v1alpha1.OrderDone })
			},
			want: summary{
				Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDraining, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true,
			},
		},
		"refused evictions are the reason": {
			stage: stageDraining, event: refuse,
			want: summary{
				Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonEvictionRefused, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true,
			},
		},
		"after the drain the reboot waits for its delay": {
			stage: stageDrained, after: 59 * time.Second,
			want: summary{
				Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonRebootDelayed, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true,
			},
		},
		"the reboot is ordered after its delay": {
			stage: stageDrained, after: time.Minute,
			want: summary{
				Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
			},
		},
		"a drained node waits for its helper before the order to reboot": {
			stage: stageDrained, event: func(s *story) { noHelper(s.node("a")) }, after: 959 * time.Second,
			want: summary{
				Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonHelperNotReady, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true,
			},
		},
		"a host that was ordered to reboot has its time": {
			stage: stageRebooting, event: func(s *story) { s.node("a").Ready = false }, after: 899 * time.Second,
			want: summary{
				Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
			},
		},
		"a host that is still shown as Ready has a minute more": {
			stage: stageRebooting, after: 959 * time.Second,
			want: summary{
				Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
			},
		},
		"a node whose sentinel is still there recovers first, and keeps the taint": {
			stage: stageBack, event: func(s *story) { s.comeBack("ra", v1alpha1.SentinelRequired) }, after: 59 * time.Second,
			want: summary{Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonSettling, Tainted: true},
		},
		"another boot ID ends the reboot, whatever the helper said": {
			stage: stageRebooting, event: func(s *story) { s.boot("a", 2) },
			want: summary{Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonNodeNotReady, Cordoned: true, Tainted: true},
		},
		"a node that reports no boot ID for a moment has not rebooted": {
			stage: stageRebooting, event: func(s *story) { s.node("a").BootID = "" },
			want: summary{
				Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
			},
		},
		"a proved node settles, uncordoned and without the taint": {
			stage: stageSettling, after: 59 * time.Second,
			want: summary{Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonSettling},
		},
		"a node that settled succeeds": {
			stage: stageSettling, after: time.Minute,
			want: summary{
				Phase: v1alpha1.PhaseSucceeded, Reason: v1alpha1.ReasonProved, Outcome: v1alpha1.OutcomeSucceeded, Result: v1alpha1.ReasonProved,
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.stage)
			if tc.event != nil {
				tc.event(s)
				s.settle()
			}
			s.advance(tc.after)
			if diff := cmp.Diff(tc.want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
		})
	}
}

func refuse(s *story) {
	s.answer("ra", v1alpha1.OrderStarted, "")
	s.report("ra", func(r *v1alpha1.HelperReport) {
		r.Drain = &v1alpha1.DrainProgress{Total: 5, Remaining: 4}
		for _, name := range []string{"web-1", "web-2", "web-3", "web-4"} {
			r.Drain.Refused = append(r.Drain.Refused, v1alpha1.RefusedPod{Namespace: "apps", Name: name, By: "PodDisruptionBudget web"})
		}
	})
}

func TestAttemptFails(t *testing.T) {
	backingOff := func(result string) summary {
		return summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonBackingOff, Result: result, Failures: 1, Tainted: true}
	}
	cases := map[string]struct {
		stage       stage
		event       func(*story)
		after       time.Duration
		want        summary
		wantMessage string
		// reached: the host accepted the order to reboot, or rebooted.
		reached bool
	}{
		"when the helper does not answer the order to drain": {
			stage: stageDraining, after: 600 * time.Second, want: backingOff(v1alpha1.ReasonDrainTimedOut),
			wantMessage: "Node a was not drained in time: its helper did not answer.",
		},
		"when the drain takes too long": {
			stage: stageDraining, after: 600 * time.Second, want: backingOff(v1alpha1.ReasonDrainTimedOut),
			event: func(s *story) {
				s.answer("ra", v1alpha1.OrderStarted, "")
				s.report("ra", func(r *v1alpha1.HelperReport) { r.Drain = &v1alpha1.DrainProgress{Total: 5, Remaining: 2} })
			},
			wantMessage: "Node a was not drained in time: 2 of 5 pods are left.",
		},
		"when evictions are refused until the end, naming three of the pods and what refuses them": {
			stage: stageDraining, event: refuse, after: 600 * time.Second, want: backingOff(v1alpha1.ReasonDrainTimedOut),
			wantMessage: "Node a was not drained in time: 4 of 5 pods are left: PodDisruptionBudget web refuses the eviction of pod apps/web-1, " +
				"PodDisruptionBudget web refuses the eviction of pod apps/web-2, " +
				"PodDisruptionBudget web refuses the eviction of pod apps/web-3, and 1 more. " +
				"No other node takes pods now: to reboot node a with its pods, write drain.mode: Skip in RebootPolicy p.",
		},
		"when the helper cannot drain": {
			stage: stageDraining, event: func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No right to evict.") },
			want: backingOff(v1alpha1.ReasonDrainFailed), wantMessage: "No right to evict.",
		},
		"when the helper does not come back to reboot a drained node": {
			stage: stageDrained, event: func(s *story) { noHelper(s.node("a")) }, after: 960 * time.Second,
			want: backingOff(v1alpha1.ReasonRebootFailed), wantMessage: "The helper of node a did not become Ready in time: there is no helper pod.",
		},
		"when the helper does not take the order to reboot": {
			stage: stageRebooting, event: ignoredOrder, after: 900 * time.Second, want: backingOff(v1alpha1.ReasonOrderExpired),
			wantMessage: "The helper of node a did not take the order to reboot by 2026-03-02 12:17 +00:00, and the order was withdrawn.",
		},
		"when the helper cannot reboot the host": {
			stage: stageRebooting, event: func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "Inhibited by apt.") },
			want: backingOff(v1alpha1.ReasonRebootFailed), wantMessage: "Inhibited by apt.",
		},
		"when the host does not reboot": {
			reached: true, stage: stageRebooting, event: func(s *story) { s.answer("ra", v1alpha1.OrderDone, "") },
			after: 900*time.Second + readyLag,
			want:  backingOff(v1alpha1.ReasonRebootNotObserved), wantMessage: "Node a was ordered to reboot and still runs the same boot.",
		},
		"when the sentinel is still there after the boot": {
			reached: true, stage: stageBack, event: func(s *story) { s.comeBack("ra", v1alpha1.SentinelRequired) }, after: time.Minute,
			want: backingOff(v1alpha1.ReasonSentinelStillPresent), wantMessage: "Node a was rebooted and still asks for a reboot.",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.stage)
			if tc.event != nil {
				tc.event(s)
				s.settle()
			}
			s.advance(tc.after)
			if diff := cmp.Diff(tc.want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
			status, reboots := s.reboot("ra").Status, int32(0)
			if tc.reached {
				reboots = 1
			}
			if diff := cmp.Diff(tc.wantMessage, status.Attempt.Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&v1alpha1.Failures{
				Count: 1, Reboots: reboots, LastTime: *status.Attempt.EndedTime, LastReason: tc.want.Result, LastMessage: tc.wantMessage,
			}, status.Failures); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			if len(s.Slots) != 0 || s.node("a").Unschedulable {
				t.Errorf("slots %v, unschedulable %v: a failed attempt gives back its slot and the cordon", s.Slots, s.node("a").Unschedulable)
			}
		})
	}
}

// ignoredOrder is one that the helper has not recorded.
func ignoredOrder(s *story) {
	s.report("ra", func(report *v1alpha1.HelperReport) { report.Sequence-- })
}

func TestOrdersCarryWhatThePolicySays(t *testing.T) {
	s := attemptIn(t, stageDraining, spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.TimeoutSeconds, s.Drain.GracePeriodSeconds = ptr.To[int32](120), ptr.To[int32](0)
		s.Drain.Selector, s.Drain.SkipWaitForDeleteSeconds = selector.Of("app=web"), ptr.To[int32](30)
		s.Reboot.Method, s.Reboot.TimeoutSeconds = v1alpha1.RebootLogind, ptr.To[int32](300)
	}))
	wantDrain := &v1alpha1.RebootOrder{
		Sequence: 1, Action: v1alpha1.ActionDrain, Protocol: 1,
		BootID: bootOf("a", 1), Deadline: *at(60*time.Second + 120*time.Second),
		Drain: &v1alpha1.DrainOrder{
			GracePeriodSeconds: ptr.To[int32](0), Selector: selector.Of("app=web"), EmptyDir: v1alpha1.EmptyDirDelete,
			Unmanaged: v1alpha1.UnmanagedEvict, ReturningPods: v1alpha1.ReturningPodsIgnore, SkipWaitForDeleteSeconds: ptr.To[int32](30),
		},
	}
	if diff := cmp.Diff(wantDrain, s.reboot("ra").Status.Order); diff != "" {
		t.Errorf("order to drain (-want +got):\n%s", diff)
	}
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.advance(time.Minute)
	wantReboot := &v1alpha1.RebootOrder{
		Sequence: 2, Action: v1alpha1.ActionReboot, Protocol: 1,
		BootID: bootOf("a", 1), Deadline: *at(120*time.Second + 300*time.Second),
		Method: v1alpha1.RebootLogind, Via: v1alpha1.RebootViaFirmware,
	}
	if diff := cmp.Diff(wantReboot, s.reboot("ra").Status.Order); diff != "" {
		t.Errorf("order to reboot (-want +got):\n%s", diff)
	}
}

func TestLongerDelayDoesNotHideADrainThatWasOrdered(t *testing.T) {
	s := attemptIn(t, stageDraining)
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.DelaySeconds = ptr.To[int32](3600) }))
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
}

func TestOrdersAreAboutTheBootThatHasToEnd(t *testing.T) {
	s := attemptIn(t, stageDrained)
	s.node("a").BootID = ""
	s.advance(time.Minute)
	if got := s.reboot("ra").Status.Order; got == nil || got.Action != v1alpha1.ActionReboot || got.BootID != bootOf("a", 1) {
		t.Errorf("order %v while the node reports no boot ID for a moment", got)
	}
}

func TestSequencesOfOrdersOnlyGrow(t *testing.T) {
	s := attemptIn(t, stageDraining)
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	s.advance(601 * time.Second)
	s.advance(time.Minute)
	status := s.reboot("ra").Status
	if status.Attempt.Number != 2 || status.Order == nil || status.Order.Sequence != 2 || status.LastSequence != 2 {
		t.Errorf("attempt %d has order %v; the second attempt should drain with sequence 2", status.Attempt.Number, status.Order)
	}
}

func TestNodeRebootIsGivenUpAfterItsLastAttemptThatReachedTheHost(t *testing.T) {
	s := attemptIn(t, stageDraining, spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = ptr.To[int32](2) }))
	fail := func(answer func()) {
		answer()
		s.settle()
		for range 2000 { // until the next attempt is ordered to drain
			if o := s.reboot("ra").Status.Order; o != nil && o.Action == v1alpha1.ActionDrain || s.reboot("ra").Status.CompletionTime != nil {
				return
			}
			s.advance(time.Minute)
		}
	}
	for range 3 { // drains that fail do not count
		fail(func() { s.answer("ra", v1alpha1.OrderFailed, "No.") })
	}
	for _, answer := range []string{"Not now.", "Still no."} {
		fail(func() {
			s.answer("ra", v1alpha1.OrderDone, "")
			s.settle()
			s.advance(time.Minute)
			s.answer("ra", v1alpha1.OrderFailed, "Inhibited.") // nor do hosts that refuse
		})
		fail(func() {
			s.answer("ra", v1alpha1.OrderDone, "")
			s.settle()
			s.advance(time.Minute)
			s.answer("ra", v1alpha1.OrderDone, answer)
			s.advance(17 * time.Minute)
		})
	}
	want := summary{
		Phase: v1alpha1.PhaseFailed, Reason: v1alpha1.ReasonRebootNotObserved, Outcome: v1alpha1.OutcomeFailed,
		Result: v1alpha1.ReasonRebootNotObserved, Attempt: 7, Failures: 7, Tainted: true,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	message := "Given up after 2 attempts that reached the host: Node a was ordered to reboot and still runs the same boot."
	if got := s.reboot("ra").Status.Message; got != message {
		t.Errorf("message %q, want %q", got, message)
	}
}

func TestBackoffDoublesUpToADay(t *testing.T) {
	for failures, want := range map[int32]time.Duration{
		1: 10 * time.Minute, 2: 20 * time.Minute, 3: 40 * time.Minute, 8: 1280 * time.Minute, 9: 24 * time.Hour, 100: 24 * time.Hour,
	} {
		s := newStory(t, newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = ptr.To[int32](100) })),
			newNode("a", "z1"), newReboot("ra", "a", failedBefore(failures, 0)))
		s.settle()
		if got := s.wake.Sub(start); got != want {
			t.Errorf("after %d failures the next attempt waits %s, want %s", failures, got, want)
		}
		s.advance(want)
		if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseDraining {
			t.Errorf("after %d failures and %s the phase is %s", failures, want, got)
		}
	}
}

func TestTaintLeadIsTheTimeFromTheTaintToTheOrderToDrain(t *testing.T) {
	cases := map[string]struct {
		policy *v1alpha1.RebootPolicy
		want   *int64
	}{
		"of a node that waited for the delay of its drain": {policy: newPolicy("p", unhurried()), want: ptr.To[int64](60)},
		"of a node that is drained at once":                {policy: newPolicy("p"), want: ptr.To[int64](0)},
		"of a node without a taint": {
			policy: newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Taint.Effect = v1alpha1.TaintNone })),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, tc.policy, newNode("a", "z1"), newReboot("ra", "a"))
			s.settle()
			s.advance(time.Minute)
			if diff := cmp.Diff(tc.want, s.reboot("ra").Status.TaintLeadSeconds); diff != "" {
				t.Errorf("taint lead (-want +got):\n%s", diff)
			}
		})
	}
}

// A manager before this one, whose clock was ahead, may have stamped the taint; the API takes no negative lead.
func TestTaintLeadIsNeverNegative(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", func(r *v1alpha1.NodeReboot) {
		r.Status.TaintedTime = at(30 * time.Second)
	}))
	s.settle()
	if diff := cmp.Diff(ptr.To[int64](0), s.reboot("ra").Status.TaintLeadSeconds); diff != "" {
		t.Errorf("taint lead (-want +got):\n%s", diff)
	}
}
