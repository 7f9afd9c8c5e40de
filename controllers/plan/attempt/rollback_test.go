package attempt_test

import (
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func maxAttempts(number int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = &number })
}

func ignoreWorkloads(w *world) { w.policy.Spec.Recovery.Workloads = v1alpha1.Ignore }

func failures(count, reboots int32) change {
	return status(func(s *v1alpha1.NodeRebootStatus) {
		last := at(0)
		if a := s.Attempt; a.RolledBackTime != nil {
			last = a.RolledBackTime
		}
		s.Failures = &v1alpha1.Failures{Count: count, Reboots: reboots, LastTime: *last, LastReason: timedOut}
	})
}

func TestAnAttemptThatWasRolledBackHoldsItsSlotUntilItsPodsAreBack(t *testing.T) {
	t.Parallel()
	const failed = "1/0 DrainTimedOut"
	held := outcome{Wait: v1alpha1.ReasonWorkloadsNotReady, Wake: 33 * minute, Result: timedOut, Failures: failed}
	freed := outcome{Changed: "-Containers", Result: timedOut, Freed: true, Failures: failed}
	stalled := outcome{
		Wait: v1alpha1.ReasonRecoveryTimedOut, Changed: "+StalledTime", Events: v1alpha1.ReasonRecoveryTimedOut + "!", Result: timedOut,
		Failures: failed,
	}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	late := now(33 * minute)
	advanced(t, map[string]row{
		"they are not back": {from: rolledBack, want: held, says: []string{"Deployment apps/web", "3 ready pods"}},
		"they are back":     {from: rolledBack, with: []change{web(3, 3)}, want: freed},
		"fewer are enough":  {from: rolledBack, with: []change{web(2, 2)}, want: freed},
		"the workload's controller has not seen its spec": {from: rolledBack, with: []change{func(w *world) {
			w.workloads[webKey] = model.Workload{Ready: 3, Desired: 3, Stale: true}
		}}, want: held},
		"the workload is gone": {from: rolledBack, with: []change{func(w *world) { w.workloads = nil }}, want: freed},
		"none was ready before": {from: rolledBack, with: []change{web(0, 3), status(func(s *v1alpha1.NodeRebootStatus) {
			s.Workloads = []v1alpha1.WorkloadRef{{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}}
		})}, want: freed},
		"DaemonSets and static pods stay on the node and are not awaited": {
			from: rolledBack, with: []change{func(w *world) {
				w.workloads = map[model.WorkloadKey]model.Workload{agentKey: {Desired: 3}, etcdKey: {Desired: 3}}
			}, status(func(s *v1alpha1.NodeRebootStatus) {
				s.Workloads = append(s.Workloads, v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadStaticPod, Namespace: "kube-system", Name: "etcd-a",
					Ready: 1})
			})}, want: freed,
		},
		"its policy does not wait for them": {from: rolledBack, with: []change{ignoreWorkloads}, want: freed},
		"nothing was evicted":               {from: rolledBack, with: []change{attempts(func(a *v1alpha1.Attempt) { a.DrainOrderedTime = nil })}, want: freed},
		"they take too long":                {from: rolledBack, with: []change{late}, want: stalled, says: []string{"DrainTimedOut", "apps/web", "delete"}},
		"they still take too long": {
			from: rolledBack, with: []change{late, attempts(func(a *v1alpha1.Attempt) { a.StalledTime = at(33 * minute) })},
			want: outcome{Wait: v1alpha1.ReasonRecoveryTimedOut, Result: timedOut, Failures: failed},
		},
		"they are back after all": {
			from: rolledBack, with: []change{now(40 * minute), web(3, 3), attempts(func(a *v1alpha1.Attempt) { a.StalledTime = at(33 * minute) })},
			want: with(freed, func(o *outcome) { o.Changed = "-Containers -StalledTime" }),
		},
		"they take too long and the NodeReboot is deleted": {from: rolledBack, with: []change{late, deleted}, want: freed},
		"a NodeReboot that is deleted holds its slot":      {from: rolledBack, with: []change{deleted}, want: held},
		"they take too long and there is no policy":        {from: rolledBack, with: []change{late, noPolicy}, want: freed},
		"without a policy they are awaited":                {from: rolledBack, with: []change{noPolicy}, want: held},
		"the policy gives them less time": {
			from: rolledBack, with: []change{spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.TimeoutSeconds = ptr.To[int32](60) })},
			want: stalled,
		},
		"two workloads are not back": {
			from: rolledBack, with: []change{func(w *world) {
				w.workloads[model.WorkloadKey{Kind: v1alpha1.WorkloadStatefulSet, Namespace: "apps", Name: "db"}] = model.Workload{Desired: 1}
				w.reboot.Status.Workloads = append(w.reboot.Status.Workloads, v1alpha1.WorkloadRef{
					Kind: v1alpha1.WorkloadStatefulSet, Namespace: "apps", Name: "db", Ready: 1,
				})
			}}, want: with(held, func(o *outcome) { o.NeedPods = true }), says: []string{"apps/web", "1 more"},
		},
	})
}

func TestANodeRebootIsGivenUpWhenItMayReachTheHostNoMoreTimes(t *testing.T) {
	t.Parallel()
	const still = v1alpha1.ReasonSentinelStillPresent
	sentinel := status(func(s *v1alpha1.NodeRebootStatus) { s.Report.Sentinel = v1alpha1.SentinelRequired })
	freed := outcome{Changed: "-Containers", Result: timedOut, Freed: true}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	after := func(count, events, completed string) outcome {
		return outcome{
			Changed: "-Containers +RecoveredTime", NeedPods: true, Events: events, Result: still, Freed: true, Failures: count + " " + still,
			Completed: completed,
		}
	}
	notObserved := func(count, events, completed string) outcome {
		return outcome{
			Changed: "-Containers +RolledBackTime +InterruptedTime", Events: events, Result: v1alpha1.ReasonRebootNotObserved, Freed: true,
			Failures: count + " RebootNotObserved", Completed: completed,
		}
	}
	advanced(t, map[string]row{
		"attempts that did not reach the host do not count": {
			from: rolledBack, with: []change{web(3, 3), failures(9, 2)}, want: with(freed, func(o *outcome) { o.Failures = "9/2 DrainTimedOut" }),
		},
		"none that reached the host is none too many": {
			from: rolledBack, with: []change{web(3, 3), failures(9, 0), maxAttempts(0)},
			want: with(freed, func(o *outcome) { o.Failures = "9/0 DrainTimedOut" }),
		},
		"what was rolled back as no failure does not end it": {
			from: rolledBack, with: []change{web(3, 3), failures(3, 3), status(func(s *v1alpha1.NodeRebootStatus) { s.Failures.LastTime = *at(0) })},
			want: with(freed, func(o *outcome) { o.Failures = "3/3 DrainTimedOut" }),
		},
		"what was never a failure does not end it": {
			from: rolledBack, with: []change{web(3, 3), status(func(s *v1alpha1.NodeRebootStatus) { s.Failures = nil })}, want: freed,
		},
		"an attempt that failed with nothing left to try ends it": {
			from: rolledBack, with: []change{web(3, 3), failures(4, 3)},
			want: with(freed, func(o *outcome) {
				o.Failures, o.Events, o.Completed = "4/3 DrainTimedOut", timedOut+"!", "Failed DrainTimedOut"
			}),
			says: []string{"3 attempts", "Too slow."},
		},
		"without a policy nothing is given up": {
			from: rolledBack, with: []change{web(3, 3), failures(4, 3), noPolicy},
			want: with(freed, func(o *outcome) { o.Failures = "4/3 DrainTimedOut" }),
		},
		"the second reboot was in vain":  {from: settling, with: []change{sentinel, failures(5, 1)}, want: after("6/2", still+"!", "")},
		"the third reboot was in vain":   {from: settling, with: []change{sentinel, failures(5, 2)}, want: after("6/3", still+"!", "Failed "+still)},
		"the first and last was in vain": {from: settling, with: []change{sentinel, maxAttempts(1)}, want: after("1/1", still+"!", "Failed "+still)},
		"the second was not observed": {
			from: rebooting, with: []change{failures(1, 1), now(19 * minute)}, want: notObserved("2/2", v1alpha1.ReasonRebootNotObserved+"!", ""),
		},
		"the third was not observed": {
			from: rebooting, with: []change{failures(2, 2), now(19 * minute)},
			want: notObserved("3/3", v1alpha1.ReasonRebootNotObserved+"! "+v1alpha1.ReasonRebootNotObserved+"!", "Failed RebootNotObserved"),
		},
	})
}

func TestWhatFailedIsRemembered(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	s := checked(t, in(draining, answered(v1alpha1.OrderFailed, long, nil)), advance).Draft.Status
	short := strings.Repeat("x", 1021) + "..."
	want := &v1alpha1.Failures{Count: 1, LastTime: *at(minute), LastReason: v1alpha1.ReasonDrainFailed, LastMessage: short}
	if diff := diffOf(want, s.Failures); diff != "" {
		t.Errorf("it is remembered otherwise (-want +got):\n%s", diff)
	}
	if diff := diffOf(short, s.Attempt.Message); diff != "" {
		t.Errorf("the message of the attempt is another one (-want +got):\n%s", diff)
	}
	if diff := diffOf(at(minute), s.Attempt.EndedTime); diff != "" {
		t.Errorf("it ended at another time (-want +got):\n%s", diff)
	}
}

func TestARebootInVainLetsTheNextAttemptEndTheBootThatRunsNow(t *testing.T) {
	t.Parallel()
	sentinel := status(func(s *v1alpha1.NodeRebootStatus) { s.Report.Sentinel = v1alpha1.SentinelRequired })
	tests := map[string]struct {
		most          int32
		before, after *v1alpha1.BootInfo
	}{
		"there is another attempt": {most: 3, before: &v1alpha1.BootInfo{BootID: "boot-2", KernelVersion: "6.2"}},
		"there is none": {
			most: 1, before: &v1alpha1.BootInfo{BootID: "boot-1", KernelVersion: "6.1"},
			after: &v1alpha1.BootInfo{BootID: "boot-2", KernelVersion: "6.2", SeenTime: at(5 * minute)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := checked(t, in(settling, sentinel, maxAttempts(test.most)), advance).Draft.Status
			if diff := diffOf([]*v1alpha1.BootInfo{test.before, test.after}, []*v1alpha1.BootInfo{s.Before, s.After}); diff != "" {
				t.Errorf("other boots (-want +got):\n%s", diff)
			}
		})
	}
}
