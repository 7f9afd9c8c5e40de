package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// storyOf a NodeReboot: "10 Attempt 1 began." with an exclamation mark in front of what is a warning.
func storyOf(t *testing.T, r *v1alpha1.NodeReboot) []string {
	t.Helper()
	chart := build(func(in *history.Input) { in.Stories = true }, *r)
	var told []string
	for _, e := range chart.Lanes[0].Rows[0].Story {
		mark := ""
		if e.Warning {
			mark = "!"
		}
		if e.Reboot != r.Name || e.Event {
			t.Errorf("an entry is %+v", e)
		}
		told = append(told, fmt.Sprintf("%s%d %s", mark, int(e.Time.Sub(start)/time.Minute), e.Text))
	}
	return told
}

func TestTheNeedIsTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*v1alpha1.NodeReboot)
		want   []string
	}{
		"of the host": {func(*v1alpha1.NodeReboot) {}, []string{"0 The host asked for a reboot."}},
		"of a condition": {func(r *v1alpha1.NodeReboot) {
			r.Spec.Trigger, r.Spec.ConditionType = v1alpha1.TriggerNodeCondition, "Old"
		},
			[]string{"0 The condition Old of the Node asked for a reboot."}},
		"of someone who is not known": {func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = "" }, []string{"0 Someone asked for a reboot."}},
		"of a person": {func(r *v1alpha1.NodeReboot) {
			r.Spec.Trigger, r.Spec.RequestedBy, r.Spec.Reason = "", "alice", "new kernel!"
		},
			[]string{"0 alice asked for a reboot: new kernel!"}},
		"with a taint": {func(r *v1alpha1.NodeReboot) { r.Status.TaintedTime = micro(1) },
			[]string{"0 The host asked for a reboot.", "1 The node was tainted."}},
		"with a taint before its drain": {func(r *v1alpha1.NodeReboot) {
			r.Status.TaintedTime, r.Status.TaintLeadSeconds = micro(1), ptr.To(int64(90))
		},
			[]string{"0 The host asked for a reboot.", "1 The node was tainted, 1m30s before its drain."}},
		"with an approval": {func(r *v1alpha1.NodeReboot) { r.Status.ApprovedTime, r.Status.ApprovedBy = micro(2), "bob" },
			[]string{"0 The host asked for a reboot.", "2 bob approved the reboot."}},
		"with an approval of someone": {func(r *v1alpha1.NodeReboot) { r.Status.ApprovedTime = micro(2) },
			[]string{"0 The host asked for a reboot.", "2 Someone approved the reboot."}},
		"with an attempt that failed": {func(r *v1alpha1.NodeReboot) {
			r.Status.Failures = &v1alpha1.Failures{LastTime: *micro(3), LastReason: "DrainTimedOut", LastMessage: "What now?"}
		}, []string{"0 The host asked for a reboot.", "!3 An attempt failed (DrainTimedOut): What now?"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := need(nil)
			test.change(&r)
			if diff := cmp.Diff(append(test.want, "100 Now it is there (Why): Because."), storyOf(t, &r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAttemptIsTold(t *testing.T) {
	t.Parallel()
	type change = func(*v1alpha1.NodeRebootStatus, *v1alpha1.Attempt)
	for name, test := range map[string]struct {
		change change
		want   []string
	}{
		"its place": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Zone, a.Role, a.PolicyName = "z", v1alpha1.RoleCanary, "q"
		},
			[]string{"10 Attempt 1 began as canary in zone z under policy q."}},
		"without a policy": {func(s *v1alpha1.NodeRebootStatus, _ *v1alpha1.Attempt) { s.PolicyName = "" }, []string{"10 Attempt 1 began."}},
		"its cordon": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.CordonedTime, a.ExcludedTime = micro(11), micro(12)
		},
			[]string{"10 Attempt 1 began under policy p.", "11 The node was cordoned.", "12 The node was taken out of external load balancers."}},
		"another's cordon": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Cordon, a.CordonedTime = v1alpha1.CordonForeign, micro(11)
		},
			[]string{"10 Attempt 1 began under policy p.", "10 The node was already cordoned by someone else, and stays cordoned."}},
		"its drain": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.DrainOrderedTime, a.StuckTime, a.DrainedTime = micro(11), micro(12), micro(13)
			a.DetachedTime, a.RebootBlockedTime = micro(14), micro(15)
		}, []string{"10 Attempt 1 began under policy p.", "11 The drain began.", "!12 The drain is stuck: no pod leaves the node.",
			"13 The node was drained after 2m00s.", "14 No volume is attached anymore.",
			"!15 Something on the host prevented the order to reboot."}},
		"a drain without a beginning": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.DrainedTime, a.DetachedTime = micro(13), micro(13)
		},
			[]string{"10 Attempt 1 began under policy p.", "13 The node was drained."}},
		"a drain whose clock was set back": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.DrainOrderedTime, a.DrainedTime = micro(13), micro(12)
		},
			[]string{"10 Attempt 1 began under policy p.", "12 The node was drained.", "13 The drain began."}},
		"a drain that took no time": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.DrainOrderedTime, a.DrainedTime = micro(13), micro(13)
		},
			[]string{"10 Attempt 1 began under policy p.", "13 The drain began.", "13 The node was drained after 0.0s."}},
		"a drain that was skipped": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Drain, a.DrainedTime = v1alpha1.DrainSkipped, micro(13)
		},
			[]string{"10 Attempt 1 began under policy p.", "13 The drain was skipped, as the policy says."}},
		"a drain that was forced": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Drain, a.DrainedTime = v1alpha1.DrainForced, micro(13)
		},
			[]string{"10 Attempt 1 began under policy p.", "!13 The drain ran out of time, and the node reboots with the pods that are left."}},
		"volumes that stay": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.DetachedTime, a.AttachedVolumes = micro(14), []string{"v", "w"}
		}, []string{"10 Attempt 1 began under policy p.", "!14 Volumes are still attached: v, w."}},
		"its reboot": {func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.RebootMethod, a.NodeGoneTime, a.BackTime = micro(15), v1alpha1.RebootLogind, micro(16), micro(17)
			s.Before, s.After = &v1alpha1.BootInfo{KernelVersion: "6.1"}, &v1alpha1.BootInfo{KernelVersion: "6.2"}
		}, []string{"10 Attempt 1 began under policy p.", "15 The host was ordered to reboot by the method Logind.",
			"!16 The Node object was gone.",
			"17 The node came back with another boot after 2m00s, with kernel 6.2 in place of 6.1."}},
		"its recovery": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.UncordonedTime, a.RecoveredTime, a.Cordon = micro(18), micro(19), v1alpha1.CordonOperator
		}, []string{"10 Attempt 1 began under policy p.", "18 The node was proved to be rebooted and healthy, and uncordoned.",
			"19 Its workloads were as ready as before."}},
		"a recovery that left the cordon": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.UncordonedTime = micro(18) },
			[]string{"10 Attempt 1 began under policy p.", "18 The node was proved to be rebooted and healthy."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := attempt(test.change)
			want := append(append([]string{"0 The host asked for a reboot."}, test.want...), "100 Now it is there (Why): Because.")
			if diff := cmp.Diff(want, storyOf(t, &r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatDidNotGoWellIsTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*v1alpha1.NodeRebootStatus, *v1alpha1.Attempt)
		want   []string
	}{
		"a node is not back": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.StalledTime, a.InterruptedTime = micro(20), micro(19)
		},
			[]string{"!20 The attempt ran out of time (Odd): It was odd."}},
		"a node was late": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.InterruptedTime, a.BackTime = micro(20), micro(21)
		},
			[]string{"!20 The node did not come back in time, and was still watched.", "21 The node came back with another boot."}},
		"a node is late": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.InterruptedTime = micro(20) },
			[]string{"!20 The node did not come back in time, and was still watched."}},
		"workloads were late": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.InterruptedTime, a.BackTime = micro(20), micro(20)
		},
			[]string{"!20 The attempt ran out of time, and the node was still watched.", "20 The node came back with another boot."}},
		"an attempt is rolled back": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.InterruptedTime, a.RolledBackTime = micro(20), micro(20)
		},
			[]string{"20 Attempt 1 was rolled back (Odd): It was odd."}},
		"a node was late, and is rolled back": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.InterruptedTime, a.RolledBackTime = micro(20), micro(21)
		},
			[]string{"!20 The node did not come back in time, and was still watched.", "21 Attempt 1 was rolled back (Odd): It was odd."}},
		"evicted pods do not come back": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RolledBackTime, a.StalledTime = micro(20), micro(21)
		},
			[]string{"20 Attempt 1 was rolled back (Odd): It was odd.", "!21 The evicted pods did not come back in time; they are still watched."}},
		"evicted pods are back": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RolledBackTime, a.EndedTime = micro(20), micro(21)
		},
			[]string{"20 Attempt 1 was rolled back (Odd): It was odd.",
				"21 The evicted pods are ready again, or no longer waited for, and the slot is free."}},
		"a failed attempt is rolled back": {func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RolledBackTime, s.Failures = micro(20), &v1alpha1.Failures{LastTime: *micro(20)}
		}, []string{"!20 Attempt 1 failed (Odd), and was rolled back: It was odd."}},
		"an attempt failed": {func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.EndedTime, s.Failures = micro(20), &v1alpha1.Failures{LastTime: *micro(20)}
		}, []string{"!20 Attempt 1 failed (Odd): It was odd."}},
		"an attempt ended": {func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.EndedTime = micro(20) },
			[]string{"20 Attempt 1 ended (Odd): It was odd."}},
		"an earlier attempt failed": {func(s *v1alpha1.NodeRebootStatus, _ *v1alpha1.Attempt) {
			s.Failures = &v1alpha1.Failures{LastTime: *micro(20), LastReason: "Late", LastMessage: "It was late."}
		}, []string{"!20 An attempt failed (Late): It was late."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
				a.Result, a.Message, s.Phase = "Odd", "It was odd.", v1alpha1.PhasePending
				test.change(s, a)
			})
			want := append([]string{"0 The host asked for a reboot.", "10 Attempt 1 began under policy p."}, test.want...)
			if diff := cmp.Diff(append(want, "100 Now it is pending (Why): Because."), storyOf(t, &r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheOutcomeIsTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outcome v1alpha1.Outcome
		want    string
	}{
		"success": {v1alpha1.OutcomeSucceeded, "30 It succeeded (Done): It is over."}, "failure": {v1alpha1.OutcomeFailed, "!30 It failed (Done): It is over."},
		"cancellation": {v1alpha1.OutcomeCancelled, "30 It was cancelled (Done): It is over."}, "none": {"", "30 It ended (Done): It is over."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
				a.EndedTime, s.CompletionTime, s.Outcome, s.OutcomeReason, s.OutcomeMessage = micro(30), micro(30), test.outcome, "Done", "It is over"
			})
			want := []string{"0 The host asked for a reboot.", "10 Attempt 1 began under policy p.", test.want}
			if diff := cmp.Diff(want, storyOf(t, &r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANodeRebootThatNobodyLookedAtIsTold(t *testing.T) {
	t.Parallel()
	r := need(func(s *v1alpha1.NodeRebootStatus) { s.Reason = "" })
	if diff := cmp.Diff([]string{"0 The host asked for a reboot.", "100 The operator has not seen it yet."}, storyOf(t, &r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	without := attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
		a.GrantedTime, a.DrainOrderedTime = metav1.MicroTime{}, micro(11)
	})
	if diff := cmp.Diff([]string{"0 The host asked for a reboot.", "100 Now it is there (Why): Because."}, storyOf(t, &without)); diff != "" {
		t.Errorf("an attempt without its beginning (-want +got):\n%s", diff)
	}
}

func TestKernelsAreToldIfTheyDiffer(t *testing.T) {
	t.Parallel()
	facts := func(kernel string) *v1alpha1.BootInfo { return &v1alpha1.BootInfo{KernelVersion: kernel} }
	for name, test := range map[string]struct {
		before, after *v1alpha1.BootInfo
		want          string
	}{
		"neither":         {nil, nil, ""},
		"before":          {facts("6.1"), nil, ""},
		"after":           {nil, facts("6.1"), ""},
		"the same":        {facts("6.1"), facts("6.1"), ""},
		"unknown after":   {facts("6.1"), facts(""), ""},
		"unknown before":  {facts(""), facts("6.1"), ", with kernel 6.1 in place of an unknown one"},
		"another, before": {facts("6.1"), facts("6.0"), ", with kernel 6.0 in place of 6.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
				a.BackTime, s.Before, s.After = micro(20), test.before, test.after
			})
			if got, want := storyOf(t, &r)[2], "20 The node came back with another boot"+test.want+"."; got != want {
				t.Errorf("it is %q, not %q", got, want)
			}
		})
	}
}

func TestAPolicyIsSummedUp(t *testing.T) {
	t.Parallel()
	var all []v1alpha1.NodeReboot
	add := func(r v1alpha1.NodeReboot) {
		r.Name, r.Spec.NodeName = fmt.Sprint("r-", len(all)), fmt.Sprint("n-", len(all))
		all = append(all, r)
	}
	for _, took := range []int{5, 9, 7, 9, -1} {
		add(attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			s.Outcome, s.OutcomeReason, s.CompletionTime, a.EndedTime = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, micro(30), micro(10+took)
		}))
	}
	add(attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
		s.Outcome, s.CompletionTime, a.GrantedTime, a.EndedTime = v1alpha1.OutcomeSucceeded, micro(60), *micro(20), micro(60)
		s.TaintLeadSeconds = ptr.To(int64(30))
	}))
	add(attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
		s.Outcome, s.CompletionTime, a.EndedTime, s.TaintLeadSeconds = v1alpha1.OutcomeFailed, micro(30), micro(30), ptr.To(int64(-5))
	}))
	add(need(func(s *v1alpha1.NodeRebootStatus) { s.Phase = v1alpha1.PhaseFailed }))
	add(need(func(s *v1alpha1.NodeRebootStatus) { s.Outcome, s.CompletionTime = v1alpha1.OutcomeCancelled, micro(5) }))
	add(attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.GrantedTime = *micro(8) }))
	add(attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.GrantedTime = metav1.MicroTime{} }))
	add(attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.EndedTime = micro(12) }))
	add(need(nil))
	add(need(func(s *v1alpha1.NodeRebootStatus) { s.PolicyName = "p-10" }))
	add(need(func(s *v1alpha1.NodeRebootStatus) { s.PolicyName = "p-2" }))
	want := []history.Summary{
		{
			Policy: "p", Reboots: 13, Proved: 6, Failed: 2, Cancelled: 1, UnderWay: 1, Waiting: 3, Longest: "n-1", LongestSeconds: 540,
			MedianSeconds: 480, Tainted: 2, TaintLeadSeconds: 30, FirstStart: ptr.To(at(8)), LastEnd: ptr.To(at(60)),
		},
		{Policy: "p-2", Reboots: 1, Waiting: 1}, {Policy: "p-10", Reboots: 1, Waiting: 1},
	}
	if diff := cmp.Diff(want, build(nil, all...).Policies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := build(nil, all[0], all[1], all[2]).Policies[0].MedianSeconds; got != 420 {
		t.Errorf("the median of three is %g", got)
	}
	all[0].Status.Attempt.EndedTime = micro(10)
	if got := build(nil, all[0]).Policies[0]; got.Longest != "n-0" || got.LongestSeconds != 0 {
		t.Errorf("with an attempt that took no time, it is %+v", got)
	}
	if got := build(nil, all[5]).Policies[0]; got.Longest != "" || got.MedianSeconds != 0 {
		t.Errorf("without a reboot that was proved by its attempt, it is %+v", got)
	}
}

func TestOnlyPoliciesOfTheChartAreShadedInTheirOrder(t *testing.T) {
	t.Parallel()
	frozen := func(name string, freezes ...v1alpha1.Freeze) v1alpha1.RebootPolicy {
		p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
		p.Spec.Schedule.Freezes = freezes
		return p
	}
	freeze := func(name string, from, to int) v1alpha1.Freeze {
		return v1alpha1.Freeze{Name: name, From: metav1.NewTime(at(from)), To: metav1.NewTime(at(to))}
	}
	chart := build(func(in *history.Input) {
		in.OnlyPolicies = []string{"p-10", "p"}
		in.Policies = []v1alpha1.RebootPolicy{
			frozen("other", freeze("other", 0, 1)),
			frozen("p-10", freeze("c", 0, 5), freeze("b", 0, 9), freeze("a", 0, 5), freeze("before", -200, -100), freeze("until now", -200, -60),
				freeze("d", -200, 200), freeze("after", 100, 200)),
			frozen("p", freeze("e", 3, 4)),
		}
	}, need(nil))
	var got []string
	for _, s := range chart.Shades {
		got = append(got, fmt.Sprintf("%s %s %d-%d", s.Policy, s.Name, int(s.From.Sub(start)/time.Minute), int(s.To.Sub(start)/time.Minute)))
	}
	want := []string{"p e 3-4", "p-10 d -60-100", "p-10 a 0-5", "p-10 c 0-5", "p-10 b 0-9"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAWindowThatNeverClosesIsShadedToTheEnd(t *testing.T) {
	t.Parallel()
	p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	p.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "* * * * *", DurationSeconds: 3600}}
	chart := build(func(in *history.Input) { in.Policies = []v1alpha1.RebootPolicy{p} }, need(nil))
	want := []history.Shade{{Policy: "p", Kind: history.Window, From: at(-60), To: at(100)}}
	if diff := cmp.Diff(want, chart.Shades); diff != "" || chart.Notes != nil {
		t.Errorf("with the notes %q (-want +got):\n%s", chart.Notes, diff)
	}
}

func TestNotesAreInOrder(t *testing.T) {
	t.Parallel()
	chart := build(func(in *history.Input) {
		for i := range 20 {
			p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p-%02d", i)}}
			p.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "whenever", DurationSeconds: 60}}
			in.Policies, in.OnlyPolicies = append(in.Policies, p), append(in.OnlyPolicies, p.Name)
		}
	})
	if len(chart.Notes) != 20 {
		t.Fatalf("the notes are %q", chart.Notes)
	}
	for i := range 19 {
		if chart.Notes[i] > chart.Notes[i+1] {
			t.Errorf("%q is before %q", chart.Notes[i], chart.Notes[i+1])
		}
	}
}
