package attempt_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func force(s *v1alpha1.RebootPolicySpec) { s.Drain.OnTimeout = v1alpha1.DrainTimeoutForce }

func progress(activity v1alpha1.DrainActivity) *v1alpha1.DrainProgress {
	return &v1alpha1.DrainProgress{Total: 4, Remaining: 2, Activity: activity}
}

func refusedBy(pods ...string) *v1alpha1.DrainProgress {
	p := progress(v1alpha1.DrainProgressing)
	for _, name := range pods {
		p.Refused = append(p.Refused, v1alpha1.RefusedPod{Namespace: "apps", Name: name, By: "PodDisruptionBudget web", Message: "Cannot evict."})
	}
	return p
}

func stuckSince(w *world) { w.reboot.Status.Attempt.StuckTime = at(90 * time.Second) }

func noOrder(w *world) { w.reboot.Status.Order = nil }

const timedOut = v1alpha1.ReasonDrainTimedOut

func TestADrainEndsAsItsHelperSays(t *testing.T) {
	t.Parallel()
	const order = "Drain#1 until 11m0s"
	waits := outcome{Wait: v1alpha1.ReasonDraining, Order: order, Wake: 11 * minute}
	failed := outcome{
		Changed: "-Containers +RolledBackTime +InterruptedTime",
		Events:  timedOut + "!", Result: timedOut, Freed: true, Failures: "1/0 DrainTimedOut",
	}
	reboots := outcome{
		Wait: v1alpha1.ReasonRebooting, Changed: "+DrainedTime +Drain +RebootOrderedTime", Order: "Reboot#2 until 16m0s", Wake: 16 * minute,
		NeedPods: true,
	}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	late := now(11 * minute)
	advanced(t, map[string]row{
		"it is under way":           {from: draining, want: waits, says: []string{"12:11 +00:00"}},
		"the helper did not answer": {from: draining, with: []change{unanswered}, want: waits},
		"it is in a state of a newer helper": {
			from: draining, with: []change{answered("Pondering", "", nil)}, want: waits, says: []string{`"Pondering"`, "older than the helper"},
		},
		"it is in a state of a newer helper for too long": {
			from: draining, with: []change{late, answered("Pondering", "", nil)}, want: failed, says: []string{`"Pondering"`},
		},
		"it is in a state of a newer helper, and is not forced": {
			from: draining, with: []change{late, spec(force), answered("Pondering", "", progress(""))}, want: failed,
		},
		"it answered an older order": {
			from: draining, with: []change{answered(v1alpha1.OrderDone, "", nil),
				status(func(s *v1alpha1.NodeRebootStatus) { s.Report.Sequence = 0 })},
			want: waits,
		},
		"it is done": {from: draining, with: []change{answered(v1alpha1.OrderDone, "", nil)}, want: reboots},
		"it is done in the last moment": {
			from: draining, with: []change{late, answered(v1alpha1.OrderDone, "", nil)},
			want: with(reboots, func(o *outcome) { o.Order, o.Wake = "Reboot#2 until 26m0s", 26*minute }),
		},
		"it failed": {
			from: draining, with: []change{answered(v1alpha1.OrderFailed, "The API server is away.", nil)},
			want: outcome{
				Changed: "-Containers +RolledBackTime +InterruptedTime",
				Wake:    11 * minute, Events: v1alpha1.ReasonDrainFailed + "!", Result: v1alpha1.ReasonDrainFailed,
				Freed: true, Failures: "1/0 DrainFailed",
			},
			says: []string{"The API server is away."},
		},
		"it failed, which takes longer than allowed": {from: draining, with: []change{late, answered(v1alpha1.OrderFailed, "Away.", nil)}, want: failed},
		"it timed out": {
			from: draining, with: []change{answered(v1alpha1.OrderTimedOut, "", refusedBy("web-1", "web-2", "web-3", "web-4"))}, want: failed,
			says: []string{"2 of 4", "PodDisruptionBudget web", "apps/web-3 (Cannot evict)", "1 more"},
		},
		"it timed out and the pods are awaited": {
			from: draining, with: []change{answered(v1alpha1.OrderTimedOut, "", nil), web(2, 3)},
			want: outcome{
				Wait: v1alpha1.ReasonWorkloadsNotReady, Changed: "+RolledBackTime +InterruptedTime",
				Wake: 31 * minute, Events: timedOut + "!", Result: timedOut,
				Failures: "1/0 DrainTimedOut",
			},
			says: []string{"Deployment apps/web", "3 ready"},
		},
		"nobody answers in time": {from: draining, with: []change{late, unanswered}, want: failed, says: []string{"did not answer"}},
		"the order was lost":     {from: draining, with: []change{noOrder}, want: failed},
		"it timed out and is forced": {
			from: draining, with: []change{spec(force), answered(v1alpha1.OrderTimedOut, "", progress(""))},
			want: with(reboots, func(o *outcome) { o.Events = v1alpha1.ReasonDrainForced + "!" }),
			says: []string{"RebootPolicy p"},
		},
		"a helper that could not drain at all is not forced": {
			from: draining, with: []change{spec(force), answered(v1alpha1.OrderTimedOut, "", nil)}, want: failed,
		},
		"a helper that failed is not forced": {
			from: draining, with: []change{spec(force), late, answered(v1alpha1.OrderFailed, "", progress(""))}, want: failed,
		},
		"nobody who does not answer is forced": {from: draining, with: []change{spec(force), late, unanswered}, want: failed},
		"a drain that may be forced waits for the last word": {
			from: draining, with: []change{spec(force), late, answered(v1alpha1.OrderStarted, "", progress(""))},
			want: with(waits, func(o *outcome) { o.Wake = 11*minute + 30*time.Second }),
		},
		"it does not wait for the last word forever": {
			from: draining, with: []change{spec(force), now(11*minute + 30*time.Second), answered(v1alpha1.OrderStarted, "", progress(""))},
			want: failed,
		},
		"a drain that may not be forced does not wait for it": {
			from: draining, with: []change{late, answered(v1alpha1.OrderStarted, "", progress(""))}, want: failed, says: []string{"2 of 4"},
		},
		"a last word without an order is none": {
			from: draining, with: []change{spec(force), noOrder, answered(v1alpha1.OrderStarted, "", progress(""))}, want: failed,
		},
		"more time is given": {
			from: draining, with: []change{spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.TimeoutSeconds = ptr.To[int32](1200) })},
			want: with(waits, func(o *outcome) { o.Order, o.Wake = "Drain#1 until 21m0s", 21*minute }),
		},
		"more time is given to one that nobody took": {
			from: draining, with: []change{unanswered, spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.TimeoutSeconds = ptr.To[int32](1200) })},
			want: with(waits, func(o *outcome) { o.Order, o.Wake = "Drain#1 until 21m0s", 21*minute }),
		},
		"less time is given, and it is over": {
			from: draining, with: []change{now(2 * minute), spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.TimeoutSeconds = ptr.To[int32](60) })},
			want: failed,
		},
	})
}

func TestADrainThatDoesNotMoveSaysWhy(t *testing.T) {
	t.Parallel()
	const order = "Drain#1 until 11m0s"
	stuck := progress(v1alpha1.DrainStuck)
	stuck.Terminating = []v1alpha1.TerminatingPod{{Namespace: "apps", Name: "slow", HeldBy: "finalizer example.com/backup"}}
	stuck.Returned = []v1alpha1.ReturnedPod{{Namespace: "apps", Name: "back", Owner: "DaemonSet agent"}}
	refused := refusedBy("web-1")
	refused.Activity = v1alpha1.DrainStuck
	unknown := refusedBy("web-1")
	unknown.Refused[0].By, unknown.Refused[0].Message = "", ""
	moves := answered(v1alpha1.OrderStarted, "", progress(v1alpha1.DrainProgressing))
	advanced(t, map[string]row{
		"it moves": {from: draining, with: []change{moves}, want: outcome{Wait: v1alpha1.ReasonDraining, Order: order, Wake: 11 * minute}},
		"evictions are refused": {
			from: draining, with: []change{answered(v1alpha1.OrderStarted, "", refusedBy("web-1"))},
			want: outcome{Wait: v1alpha1.ReasonEvictionRefused, Order: order, Wake: 11 * minute},
			says: []string{"PodDisruptionBudget web", "apps/web-1 (Cannot evict)", "12:11 +00:00"},
		},
		"evictions are refused by nobody knows what": {
			from: draining, with: []change{answered(v1alpha1.OrderStarted, "", unknown)},
			want: outcome{Wait: v1alpha1.ReasonEvictionRefused, Order: order, Wake: 11 * minute},
			says: []string{"The API server", "apps/web-1."},
		},
		"it is stuck": {
			from: draining, with: []change{answered(v1alpha1.OrderStarted, "", stuck)},
			want: outcome{
				Wait: v1alpha1.ReasonDrainStuck, Changed: "+StuckTime", Order: order, Wake: 11 * minute, Events: v1alpha1.ReasonDrainStuck + "!",
			},
			says: []string{"2 of 4", "apps/slow", "finalizer example.com/backup", "apps/back", "DaemonSet agent", "12:11 +00:00"},
		},
		"it is stuck because evictions are refused": {
			from: draining, with: []change{answered(v1alpha1.OrderStarted, "", refused)},
			want: outcome{
				Wait: v1alpha1.ReasonEvictionRefused, Changed: "+StuckTime", Order: order, Wake: 11 * minute, Events: v1alpha1.ReasonDrainStuck + "!",
			},
		},
		"it is still stuck, which is no news": {
			from: draining, with: []change{answered(v1alpha1.OrderStarted, "", stuck), stuckSince},
			want: outcome{Wait: v1alpha1.ReasonDrainStuck, Order: order, Wake: 11 * minute},
		},
		"it moves again": {
			from: draining, with: []change{moves, stuckSince},
			want: outcome{Wait: v1alpha1.ReasonDraining, Changed: "-StuckTime", Order: order, Wake: 11 * minute},
		},
		"its helper says no more": {
			from: draining, with: []change{answered(v1alpha1.OrderStarted, "", nil), stuckSince},
			want: outcome{Wait: v1alpha1.ReasonDraining, Changed: "-StuckTime", Order: order, Wake: 11 * minute},
		},
	})
}

func TestAListOfPodsNamesTenOfThem(t *testing.T) {
	t.Parallel()
	for number, words := range map[int]string{10: "apps/pod-08, apps/pod-09.", 11: "apps/pod-09 and 1 more."} {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			w := in(cordoned, podWait(60, v1alpha1.TimeoutAbort))
			w.pods = nil
			for i := range number {
				pod := webPod()
				pod.Name = fmt.Sprintf("pod-%02d", number-1-i)
				w.pods = append(w.pods, pod)
			}
			result := checked(t, w, advance)
			requireText(t, &result, words)
		})
	}
}
