package attempt_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func goneSince(d time.Duration) change {
	return attempts(func(a *v1alpha1.Attempt) { a.NodeGoneTime = at(d) })
}

func marked(w *world) { w.reboot.Status.Attempt.MarkedForDeletionTime = at(0) }

func registeredAgain(w *world) { w.node.UID = "uid-a-2" }

func goneLimit(seconds int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.NodeGoneTimeoutSeconds = &seconds })
}

const nodeGone = v1alpha1.ReasonNodeGone

func TestANodeThatIsGoneBeforeItsRebootEndsTheAttempt(t *testing.T) {
	t.Parallel()
	ended := outcome{
		Changed: "-Containers +NodeGoneTime +RolledBackTime +InterruptedTime",
		Events:  nodeGone + "!", Result: nodeGone, Freed: true, Completed: "Failed NodeGone",
	}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	advanced(t, map[string]row{
		"it is only cordoned": {from: cordoned, with: []change{noNode}, want: ended, says: []string{"Node a"}},
		"it is cordoned and its pods are away, which no drain did": {
			from: cordoned, with: []change{noNode, web(0, 3)}, want: ended,
		},
		"it is being drained and its pods are back": {from: draining, with: []change{noNode}, want: ended},
		"it is being drained and its pods are not back": {
			from: draining, with: []change{noNode, web(2, 3)},
			want: outcome{
				Wait: v1alpha1.ReasonWorkloadsNotReady, Changed: "+NodeGoneTime +RolledBackTime +InterruptedTime", Wake: 31 * minute, Result: nodeGone,
			},
		},
		"another one has its name": {
			from: cordoned, with: []change{registeredAgain},
			want: with(ended, func(o *outcome) { o.Changed = "-Containers +RolledBackTime +InterruptedTime" }),
		},
		"another one has its name, and another boot, which is not the one that is awaited": {
			from: draining, with: []change{registeredAgain, boots("boot-2")},
			want: with(ended, func(o *outcome) { o.Changed = "-Containers +RolledBackTime +InterruptedTime" }),
		},
		"it is not known which Node it was": {
			from: cordoned, with: []change{noNode, status(func(s *v1alpha1.NodeRebootStatus) { s.NodeUID = "" })},
			want: with(ended, func(o *outcome) { o.Completed, o.Events = "", "" }), // the plan says whether there is one
		},
		"it goes while the pods are awaited": {
			from: rolledBack, with: []change{noNode},
			want: outcome{
				Wait: v1alpha1.ReasonWorkloadsNotReady, Changed: "+NodeGoneTime", Wake: 33 * minute, Result: timedOut, Failures: "1/0 DrainTimedOut",
			},
		},
		"it went while the pods were awaited, which are back": {
			from: rolledBack, with: []change{noNode, web(3, 3)},
			want: outcome{
				Changed: "-Containers +NodeGoneTime", Events: nodeGone + "!", Result: timedOut, Freed: true, Failures: "1/0 DrainTimedOut",
				Completed: "Failed NodeGone",
			},
		},
	})
}

func TestANodeThatIsGoneWhileItsHostRebootsIsAwaited(t *testing.T) {
	t.Parallel()
	const order = "Reboot#2 until 18m0s"
	awaited := outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute}
	notBack := outcome{
		Wait: v1alpha1.ReasonNodeNotBack, Changed: "+StalledTime +InterruptedTime",
		Events: v1alpha1.ReasonNodeNotBack + "!", Result: v1alpha1.ReasonNodeNotBack,
	}
	finally := outcome{Events: nodeGone + "!", Result: nodeGone, Freed: true, Completed: "Failed NodeGone"}
	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	advanced(t, map[string]row{
		"it goes": {
			from: rebooting, with: []change{noNode}, want: with(awaited, func(o *outcome) { o.Changed = "+NodeGoneTime" }),
			says: []string{"Node a", "12:03 +00:00", "12:18 +00:00"},
		},
		"it has been gone": {from: rebooting, with: []change{noNode, goneSince(3 * minute), now(4 * minute)}, want: awaited},
		"it was marked for deletion": {
			from: rebooting, with: []change{noNode, goneSince(3 * minute), marked},
			want: with(finally, func(o *outcome) { o.Changed = "-Containers" }),
		},
		"it has been gone for longer than a reboot takes": {
			from: rebooting, with: []change{noNode, goneSince(4 * minute), now(18 * minute)}, want: notBack,
			says: []string{"12:04 +00:00", "delete"},
		},
		"it still is": {
			from: rebooting, with: []change{noNode, noOrder, goneSince(4 * minute), now(18 * minute), attempts(func(a *v1alpha1.Attempt) {
				a.StalledTime, a.Result = at(17*minute), v1alpha1.ReasonNodeNotBack
			})},
			want: outcome{Wait: v1alpha1.ReasonNodeNotBack, Result: v1alpha1.ReasonNodeNotBack},
		},
		"it has been gone too long for its policy": {
			from: rebooting, with: []change{noNode, goneSince(4 * minute), goneLimit(60), now(5 * minute)},
			want: with(finally, func(o *outcome) { o.Changed = "-Containers" }), says: []string{"60 seconds"},
		},
		"it has not been gone too long for its policy": {
			from: rebooting, with: []change{noNode, goneSince(4 * minute), goneLimit(60), now(5*minute - time.Second)},
			want: with(awaited, func(o *outcome) { o.Wake = 5 * minute }),
		},
		"its policy is gone, too": {from: rebooting, with: []change{noNode, noPolicy, goneSince(3 * minute)}, want: awaited},
		"it is given up": {
			from: rebooting, with: []change{noNode, deleted, goneSince(3 * minute), now(18 * minute)},
			want: outcome{Changed: "-Containers", Result: v1alpha1.ReasonDeleted, Freed: true},
		},
		"it is not given up before its time": {from: rebooting, with: []change{noNode, deleted, goneSince(3 * minute)}, want: awaited},
		"it goes after its boot": {
			from: back, with: []change{noNode}, want: outcome{Wait: v1alpha1.ReasonRebooting, Changed: "+NodeGoneTime", Wake: 20 * minute},
		},
		"it goes after a boot that nobody ordered": {
			from: back, with: []change{noNode, goneSince(4 * minute), attempts(func(a *v1alpha1.Attempt) { a.RebootOrderedTime = nil })},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Wake: 19 * minute},
		},
		"it does not return after its boot": {from: back, with: []change{noNode, goneSince(5 * minute), now(20 * minute)}, want: notBack},
	})
}

func TestANodeThatRegistersAgainIsTheSameHost(t *testing.T) {
	t.Parallel()
	advanced(t, map[string]row{
		"in the same boot": {
			from: rebooting, with: []change{registeredAgain, goneSince(4 * minute), now(5 * minute)},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Changed: "-NodeGoneTime", Order: "Reboot#2 until 18m0s", Wake: 18 * minute},
		},
		"in another boot": {
			from: rebooting, with: []change{registeredAgain, boots("boot-2"), notReady, goneSince(4 * minute), now(5 * minute)},
			want: outcome{
				Wait: v1alpha1.ReasonNodeNotReady, Changed: "-NodeGoneTime +BackTime", Wake: 35 * minute, NeedPods: true,
			},
		},
		"after it did not return in time": {
			from: rebooting, with: []change{registeredAgain, boots("boot-2"), notReady, now(30 * minute), attempts(func(a *v1alpha1.Attempt) {
				a.StalledTime, a.Result, a.Message = at(18*minute), v1alpha1.ReasonNodeNotBack, "Not back."
			})},
			want: outcome{
				Wait: v1alpha1.ReasonNodeNotReady, Changed: "+BackTime -StalledTime +InterruptedTime", Wake: 60 * minute, NeedPods: true,
			},
		},
		"after its boot": {
			from: back, with: []change{registeredAgain, notReady},
			want: outcome{Wait: v1alpha1.ReasonNodeNotReady, Wake: 35 * minute, NeedPods: true},
		},
	})
	s := checked(t, in(rebooting, registeredAgain), advance).Draft.Status
	if s.NodeUID != "uid-a-2" {
		t.Errorf("the NodeReboot is about Node %q, want the one that registered", s.NodeUID)
	}
}

func TestWhetherANodeIsMarkedForDeletionIsRecorded(t *testing.T) {
	t.Parallel()
	taint := node(func(n *model.Node) { n.Taints = []corev1.Taint{{Key: "karpenter.sh/disrupted"}} })
	deleting := node(func(n *model.Node) { n.Deleting = true })
	want := func(changed string) outcome {
		return outcome{Wait: v1alpha1.ReasonRebooting, Changed: changed, Order: "Reboot#2 until 18m0s", Wake: 18 * minute}
	}
	advanced(t, map[string]row{
		"an autoscaler takes it": {from: rebooting, with: []change{taint}, want: want("+MarkedForDeletionTime")},
		"it is being deleted":    {from: rebooting, with: []change{deleting}, want: want("+MarkedForDeletionTime")},
		"that is known":          {from: rebooting, with: []change{deleting, marked}, want: want("")},
		"it stays after all":     {from: rebooting, with: []change{marked}, want: want("-MarkedForDeletionTime")},
		"a mark is kept when it is gone": {from: cordoned, with: []change{noNode, marked}, want: outcome{
			Changed: "-Containers +NodeGoneTime +RolledBackTime +InterruptedTime", Events: nodeGone + "!", Result: nodeGone, Freed: true,
			Completed: "Failed NodeGone",
		}},
	})
}

func TestABootThatNobodyOrderedEndsWhatWasUnderWay(t *testing.T) {
	t.Parallel()
	returned := func(changed string) outcome {
		return outcome{
			Wait: v1alpha1.ReasonNodeNotReady, Changed: changed, Wake: 50 * minute, NeedPods: true,
		}
	}
	reset := attempts(func(a *v1alpha1.Attempt) {
		a.Result, a.Message, a.StalledTime = v1alpha1.ReasonRecoveryTimedOut, "Too slow.", at(10*minute)
	})
	another := []change{boots("boot-3"), notReady, now(20 * minute)}
	advanced(t, map[string]row{
		"granted":       {from: granted, with: another, want: returned("+BackTime")},
		"being drained": {from: draining, with: another, want: returned("+BackTime")},
		"drained":       {from: drained, with: another, want: returned("+BackTime")},
		"deleted":       {from: draining, with: append([]change{deleted}, another...), want: returned("+BackTime")},
		"rolled back": {from: rolledBack, with: another, want: func() outcome {
			o := returned("+BackTime -RolledBackTime +InterruptedTime")
			o.Failures = "1/0 DrainTimedOut"
			return o
		}()},
		"back, and its time runs from the first boot": {from: back, with: another, want: func() outcome {
			o := returned("~Containers")
			o.Wake = 35 * minute
			return o
		}()},
		"recovered": {from: recovered, with: append([]change{reset}, another...), want: outcome{
			Wait: v1alpha1.ReasonRecoveryTimedOut, Changed: "~Containers -UncordonedTime -SettlingSince -RecoveredTime +InterruptedTime",
			NeedPods: true,
			Result:   v1alpha1.ReasonRecoveryTimedOut,
		}},
		"a boot that is not known says nothing": {
			from: rebooting, with: []change{boots("")}, want: outcome{Wait: v1alpha1.ReasonRebooting, Order: "Reboot#2 until 18m0s",
				Wake: 18 * minute},
		},
		"a boot that was not recorded cannot be distinguished from another": {
			from: rebooting, with: []change{boots("boot-2"), status(func(s *v1alpha1.NodeRebootStatus) { s.Before = nil })},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Order: "Reboot#2 until 18m0s", Wake: 18 * minute},
		},
	})
}

func TestABootIsRecordedWithWhenItWasSeen(t *testing.T) {
	t.Parallel()
	want := &v1alpha1.BootInfo{BootID: "boot-2", KernelVersion: "6.2", SeenTime: at(4 * minute)}
	s := checked(t, in(rebooting, boots("boot-2"), notReady, now(4*minute)), advance).Draft.Status
	if diff := diffOf(want, s.After); diff != "" {
		t.Errorf("another boot is recorded (-want +got):\n%s", diff)
	}
	if diff := diffOf(&v1alpha1.BootInfo{BootID: "boot-1", KernelVersion: "6.1"}, s.Before); diff != "" {
		t.Errorf("the boot of before changed (-want +got):\n%s", diff)
	}
}

func TestContainersOfAnEarlierBootAreRememberedWhenTheHostBootsAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		from stage
		want []string
	}{
		"the first boot adds none":            {from: rebooting, want: []string{"agent-1", "web-1"}},
		"a later one adds those of before it": {from: back, want: []string{"agent-1", "agent-of-boot-2", "web-1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(test.from, boots("boot-3"), pods(agentPod("agent-of-boot-2")), notReady)
			if diff := diffOf(test.want, checked(t, w, advance).Draft.Status.Attempt.Containers); diff != "" {
				t.Errorf("other containers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestANodeThatIsGoneIsGivenUpByTheLimitOfItsPolicyOnly(t *testing.T) {
	t.Parallel()
	advanced(t, map[string]row{
		"a limit of another length": {
			from: rebooting, with: []change{noNode, goneSince(3 * minute), goneLimit(3600), now(63 * minute)},
			want: outcome{Changed: "-Containers", Events: nodeGone + "!", Result: nodeGone, Freed: true, Completed: "Failed NodeGone"},
		},
		"the time-out of a reboot": {
			from: rebooting, with: []change{noNode, goneSince(3 * minute),
				spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = ptr.To[int32](60) })},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Order: "Reboot#2 until 18m0s", Wake: 4 * minute},
		},
	})
}
