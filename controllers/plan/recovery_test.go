package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// agentPod changes the pod of the DaemonSet on node a.
func agentPod(change func(*Pod)) func(*story) {
	return func(s *story) { change(&s.Pods["a"][0]) }
}

func TestNodeIsProvedBeforeItIsUncordoned(t *testing.T) {
	cases := map[string]struct {
		// event happens after the node came back with everything as it should be.
		event func(*story)
		want  string
	}{
		"a healthy node is proved":    {event: func(*story) {}, want: v1alpha1.ReasonSettling},
		"a node that is not Ready":    {event: func(s *story) { s.node("a").Ready = false }, want: v1alpha1.ReasonNodeNotReady},
		"a helper that says nothing":  {event: func(s *story) { s.reboot("ra").Status.Report = nil }, want: v1alpha1.ReasonSentinelUnknown},
		"a report of the boot before": {want: v1alpha1.ReasonSentinelUnknown, event: reported(func(r *v1alpha1.HelperReport) { r.BootID = bootOf("a", 1) })},
		"a sentinel that nobody knows": {
			want: v1alpha1.ReasonSentinelUnknown, event: reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelUnknown }),
		},
		"pods that were not read": {event: func(s *story) { delete(s.Pods, "a") }, want: v1alpha1.ReasonPodStatusStale},
		"a pod that shows a container of before the boot": {
			want:  v1alpha1.ReasonPodStatusStale,
			event: agentPod(func(p *Pod) { p.Containers = []string{containerID("agent-a", start.Add(-24*time.Hour))} }),
		},
		"a pod of which one container is of before the boot": {
			want:  v1alpha1.ReasonPodStatusStale,
			event: agentPod(func(p *Pod) { p.Containers = append(p.Containers, containerID("agent-a", start.Add(-24*time.Hour))) }),
		},
		"a pod that is Ready and shows no container": {
			want: v1alpha1.ReasonPodStatusStale, event: agentPod(func(p *Pod) { p.Containers = nil }),
		},
		"stale pods that ended or are going do not matter": {
			want: v1alpha1.ReasonSettling, event: func(s *story) {
				stale := readyPod("job", start.Add(-time.Hour))
				going := stale
				stale.Finished, going.Terminating = true, true
				s.Pods["a"] = append(s.Pods["a"], stale, going)
			},
		},
		"a pod of a DaemonSet that is not Ready": {
			want: v1alpha1.ReasonDaemonSetsNotReady, event: agentPod(func(p *Pod) { p.Ready = false }),
		},
		"a pod of a DaemonSet that no longer exists": {
			want: v1alpha1.ReasonSettling, event: func(s *story) { s.Pods["a"] = nil },
		},
		"a pod of a DaemonSet that is being replaced": {
			want: v1alpha1.ReasonDaemonSetsNotReady, event: agentPod(func(p *Pod) { p.Terminating = true }),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageBack)
			s.comeBack("ra", v1alpha1.SentinelNotRequired)
			tc.event(s)
			s.settle()
			proved := tc.want == v1alpha1.ReasonSettling
			want := summary{Phase: v1alpha1.PhaseRecovering, Reason: tc.want, Cordoned: !proved, Tainted: !proved}
			if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
		})
	}
}

func reported(change func(*v1alpha1.HelperReport)) func(*story) {
	return func(s *story) { s.report("ra", change) }
}

func TestDaemonSetThatWasNotReadyBeforeIsNotWaitedFor(t *testing.T) {
	s := preparedAttemptIn(t, stageBack, func(s *story) { s.Pods["a"][0].Ready = false })
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.Pods["a"][0].Ready = false
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonSettling {
		t.Errorf("reason %s", got)
	}
}

func TestSlotIsHeldUntilWorkloadsAreAsReadyAsBefore(t *testing.T) {
	web := func(w *Workload) func(*story) {
		return func(s *story) {
			delete(s.Workloads, deployment("web"))
			if w != nil {
				s.Workloads[deployment("web")] = *w
			}
		}
	}
	cases := map[string]struct {
		policy      policyOption
		before, now func(*story)
		wantMessage string
	}{
		"less ready than before": {
			now:         web(&Workload{Ready: 2, Desired: 3}),
			wantMessage: "Deployment apps/web is not as ready as before the drain, when it had 3 ready pods.",
		},
		"scaled up and not all ready is as ready as before": {now: web(&Workload{Ready: 3, Desired: 10})},
		"scaled down and all ready":                         {now: web(&Workload{Ready: 1, Desired: 1})},
		"scaled down and not all ready": {
			now:         web(&Workload{Ready: 0, Desired: 1}),
			wantMessage: "Deployment apps/web is not as ready as before the drain, when it had 3 ready pods.",
		},
		"its controller is stale, and nothing was ready before": {
			before: web(&Workload{Desired: 3}), now: web(&Workload{Desired: 3, Stale: true}),
		},
		"scaled to nothing":       {now: web(&Workload{})},
		"deleted":                 {now: web(nil)},
		"not all ready before":    {before: web(&Workload{Ready: 2, Desired: 3}), now: web(&Workload{Ready: 2, Desired: 3})},
		"its controller is stale": {now: web(&Workload{Ready: 3, Desired: 3, Stale: true}), wantMessage: "Deployment apps/web is not as ready as before the drain, when it had 3 ready pods."},
		"the policy does not wait for workloads": {
			now:    web(&Workload{Desired: 3}),
			policy: spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.Workloads = v1alpha1.Ignore }),
		},
		"several are less ready": {
			before: func(s *story) {
				s.Pods["a"][1].Workloads = []WorkloadKey{
					deployment("web"), {Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"},
				}
				s.Workloads[WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}] = Workload{
					Ready: 3, Desired: 3, DisruptionsAllowed: 1,
				}
			},
			now: func(s *story) {
				for key := range s.Workloads {
					s.Workloads[key] = Workload{Ready: 2, Desired: 3}
				}
			},
			wantMessage: "Deployment apps/web is not as ready as before the drain, when it had 3 ready pods (and 1 more).",
		},
		"pods that were going or had ended before count for nothing": {
			before: func(s *story) {
				s.Pods["a"][1].Terminating = true
				s.Pods["a"] = append(s.Pods["a"], Pod{Name: "job", Finished: true, Workloads: []WorkloadKey{deployment("web")}})
			},
			now: web(&Workload{Ready: 0, Desired: 3}),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.before
			if before == nil {
				before = func(*story) {}
			}
			var options []policyOption
			if tc.policy != nil {
				options = append(options, tc.policy)
			}
			s := preparedAttemptIn(t, stageSettling, before, options...)
			tc.now(s)
			s.advance(time.Minute)
			want := summary{
				Phase: v1alpha1.PhaseSucceeded, Reason: v1alpha1.ReasonProved, Outcome: v1alpha1.OutcomeSucceeded, Result: v1alpha1.ReasonProved,
			}
			if tc.wantMessage != "" {
				want = summary{Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonWorkloadsNotReady}
			}
			if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
			if got := s.reboot("ra").Status.Message; tc.wantMessage != "" && got != tc.wantMessage {
				t.Errorf("message %q, want %q", got, tc.wantMessage)
			}
			if held := len(s.Slots) == 1; held != (tc.wantMessage != "") {
				t.Errorf("slots %v", s.Slots)
			}
		})
	}
}

func TestRecoveryThatTakesTooLongStallsAndMayStillSucceed(t *testing.T) {
	s := attemptIn(t, stageSettling)
	s.Workloads[deployment("web")] = Workload{Ready: 2, Desired: 3}
	s.advance(1799 * time.Second)
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseRecovering {
		t.Errorf("phase %s before the end of the time", got)
	}
	s.advance(time.Second)
	want := summary{Phase: v1alpha1.PhaseFailed, Reason: v1alpha1.ReasonRecoveryTimedOut, Result: v1alpha1.ReasonRecoveryTimedOut}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot that stalled (-want +got):\n%s", diff)
	}
	if len(s.Slots) != 1 {
		t.Errorf("slots %v: one that stalled holds its slot", s.Slots)
	}
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.settle()
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s after the workloads recovered", got)
	}
}

func TestFailedAttemptBeginsAgainWithTheBootThatRunsNow(t *testing.T) {
	s := attemptIn(t, stageBack, minInterval(0))
	s.comeBack("ra", v1alpha1.SentinelRequired)
	s.settle()
	s.advance(time.Minute + 10*time.Minute + time.Minute)
	status := s.reboot("ra").Status
	if status.Before.BootID != bootOf("a", 2) || status.Order == nil || status.Order.BootID != bootOf("a", 2) || status.After != nil {
		t.Errorf("before %v, after %v, order %v: all about the boot that runs now", status.Before, status.After, status.Order)
	}
}

func TestWorkloadsThatAreRememberedAreBounded(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	for i := range 600 {
		name := fmt.Sprintf("app-%03d", i)
		s.Pods["a"] = append(s.Pods["a"], readyPod(name, start, deployment(name)))
	}
	s.settle()
	workloads := s.reboot("ra").Status.Workloads
	sorted := slices.IsSortedFunc(workloads, func(a, b v1alpha1.WorkloadRef) int { return strings.Compare(a.Name, b.Name) })
	if len(workloads) != maxWorkloads || !sorted {
		t.Errorf("%d workloads, sorted %v", len(workloads), sorted)
	}
}

func TestPlanAsksForThePodsOfNodesThatStartOrRecover(t *testing.T) {
	asks := func(s *story) []string {
		s.Pods = nil
		return Compute(s.Snapshot, s.now).NeedPods
	}
	starting := newStory(t, newPolicy("p", maxUnavailable("2")), newNode("a", "z1"), newNode("b", "z1"), newNode("c", "z1"),
		newReboot("ra", "a"), newReboot("rb", "b"), newReboot("rc", "c"))
	if diff := cmp.Diff([]string{"a", "b"}, asks(starting)); diff != "" {
		t.Errorf("asks for nodes that start, within the limit (-want +got):\n%s", diff)
	}
	for stage := stageCordoned; stage <= stageRebooting; stage++ {
		if diff := cmp.Diff([]string(nil), asks(attemptIn(t, stage))); diff != "" {
			t.Errorf("asks when %s (-want +got):\n%s", stage, diff)
		}
	}
	for stage := stageBack; stage <= stageSettling; stage++ {
		if diff := cmp.Diff([]string{"a"}, asks(attemptIn(t, stage))); diff != "" {
			t.Errorf("asks when %s (-want +got):\n%s", stage, diff)
		}
	}
}

func TestNodeThatStartsIsNotGrantedBeforeItsPodsAreRead(t *testing.T) {
	s := newStory(t, newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.DelaySeconds = ptr.To[int32](60) })),
		newNode("a", "z1"), newReboot("ra", "a"))
	delete(s.Pods, "a")
	s.settle()
	want := summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonStarting, Tainted: true}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" || len(s.Slots) != 0 {
		t.Errorf("slots %v, NodeReboot (-want +got):\n%s", s.Slots, diff)
	}
}

func TestAContainerThatBeganDuringTheDrainIsOneOfBeforeTheBoot(t *testing.T) {
	s := attemptIn(t, stageDrained)
	s.Pods["a"][0].Containers = []string{"restarted"}
	s.advance(time.Minute)
	s.answer("ra", v1alpha1.OrderStarted, "")
	s.settle()
	s.boot("a", 2)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.Pods["a"][0].Containers = []string{"restarted"} // what the kubelet wrote last before the boot
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonPodStatusStale {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
}
