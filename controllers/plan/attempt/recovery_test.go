package attempt_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func finished(changed string) outcome {
	return outcome{Changed: changed, NeedPods: true, Events: proved, Result: proved, Freed: true, Completed: succeeded}
}

// recoveryKey of the gate with a name, for the first attempt of the NodeReboot.
func recoveryKey(name string) model.GateKey {
	return model.GateKey{Policy: "p", Generation: 1, Kind: model.GateRecovery, Gate: name, About: "uid-ra/1"}
}

func recoveryGates(onError v1alpha1.Requirement, answers map[string]model.GateAnswer, names ...string) change {
	return func(w *world) {
		w.answers = map[model.GateKey]model.GateAnswer{}
		for _, name := range names {
			w.policy.Spec.Recovery.Objects = append(w.policy.Spec.Recovery.Objects, v1alpha1.ObjectGate{Name: name, OnError: onError})
			if answer, known := answers[name]; known {
				w.answers[recoveryKey(name)] = answer
			}
		}
	}
}

func TestASlotIsHeldUntilEverythingHasRecovered(t *testing.T) {
	t.Parallel()
	const hookType, recoveredNow = "example.com/check", "-Containers +RecoveredTime"
	hooked := func(onTimeout v1alpha1.TimeoutAction) change {
		return hooks(v1alpha1.HooksSpec{AfterReboot: []v1alpha1.Hook{hook(hookType, 60, onTimeout)}})
	}
	answers := map[string]model.GateAnswer{
		"passes": {}, "blocks": {Obstacle: "Ceph is not healthy.", Until: start.Add(8 * minute)}, "fails": {Failure: "No answer.", Since: start},
	}
	waits := func(reason string, queries int) outcome {
		return outcome{Wait: reason, Wake: 35 * minute, NeedPods: true, Queries: queries}
	}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	gates := func(names ...string) change { return recoveryGates(v1alpha1.Require, answers, names...) }
	advanced(t, map[string]row{
		"everything has": {from: settling, want: finished(recoveredNow)},
		"a workload is of a kind of a newer manager": {
			from: settling, with: []change{gates("passes"), status(func(s *v1alpha1.NodeRebootStatus) {
				s.Workloads = []v1alpha1.WorkloadRef{{Kind: "Rollout", Namespace: "apps", Name: "web", Ready: 2}}
			})},
			want: waits(v1alpha1.ReasonWorkloadsNotReady, 0), says: []string{"Rollout apps/web", "this manager does not know"},
		},
		"workloads are not ready": {from: settling, with: []change{web(2, 3), gates("passes")}, want: waits(v1alpha1.ReasonWorkloadsNotReady, 0), says: []string{"apps/web"}},
		"workloads are ignored":   {from: settling, with: []change{web(2, 3), ignoreWorkloads}, want: finished(recoveredNow)},
		"a gate is being asked":   {from: settling, with: []change{gates("new")}, want: waits(v1alpha1.ReasonGatePending, 1), says: []string{"new"}},
		"a gate has passed":       {from: settling, with: []change{gates("passes")}, want: with(finished(recoveredNow), func(o *outcome) { o.Queries = 1 })},
		"a gate has not passed":   {from: settling, with: []change{gates("passes", "blocks")}, want: with(waits(v1alpha1.ReasonRecoveryGateFailing, 2), func(o *outcome) { o.Wake = 8 * minute }), says: []string{"Ceph is not healthy."}},
		"a gate gives no answer":  {from: settling, with: []change{gates("fails")}, want: waits(v1alpha1.ReasonGateError, 1), says: []string{"No answer."}},
		"a gate need not answer":  {from: settling, with: []change{recoveryGates(v1alpha1.Ignore, answers, "fails")}, want: with(finished(recoveredNow), func(o *outcome) { o.Queries = 1 })},
		"all gates are asked, and the first says why": {
			from: settling, with: []change{gates("fails", "new", "blocks")},
			want: with(waits(v1alpha1.ReasonGateError, 3), func(o *outcome) { o.Wake = 8 * minute }),
		},
		"an answer about another attempt is none": {
			from: settling, with: []change{gates("passes"), attempts(func(a *v1alpha1.Attempt) { a.Number = 2 })},
			want: waits(v1alpha1.ReasonGatePending, 1),
		},
		"without a policy no gate is asked": {from: settling, with: []change{noPolicy}, want: finished(recoveredNow)},
		"a hook begins": {
			from: settling, with: []change{hooked(v1alpha1.TimeoutAbort)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Changed: "+RecoveredTime", Wake: 7 * minute, NeedPods: true, Hooks: hookType},
		},
		"a hook is pending": {
			from: recovered, with: []change{hooked(v1alpha1.TimeoutAbort)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Wake: 8 * minute, NeedPods: true, Hooks: hookType},
		},
		"a hook is done": {from: recovered, with: []change{hooked(v1alpha1.TimeoutAbort), hookSet(hookType, metav1.ConditionTrue, 0)}, want: finished("-Containers")},
		"a hook is late that does not matter": {
			from: recovered, with: []change{hooked(v1alpha1.TimeoutContinue), now(8 * minute)},
			want: with(finished("-Containers"), func(o *outcome) { o.Events = v1alpha1.ReasonHookTimedOut + "! " + proved }),
			says: []string{hookType},
		},
		"a hook is late": {
			from: recovered, with: []change{hooked(v1alpha1.TimeoutAbort), now(8 * minute)},
			want: outcome{
				Wait: v1alpha1.ReasonHookTimedOut, Changed: "+StalledTime +InterruptedTime", NeedPods: true, Events: v1alpha1.ReasonHookTimedOut + "!",
				Result: v1alpha1.ReasonHookTimedOut,
			},
			says: []string{hookType, "12:08 +00:00", "delete"},
		},
		"what has recovered once may be away again, and its hooks go on from then": {
			from: recovered, with: []change{web(2, 3), hooked(v1alpha1.TimeoutAbort)}, want: waits(v1alpha1.ReasonWorkloadsNotReady, 0),
		},
	})
}

func TestARecoveryThatTakesTooLongIsStillWatched(t *testing.T) {
	t.Parallel()
	stalledFor := func(reason string) change {
		return attempts(func(a *v1alpha1.Attempt) { a.StalledTime, a.Result, a.Message = at(35*minute), reason, "Too slow." })
	}
	const timeout = v1alpha1.ReasonRecoveryTimedOut
	stall := outcome{Wait: timeout, Changed: "+StalledTime +InterruptedTime", NeedPods: true, Events: timeout + "!", Result: timeout}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	given := outcome{Changed: "-Containers", NeedPods: true, Result: v1alpha1.ReasonDeleted, Freed: true}
	advanced(t, map[string]row{
		"the node is not Ready": {from: back, with: []change{notReady, now(35 * minute)}, want: stall, says: []string{"Node a", "not Ready", "delete"}},
		"its workloads are not": {from: settling, with: []change{web(2, 3), now(35 * minute)}, want: stall, says: []string{"apps/web"}},
		"it still takes":        {from: back, with: []change{notReady, now(36 * minute), stalledFor(timeout)}, want: outcome{Wait: timeout, NeedPods: true, Result: timeout}},
		"it stalled for another reason before": {
			from: back, with: []change{notReady, now(36 * minute), stalledFor(v1alpha1.ReasonHookTimedOut)},
			want: with(stall, func(o *outcome) { o.Changed = "~StalledTime +InterruptedTime" }),
		},
		"it recovers after all": {
			from: settling, with: []change{now(40 * minute), stalledFor(timeout)}, want: finished("-Containers +RecoveredTime -StalledTime"),
		},
		"without a policy there is no limit": {
			from: back, with: []change{notReady, noPolicy, now(99 * time.Hour)}, want: outcome{Wait: v1alpha1.ReasonNodeNotReady, NeedPods: true},
		},
		"without a policy what ran out of time still has": {
			from: back, with: []change{notReady, noPolicy, now(36 * minute), stalledFor(timeout)},
			want: outcome{Wait: timeout, NeedPods: true, Result: timeout},
		},
		"it is deleted too early":        {from: back, with: []change{notReady, deleted}, want: outcome{Wait: v1alpha1.ReasonNodeNotReady, Wake: 35 * minute, NeedPods: true}},
		"it is deleted when it is late":  {from: back, with: []change{notReady, deleted, now(35 * minute)}, want: given},
		"it is deleted after it stalled": {from: back, with: []change{notReady, deleted, stalledFor(timeout)}, want: with(given, func(o *outcome) { o.Changed = "-Containers -StalledTime" })},
		"it is deleted, and its policy":  {from: back, with: []change{notReady, deleted, noPolicy}, want: given},
		"it is deleted when its node is proved": {
			from: settling, with: []change{web(2, 3), deleted}, want: given,
		},
		"it is deleted when everything has recovered": {from: settling, with: []change{deleted}, want: finished("-Containers +RecoveredTime")},
	})
}

func TestAConditionThatCalledForTheRebootHasToGoAway(t *testing.T) {
	t.Parallel()
	const broken, still = "example.com/Broken", v1alpha1.ReasonConditionStillPresent
	trigger := func(w *world) {
		w.reboot.Spec.Trigger, w.reboot.Spec.ConditionType = v1alpha1.TriggerNodeCondition, broken
		seconds := int32(120)
		w.policy.Spec.Triggers = &v1alpha1.TriggersSpec{
			NodeConditions: []v1alpha1.NodeConditionTrigger{{Type: broken, Status: v1alpha1.TriggerTrue, MinSeconds: &seconds}},
		}
	}
	present := condition(broken, corev1.ConditionTrue, -time.Hour)
	waits := func(wake time.Duration) outcome {
		return outcome{Wait: v1alpha1.ReasonNodeConditionPresent, Changed: "+RecoveredTime", Wake: wake, NeedPods: true}
	}
	vain := func(events string) outcome {
		return outcome{Changed: "-Containers +RecoveredTime", NeedPods: true, Events: events, Result: still, Freed: true,
			Failures: "1/1 " + still}
	}
	done := finished("-Containers +RecoveredTime")
	advanced(t, map[string]row{
		"it is gone":                     {from: settling, with: []change{trigger}, want: done},
		"it is False":                    {from: settling, with: []change{trigger, condition(broken, corev1.ConditionFalse, 0)}, want: done},
		"it has time from the boot on":   {from: settling, with: []change{trigger, present}, want: waits(7 * minute), says: []string{broken, "12:07 +00:00"}},
		"it has time when it came later": {from: settling, with: []change{trigger, condition(broken, corev1.ConditionTrue, 330*time.Second)}, want: waits(450 * time.Second)},
		"it has time when the node became Ready later": {
			from: settling, with: []change{trigger, present, condition("Ready", corev1.ConditionTrue, 330*time.Second),
				attempts(func(a *v1alpha1.Attempt) {
					a.ReadyTransitionTime = &metav1.Time{Time: start.Add(330 * time.Second)}
				})}, want: waits(450 * time.Second),
		},
		"it does not go away":        {from: settling, with: []change{trigger, present, now(7 * minute)}, want: vain(still + "!"), says: []string{broken}},
		"nobody asked for it":        {from: settling, with: []change{trigger, present, func(w *world) { w.reboot.Spec.Trigger = v1alpha1.TriggerManual }}, want: done},
		"its policy no longer does":  {from: settling, with: []change{trigger, present, spec(func(s *v1alpha1.RebootPolicySpec) { s.Triggers = nil })}, want: done},
		"there is no policy anymore": {from: settling, with: []change{trigger, present, noPolicy}, want: done},
		"the sentinel counts as well": {
			from: settling, with: []change{trigger, present, now(7 * minute),
				status(func(s *v1alpha1.NodeRebootStatus) { s.Report.Sentinel = v1alpha1.SentinelRequired })},
			want: outcome{
				Changed: "-Containers +RecoveredTime", NeedPods: true, Events: v1alpha1.ReasonSentinelStillPresent + "!",
				Result: v1alpha1.ReasonSentinelStillPresent, Freed: true, Failures: "1/1 " + v1alpha1.ReasonSentinelStillPresent,
			},
		},
	})
}
