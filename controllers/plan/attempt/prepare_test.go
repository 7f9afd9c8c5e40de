package attempt_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

const minute = time.Minute

func delay(seconds int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.DelaySeconds = &seconds })
}

func podWait(seconds int32, onTimeout v1alpha1.TimeoutAction) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.WaitForPods = v1alpha1.PodWait{Selector: selector.Of("app=web"), TimeoutSeconds: &seconds, OnTimeout: onTimeout}
	})
}

func lead(seconds int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.ExcludeFromLoadBalancers = &v1alpha1.LoadBalancerExclusion{LeadSeconds: &seconds}
	})
}

func skipDrain(s *v1alpha1.RebootPolicySpec) { s.Drain.Mode = v1alpha1.DrainModeSkip }

func quorumLost(w *world) {
	w.quorum = model.Blocked(v1alpha1.ReasonControlPlaneNotReady, "Node b is not Ready.")
}

func TestACordonedNodeIsDrainedWhenEverythingBeforeItIsDone(t *testing.T) {
	t.Parallel()
	ordered := outcome{
		Wait: v1alpha1.ReasonDraining, Changed: "+DrainOrderedTime", Order: "Drain#1 until 10m0s", Wake: 10 * minute,
		Events: v1alpha1.ReasonDraining,
	}
	later := func(d time.Duration, o outcome) outcome {
		o.Order, o.Wake = "Drain#1 until "+(d+10*minute).String(), d+10*minute
		return o
	}
	givenBack := func(reason string) outcome {
		return outcome{Wait: reason, Changed: "-Containers +RolledBackTime +InterruptedTime", Events: reason, Result: reason, Freed: true}
	}
	mayNotEvict := reports(func(r *v1alpha1.HelperReport) { r.EvictionObstacle = "it may not impersonate its node" })
	pdbFirst := webPod()
	pdbFirst.Finished = true
	advanced(t, map[string]row{
		"nothing is in the way": {from: cordoned, want: ordered},
		"a node that was cordoned by another one is not the operator's to uncordon": {
			from: granted, with: []change{node(func(n *model.Node) { n.Unschedulable = true })},
			want: func() outcome { o := ordered; o.Changed = "+Cordon +CordonedTime +DrainOrderedTime"; return o }(),
		},
		"the quorum is asked first":       {from: cordoned, with: []change{quorumLost, delay(60)}, want: outcome{Wait: v1alpha1.ReasonControlPlaneNotReady}},
		"the delay is not over":           {from: cordoned, with: []change{delay(60), now(59 * time.Second)}, want: outcome{Wait: v1alpha1.ReasonDrainDelayed, Wake: minute}, says: []string{"12:01 +00:00"}},
		"the delay is over":               {from: cordoned, with: []change{delay(60), now(minute)}, want: later(minute, ordered)},
		"the delay comes before the pods": {from: cordoned, with: []change{delay(60), podWait(60, v1alpha1.TimeoutAbort)}, want: outcome{Wait: v1alpha1.ReasonDrainDelayed, Wake: minute}},
		"pods may finish": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort)},
			want: outcome{Wait: v1alpha1.ReasonWaitingForPods, Wake: minute, NeedPods: true}, says: []string{"apps/web-1", "12:01 +00:00"},
		},
		"pods may finish after the delay": {
			from: cordoned, with: []change{delay(30), podWait(60, v1alpha1.TimeoutAbort), now(30 * time.Second)},
			want: outcome{Wait: v1alpha1.ReasonWaitingForPods, Wake: 90 * time.Second, NeedPods: true},
		},
		"pods have to be known": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort), podsUnknown},
			want: outcome{Wait: v1alpha1.ReasonWaitingForPods, Wake: minute, NeedPods: true},
		},
		"all pods have finished": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort), pods(pdbFirst, agentPod())},
			want: func() outcome { o := ordered; o.NeedPods, o.Wake = true, minute; return o }(),
		},
		"pods that no drain evicts are not waited for": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort), pods(func() model.Pod {
				p := agentPod()
				p.Labels = map[string]string{"app": "web"}
				return p
			}())},
			want: func() outcome { o := ordered; o.NeedPods, o.Wake = true, minute; return o }(),
		},
		"pods that did not finish are evicted": {from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutContinue), now(minute)}, want: later(minute, ordered)},
		"pods that did not finish let the attempt fail": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort), now(minute)},
			want: outcome{
				Changed: "-Containers +RolledBackTime +InterruptedTime", NeedPods: true, Events: v1alpha1.ReasonPodsNotFinished + "!",
				Result: v1alpha1.ReasonPodsNotFinished,
				Freed:  true, Failures: "1/0 PodsNotFinished",
			},
			says: []string{"apps/web-1"},
		},
		"pods that were never read let the attempt fail": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort), now(minute), podsUnknown},
			want: outcome{
				Changed: "-Containers +RolledBackTime +InterruptedTime", NeedPods: true, Events: v1alpha1.ReasonPodsNotFinished + "!",
				Result: v1alpha1.ReasonPodsNotFinished,
				Freed:  true, Failures: "1/0 PodsNotFinished",
			},
			says: []string{"could not be read"},
		},
		"all pods have finished in the last moment": {
			from: cordoned, with: []change{podWait(60, v1alpha1.TimeoutAbort), now(minute), pods()},
			want: func() outcome { o := later(minute, ordered); o.NeedPods = true; return o }(),
		},
		"load balancers get their time":      {from: cordoned, with: []change{lead(30)}, want: outcome{Wait: v1alpha1.ReasonLoadBalancerLead, Changed: "+ExcludedTime", Wake: 30 * time.Second}},
		"load balancers come after the pods": {from: cordoned, with: []change{lead(30), podWait(60, v1alpha1.TimeoutAbort)}, want: outcome{Wait: v1alpha1.ReasonWaitingForPods, Wake: minute, NeedPods: true}},
		"the wait for pods ends for good with the exclusion": {
			from: cordoned, with: []change{lead(30), podWait(60, v1alpha1.TimeoutAbort),
				attempts(func(a *v1alpha1.Attempt) { a.ExcludedTime = at(0) })},
			want: outcome{Wait: v1alpha1.ReasonLoadBalancerLead, Wake: 30 * time.Second},
		},
		"load balancers had their time": {
			from: cordoned, with: []change{lead(30), now(40 * time.Second),
				attempts(func(a *v1alpha1.Attempt) { a.ExcludedTime = at(10 * time.Second) })},
			want: later(40*time.Second, ordered),
		},
		"no lead is no wait": {
			from: cordoned, with: []change{lead(0)},
			want: func() outcome { o := ordered; o.Changed = "+ExcludedTime +DrainOrderedTime"; return o }(),
		},
		"an inhibitor lock came since the start":          {from: cordoned, with: []change{inhibited}, want: givenBack(v1alpha1.ReasonRebootInhibited)},
		"an inhibitor lock, and the drain is skipped":     {from: cordoned, with: []change{inhibited, spec(skipDrain)}, want: givenBack(v1alpha1.ReasonRebootInhibited)},
		"an inhibitor lock may go before the drain is on": {from: cordoned, with: []change{inhibited, delay(60)}, want: outcome{Wait: v1alpha1.ReasonDrainDelayed, Wake: minute}},
		"the helper may not evict":                        {from: cordoned, with: []change{mayNotEvict}, want: givenBack(v1alpha1.ReasonEvictionForbidden), says: []string{"impersonate"}},
		"a drain that is skipped goes on to the reboot": {
			from: cordoned, with: []change{spec(skipDrain)},
			want: outcome{
				Wait: v1alpha1.ReasonRebooting, Changed: "+DrainedTime +Drain +RebootOrderedTime", Order: "Reboot#1 until 15m0s", Wake: 15 * minute,
				NeedPods: true, Events: v1alpha1.ReasonDrainSkipped,
			},
		},
		"a drain that is skipped takes no right to evict": {
			from: cordoned, with: []change{spec(skipDrain), mayNotEvict},
			want: outcome{
				Wait: v1alpha1.ReasonRebooting, Changed: "+DrainedTime +Drain +RebootOrderedTime", Order: "Reboot#1 until 15m0s", Wake: 15 * minute,
				NeedPods: true, Events: v1alpha1.ReasonDrainSkipped,
			},
		},
		"who starts regardless of the window says so": {
			from: cordoned,
			with: []change{closedWindow, func(w *world) { w.reboot.Spec.Urgency = v1alpha1.UrgencyImmediate }},
			want: ordered, says: []string{"Immediate", "window"},
		},
	})
}

// closedWindow opens in the next night.
func closedWindow(w *world) {
	w.policy.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0 22 * * *", DurationSeconds: 7200}}
}

func TestHooksAreAwaitedBeforeTheDrain(t *testing.T) {
	t.Parallel()
	const a, b = "example.com/a", "example.com/b"
	both := func(onTimeout v1alpha1.TimeoutAction) change {
		return hooks(v1alpha1.HooksSpec{BeforeDrain: []v1alpha1.Hook{hook(b, 60, onTimeout), hook(a, 120, onTimeout)}})
	}
	ordered := func(d time.Duration, events string) outcome {
		return outcome{
			Wait: v1alpha1.ReasonDraining, Changed: "+DrainOrderedTime", Order: "Drain#1 until " + (d + 10*minute).String(), Wake: d + 10*minute,
			Events: events + v1alpha1.ReasonDraining,
		}
	}
	advanced(t, map[string]row{
		"both are pending": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutAbort), delay(0)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Wake: minute, Hooks: a + " " + b}, says: []string{b, "1 more", "12:01 +00:00"},
		},
		"one is done": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutAbort), hookSet(b, metav1.ConditionTrue, 0)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Wake: 2 * minute, Hooks: a}, says: []string{a, "12:02 +00:00"},
		},
		"one is set to False": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutAbort), hookSet(b, metav1.ConditionFalse, 0), hookSet(a, metav1.ConditionTrue, 0)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Wake: minute, Hooks: b},
		},
		"both are done": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutAbort), hookSet(b, metav1.ConditionTrue, 0), hookSet(a, metav1.ConditionTrue, 0)},
			want: ordered(0, ""),
		},
		"what was done before the attempt does not count": {
			from: cordoned, with: []change{
				both(v1alpha1.TimeoutAbort), hookSet(b, metav1.ConditionTrue, 0), hookSet(a, metav1.ConditionTrue, 0),
				attempts(func(at *v1alpha1.Attempt) {
					at.StaleConditions = []v1alpha1.StaleCondition{{Type: b, LastTransitionTime: metav1.NewTime(start)}}
				}),
			},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Wake: minute, Hooks: b},
		},
		"what was done again counts": {
			from: cordoned, with: []change{
				both(v1alpha1.TimeoutAbort), hookSet(b, metav1.ConditionTrue, time.Second), hookSet(a, metav1.ConditionTrue, 0),
				attempts(func(at *v1alpha1.Attempt) {
					at.StaleConditions = []v1alpha1.StaleCondition{{Type: b, LastTransitionTime: metav1.NewTime(start)}}
				}),
			},
			want: ordered(0, ""),
		},
		"one is late": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutAbort), now(minute)},
			want: outcome{
				Changed: "-Containers +RolledBackTime +InterruptedTime", Wake: 2 * minute, Events: v1alpha1.ReasonHookTimedOut + "!",
				Result: v1alpha1.ReasonHookTimedOut,
				Freed:  true, Failures: "1/0 HookTimedOut",
			},
			says: []string{b, "12:01 +00:00"},
		},
		"one is late that does not matter": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutContinue), now(minute)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Wake: 2 * minute, Hooks: a},
		},
		"both are late and do not matter": {
			from: cordoned, with: []change{both(v1alpha1.TimeoutContinue), now(2 * minute)},
			want: ordered(2*minute, v1alpha1.ReasonHookTimedOut+"! "), says: []string{b + ", " + a},
		},
	})
}

func TestAnAttemptIsRolledBackWhenSomethingNoLongerAllowsIt(t *testing.T) {
	t.Parallel()
	rolled := func(reason string) outcome {
		return outcome{
			Wait: reason, Changed: "-Containers +RolledBackTime +InterruptedTime", Events: reason, Result: reason, Freed: true,
		}
	}
	uncordoned := outcome{
		Changed: "-Containers +RolledBackTime +InterruptedTime",
		Events:  v1alpha1.ReasonUncordoned + "!", Result: v1alpha1.ReasonUncordoned, Freed: true,
		Failures: "1/0 Uncordoned",
	}
	foreign := attempts(func(a *v1alpha1.Attempt) { a.Cordon = v1alpha1.CordonForeign })
	schedulable := node(func(n *model.Node) { n.Unschedulable = false })
	freeze := spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = []v1alpha1.Freeze{{Name: "sale", From: metav1.NewTime(start.Add(-minute)), To: metav1.NewTime(start.Add(time.Hour))}}
	})
	finish := spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.AtClose = v1alpha1.TimeoutContinue })
	advanced(t, map[string]row{
		"the NodeReboot was deleted":             {from: cordoned, with: []change{deleted}, want: rolled(v1alpha1.ReasonDeleted)},
		"its policy is gone":                     {from: cordoned, with: []change{noPolicy}, want: rolled(v1alpha1.ReasonNotSelected), says: []string{"RebootPolicy p", "node a"}},
		"its policy no longer selects the node":  {from: cordoned, with: []change{func(w *world) { w.unselected = true }}, want: rolled(v1alpha1.ReasonNotSelected)},
		"the node is to be left alone":           {from: cordoned, with: []change{node(func(n *model.Node) { n.Labels[v1alpha1.SkipLabel] = "" })}, want: rolled(v1alpha1.ReasonSkipped)},
		"the policy cannot be understood":        {from: cordoned, with: []change{spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.Selector = selector.Of("((") })}, want: rolled(v1alpha1.ReasonPolicyInvalid)},
		"the policy is paused":                   {from: cordoned, with: []change{spec(func(s *v1alpha1.RebootPolicySpec) { s.Mode = v1alpha1.ModePaused })}, want: rolled(v1alpha1.ReasonPaused)},
		"the policy only observes":               {from: cordoned, with: []change{spec(func(s *v1alpha1.RebootPolicySpec) { s.Mode = v1alpha1.ModeObserve })}, want: rolled(v1alpha1.ReasonObserving)},
		"the policy is halted":                   {from: cordoned, with: []change{func(w *world) { w.halt = model.Blocked(v1alpha1.ReasonHalted, "Halted.") }}, want: rolled(v1alpha1.ReasonHalted)},
		"the window is closed":                   {from: cordoned, with: []change{closedWindow}, want: rolled(v1alpha1.ReasonWindowClosed)},
		"there is a freeze":                      {from: cordoned, with: []change{freeze}, want: rolled(v1alpha1.ReasonFreeze)},
		"a freeze stops what may finish":         {from: drained, with: []change{freeze, finish, attempts(func(a *v1alpha1.Attempt) { a.DrainOrderedTime = nil })}, want: rolled(v1alpha1.ReasonFreeze)},
		"nobody approves it anymore":             {from: cordoned, with: []change{spec(func(s *v1alpha1.RebootPolicySpec) { s.Approval = v1alpha1.Require })}, want: rolled(v1alpha1.ReasonAwaitingApproval)},
		"the helper is now too old":              {from: cordoned, with: []change{status(func(s *v1alpha1.NodeRebootStatus) { s.Report.Protocol = 0 })}, want: rolled(v1alpha1.ReasonHelperTooOld)},
		"what is deleted is not also uncordoned": {from: cordoned, with: []change{deleted, schedulable}, want: rolled(v1alpha1.ReasonDeleted)},
		"someone uncordoned the node":            {from: cordoned, with: []change{schedulable}, want: uncordoned},
		"someone removed their own cordon":       {from: cordoned, with: []change{schedulable, foreign, node(func(n *model.Node) { n.CordonedFor = "" })}, want: uncordoned},
		"the same, where the manager stays": {
			from: cordoned, want: uncordoned,
			with: []change{schedulable, foreign, node(func(n *model.Node) { n.CordonedFor = "" }), attempts(func(a *v1alpha1.Attempt) {
				a.Manager = v1alpha1.ManagerStays
			})},
		},
		"a node that is not cordoned yet goes on": {from: granted, with: []change{delay(60)}, want: outcome{Wait: v1alpha1.ReasonDrainDelayed, Changed: "+Cordon +CordonedTime", Wake: minute}},
		"a cordon that the watch has not shown yet is no person's": {
			from: cordoned, with: []change{delay(60), node(func(n *model.Node) { n.Unschedulable, n.CordonedFor = false, "" })},
			want: outcome{Wait: v1alpha1.ReasonDrainDelayed, Wake: minute},
		},
		"a drain that may finish goes on when the window closes": {
			from: draining, with: []change{closedWindow, finish},
			want: outcome{Wait: v1alpha1.ReasonDraining, Order: "Drain#1 until 11m0s", Wake: 11 * minute},
		},
		"a drain that may not is rolled back, and the slot is held until its pods are back": {
			from: draining, with: []change{closedWindow, web(2, 3)},
			want: outcome{
				Wait: v1alpha1.ReasonWorkloadsNotReady, Changed: "+RolledBackTime +InterruptedTime",
				Wake: 31 * minute, Events: v1alpha1.ReasonWindowClosed,
				Result: v1alpha1.ReasonWindowClosed,
			},
		},
	})
}

func TestACordonTellsWhoseItIs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		unschedulable bool
		by            string
		want          v1alpha1.CordonOwner
	}{
		"not cordoned":                {want: v1alpha1.CordonOperator},
		"cordoned by someone else":    {unschedulable: true, want: v1alpha1.CordonForeign},
		"cordoned by the operator":    {unschedulable: true, by: "uid-ra", want: v1alpha1.CordonOperator},
		"uncordoned with annotations": {by: "uid-ra", want: v1alpha1.CordonOperator},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(granted, node(func(n *model.Node) { n.Unschedulable, n.CordonedFor = test.unschedulable, test.by }))
			if got := attempt.Advance(w.input()).Draft.Status.Attempt.Cordon; got != test.want {
				t.Errorf("the cordon is of %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheOrderToDrainHasWhatThePolicySays(t *testing.T) {
	t.Parallel()
	want := v1alpha1.DrainOrder{
		GracePeriodSeconds: ptr.To[int32](5), Selector: selector.Of("app"), SkipWaitForDeleteSeconds: ptr.To[int32](6),
		EmptyDir: v1alpha1.EmptyDirRefuse, Unmanaged: v1alpha1.UnmanagedRefuse, ReturningPods: v1alpha1.ReturningPodsRefuse,
		Stages: selector.List("tier=a", "tier=b"),
	}
	says := spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.GracePeriodSeconds, s.Drain.Selector, s.Drain.SkipWaitForDeleteSeconds = ptr.To[int32](5), selector.Of("app"), ptr.To[int32](6)
		s.Drain.EmptyDir, s.Drain.Unmanaged, s.Drain.ReturningPods = want.EmptyDir, want.Unmanaged, want.ReturningPods
		s.Drain.Stages = selector.Stages("tier=a", "tier=b")
	})
	for name, from := range map[string]stage{"when it is given": cordoned, "while it is in force": draining} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order := checked(t, in(from, says), attempt.Advance).Draft.Status.Order
			if diff := diffOf(&want, order.Drain); diff != "" || order.Sequence != 1 {
				t.Errorf("order %d is another one (-want +got):\n%s", order.Sequence, diff)
			}
		})
	}
}

func TestTheLeadOfATaintIsMeasuredUntilTheDrain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		tainted *metav1.MicroTime
		want    *int64
	}{
		"tainted 90.5 seconds before":            {tainted: at(-90*time.Second - 500*time.Millisecond), want: ptr.To[int64](90)},
		"tainted by a clock that is ahead of it": {tainted: at(time.Hour), want: ptr.To[int64](0)},
		"not tainted":                            {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(cordoned, status(func(s *v1alpha1.NodeRebootStatus) { s.TaintedTime = test.tainted }))
			if diff := diffOf(test.want, checked(t, w, attempt.Advance).Draft.Status.TaintLeadSeconds); diff != "" {
				t.Errorf("another lead (-want +got):\n%s", diff)
			}
		})
	}
}
