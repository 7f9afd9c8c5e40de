package why

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// pendingReboot of worker-7 under policy blue, with a reason and a message.
func pendingReboot(reason, message string) v1alpha1.NodeReboot {
	r := finished("", v1alpha1.PhasePending, reason)
	r.Status.CompletionTime, r.Status.Before, r.Status.After, r.Status.Message = nil, nil, nil, message
	return r
}

func conditionOf(kind, reason string, status metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "The condition " + kind + " is so"}
}

// said is what an answer has to say, and must not.
type said struct {
	reason, object string
	says, never    []string
	// types are the commands, if they matter.
	types []string
}

func requireSaid(t *testing.T, answer *Answer, want said) {
	t.Helper()
	if answer.Reason != want.reason || want.object != "" && answer.Object != want.object {
		t.Errorf("the reason is %q and the object %q, want %q and %q", answer.Reason, answer.Object, want.reason, want.object)
	}
	for _, words := range want.says {
		if !strings.Contains(answer.Explanation, words) {
			t.Errorf("it does not say %q: %s", words, answer.Explanation)
		}
	}
	for _, words := range want.never {
		if strings.Contains(answer.Explanation+strings.Join(answer.Type, "\n"), words) {
			t.Errorf("it says %q: %s %q", words, answer.Explanation, answer.Type)
		}
	}
	if want.types != nil && !slices.Equal(answer.Type, want.types) {
		t.Errorf("it has one type %q, want %q", answer.Type, want.types)
	}
}

func TestANodeRebootThatWaitsIsExplained(t *testing.T) {
	t.Parallel()
	const minInterval = "No action is needed. To reboot the node sooner, lower rollout.minIntervalSeconds of the policy."
	for name, test := range map[string]struct {
		reason, message string
		change          func(*v1alpha1.NodeReboot)
		want            said
	}{
		"a reason of a newer manager": {"FromTheFuture", "It waits.", nil, said{reason: "FromTheFuture",
			says: []string{"This plugin does not know the reason"}, types: []string{"kubectl reboots check"}}},
		"an end that the message does not name": {v1alpha1.ReasonMinInterval, "It waits.", func(r *v1alpha1.NodeReboot) {
			r.Status.UntilTime = &metav1.MicroTime{Time: now.Add(time.Hour)}
		}, said{reason: v1alpha1.ReasonMinInterval, says: []string{"It waits until 2026-03-02 14:00 CET (in 60m). " + minInterval}}},
		"an end that is over": {v1alpha1.ReasonMinInterval, "It waits.", func(r *v1alpha1.NodeReboot) {
			r.Status.UntilTime = &metav1.MicroTime{Time: now.Add(-time.Hour)}
		}, said{reason: v1alpha1.ReasonMinInterval, never: []string{"until"}}},
		"an end that is now": {v1alpha1.ReasonMinInterval, "It waits.", func(r *v1alpha1.NodeReboot) {
			r.Status.UntilTime = &metav1.MicroTime{Time: now}
		}, said{reason: v1alpha1.ReasonMinInterval, never: []string{"until"}}},
		"a drain that may last until then": {v1alpha1.ReasonDraining, "Pods are evicted", func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.UntilTime = v1alpha1.PhaseDraining, &metav1.MicroTime{Time: now.Add(time.Hour)}
		}, said{reason: v1alpha1.ReasonDraining, says: []string{"Pods are evicted. It has until 2026-03-02 14:00 CET"}}},
		"a phase of a newer manager": {v1alpha1.ReasonMinInterval, "It waits.", func(r *v1alpha1.NodeReboot) { r.Status.Phase = "Dreaming" },
			said{reason: v1alpha1.ReasonMinInterval, says: []string{"Node worker-7 is in phase Dreaming (MinInterval)."}}},
		"a policy that is not there": {v1alpha1.ReasonMinInterval, "It waits.", func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "gone" },
			said{reason: v1alpha1.ReasonMinInterval, never: []string{"edit rebootpolicy"}, types: nil}},
		"a phase without a reason": {"", "", nil, said{reason: ReasonNotLookedAt,
			types: []string{"kubectl -n reboot-operator-system logs -l app.kubernetes.io/component=manager --tail=50"}}},
		"a reason without a phase": {v1alpha1.ReasonMinInterval, "", func(r *v1alpha1.NodeReboot) { r.Status.Phase = "" },
			said{reason: ReasonNotLookedAt, says: []string{"The manager has not seen NodeReboot worker-7-3 of node worker-7 yet."}}},
		"a question": {v1alpha1.ReasonMinInterval, "Is it so?", nil, said{reason: v1alpha1.ReasonMinInterval, says: []string{"Is it so? No"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := pendingReboot(test.reason, test.message)
			if test.change != nil {
				test.change(&r)
			}
			f := world()
			f.Reboots = []v1alpha1.NodeReboot{r}
			answer := Explain(f, "worker-7")
			requireSaid(t, &answer, test.want)
		})
	}
}

func TestWhatIsInTheWayIsNamedWithACommandForEach(t *testing.T) {
	t.Parallel()
	pod := func(name string) string { return "kubectl -n apps describe pod " + name }
	for name, test := range map[string]struct {
		message, object string
		types           []string
	}{
		"a pod":            {"Pod apps/web-1 is in the way.", "Pod apps/web-1", []string{pod("web-1")}},
		"one of two twice": {"Pod apps/a, Pod apps/a, Pod apps/b and Pod apps/c run.", "Pod apps/a", []string{pod("a"), pod("b"), pod("c")}},
		"more than three": {"Pod apps/a, Pod apps/b, Pod apps/c, Pod apps/d run.", "Pod apps/a",
			[]string{pod("a"), pod("b"), pod("c")}},
		"a node": {"Node worker-8 is not back.", "Node worker-8", []string{"kubectl reboots why worker-8"}},
		"itself": {"NodeReboot worker-7-3 of Node worker-7 under RebootPolicy blue waits.", "", nil},
		"another NodeReboot": {"NodeReboot other goes first.", "NodeReboot other",
			[]string{"kubectl reboots why nodereboot/other"}},
		"another RebootPolicy": {"RebootPolicy green has it.", "RebootPolicy green",
			[]string{"kubectl reboots why rebootpolicy/green"}},
		"objects that are not there": {"Node worker-9, NodeReboot x and RebootPolicy y are gone.", "", nil},
		"nodes under way": {"It waits. Under way: worker-8, worker-7 of RebootPolicy blue.", "Node worker-8",
			[]string{"kubectl reboots why worker-8"}},
		"a budget of the pod after it": {"PodDisruptionBudget db refuses Pod apps/db-0.", "PodDisruptionBudget apps/db",
			[]string{"kubectl -n apps describe pdb db", pod("db-0")}},
		"a budget of a namespace": {"PodDisruptionBudget data/db refuses Pod apps/db-0.", "PodDisruptionBudget data/db",
			[]string{"kubectl -n data describe pdb db", pod("db-0")}},
		"a budget of no namespace": {"PodDisruptionBudget db refuses it.", "", nil},
		"a budget that is named twice": {"PodDisruptionBudget apps/a and PodDisruptionBudget a refuse Pod apps/b and Pod apps/c.",
			"PodDisruptionBudget apps/a", []string{"kubectl -n apps describe pdb a", pod("b"), pod("c")}},
		"a kind that has no name after it": {"Deployment is not there.", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := world()
			f.Nodes = append(f.Nodes, node("worker-8", nil))
			f.Policies = append(f.Policies, policy("green", nil))
			other := pendingReboot(v1alpha1.ReasonMinInterval, "It waits.")
			other.Name, other.Spec.NodeName = "other", "worker-8"
			f.Reboots = []v1alpha1.NodeReboot{pendingReboot(v1alpha1.ReasonBlockedByPod, test.message), other}
			answer := Explain(f, "worker-7")
			requireSaid(t, &answer, said{reason: v1alpha1.ReasonBlockedByPod, object: test.object})
			if answer.Object != test.object || !slices.Equal(answer.Type, test.types) {
				t.Errorf("%q is in the way, want %q; it has one type %q, want %q", answer.Object, test.object, answer.Type, test.types)
			}
		})
	}
}

func TestWhatIsSpecialAboutANodeRebootIsSaidToo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Facts, *v1alpha1.NodeReboot)
		says   string
		never  string
	}{
		"a condition": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf("Clock", v1alpha1.ReasonClockOff, metav1.ConditionTrue)}
		}, "The condition Clock is so. Fix the time synchronization of the host.", "No action is needed"},
		"a condition that does not hold": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf("Clock", v1alpha1.ReasonClockOff, metav1.ConditionFalse)}
		}, "", "Clock"},
		"a condition of another program": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf("example.com/clock", v1alpha1.ReasonClockOff, metav1.ConditionTrue)}
		}, "", "clock"},
		"a drain that was skipped": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionDrained, v1alpha1.ReasonDrainSkipped, metav1.ConditionFalse)}
		}, "The condition Drained is so. No action is needed. To drain nodes of the policy", ""},
		"a drain that was forced": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionDrained, v1alpha1.ReasonDrainForced, metav1.ConditionFalse)}
		}, "write drain.onTimeout: Abort", ""},
		"a drain that goes on": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionDrained, v1alpha1.ReasonDraining, metav1.ConditionFalse)}
		}, "", "Drained"},
		"a drain that was done": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionDrained, v1alpha1.ReasonDrainSkipped, metav1.ConditionTrue)}
		}, "", "Drained"},
		"a condition with the reason of a drain": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{conditionOf("Recovered", v1alpha1.ReasonDrainSkipped, metav1.ConditionFalse)}
		}, "", "Recovered"},
		"an attempt that failed": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Attempt = &v1alpha1.Attempt{Number: 2, Result: v1alpha1.ReasonDrainTimedOut, Message: "Pod apps/db-0 stayed"}
		}, "Attempt 2 ended (DrainTimedOut). Pod apps/db-0 stayed. Fix what the message names", "No action is needed"},
		"an attempt that was proved": {func(_ *Facts, r *v1alpha1.NodeReboot) {
			r.Status.Attempt = &v1alpha1.Attempt{Number: 2, Result: v1alpha1.ReasonProved}
		}, "", "Attempt 2"},
		"writes that are refused": {func(f *Facts, _ *v1alpha1.NodeReboot) {
			f.Policies[0].Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionWritesRefused, v1alpha1.ReasonWriteRefused,
				metav1.ConditionTrue)}
		}, "The API server refuses writes of the manager, so this information may be old: The condition WritesRefused is so.", ""},
		"writes that are not refused": {func(f *Facts, _ *v1alpha1.NodeReboot) {
			f.Policies[0].Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionWritesRefused, v1alpha1.ReasonWriteRefused,
				metav1.ConditionFalse)}
		}, "", "refuses"},
		"writes that are refused after its end": {func(f *Facts, r *v1alpha1.NodeReboot) {
			f.Policies[0].Status.Conditions = []metav1.Condition{conditionOf(v1alpha1.ConditionWritesRefused, v1alpha1.ReasonWriteRefused,
				metav1.ConditionTrue)}
			*r = finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)
		}, "Boot boot-2 replaced boot boot-1", "refuses"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r := world(), pendingReboot(v1alpha1.ReasonMinInterval, "It waits.")
			test.change(f, &r)
			f.Reboots = []v1alpha1.NodeReboot{r}
			answer := Explain(f, "nodereboot/worker-7-3")
			want := said{reason: r.Status.Reason, says: []string{test.says}}
			if test.never != "" {
				want.never = []string{test.never}
			}
			requireSaid(t, &answer, want)
		})
	}
}

func TestTheObjectInTheWayIsThatOfTheReasonAndNotOfAnEarlierAttempt(t *testing.T) {
	t.Parallel()
	f, r := world(), pendingReboot(v1alpha1.ReasonBlockedByPod, "Pod apps/web-1 is in the way.")
	r.Status.Attempt = &v1alpha1.Attempt{Number: 1, Result: v1alpha1.ReasonRecoveryTimedOut, Message: "Pod apps/db-0 is not Ready."}
	f.Reboots = []v1alpha1.NodeReboot{r}
	if got := Explain(f, "worker-7").Object; got != "Pod apps/web-1" {
		t.Errorf("%s is in the way", got)
	}
}

func TestAnEndThatIsOverHasNoTimeUntilWhich(t *testing.T) {
	t.Parallel()
	f, r := world(), finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)
	r.Status.UntilTime = &metav1.MicroTime{Time: now.Add(time.Hour)}
	f.Reboots = []v1alpha1.NodeReboot{r}
	if got := Explain(f, "worker-7").Until; got != nil {
		t.Errorf("it is until %s", got)
	}
}

func TestAProofWithoutBootsIsSaidWithoutThem(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*v1alpha1.NodeRebootStatus){
		"no boot before": func(s *v1alpha1.NodeRebootStatus) { s.Before = nil },
		"no boot after":  func(s *v1alpha1.NodeRebootStatus) { s.After = nil },
	} {
		f, r := world(), finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)
		change(&r.Status)
		f.Reboots = []v1alpha1.NodeReboot{r}
		if got := Explain(f, "worker-7").Explanation; !strings.Contains(got, "was rebooted") || strings.Contains(got, "replaced") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// unreadableReboot is one with a field that this plugin does not understand.
func unreadableReboot(t *testing.T) v1alpha1.NodeReboot {
	t.Helper()
	var r v1alpha1.NodeReboot
	if err := json.Unmarshal([]byte(`{"spec":{"nodeName":"worker-7","trigger":7},"status":{"phase":"Pending","reason":"SameNode"}}`),
		&r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOfNodeRebootsOfOneNodeTheMostRelevantIsExplained(t *testing.T) {
	t.Parallel()
	made := func(change func(*v1alpha1.NodeReboot)) v1alpha1.NodeReboot {
		r := pendingReboot(v1alpha1.ReasonMinInterval, "It waits.")
		change(&r)
		return r
	}
	waits := made(func(*v1alpha1.NodeReboot) {})
	unseen := made(func(r *v1alpha1.NodeReboot) { r.Status = v1alpha1.NodeRebootStatus{} })
	second := made(func(r *v1alpha1.NodeReboot) { r.Status.Reason = v1alpha1.ReasonSameNode })
	drains := made(func(r *v1alpha1.NodeReboot) { r.Status.Phase = v1alpha1.PhaseDraining })
	newer := made(func(r *v1alpha1.NodeReboot) { r.CreationTimestamp = metav1.NewTime(now) })
	older := made(func(r *v1alpha1.NodeReboot) { r.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour)) })
	ended := finished(v1alpha1.OutcomeFailed, v1alpha1.PhaseFailed, v1alpha1.ReasonDrainFailed)
	before := ended
	before.Status.CompletionTime = &metav1.MicroTime{Time: now.Add(-2 * time.Hour)}
	before.CreationTimestamp = metav1.NewTime(now)
	for name, test := range map[string]struct{ first, then v1alpha1.NodeReboot }{
		"one under way before one that waits":               {drains, waits},
		"one under way before one that nobody has seen":     {drains, unseen},
		"one that cannot be read before one that waits":     {unreadableReboot(t), waits},
		"one that waits before one that is for the same":    {waits, second},
		"one that nobody has seen before that for the same": {unseen, second},
		"one that is for the same before one that ended":    {second, ended},
		"the one that ended last":                           {ended, before},
		"the newer of those that wait":                      {newer, older},
	} {
		test.first.Name, test.then.Name = "worker-7-b", "worker-7-a"
		f := world()
		for _, f.Reboots = range [][]v1alpha1.NodeReboot{{test.first, test.then}, {test.then, test.first}} {
			if got := f.latest("worker-7").Name; got != "worker-7-b" {
				t.Errorf("%s: the other one is explained", name)
			}
		}
	}
}

func TestOfNodeRebootsThatAreAlikeTheFirstByNameIsExplained(t *testing.T) {
	t.Parallel()
	f, a := world(), pendingReboot(v1alpha1.ReasonMinInterval, "It waits.")
	b := a
	a.Name, b.Name = "a", "b"
	f.Reboots = []v1alpha1.NodeReboot{b, a}
	if got := f.latest("worker-7").Name; got != "a" {
		t.Errorf("NodeReboot %s is explained", got)
	}
}

func TestWordsAreWrappedAndALongOneIsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 20)
	answer := &Answer{Explanation: long + " a b c d e f g h " + long}
	got := Text(answer, 9, func(_ app.Color, text string) string { return text })
	if want := long + "\na b c d e\nf g h\n" + long + "\n"; got != want {
		t.Errorf("it is written as %q, want %q", got, want)
	}
}
