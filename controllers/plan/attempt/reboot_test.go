package attempt_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func rebootDelay(seconds int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.DelaySeconds = &seconds })
}

func detach(seconds int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.VolumeDetachSeconds = &seconds })
}

func volumes(list ...string) change { return node(func(n *model.Node) { n.Volumes = list }) }

func helperAway(since time.Duration) change {
	return node(func(n *model.Node) {
		n.HelperReady, n.HelperProblem, n.HelperSince = false, "Image not found.", start.Add(since)
	})
}

// lockedLogind is what a helper says about an inhibitor lock.
var lockedLogind = v1alpha1.MethodReport{
	Name: v1alpha1.RebootLogind, Obstacle: "backup (uid 0) until it is done.", Kind: v1alpha1.ObstacleInhibited,
}

func reports(change func(*v1alpha1.HelperReport)) change {
	return status(func(s *v1alpha1.NodeRebootStatus) { change(s.Report) })
}

func inhibited(w *world) { w.reboot.Status.Report.Methods = []v1alpha1.MethodReport{lockedLogind} }

func blockedSince(since time.Duration) change {
	return attempts(func(a *v1alpha1.Attempt) { a.RebootBlockedTime = at(since) })
}

func rebootLimit(seconds int32) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = &seconds })
}

func drainWas(result v1alpha1.DrainResult) change {
	return attempts(func(a *v1alpha1.Attempt) { a.Drain = result })
}

func TestADrainedNodeIsToldToRebootWhenEverythingBeforeItIsDone(t *testing.T) {
	t.Parallel()
	const order = "Drain#1 until 11m0s"
	told := func(d time.Duration, changed, events string) outcome {
		return outcome{
			Wait: v1alpha1.ReasonRebooting, Changed: changed, Order: "Reboot#2 until " + (d + 15*minute).String(), Wake: d + 15*minute,
			NeedPods: true,
			Events:   events,
		}
	}
	const ordered = "+RebootOrderedTime"
	const hookType = "example.com/backup"
	hooked := func(onTimeout v1alpha1.TimeoutAction) change {
		return hooks(v1alpha1.HooksSpec{BeforeReboot: []v1alpha1.Hook{hook(hookType, 60, onTimeout)}})
	}
	failed := func(reason string) outcome {
		return outcome{
			Changed: "-Containers +RolledBackTime +InterruptedTime", Events: reason + "!", Result: reason, Freed: true, Failures: "1/0 " + reason,
		}
	}
	advanced(t, map[string]row{
		"nothing is in the way": {from: drained, want: told(2*minute, ordered, ""), says: []string{"12:17 +00:00"}},
		"what runs on the node now is remembered": {
			from: drained, with: []change{pods(agentPod("agent-1"), webPod("web-9"))}, want: told(2*minute, ordered+" ~Containers", ""),
		},
		"pods that are not known are not": {from: drained, with: []change{podsUnknown}, want: told(2*minute, ordered, "")},
		"a hook is pending": {
			from: drained, with: []change{hooked(v1alpha1.TimeoutAbort), rebootDelay(60)},
			want: outcome{Wait: v1alpha1.ReasonHookPending, Order: order, Wake: 3 * minute, Hooks: hookType},
		},
		"a hook is done": {
			from: drained, with: []change{hooked(v1alpha1.TimeoutAbort), hookSet(hookType, metav1.ConditionTrue, 0)},
			want: told(2*minute, ordered, ""),
		},
		"a hook is late": {from: drained, with: []change{hooked(v1alpha1.TimeoutAbort), now(3 * minute)}, want: failed(v1alpha1.ReasonHookTimedOut)},
		"a hook is late that does not matter": {
			from: drained, with: []change{hooked(v1alpha1.TimeoutContinue), now(3 * minute)},
			want: told(3*minute, ordered, v1alpha1.ReasonHookTimedOut+"!"), says: []string{hookType},
		},
		"the delay is not over": {
			from: drained, with: []change{rebootDelay(60), quorumLost, now(3*minute - time.Second)},
			want: outcome{Wait: v1alpha1.ReasonRebootDelayed, Order: order, Wake: 3 * minute}, says: []string{"is drained", "12:03 +00:00"},
		},
		"the delay is not over after a drain that was skipped": {
			from: drained, with: []change{rebootDelay(60), drainWas(v1alpha1.DrainSkipped)},
			want: outcome{Wait: v1alpha1.ReasonRebootDelayed, Order: order, Wake: 3 * minute},
			says: []string{"was not drained", "its policy"},
		},
		"the delay is not over after a drain that was forced": {
			from: drained, with: []change{rebootDelay(60), drainWas(v1alpha1.DrainForced)},
			want: outcome{Wait: v1alpha1.ReasonRebootDelayed, Order: order, Wake: 3 * minute}, says: []string{"in time"},
		},
		"the delay is over": {from: drained, with: []change{rebootDelay(60), now(3 * minute)}, want: told(3*minute, ordered, "")},
		"volumes are attached": {
			from: drained, with: []change{detach(60), volumes("pv-2", "pv-1"), quorumLost},
			want: outcome{Wait: v1alpha1.ReasonVolumesAttached, Order: order, Wake: 3 * minute},
			says: []string{"2 volumes", "pv-1, pv-2", "12:03 +00:00"},
		},
		"volumes are not waited for": {from: drained, with: []change{volumes("pv-1")}, want: told(2*minute, ordered, "")},
		"volumes of pods that stay are not waited for": {
			from: drained, with: []change{detach(60), volumes("pv-1"), drainWas(v1alpha1.DrainSkipped)}, want: told(2*minute, ordered, ""),
		},
		"volumes are detached": {from: drained, with: []change{detach(60)}, want: told(2*minute, "+DetachedTime +RebootOrderedTime", "")},
		"volumes took too long": {
			from: drained, with: []change{detach(60), volumes("pv-1"), now(3 * minute)},
			want: told(3*minute, "+DetachedTime +AttachedVolumes +RebootOrderedTime", v1alpha1.ReasonVolumesAttached+"!"),
			says: []string{"pv-1"},
		},
		"a volume that comes late begins no other wait": {
			from: drained, with: []change{detach(60), volumes("pv-1"), attempts(func(a *v1alpha1.Attempt) { a.DetachedTime = at(2 * minute) })},
			want: told(2*minute, ordered, ""),
		},
		"the quorum is lost": {
			from: drained, with: []change{quorumLost, helperAway(0), now(time.Hour)},
			want: outcome{Wait: v1alpha1.ReasonControlPlaneNotReady, Order: order}, says: []string{"Node b"},
		},
		"the helper is away": {
			from: drained, with: []change{helperAway(0), now(3 * minute)},
			want: outcome{Wait: v1alpha1.ReasonHelperNotReady, Order: order, Wake: 17 * minute}, says: []string{"Image not found."},
		},
		"the helper has been away since the delay": {
			from: drained, with: []change{rebootDelay(60), helperAway(150 * time.Second), now(3 * minute)},
			want: outcome{Wait: v1alpha1.ReasonHelperNotReady, Order: order, Wake: 18 * minute},
		},
		"the helper has been away for a minute only": {
			from: drained, with: []change{helperAway(20 * minute), now(21 * minute)},
			want: outcome{Wait: v1alpha1.ReasonHelperNotReady, Order: order, Wake: 35 * minute},
		},
		"the helper was away while volumes were awaited": {
			from: drained, with: []change{
				detach(60), helperAway(0), now(17 * minute), attempts(func(a *v1alpha1.Attempt) { a.DetachedTime = at(3 * minute) }),
			},
			want: outcome{Wait: v1alpha1.ReasonHelperNotReady, Order: order, Wake: 18 * minute},
		},
		"the helper does not come back": {
			from: drained, with: []change{helperAway(0), now(17 * minute)}, want: failed(v1alpha1.ReasonRebootFailed),
			says: []string{"Image not found"},
		},
		"an inhibitor lock came during the drain": {
			from: drained, with: []change{inhibited},
			want: outcome{Wait: v1alpha1.ReasonRebootInhibited, Changed: "+RebootBlockedTime", Order: order, Wake: 17 * minute},
			says: []string{"is drained", "An inhibitor lock keeps the host of node a from rebooting: backup (uid 0)", "12:17 +00:00"},
		},
		"an inhibitor lock is still there": {
			from: drained, with: []change{inhibited, blockedSince(2 * minute), now(17*minute - time.Second)},
			want: outcome{Wait: v1alpha1.ReasonRebootInhibited, Order: order, Wake: 17 * minute},
		},
		"the time for an inhibitor lock is as long as that for the reboot": {
			from: drained, with: []change{inhibited, blockedSince(2 * minute), rebootLimit(60)},
			want: outcome{Wait: v1alpha1.ReasonRebootInhibited, Order: order, Wake: 3 * minute},
		},
		"an inhibitor lock does not end": {
			from: drained, with: []change{inhibited, blockedSince(2 * minute), now(17 * minute)},
			want: failed(v1alpha1.ReasonRebootInhibited), says: []string{"since 2026-03-02 12:02 +00:00", "backup (uid 0)"},
		},
		"an inhibitor lock ended": {
			from: drained, with: []change{blockedSince(2 * minute), now(17 * minute)}, want: told(17*minute, ordered, ""),
		},
		"the lock of a method that the policy does not use": {
			from: drained, with: []change{reports(func(r *v1alpha1.HelperReport) {
				r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootSignal}, lockedLogind}
			})}, want: told(2*minute, ordered+" +RebootMethod", ""),
		},
		"the bus went away during the drain": {
			from: drained, with: []change{reports(func(r *v1alpha1.HelperReport) {
				r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: "no bus"}}
			})},
			want: outcome{Wait: v1alpha1.ReasonHostCannotReboot, Changed: "+RebootBlockedTime", Order: order, Wake: 17 * minute},
		},
		"what was said in another boot is not looked at": {
			from: drained, with: []change{inhibited, reports(func(r *v1alpha1.HelperReport) { r.BootID = "boot-0" })},
			want: told(2*minute, ordered, ""),
		},
		"a drained node is not asked whether it may be drained": {
			from: drained, with: []change{reports(func(r *v1alpha1.HelperReport) { r.EvictionObstacle = "forbidden" })},
			want: told(2*minute, ordered, ""),
		},
		"the order ends with the window": {
			from: drained, with: []change{cron("0 12 * * *", 600)}, want: func() outcome {
				o := told(2*minute, ordered, "")
				o.Order, o.Wake = "Reboot#2 until 10m0s", 10*minute
				return o
			}(),
		},
	})
}

// cron opens a window.
func cron(opens string, seconds int32) change {
	return func(w *world) {
		w.policy.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: opens, DurationSeconds: seconds}}
	}
}

func TestAHostThatWasToldToRebootIsAwaited(t *testing.T) {
	t.Parallel()
	const order = "Reboot#2 until 18m0s"
	failed := func(reason, failures string) outcome {
		return outcome{
			Changed: "-Containers +RolledBackTime +InterruptedTime",
			Events:  reason + "!", Result: reason, Freed: true, Failures: failures + " " + reason,
		}
	}
	expired := func(reason string) outcome {
		return outcome{
			Wait: reason, Changed: "-RebootOrderedTime -Containers +RolledBackTime +InterruptedTime", Events: reason, Result: reason, Freed: true,
		}
	}
	freeze := spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = []v1alpha1.Freeze{{
			Name: "sale", From: metav1.NewTime(start.Add(18 * minute)), To: metav1.NewTime(start.Add(time.Hour)),
		}}
	})
	stalled := attempts(func(a *v1alpha1.Attempt) { a.StalledTime, a.Result = at(18*minute), v1alpha1.ReasonNodeNotBack })
	advanced(t, map[string]row{
		"it has time": {from: rebooting, want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute}, says: []string{"12:18 +00:00"}},
		"it is down":  {from: rebooting, with: []change{notReady}, want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute}},
		"it went down, which takes a while to show": {
			from: rebooting, with: []change{now(18 * minute)}, want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 19 * minute},
		},
		"it did not reboot": {from: rebooting, with: []change{now(19 * minute)}, want: failed(v1alpha1.ReasonRebootNotObserved, "1/1")},
		"it is not back": {
			from: rebooting, with: []change{notReady, now(18 * minute)},
			want: outcome{
				Wait: v1alpha1.ReasonNodeNotBack, Changed: "+StalledTime +InterruptedTime",
				Events: v1alpha1.ReasonNodeNotBack + "!", Result: v1alpha1.ReasonNodeNotBack,
			},
			says: []string{"12:03 +00:00", "delete"},
		},
		"it is still not back": {
			from: rebooting, with: []change{notReady, now(18 * minute), stalled},
			want: outcome{Wait: v1alpha1.ReasonNodeNotBack, Order: order, Result: v1alpha1.ReasonNodeNotBack},
		},
		"it is Ready again in the same boot": {
			from: rebooting, with: []change{now(18 * minute), stalled, noOrder},
			want: outcome{
				Changed: "-Containers +RolledBackTime -StalledTime +InterruptedTime", Events: v1alpha1.ReasonRebootNotObserved + "!",
				Result: v1alpha1.ReasonRebootNotObserved, Freed: true, Failures: "1/1 RebootNotObserved",
			},
		},
		"it is not back and given up": {
			from: rebooting, with: []change{notReady, deleted, now(18 * minute)},
			want: outcome{Changed: "-Containers", Result: v1alpha1.ReasonDeleted, Freed: true},
		},
		"it is not given up before its time": {
			from: rebooting, with: []change{notReady, deleted, now(17 * minute)},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute},
		},
		"it is awaited without a policy": {
			from: rebooting, with: []change{noPolicy}, want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute},
		},
		"another time-out counts at once": {
			from: rebooting, with: []change{notReady, spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = ptr.To[int32](60) }),
				now(4 * minute)},
			want: outcome{
				Wait: v1alpha1.ReasonNodeNotBack, Changed: "+StalledTime +InterruptedTime",
				Events: v1alpha1.ReasonNodeNotBack + "!", Result: v1alpha1.ReasonNodeNotBack,
			},
		},
		"it refuses": {
			from: rebooting, with: []change{answered(v1alpha1.OrderFailed, "Inhibited.", nil)}, want: failed(v1alpha1.ReasonRebootFailed, "1/0"),
			says: []string{"Inhibited."},
		},
		"it refuses because of an inhibitor lock": {
			from: rebooting, with: []change{answered(v1alpha1.OrderFailed, "Inhibited.", nil), inhibited},
			want: outcome{Wait: v1alpha1.ReasonRebootInhibited, Changed: "+RebootBlockedTime -RebootOrderedTime", Wake: 18 * minute},
			says: []string{"backup (uid 0)", "12:18 +00:00"},
		},
		"it refuses because of an inhibitor lock, and a window closes": {
			from: rebooting, with: []change{answered(v1alpha1.OrderFailed, "Inhibited.", nil), inhibited, cron("0 11 * * *", 600)},
			want: outcome{
				Wait: v1alpha1.ReasonWindowClosed, Changed: "-RebootOrderedTime -Containers +RolledBackTime +InterruptedTime",
				Events: v1alpha1.ReasonWindowClosed,
				Result: v1alpha1.ReasonWindowClosed, Freed: true,
			},
		},
		"it refuses because of an inhibitor lock that has had its time": {
			from: rebooting,
			with: []change{answered(v1alpha1.OrderFailed, "Inhibited.", nil), inhibited, blockedSince(2 * minute), now(17 * minute)},
			want: outcome{
				Changed: "-RebootOrderedTime -Containers +RolledBackTime +InterruptedTime", Events: v1alpha1.ReasonRebootInhibited + "!",
				Result: v1alpha1.ReasonRebootInhibited, Freed: true, Failures: "1/0 RebootInhibited",
			},
		},
		"it refuses because of an inhibitor lock, and its policy is gone": {
			from: rebooting, with: []change{answered(v1alpha1.OrderFailed, "Inhibited.", nil), inhibited, noPolicy},
			want: failed(v1alpha1.ReasonRebootFailed, "1/0"),
		},
		"it accepted, and shows an inhibitor lock": {
			from: rebooting, with: []change{answered(v1alpha1.OrderDone, "", nil), inhibited},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute},
		},
		"nobody took the order": {
			from: rebooting, with: []change{unanswered, now(18 * minute)}, want: outcome{
				Changed: "-RebootOrderedTime -Containers +RolledBackTime +InterruptedTime", Events: v1alpha1.ReasonOrderExpired + "!",
				Result: v1alpha1.ReasonOrderExpired,
				Freed:  true, Failures: "1/0 OrderExpired",
			},
			says: []string{"12:18 +00:00"},
		},
		"nobody took the order yet": {
			from: rebooting, with: []change{unanswered, now(18*minute - time.Second)},
			want: outcome{Wait: v1alpha1.ReasonRebooting, Order: order, Wake: 18 * minute},
		},
		"nobody took the order before the window closed": {
			from: rebooting, with: []change{unanswered, cron("0 12 * * *", 1080), now(18 * minute)}, want: expired(v1alpha1.ReasonWindowClosed),
			says: []string{"window"},
		},
		"nobody took the order before a freeze": {
			from: rebooting, with: []change{unanswered, freeze, now(18 * minute)}, want: expired(v1alpha1.ReasonFreeze), says: []string{"freeze"},
		},
		"nobody took the order, and its pods are awaited": {
			from: rebooting, with: []change{unanswered, web(2, 3), now(18 * minute)}, want: outcome{
				Wait: v1alpha1.ReasonWorkloadsNotReady, Changed: "-RebootOrderedTime +RolledBackTime +InterruptedTime", Wake: 48 * minute,
				Events: v1alpha1.ReasonOrderExpired + "!", Result: v1alpha1.ReasonOrderExpired, Failures: "1/0 OrderExpired",
			},
		},
		"it runs another boot": {
			from: rebooting, with: []change{boots("boot-2"), notReady, now(5 * minute)},
			want: outcome{
				Wait: v1alpha1.ReasonNodeNotReady, Changed: "+BackTime", Wake: 35 * minute, NeedPods: true,
			},
		},
	})
}

func TestNoMoreVolumesAreRecordedThanTheAPITakes(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 11 {
		names = append(names, fmt.Sprintf("pv-%02d", i))
	}
	s := checked(t, in(drained, detach(60), volumes(names...), now(3*minute)), advance).Draft.Status
	if diff := diffOf(names[:10], s.Attempt.AttachedVolumes); diff != "" {
		t.Errorf("other volumes are recorded (-want +got):\n%s", diff)
	}
}

func TestTheOrderToRebootHasTheMethodAndTheBootThatHasToEnd(t *testing.T) {
	t.Parallel()
	w := in(drained, spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Method = v1alpha1.RebootLogind }))
	s := checked(t, w, advance).Draft.Status
	want := &v1alpha1.RebootOrder{
		Sequence: 2, Action: v1alpha1.ActionReboot, Protocol: 1, BootID: "boot-1",
		Method: v1alpha1.RebootLogind, Deadline: *at(17 * minute),
	}
	if diff := diffOf(want, s.Order); diff != "" || s.LastSequence != 2 {
		t.Errorf("the order is another one, of %d (-want +got):\n%s", s.LastSequence, diff)
	}
}

func TestTheOrderToRebootHasThePath(t *testing.T) {
	t.Parallel()
	for via, level := range map[v1alpha1.RebootVia]int32{"": 1, v1alpha1.RebootViaFirmware: 1, v1alpha1.RebootViaKexec: 2} {
		w := in(drained, spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Via = via }))
		if order := checked(t, w, advance).Draft.Status.Order; order.Via != via || order.Protocol != level {
			t.Errorf("with reboot.via %q the order says %q and takes protocol %d, want %d", via, order.Via, order.Protocol, level)
		}
	}
}

func TestHowTheHostRebootsIsRecorded(t *testing.T) {
	t.Parallel()
	installed := reports(func(r *v1alpha1.HelperReport) {
		r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootSignal}, {Name: v1alpha1.RebootLogind}}
	})
	tookKexec := reports(func(r *v1alpha1.HelperReport) { r.Via, r.Sequence = v1alpha1.RebootViaKexec, 2 })
	byMethod := func(method v1alpha1.RebootMethod) change {
		return spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.Method = method })
	}
	bySignal := attempts(func(a *v1alpha1.Attempt) { a.RebootMethod = v1alpha1.RebootSignal })
	boot := []change{boots("boot-2"), notReady}
	for name, test := range map[string]struct {
		from   stage
		with   []change
		method v1alpha1.RebootMethod
		via    v1alpha1.RebootVia
	}{
		"the method that was installed":   {from: drained, with: []change{installed}, method: v1alpha1.RebootSignal},
		"the method of the policy":        {from: drained, with: []change{installed, byMethod(v1alpha1.RebootLogind)}, method: v1alpha1.RebootLogind},
		"nobody knows what was installed": {from: drained},
		"the path of an earlier order": {from: drained, with: []change{reports(func(r *v1alpha1.HelperReport) {
			r.Via = v1alpha1.RebootViaKexec
		})}},
		"the path, when the host is back":      {from: rebooting, with: append(boot, tookKexec), via: v1alpha1.RebootViaKexec},
		"the path is not told":                 {from: rebooting, with: boot},
		"the path of a boot that no one asked": {from: draining, with: append(boot, tookKexec)},
		"the path of another order": {from: rebooting, with: append(boot, tookKexec, reports(func(r *v1alpha1.HelperReport) {
			r.Sequence = 1
		}))},
		"the method of an order that is withdrawn": {from: rebooting, with: []change{
			bySignal, answered(v1alpha1.OrderFailed, "Inhibited.", nil), inhibited,
		}},
		"the method of an order that nobody took": {from: rebooting, with: []change{
			bySignal, unanswered, now(18 * minute),
		}},
		"the path is known after the boot": {from: back, with: []change{tookKexec}, via: v1alpha1.RebootViaKexec},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := checked(t, in(test.from, test.with...), advance).Draft.Status.Attempt
			if a.RebootMethod != test.method || a.RebootVia != test.via {
				t.Errorf("recorded are method %q and path %q, want %q and %q", a.RebootMethod, a.RebootVia, test.method, test.via)
			}
		})
	}
}
