package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

func drain(change func(*v1alpha1.DrainSpec)) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { change(&s.Drain) })
}

func skipDrain(d *v1alpha1.DrainSpec) { d.Mode = v1alpha1.DrainModeSkip }

func forced(d *v1alpha1.DrainSpec) { d.OnTimeout = v1alpha1.DrainTimeoutForce }

func refusing(d *v1alpha1.DrainSpec) {
	d.EmptyDir, d.Unmanaged = v1alpha1.EmptyDirRefuse, v1alpha1.UnmanagedRefuse
}

func waitingFor(onTimeout v1alpha1.TimeoutAction) func(*v1alpha1.DrainSpec) {
	return func(d *v1alpha1.DrainSpec) {
		d.WaitForPods = v1alpha1.PodWait{Selector: selector.Of("kind=job"), TimeoutSeconds: ptr.To[int32](600), OnTimeout: onTimeout}
	}
}

// withJobs adds pods of jobs to node a.
func withJobs(n int) func(*story) {
	return func(s *story) {
		for i := range n {
			pod := readyPod(fmt.Sprintf("job-%02d", i), start)
			pod.Labels, pod.Controlled = map[string]string{"kind": "job"}, true
			s.Pods["a"] = append(s.Pods["a"], pod)
		}
	}
}

func drainedConditionOf(s *story) string {
	c := meta.FindStatusCondition(s.reboot("ra").Status.Conditions, v1alpha1.ConditionDrained)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s %s", c.Status, c.Reason)
}

func TestSkippedDrainOrdersNoEvictionAndGoesOn(t *testing.T) {
	s := attemptIn(t, stageDraining, drain(skipDrain), marking(30))
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonLoadBalancerLead {
		t.Errorf("reason %s: what comes before a drain comes before one that is skipped, too", got)
	}
	s.advance(30 * time.Second)
	want := summary{Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonRebootDelayed, Cordoned: true, Tainted: true}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	if got := drainedConditionOf(s); got != "False DrainSkipped" {
		t.Errorf("condition %q", got)
	}
	if s.node("a").Maintenance[Drained] {
		t.Error("the Node says that it was drained")
	}
	s.advance(time.Minute)
	status := s.reboot("ra").Status
	if status.Order == nil || status.Order.Action != v1alpha1.ActionReboot || status.Attempt.DrainOrderedTime != nil ||
		status.Attempt.Drain != v1alpha1.DrainSkipped || status.TaintLeadSeconds == nil {
		t.Errorf("order %+v, attempt %+v", status.Order, status.Attempt)
	}
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	s.advance(time.Minute)
	if got := s.summary("ra").Phase; got != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s", got)
	}
}

func TestDrainThatIsOutOfTimeIsForcedOnlyIfThePolicySaysSo(t *testing.T) {
	progress := &v1alpha1.DrainProgress{Total: 2, Remaining: 1, Refused: []v1alpha1.RefusedPod{
		{Namespace: "apps", Name: "web-1", By: "PodDisruptionBudget web"},
	}}
	answer := func(state v1alpha1.OrderState, drain *v1alpha1.DrainProgress) func(*story) {
		return func(s *story) {
			s.answer("ra", state, "why")
			s.report("ra", func(r *v1alpha1.HelperReport) { r.Drain = drain })
		}
	}
	const deadline, soon = 600 * time.Second, time.Second
	cases := map[string]struct {
		change func(*v1alpha1.DrainSpec)
		event  func(*story)
		after  time.Duration
		want   string
	}{
		"forced when the helper says that it is over": {forced, answer(v1alpha1.OrderTimedOut, progress), soon, "true Forced"},
		"not before": {forced, answer(v1alpha1.OrderStarted, progress), deadline - time.Second, "false "},
		"not at the deadline, as the helper may say so": {forced, answer(v1alpha1.OrderStarted, progress), deadline + lastWord - time.Second, "false "},
		"not if the helper never says so":               {forced, answer(v1alpha1.OrderStarted, progress), deadline + lastWord, "false DrainTimedOut"},
		"forced when the helper says so a moment later": {forced, func(s *story) {
			answer(v1alpha1.OrderStarted, progress)(s)
			s.settle()
			s.advance(deadline + time.Second)
			answer(v1alpha1.OrderTimedOut, progress)(s)
		}, 0, "true Forced"},
		"not by another policy":   {nil, answer(v1alpha1.OrderTimedOut, progress), soon, "false DrainTimedOut"},
		"not for another failure": {forced, answer(v1alpha1.OrderFailed, progress), soon, "false DrainFailed"},
		"not for another failure that is seen late": {forced, func(s *story) {
			s.now = s.now.Add(deadline)
			answer(v1alpha1.OrderFailed, progress)(s)
		}, 0, "false DrainTimedOut"},
		"not if the helper did not answer":         {forced, func(*story) {}, deadline, "false DrainTimedOut"},
		"not if the helper could not see any pods": {forced, answer(v1alpha1.OrderStarted, nil), deadline, "false DrainTimedOut"},
		"complete is complete":                     {forced, answer(v1alpha1.OrderDone, progress), soon, "true Complete"},
		"not if its policy is paused":              {forced, func(s *story) { answer(v1alpha1.OrderStarted, progress)(s); paused(s) }, soon, "false Paused"},
		"not if someone uncordoned it":             {forced, func(s *story) { answer(v1alpha1.OrderStarted, progress)(s); uncordoned(s) }, soon, "false Uncordoned"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining, drain(func(d *v1alpha1.DrainSpec) {
				if tc.change != nil {
					tc.change(d)
				}
			}))
			tc.event(s)
			s.settle()
			s.advance(tc.after)
			a := s.reboot("ra").Status.Attempt
			if got := fmt.Sprintf("%v %s%s", a.DrainedTime != nil, a.Drain, a.Result); got != tc.want {
				t.Errorf("drained: %s, want %s", got, tc.want)
			}
		})
	}
}

func TestForcedDrainIsToldAndRecorded(t *testing.T) {
	s := attemptIn(t, stageDraining, drain(forced))
	refuse(s)
	s.settle()
	s.now = s.now.Add(600 * time.Second)
	s.answer("ra", v1alpha1.OrderTimedOut, "")
	p := s.pass()
	events := p.Work[0].Reboots[0].Events
	if len(events) != 1 || !events[0].Warning || !events[0].OnNode || events[0].Reason != v1alpha1.ReasonDrainForced ||
		!strings.Contains(events[0].Message, "PodDisruptionBudget") {
		t.Errorf("events %+v", events)
	}
	if got := drainedConditionOf(s); got != "False DrainForced" {
		t.Errorf("condition %q", got)
	}
	s.advance(time.Minute)
	if got := s.summary("ra"); got.Order != v1alpha1.ActionReboot || !got.Cordoned {
		t.Errorf("NodeReboot %+v", got)
	}
}

func TestPodsMayFinishBeforeTheDrain(t *testing.T) {
	finish := func(s *story) {
		for i := range s.Pods["a"] {
			if s.Pods["a"][i].Labels["kind"] == "job" {
				s.Pods["a"][i].Finished = true
			}
		}
	}
	cases := map[string]struct {
		onTimeout v1alpha1.TimeoutAction
		jobs      int
		event     func(*story)
		after     time.Duration
		want      string
		message   string
	}{
		"with none there is no wait":           {jobs: 0, want: v1alpha1.ReasonDraining},
		"the drain waits and names them":       {jobs: 2, want: v1alpha1.ReasonWaitingForPods, message: "2 pods may finish until 2026-03-02 12:11 +00:00 (in 10m, as of 12:01): apps/job-00, apps/job-01."},
		"of many it names ten":                 {jobs: 12, want: v1alpha1.ReasonWaitingForPods, message: "apps/job-09 and 2 more."},
		"the drain begins when they finished":  {jobs: 2, event: finish, want: v1alpha1.ReasonDraining},
		"it does not wait for those that stay": {jobs: 1, event: func(s *story) { s.Pods["a"][len(s.Pods["a"])-1].Mirror = true }, want: v1alpha1.ReasonDraining},
		"the wait is not over before":          {jobs: 1, onTimeout: v1alpha1.TimeoutContinue, after: 599 * time.Second, want: v1alpha1.ReasonWaitingForPods},
		"in the end it goes on":                {jobs: 1, onTimeout: v1alpha1.TimeoutContinue, after: 600 * time.Second, want: v1alpha1.ReasonDraining},
		"or gives the node back":               {jobs: 1, onTimeout: v1alpha1.TimeoutAbort, after: 600 * time.Second, want: v1alpha1.ReasonBackingOff, message: "Pods on node a did not finish in time: apps/job-00."},
		"pods that are not known are waited for": {
			jobs: 1, event: func(s *story) { delete(s.Pods, "a") }, want: v1alpha1.ReasonWaitingForPods,
			message: "The pods of node a are being read.",
		},
		"pods that are not known in the end have not finished": {
			jobs: 1, event: func(s *story) { delete(s.Pods, "a") }, onTimeout: v1alpha1.TimeoutAbort, after: 600 * time.Second,
			want: v1alpha1.ReasonBackingOff, message: "The pods of node a could not be read",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := preparedAttemptIn(t, stageDraining, withJobs(tc.jobs), drain(waitingFor(tc.onTimeout)))
			if tc.event != nil {
				tc.event(s)
				s.settle()
			}
			s.advance(tc.after)
			status := s.reboot("ra").Status
			if status.Reason != tc.want || !strings.Contains(status.Message, tc.message) {
				t.Errorf("%s: %s", status.Reason, status.Message)
			}
			if tc.want == v1alpha1.ReasonWaitingForPods {
				if p := s.pass(); !cmp.Equal(p.NeedPods, []string{"a"}) {
					t.Errorf("the plan asks for the pods of %v", p.NeedPods)
				}
			}
		})
	}
}

func TestPodsAreWaitedForBeforeTheNodeLeavesLoadBalancersAndNotAfter(t *testing.T) {
	s := preparedAttemptIn(t, stageDraining, withJobs(1), drain(waitingFor(v1alpha1.TimeoutContinue)), marking(30))
	if n := s.node("a"); hasKey(n.Labels, v1alpha1.ExcludeLabel) || s.summary("ra").Reason != v1alpha1.ReasonWaitingForPods {
		t.Errorf("labels %v, NodeReboot %+v", n.Labels, s.summary("ra"))
	}
	s.Pods["a"] = nil
	s.settle()
	withJobs(1)(s)
	s.settle()
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonLoadBalancerLead {
		t.Errorf("reason %s", got)
	}
}

func TestNodeWithAPodThatMustNotBeEvictedIsNotStarted(t *testing.T) {
	bare := func(change func(*Pod)) func(*story) {
		return func(s *story) {
			pod := readyPod("bare", start)
			change(&pod)
			s.Pods["a"] = append(s.Pods["a"], pod)
		}
	}
	cases := map[string]struct {
		pod    func(*Pod)
		change func(*v1alpha1.DrainSpec)
		want   string
	}{
		"without a controller":        {pod: func(*Pod) {}, want: "Pod apps/bare on node a has no controller, and drain.unmanaged of RebootPolicy p is Refuse."},
		"with an emptyDir":            {pod: func(p *Pod) { p.Controlled, p.EmptyDir = true, true }, want: "Pod apps/bare on node a has an emptyDir volume, and drain.emptyDir of RebootPolicy p is Refuse."},
		"unless it has finished":      {pod: func(p *Pod) { p.Finished, p.EmptyDir = true, true }},
		"unless it is going":          {pod: func(p *Pod) { p.Terminating = true }},
		"unless it is static":         {pod: func(p *Pod) { p.Mirror, p.EmptyDir = true, true }},
		"unless it is of a DaemonSet": {pod: func(p *Pod) { p.Workloads, p.EmptyDir = []WorkloadKey{daemonSet("x")}, true }},
		"unless it is left out":       {pod: func(p *Pod) { p.Labels = map[string]string{"app": "x"} }, change: func(d *v1alpha1.DrainSpec) { d.Selector = selector.Of("app!=x") }},
		"unless its annotation is other": {
			pod: func(p *Pod) { p.Annotations = map[string]string{"move": "no"} }, change: func(d *v1alpha1.DrainSpec) {
				d.Selector = &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{"move": "yes"}}
			},
		},
		"unless nothing is evicted":    {pod: func(p *Pod) { p.EmptyDir = true }, change: skipDrain},
		"unless the policy may do so":  {pod: func(p *Pod) { p.EmptyDir = true }, change: func(d *v1alpha1.DrainSpec) { *d = newPolicy("x").Spec.Drain }},
		"unless it is another's field": {pod: func(p *Pod) { p.EmptyDir, p.Controlled = true, true }, change: func(d *v1alpha1.DrainSpec) { d.EmptyDir = v1alpha1.EmptyDirDelete }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", drain(refusing), drain(func(d *v1alpha1.DrainSpec) {
				if tc.change != nil {
					tc.change(d)
				}
			})), newNode("a", "z1"), newReboot("ra", "a"))
			bare(tc.pod)(s)
			s.settle()
			got := ""
			if status := s.reboot("ra").Status; status.Reason == v1alpha1.ReasonDrainRefused {
				got = status.Message
			}
			if got != tc.want || s.node("a").Unschedulable != (tc.want == "") {
				t.Errorf("message %q, want %q; cordoned %v", got, tc.want, s.node("a").Unschedulable)
			}
		})
	}
}

// A node that waits for a pod never holds up one that could go, not even one of another zone.
func TestNodeWhoseDrainIsRefusedHoldsUpNoOther(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z2"), newPolicy("p", drain(refusing)))...)
	s.Pods["a"] = []Pod{readyPod("bare", start)}
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way %q, want b", got)
	}
}

func TestDrainOrderCarriesWhatThePolicySays(t *testing.T) {
	s := attemptIn(t, stageDraining, drain(refusing), drain(func(d *v1alpha1.DrainSpec) {
		d.Selector, d.Stages = selector.Of("app!=x"), selector.Stages("tier=front", "tier=back")
		d.Unmanaged = v1alpha1.UnmanagedEvict
	}))
	want := &v1alpha1.DrainOrder{
		Selector: selector.Of("app!=x"), EmptyDir: v1alpha1.EmptyDirRefuse, Unmanaged: v1alpha1.UnmanagedEvict,
		Stages: selector.List("tier=front", "tier=back"), ReturningPods: v1alpha1.ReturningPodsIgnore,
	}
	if diff := cmp.Diff(want, s.reboot("ra").Status.Order.Drain); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestPolicyWithAPodSelectorThatCannotBeReadIsInvalid(t *testing.T) {
	for field, change := range map[string]func(*v1alpha1.DrainSpec){
		"drain.selector":             func(d *v1alpha1.DrainSpec) { d.Selector = selector.Of("a=(") },
		"drain.waitForPods.selector": func(d *v1alpha1.DrainSpec) { d.WaitForPods = v1alpha1.PodWait{Selector: selector.Of("a=(")} },
		"drain.stages[1].selector": func(d *v1alpha1.DrainSpec) {
			d.Stages = selector.Stages("a", "a=(")
		},
	} {
		s := newStory(t, newPolicy("p", drain(change)), newNode("a", "z1"), newReboot("ra", "a"))
		s.settle()
		if status := s.reboot("ra").Status; status.Reason != v1alpha1.ReasonPolicyInvalid || !strings.Contains(status.Message, field+": ") {
			t.Errorf("%s: %s: %s", field, status.Reason, status.Message)
		}
	}
}

func adaptive(minSeconds, maxSeconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.AdaptiveDelay = v1alpha1.AdaptiveDelay{MinSeconds: &minSeconds, MaxSeconds: maxSeconds}
	})
}

func TestAdaptiveDelayFollowsTheRecoveriesWithinItsBounds(t *testing.T) {
	ago := func(minutes int, recovery time.Duration) recoveredAttempt {
		return recoveredAttempt{end: start.Add(-time.Duration(minutes) * time.Minute), recovery: recovery}
	}
	var many []recoveredAttempt
	for i := range 40 {
		many = append(many, ago(i, time.Duration(i+1)*time.Second)) // those of the last 20 took 1 s to 20 s
	}
	cases := map[string]struct {
		recovered []recoveredAttempt
		want      pace
	}{
		"none":                      {},
		"one":                       {[]recoveredAttempt{ago(3, 40*time.Second)}, pace{delay: 40 * time.Second, recovery: 40 * time.Second, reboots: 1, lastEnd: start.Add(-3 * time.Minute)}},
		"below the least":           {[]recoveredAttempt{ago(3, 2*time.Second)}, pace{delay: 5 * time.Second, recovery: 2 * time.Second, reboots: 1, lastEnd: start.Add(-3 * time.Minute)}},
		"above the most":            {[]recoveredAttempt{ago(3, time.Hour)}, pace{delay: time.Minute, recovery: time.Hour, reboots: 1, lastEnd: start.Add(-3 * time.Minute)}},
		"the slowest of a few":      {[]recoveredAttempt{ago(1, 10*time.Second), ago(3, 30*time.Second), ago(2, 20*time.Second)}, pace{delay: 30 * time.Second, recovery: 30 * time.Second, reboots: 3, lastEnd: start.Add(-time.Minute)}},
		"the nineteenth of many":    {many, pace{delay: 19 * time.Second, recovery: 19 * time.Second, reboots: 20, lastEnd: start}},
		"the nineteenth of 20":      {many[:20], pace{delay: 19 * time.Second, recovery: 19 * time.Second, reboots: 20, lastEnd: start}},
		"the nineteenth of 19":      {many[:19], pace{delay: 19 * time.Second, recovery: 19 * time.Second, reboots: 19, lastEnd: start}},
		"the old ones do not count": {many[19:], pace{delay: 38 * time.Second, recovery: 38 * time.Second, reboots: 20, lastEnd: start.Add(-19 * time.Minute)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bounds := &v1alpha1.AdaptiveDelay{MinSeconds: ptr.To[int32](5), MaxSeconds: 60}
			if diff := cmp.Diff(tc.want, paceOf(bounds, tc.recovered), cmp.AllowUnexported(pace{})); diff != "" {
				t.Errorf("pace (-want +got):\n%s", diff)
			}
		})
	}
}

// recoveredIn is a NodeReboot whose node took some time from its boot until its slot was freed.
func recoveredIn(name, node string, recovery, ended time.Duration, result string) *v1alpha1.NodeReboot {
	return newReboot(name, node, finished(v1alpha1.OutcomeSucceeded, result, ended), func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt.BackTime, r.Status.Attempt.Result = at(ended-recovery), result
	})
}

func TestNextNodeWaitsForTheAdaptiveDelay(t *testing.T) {
	s := newStory(t, append(fleet("b/z1 c/z1"), newPolicy("p", adaptive(0, 60), maxUnavailable("3")), newNode("a", "z1"),
		recoveredIn("ra", "a", 40*time.Second, -10*time.Second, v1alpha1.ReasonProved))...)
	s.settle()
	status := s.reboot("rb").Status
	want := "The last node recovered at 2026-03-02 11:59:50 +00:00; the next one starts 40 seconds later, at 2026-03-02 12:00:30 +00:00 " +
		"(in 30s, as of 12:00): recovery took up to 40 seconds in the last reboot."
	if status.Reason != v1alpha1.ReasonAdaptiveDelay || status.Message != want {
		t.Errorf("%s: %s", status.Reason, status.Message)
	}
	wantStatus := &v1alpha1.AdaptiveDelayStatus{DelaySeconds: 40, RecoverySeconds: 40, Reboots: 1}
	if diff := cmp.Diff(wantStatus, s.policy("p").Status.AdaptiveDelay); diff != "" {
		t.Errorf("status of the policy (-want +got):\n%s", diff)
	}
	s.advance(29 * time.Second)
	if got := s.underWay(); got != "" {
		t.Errorf("under way before the delay is over: %s", got)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "b c" {
		t.Errorf("under way after the delay: %q", got)
	}
}

func TestOnlyNodesThatRecoveredDelayTheNext(t *testing.T) {
	failed := func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(-2 * time.Minute), EndedTime: at(-time.Second),
			Result: v1alpha1.ReasonDrainTimedOut}
	}
	s := newStory(t, append(fleet("b/z1"), newPolicy("p", adaptive(30, 60)), newNode("a", "z1"),
		newReboot("ra", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonDrainTimedOut, -time.Second), failed))...)
	s.settle()
	if got := s.underWay(); got != "b" || s.policy("p").Status.AdaptiveDelay != nil {
		t.Errorf("under way %q, status %+v", got, s.policy("p").Status.AdaptiveDelay)
	}
}
