package attempt_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// happenings are what may be different in any stage.
var happenings = map[string]change{
	"nothing":          func(*world) {},
	"later":            func(w *world) { w.now += 10 * minute },
	"much later":       func(w *world) { w.now += 2 * time.Hour },
	"no node":          noNode,
	"registered again": func(w *world) { onNode(w, func(n *model.Node) { n.UID = "uid-a-2" }) },
	"another boot": func(w *world) {
		if w.node != nil {
			boots("boot-9")(w)
		}
	},
	"not ready":  func(w *world) { onNode(w, func(n *model.Node) { n.Ready = false }) },
	"uncordoned": func(w *world) { onNode(w, func(n *model.Node) { n.Unschedulable = false }) },
	"marked":     func(w *world) { onNode(w, func(n *model.Node) { n.Deleting = true }) },
	"skipped": func(w *world) {
		onNode(w, func(n *model.Node) { n.Labels = map[string]string{v1alpha1.SkipLabel: ""} })
	},
	"no helper": func(w *world) { onNode(w, func(n *model.Node) { n.HelperReady = false }) },
	"volumes": func(w *world) {
		onNode(w, func(n *model.Node) { n.Volumes = []string{"pv-2", "pv-1"} })
		onPolicy(w, func(s *v1alpha1.RebootPolicySpec) { detach(60)(w); s.Drain.Mode = v1alpha1.DrainModeDrain })
	},
	"condition": func(w *world) {
		onNode(w, func(*model.Node) { condition("Ready", corev1.ConditionTrue, 3*minute)(w) })
	},
	"deleted":    deleted,
	"no policy":  noPolicy,
	"unselected": func(w *world) { w.unselected = true },
	"halted":     func(w *world) { w.halt = model.Blocked(v1alpha1.ReasonHalted, "Halted.") },
	"no quorum":  quorumLost,
	"paused":     func(w *world) { onPolicy(w, func(s *v1alpha1.RebootPolicySpec) { s.Mode = v1alpha1.ModePaused }) },
	"closed":     func(w *world) { onPolicy(w, func(*v1alpha1.RebootPolicySpec) { closedWindow(w) }) },
	"force":      func(w *world) { onPolicy(w, force) },
	"skip":       func(w *world) { onPolicy(w, skipDrain) },
	"settle": func(w *world) {
		onPolicy(w, func(s *v1alpha1.RebootPolicySpec) { s.Recovery.SettleSeconds = new(int32(90)) })
	},
	"gate":      func(w *world) { onPolicy(w, func(*v1alpha1.RebootPolicySpec) { recoveryGates("", nil, "gate")(w) }) },
	"hooks":     func(w *world) { onPolicy(w, allHooks(v1alpha1.TimeoutAbort)) },
	"lax hooks": func(w *world) { onPolicy(w, allHooks(v1alpha1.TimeoutContinue)) },
	"pod wait": func(w *world) {
		onPolicy(w, func(*v1alpha1.RebootPolicySpec) { podWait(60, v1alpha1.TimeoutAbort)(w) })
	},
	"lead":         func(w *world) { onPolicy(w, func(*v1alpha1.RebootPolicySpec) { lead(60)(w) }) },
	"pods unknown": podsUnknown,
	"pods away":    web(0, 3),
	"no report":    func(w *world) { w.reboot.Status.Report = nil },
	"no order":     noOrder,
	"unanswered": func(w *world) {
		if w.reboot.Status.Report != nil {
			unanswered(w)
		}
	},
	"timed out": onReport(v1alpha1.OrderTimedOut, progress(v1alpha1.DrainStuck)),
	"stuck":     onReport(v1alpha1.OrderStarted, progress(v1alpha1.DrainStuck)),
	"failed":    onReport(v1alpha1.OrderFailed, nil),
	"stalled": attempts(func(a *v1alpha1.Attempt) {
		if a.RebootOrderedTime != nil || a.RolledBackTime != nil {
			a.StalledTime, a.Result = at(0), v1alpha1.ReasonNodeNotBack
		}
	}),
	"sentinel": func(w *world) {
		if w.reboot.Status.Report != nil {
			w.reboot.Status.Report.Sentinel = v1alpha1.SentinelRequired
		}
	},
}

func onNode(w *world, edit func(*model.Node)) {
	if w.node != nil {
		edit(w.node)
	}
}

func onPolicy(w *world, edit func(*v1alpha1.RebootPolicySpec)) {
	if w.policy != nil {
		edit(&w.policy.Spec)
	}
}

func onReport(state v1alpha1.OrderState, p *v1alpha1.DrainProgress) change {
	return func(w *world) {
		if w.reboot.Status.Report != nil {
			answered(state, "It says so.", p)(w)
		}
	}
}

func allHooks(onTimeout v1alpha1.TimeoutAction) func(*v1alpha1.RebootPolicySpec) {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Hooks = &v1alpha1.HooksSpec{
			BeforeDrain:  []v1alpha1.Hook{hook("example.com/a", 30, onTimeout)},
			BeforeReboot: []v1alpha1.Hook{hook("example.com/b", 30, onTimeout)},
			AfterReboot:  []v1alpha1.Hook{hook("example.com/c", 30, onTimeout)},
		}
	}
}

// TestOneStepIsAsFarAsAnAttemptGets: see checked for what holds of each.
func TestOneStepIsAsFarAsAnAttemptGets(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(happenings))
	for from, s := range stages {
		for i, first := range names {
			for _, second := range names[i:] {
				checkCase(t, fmt.Sprintf("%s, %s, %s", from, first, second), in(s, happenings[first], happenings[second]))
			}
		}
	}
}

func checkCase(t *testing.T, name string, w *world) {
	t.Helper()
	failed := t.Failed()
	result := checked(t, w, advance)
	s := result.Draft.Status
	switch {
	case result.Freed() && s.Order != nil:
		t.Error("a free slot has an order")
	case result.Freed() && s.Attempt.Containers != nil:
		t.Error("a free slot has containers")
	case result.Freed() && s.Attempt.Result == "":
		t.Error("nothing says why the slot is free")
	case !result.Freed() && result.Verdict.OK():
		t.Error("nothing says what is waited for")
	case !result.Freed() && s.CompletionTime != nil:
		t.Error("a NodeReboot that ended holds a slot")
	case s.Attempt.RolledBackTime != nil && s.Order != nil:
		t.Error("an attempt that was rolled back has an order")
	}
	if t.Failed() && !failed {
		t.Fatalf("it was: %s", name)
	}
}

// TestAStatusOfAnOlderVersionIsUnderstood leaves out each field that may be missing, and all that did not exist from the beginning.
func TestAStatusOfAnOlderVersionIsUnderstood(t *testing.T) {
	t.Parallel()
	newer := []string{
		"NodeRole", "StuckTime", "Containers", "MarkedForDeletionTime", "NodeGoneTime", "SettlingSince", "ReadyTransitionTime", "RolledBackTime",
		"StaleConditions", "DetachedTime",
	}
	without := func(fields ...string) change {
		return attempts(func(a *v1alpha1.Attempt) {
			for _, name := range fields {
				reflect.ValueOf(a).Elem().FieldByName(name).SetZero()
			}
		})
	}
	bare := status(func(s *v1alpha1.NodeRebootStatus) {
		s.PolicyName, s.Zone, s.Workloads, s.Failures = "", "", nil, nil
		if s.After != nil {
			s.After.SeenTime = nil
		}
	})
	for from, s := range stages {
		for happens, change := range happenings {
			name := from + ", " + happens
			checkCase(t, name, in(s, without(newer...), bare, change))
			for _, field := range newer {
				checkCase(t, name+" without "+field, in(s, without(field), change))
			}
		}
	}
}

func TestAnAttemptThatHasJustBegunIsAsFarAsItGets(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(happenings))
	for i, first := range names {
		for _, second := range names[i:] {
			w := in(none, func(w *world) { w.reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, EndedTime: at(0)} }, happenings[first],
				happenings[second])
			if w.node == nil || w.policy == nil {
				continue // nothing begins then
			}
			failed := t.Failed()
			checked(t, w, begin)
			if t.Failed() && !failed {
				t.Fatalf("it was: %s, %s", first, second)
			}
		}
	}
}
