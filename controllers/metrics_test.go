package controllers

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

func status(change func(*v1alpha1.NodeRebootStatus)) *v1alpha1.NodeRebootStatus {
	s := &v1alpha1.NodeRebootStatus{PolicyName: "p"}
	change(s)
	return s
}

func withAttempt(change func(*v1alpha1.Attempt)) *v1alpha1.NodeRebootStatus {
	return status(func(s *v1alpha1.NodeRebootStatus) {
		s.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0)}
		change(s.Attempt)
	})
}

func TestObservationsAreMadeOnceForEachNewFact(t *testing.T) {
	pending := status(func(*v1alpha1.NodeRebootStatus) {})
	ordered := func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(10) }
	drained := func(a *v1alpha1.Attempt) { ordered(a); a.DrainedTime = at(40) }
	told := func(a *v1alpha1.Attempt) { drained(a); a.RebootOrderedTime = at(41) }
	back := func(a *v1alpha1.Attempt) { told(a); a.BackTime = at(101) }
	ended := func(a *v1alpha1.Attempt) { back(a); a.EndedTime = at(111) }
	succeeded := withAttempt(ended)
	succeeded.Outcome, succeeded.OutcomeReason = v1alpha1.OutcomeSucceeded, "Proved"
	failure := func(count int32) *v1alpha1.NodeRebootStatus {
		s := withAttempt(func(a *v1alpha1.Attempt) { ordered(a); a.EndedTime = at(70) })
		s.Failures = &v1alpha1.Failures{Count: count, LastReason: "DrainTimedOut"}
		return s
	}
	rolledBack := func(s *v1alpha1.NodeRebootStatus) *v1alpha1.NodeRebootStatus {
		s.Attempt.RolledBackTime, s.Attempt.EndedTime = at(60), nil
		return s
	}
	for name, test := range map[string]struct {
		before, after *v1alpha1.NodeRebootStatus
		want          []observation
	}{
		"nothing new": {withAttempt(drained), withAttempt(drained), nil},
		"taint lead": {
			pending, status(func(s *v1alpha1.NodeRebootStatus) { s.TaintLeadSeconds = ptr.To[int64](90) }),
			[]observation{{metric: metricTaintLead, seconds: 90}},
		},
		"drain ordered": {withAttempt(func(*v1alpha1.Attempt) {}), withAttempt(ordered), nil},
		"drained":       {withAttempt(ordered), withAttempt(drained), []observation{{metric: metricDrain, seconds: 30}}},
		"told":          {withAttempt(drained), withAttempt(told), nil},
		"back":          {withAttempt(told), withAttempt(back), []observation{{metric: metricDowntime, seconds: 60}}},
		"succeeded": {withAttempt(back), succeeded, []observation{
			{metric: metricRecovery, seconds: 10}, {metric: metricTotal, seconds: 111}, {metric: metricOutcome, reason: "Proved"},
		}},
		"several at once": {withAttempt(drained), succeeded, []observation{
			{metric: metricDowntime, seconds: 60}, {metric: metricRecovery, seconds: 10}, {metric: metricTotal, seconds: 111},
			{metric: metricOutcome, reason: "Proved"},
		}},
		"failed attempt":          {withAttempt(ordered), failure(1), []observation{{metric: metricAttemptFailed, reason: "DrainTimedOut"}}},
		"failed again":            {failure(1), failure(2), []observation{{metric: metricAttemptFailed, reason: "DrainTimedOut"}}},
		"failure already counted": {failure(2), failure(2), nil},
		"satisfied by another's reboot": {pending, status(func(s *v1alpha1.NodeRebootStatus) {
			s.Outcome, s.OutcomeReason = v1alpha1.OutcomeSucceeded, "RebootedMeanwhile"
		}), []observation{{metric: metricOutcome, reason: "RebootedMeanwhile"}}},
		"a second attempt is measured by itself": {
			withAttempt(drained), withAttempt(func(a *v1alpha1.Attempt) { drained(a); a.Number, a.GrantedTime = 2, *at(5) }),
			[]observation{{metric: metricDrain, seconds: 30}},
		},
		"a grant that was not used leaves the attempt before it, with another number": {
			withAttempt(ended), withAttempt(func(a *v1alpha1.Attempt) { ended(a); a.Number = 2 }), nil,
		},
		"a drain that fails is counted when it is rolled back": {
			withAttempt(ordered), rolledBack(failure(1)), []observation{{metric: metricAttemptFailed, reason: "DrainTimedOut"}},
		},
		"and not again when its pods are back": {rolledBack(failure(1)), failure(1), nil},
		"one that was rolled back without a failure is no failed attempt": {
			withAttempt(ordered), withAttempt(func(a *v1alpha1.Attempt) { ordered(a); a.RolledBackTime, a.Result = at(20), "Paused" }), nil,
		},
		"a clock that went back": {
			withAttempt(ordered), withAttempt(func(a *v1alpha1.Attempt) { ordered(a); a.DrainedTime = at(5) }),
			[]observation{{metric: metricDrain, seconds: 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := observations(test.before, test.after)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(observation{})); diff != "" {
				t.Errorf("observations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTransitionsAreToldOnceInTheOrderInWhichTheyHappen(t *testing.T) {
	pending := status(func(*v1alpha1.NodeRebootStatus) {})
	begun := withAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(1) })
	done := withAttempt(func(a *v1alpha1.Attempt) {
		a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime, a.BackTime, a.UncordonedTime = at(1), at(2), at(3), at(4), at(5)
		a.EndedTime = at(6)
	})
	done.Outcome = v1alpha1.OutcomeSucceeded
	stalled := withAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.StalledTime = at(1), at(2) })
	stuck := withAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.StuckTime = at(1), at(2) })
	gone := withAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.NodeGoneTime = at(1), at(2) })
	rolledBack := withAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.RolledBackTime = at(1), at(2) })
	rolledBackAndEnded := withAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.RolledBackTime, a.EndedTime = at(1), at(2), at(3) })
	unused := withAttempt(func(a *v1alpha1.Attempt) { a.EndedTime = &a.GrantedTime })
	doneAndUnused := done.DeepCopy()
	doneAndUnused.Attempt.Number = 2
	for name, test := range map[string]struct {
		before, after *v1alpha1.NodeRebootStatus
		want          []string
	}{
		"nothing": {begun, begun, nil},
		"start":   {pending, begun, []string{"attempt started", "drain ordered"}},
		"rest": {begun, done, []string{
			"node drained", "reboot ordered", "node is back", "node is healthy", "attempt ended", "reboot succeeded",
		}},
		"stalled":                         {begun, stalled, []string{"attempt stalled"}},
		"stuck":                           {begun, stuck, []string{"drain is stuck"}},
		"rolled back":                     {begun, rolledBack, []string{"attempt rolled back"}},
		"ended after it was rolled back":  {rolledBack, rolledBackAndEnded, []string{"attempt ended"}},
		"a grant that was not used":       {pending, unused, []string{"grant not used"}},
		"another grant that was not used": {done, doneAndUnused, nil},
		"the node is gone":                {begun, gone, []string{"node is gone"}},
		"failed":                          {pending, status(func(s *v1alpha1.NodeRebootStatus) { s.Outcome = v1alpha1.OutcomeFailed }), []string{"reboot failed"}},
		"cancelled": {
			pending, status(func(s *v1alpha1.NodeRebootStatus) { s.Outcome = v1alpha1.OutcomeCancelled }), []string{"reboot cancelled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, step := range transitions(test.before, test.after) {
				got = append(got, step.what)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("transitions (-want +got):\n%s", diff)
			}
		})
	}
}

// eachSeriesOfAPolicy visits the series that have the label of a policy, by the name of their metric and the policy.
func eachSeriesOfAPolicy(t *testing.T, n *numbers, visit func(metric, policy string, series *dto.Metric)) {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registerAll(registry, n.collectors()...); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if label.GetName() == labelPolicy {
					visit(family.GetName(), label.GetValue(), series)
				}
			}
		}
	}
}

func TestEachObservationIsPartOfItsMetric(t *testing.T) {
	n := newNumbers()
	after := withAttempt(func(a *v1alpha1.Attempt) {
		a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime, a.BackTime, a.EndedTime = at(10), at(40), at(41), at(101), at(111)
	})
	after.TaintLeadSeconds, after.Failures = ptr.To[int64](90), &v1alpha1.Failures{Count: 1, LastReason: "DrainTimedOut"}
	after.Outcome, after.OutcomeReason = v1alpha1.OutcomeSucceeded, "Proved"
	n.observe(status(func(*v1alpha1.NodeRebootStatus) {}), after)
	got := map[string]float64{}
	eachSeriesOfAPolicy(t, n, func(metric, _ string, series *dto.Metric) {
		got[metric] += series.GetCounter().GetValue() + series.GetHistogram().GetSampleSum()
	})
	want := map[string]float64{
		"reboot_operator_taint_lead_seconds": 90, "reboot_operator_drain_seconds": 30, "reboot_operator_downtime_seconds": 60,
		"reboot_operator_recovery_seconds": 10, "reboot_operator_reboot_seconds": 111, "reboot_operator_reboots_total": 1,
		"reboot_operator_attempts_failed_total": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestNumbersForgetAPolicyThatIsGone(t *testing.T) {
	n := newNumbers()
	before := status(func(*v1alpha1.NodeRebootStatus) {})
	for _, policy := range []string{"p", "q", ""} {
		n.observe(before, status(func(s *v1alpha1.NodeRebootStatus) {
			s.PolicyName, s.TaintLeadSeconds = policy, ptr.To[int64](1)
			s.Outcome, s.OutcomeReason = v1alpha1.OutcomeCancelled, "NeedWithdrawn"
			s.Failures = &v1alpha1.Failures{Count: 1, LastReason: "DrainTimedOut"}
		}))
	}
	n.keepPolicies([]*v1alpha1.RebootPolicy{newPolicy("q")})
	counts := map[string]float64{}
	eachSeriesOfAPolicy(t, n, func(_, policy string, series *dto.Metric) {
		counts[policy] += series.GetCounter().GetValue() + float64(series.GetHistogram().GetSampleCount())
	})
	// A lead, an end and a failure of each.
	if diff := cmp.Diff(map[string]float64{"": 3, "q": 3}, counts); diff != "" {
		t.Errorf("observations by policy (-want +got):\n%s", diff)
	}
}

func TestAPolicyWithoutAnyRebootHasAllItsSeriesWithZero(t *testing.T) {
	n := newNumbers()
	n.keepPolicies([]*v1alpha1.RebootPolicy{newPolicy("p")})
	for name, vec := range map[string]prometheus.Collector{
		"taint lead": n.taintLead, "drain": n.drain, "downtime": n.downtime, "recovery": n.recovery, "total": n.total,
		"reboots": n.reboots, "failed attempts": n.attemptsFailed,
	} {
		if testutil.CollectAndCount(vec) == 0 {
			t.Errorf("%s: no series", name)
		}
	}
	if failed := testutil.ToFloat64(n.attemptsFailed.WithLabelValues("p", v1alpha1.ReasonDrainTimedOut)); failed != 0 {
		t.Errorf("%v failed attempts", failed)
	}
	n.observe(status(func(*v1alpha1.NodeRebootStatus) {}), status(func(s *v1alpha1.NodeRebootStatus) {
		s.Failures = &v1alpha1.Failures{Count: 1, LastReason: v1alpha1.ReasonDrainTimedOut}
	}))
	n.keepPolicies([]*v1alpha1.RebootPolicy{newPolicy("p")})
	if failed := testutil.ToFloat64(n.attemptsFailed.WithLabelValues("p", v1alpha1.ReasonDrainTimedOut)); failed != 1 {
		t.Errorf("%v failed attempts after one, and another pass", failed)
	}
}

func TestRegisteringTwiceInOneRegistryIsAnError(t *testing.T) {
	registry := prometheus.NewRegistry()
	if err := registerAll(registry, newNumbers().collectors()...); err != nil {
		t.Fatal(err)
	}
	if err := registerAll(registry, newNumbers().collectors()...); err == nil {
		t.Error("no error")
	}
}

func TestStateIsCollectedFromWhatIsThere(t *testing.T) {
	policy := newPolicy("p")
	halted := metav1.Condition{Type: v1alpha1.ConditionHalted, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(testNow)}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "NodesNotBack", LastTransitionTime: metav1.NewTime(testNow),
	}
	policy.Status = v1alpha1.RebootPolicyStatus{
		Nodes: 9, UnderWay: 1, Unavailable: 2, MaxUnavailable: 3, Overdue: 4, Failed: 5,
		Window:     &v1alpha1.WindowStatus{State: v1alpha1.WindowFrozen},
		Conditions: []metav1.Condition{halted, ready},
	}
	pending := func(since int) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) {
			r.Status = v1alpha1.NodeRebootStatus{PolicyName: "p", Phase: v1alpha1.PhasePending, Reason: "ZoneBusy", RequiredSince: at(since)}
		}
	}
	// givenUp reboots are needed as long as the boot that they are about asks for one.
	givenUp := func(since int, boot string, sentinel v1alpha1.SentinelState) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) {
			r.Spec.Trigger = v1alpha1.TriggerSentinel
			r.Status = v1alpha1.NodeRebootStatus{
				PolicyName: "q", Phase: v1alpha1.PhaseFailed, Reason: "RebootFailed", Outcome: v1alpha1.OutcomeFailed, CompletionTime: at(0),
				NodeUID: "uid-a", RequiredSince: at(since), Report: &v1alpha1.HelperReport{
					Protocol: v1alpha1.ProtocolLevel, BootID: boot, Sentinel: sentinel,
				},
			}
		}
	}
	byCondition := func(since int, conditionType string) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) {
			givenUp(since, "boot-1", v1alpha1.SentinelUnknown)(r)
			r.Spec.Trigger, r.Spec.ConditionType, r.Status.PolicyName = v1alpha1.TriggerNodeCondition, conditionType, "r"
		}
	}
	rolledBack := newReboot("x", "a", pending(-70))
	rolledBack.Status.Phase, rolledBack.Status.Reason = v1alpha1.PhaseRecovering, "WorkloadsNotReady"
	rolledBack.Status.Attempt = &v1alpha1.Attempt{Number: 1, RolledBackTime: at(0)}
	done := newReboot("c", "c", pending(-500))
	done.Status.Phase, done.Status.Reason = v1alpha1.PhaseSucceeded, "Proved"
	open := newPolicy("r")
	open.Status.Window = &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen}
	open.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "InForce", LastTransitionTime: metav1.NewTime(testNow),
	}}
	open.Spec.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{
		{Type: "KernelDeadlock", Status: "True"}, {Type: "ReadonlyFilesystem", Status: "True"},
	}}
	later := newPolicy("s")
	later.Status.Window = &v1alpha1.WindowStatus{State: v1alpha1.WindowClosed, NextOpeningTime: ptr.To(metav1.NewTime(testNow.Add(time.Hour)))}
	failing := func(times int32, change option[*v1alpha1.NodeReboot]) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) {
			change(r)
			r.Status.Failures = &v1alpha1.Failures{Count: times, LastReason: v1alpha1.ReasonDrainTimedOut}
		}
	}
	rolledBack.Status.Failures = &v1alpha1.Failures{Count: 2, LastReason: v1alpha1.ReasonDrainTimedOut}
	blind := newPolicy("q")
	blind.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionNoDetector, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNoDetector,
		LastTransitionTime: metav1.NewTime(testNow),
	}}
	w := newWorld(t, policy, blind, open, later,
		newReboot("a", "a", failing(7, pending(-60))), newReboot("b", "b", failing(1, pending(-30))),
		done, rolledBack,
		newNode("a", deadlock),
		newReboot("d", "a", failing(3, givenUp(-90, "boot-1", v1alpha1.SentinelRequired))),
		newReboot("e", "a", givenUp(-100, "boot-0", v1alpha1.SentinelRequired)),
		newReboot("f", "a", givenUp(-110, "boot-1", v1alpha1.SentinelNotRequired)),
		newReboot("g", "a", byCondition(-120, "KernelDeadlock")), newReboot("h", "a", byCondition(-130, "DiskPressure")),
		newReboot("i", "a", byCondition(-140, "ReadonlyFilesystem")))
	elected := make(chan struct{})
	c := &stateCollector{objects: objectCache{reader: w}, clock: clocktesting.NewFakePassiveClock(testNow), elected: elected}
	if got := testutil.CollectAndCount(c); got != 0 {
		t.Errorf("%d metrics of a manager that does not lead, want none", got)
	}
	close(elected)
	want := `
# HELP reboot_operator_nodereboots NodeReboots, by policy, phase and reason.
# TYPE reboot_operator_nodereboots gauge
reboot_operator_nodereboots{phase="Cancelled",policy="p",reason=""} 0
reboot_operator_nodereboots{phase="Cancelled",policy="q",reason=""} 0
reboot_operator_nodereboots{phase="Cancelled",policy="r",reason=""} 0
reboot_operator_nodereboots{phase="Cancelled",policy="s",reason=""} 0
reboot_operator_nodereboots{phase="Draining",policy="p",reason=""} 0
reboot_operator_nodereboots{phase="Draining",policy="q",reason=""} 0
reboot_operator_nodereboots{phase="Draining",policy="r",reason=""} 0
reboot_operator_nodereboots{phase="Draining",policy="s",reason=""} 0
reboot_operator_nodereboots{phase="Failed",policy="p",reason=""} 0
reboot_operator_nodereboots{phase="Failed",policy="q",reason="RebootFailed"} 3
reboot_operator_nodereboots{phase="Failed",policy="r",reason="RebootFailed"} 3
reboot_operator_nodereboots{phase="Failed",policy="s",reason=""} 0
reboot_operator_nodereboots{phase="Pending",policy="p",reason="ZoneBusy"} 2
reboot_operator_nodereboots{phase="Pending",policy="q",reason=""} 0
reboot_operator_nodereboots{phase="Pending",policy="r",reason=""} 0
reboot_operator_nodereboots{phase="Pending",policy="s",reason=""} 0
reboot_operator_nodereboots{phase="Rebooting",policy="p",reason=""} 0
reboot_operator_nodereboots{phase="Rebooting",policy="q",reason=""} 0
reboot_operator_nodereboots{phase="Rebooting",policy="r",reason=""} 0
reboot_operator_nodereboots{phase="Rebooting",policy="s",reason=""} 0
reboot_operator_nodereboots{phase="Recovering",policy="p",reason="WorkloadsNotReady"} 1
reboot_operator_nodereboots{phase="Recovering",policy="q",reason=""} 0
reboot_operator_nodereboots{phase="Recovering",policy="r",reason=""} 0
reboot_operator_nodereboots{phase="Recovering",policy="s",reason=""} 0
reboot_operator_nodereboots{phase="Succeeded",policy="p",reason="Proved"} 1
reboot_operator_nodereboots{phase="Succeeded",policy="q",reason=""} 0
reboot_operator_nodereboots{phase="Succeeded",policy="r",reason=""} 0
reboot_operator_nodereboots{phase="Succeeded",policy="s",reason=""} 0
# HELP reboot_operator_policy_failed Reboots of a policy that have failed and not recovered, or were given up while they are still needed.
# TYPE reboot_operator_policy_failed gauge
reboot_operator_policy_failed{policy="p"} 5
reboot_operator_policy_failed{policy="q"} 0
reboot_operator_policy_failed{policy="r"} 0
reboot_operator_policy_failed{policy="s"} 0
# HELP reboot_operator_policy_halted 1 while nothing starts because nodes did not come back, or drains fail.
# TYPE reboot_operator_policy_halted gauge
reboot_operator_policy_halted{policy="p"} 1
reboot_operator_policy_halted{policy="q"} 0
reboot_operator_policy_halted{policy="r"} 0
reboot_operator_policy_halted{policy="s"} 0
# HELP reboot_operator_policy_max_unavailable The limit of maxUnavailable of a policy, as a number of nodes.
# TYPE reboot_operator_policy_max_unavailable gauge
reboot_operator_policy_max_unavailable{policy="p"} 3
reboot_operator_policy_max_unavailable{policy="q"} 0
reboot_operator_policy_max_unavailable{policy="r"} 0
reboot_operator_policy_max_unavailable{policy="s"} 0
# HELP reboot_operator_policy_nodes Nodes that a policy owns.
# TYPE reboot_operator_policy_nodes gauge
reboot_operator_policy_nodes{policy="p"} 9
reboot_operator_policy_nodes{policy="q"} 0
reboot_operator_policy_nodes{policy="r"} 0
reboot_operator_policy_nodes{policy="s"} 0
# HELP reboot_operator_policy_oldest_waiting_seconds How long the oldest reboot that waits or was given up has been required; 0 if none.
# TYPE reboot_operator_policy_oldest_waiting_seconds gauge
reboot_operator_policy_oldest_waiting_seconds{policy="p"} 70
reboot_operator_policy_oldest_waiting_seconds{policy="q"} 90
reboot_operator_policy_oldest_waiting_seconds{policy="r"} 120
reboot_operator_policy_oldest_waiting_seconds{policy="s"} 0
# HELP reboot_operator_policy_nodes_failing Nodes on which the last two attempts or more failed, by the reason of the last one.
# TYPE reboot_operator_policy_nodes_failing gauge
reboot_operator_policy_nodes_failing{policy="p",reason="DrainTimedOut"} 2
reboot_operator_policy_nodes_failing{policy="q",reason=""} 0
reboot_operator_policy_nodes_failing{policy="r",reason=""} 0
reboot_operator_policy_nodes_failing{policy="s",reason=""} 0
# HELP reboot_operator_policy_no_detector 1 while nothing could detect that the host of a node of the policy needs a reboot.
# TYPE reboot_operator_policy_no_detector gauge
reboot_operator_policy_no_detector{policy="p"} 0
reboot_operator_policy_no_detector{policy="q"} 1
reboot_operator_policy_no_detector{policy="r"} 0
reboot_operator_policy_no_detector{policy="s"} 0
# HELP reboot_operator_policy_nodes_without_helper Ready nodes of a policy that have had no Ready helper for five minutes.
# TYPE reboot_operator_policy_nodes_without_helper gauge
reboot_operator_policy_nodes_without_helper{policy="p"} 0
reboot_operator_policy_nodes_without_helper{policy="q"} 0
reboot_operator_policy_nodes_without_helper{policy="r"} 0
reboot_operator_policy_nodes_without_helper{policy="s"} 0
# HELP reboot_operator_policy_overdue Nodes of a policy that have needed a reboot for longer than schedule.maxDeferralSeconds.
# TYPE reboot_operator_policy_overdue gauge
reboot_operator_policy_overdue{policy="p"} 4
reboot_operator_policy_overdue{policy="q"} 0
reboot_operator_policy_overdue{policy="r"} 0
reboot_operator_policy_overdue{policy="s"} 0
# HELP reboot_operator_policy_unavailable Nodes of a policy that are unavailable, and count against maxUnavailable.
# TYPE reboot_operator_policy_unavailable gauge
reboot_operator_policy_unavailable{policy="p"} 2
reboot_operator_policy_unavailable{policy="q"} 0
reboot_operator_policy_unavailable{policy="r"} 0
reboot_operator_policy_unavailable{policy="s"} 0
# HELP reboot_operator_policy_underway Nodes of a policy that hold a slot.
# TYPE reboot_operator_policy_underway gauge
reboot_operator_policy_underway{policy="p"} 1
reboot_operator_policy_underway{policy="q"} 0
reboot_operator_policy_underway{policy="r"} 0
reboot_operator_policy_underway{policy="s"} 0
# HELP reboot_operator_policy_window_open 1 while the schedule lets nodes start; 0 outside its windows and in a freeze.
# TYPE reboot_operator_policy_window_open gauge
reboot_operator_policy_window_open{policy="p"} 0
reboot_operator_policy_window_open{policy="q"} 1
reboot_operator_policy_window_open{policy="r"} 1
reboot_operator_policy_window_open{policy="s"} 0
# HELP reboot_operator_policy_next_start_seconds How long until the schedule lets nodes start: 0 while it does, +Inf if it never does again.
# TYPE reboot_operator_policy_next_start_seconds gauge
reboot_operator_policy_next_start_seconds{policy="p"} +Inf
reboot_operator_policy_next_start_seconds{policy="q"} 0
reboot_operator_policy_next_start_seconds{policy="r"} 0
reboot_operator_policy_next_start_seconds{policy="s"} 3600
# HELP reboot_operator_policy_ready 1 while a policy is in force, 0 while it is not; the reason says why.
# TYPE reboot_operator_policy_ready gauge
reboot_operator_policy_ready{policy="p",reason="NodesNotBack"} 0
reboot_operator_policy_ready{policy="r",reason="InForce"} 1
# HELP reboot_operator_unreadable_objects Stored objects that cannot be read completely, by kind.
# TYPE reboot_operator_unreadable_objects gauge
reboot_operator_unreadable_objects{kind="NodeReboot"} 0
reboot_operator_unreadable_objects{kind="RebootPolicy"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestRetriesBackOffAndNeverOutlastTheWakeUpTime(t *testing.T) {
	l := newRetryLimiter()
	if first, second := l.When(clusterKey), l.When(clusterKey); first != firstRetry || second != 2*firstRetry {
		t.Errorf("retries after %s and %s, want %s and twice that", first, second, firstRetry)
	}
	for range 20 {
		l.When(clusterKey)
		l.afterStale(clusterKey)
	}
	if errors, stale := l.When(clusterKey), l.afterStale(clusterKey); errors != lastErrorRetry || stale != lastStaleRetry {
		t.Errorf("at last after %s and %s, want %s and %s", errors, stale, lastErrorRetry, lastStaleRetry)
	}
	l.wakeIn(time.Second)
	if errors, stale := l.When(clusterKey), l.afterStale(clusterKey); errors != time.Second || stale != time.Second {
		t.Errorf("after %s and %s, want both at the wake-up time", errors, stale)
	}
	l.wakeIn(0)
	l.Forget(clusterKey)
	l.settled(clusterKey)
	if errors, stale := l.When(clusterKey), l.afterStale(clusterKey); errors != firstRetry || stale != firstRetry {
		t.Errorf("after %s and %s, want both to begin again", errors, stale)
	}
}

func TestWakeUpTimesThatArePastAskForAPassAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		wake time.Time
		want time.Duration
	}{
		"never":     {time.Time{}, 0},
		"in future": {testNow.Add(time.Minute), time.Minute},
		"now":       {testNow, time.Millisecond},
		"past":      {testNow.Add(-time.Hour), time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if got := untilWake(test.wake, testNow); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// unreadableObjects are two NodeReboots and a RebootPolicy that cannot be read, among others.
type unreadableObjects struct{}

func (unreadableObjects) Describe(descs chan<- *prometheus.Desc) { descs <- unreadableDesc }

func (unreadableObjects) Collect(metrics chan<- prometheus.Metric) {
	problems := []decode.Problem{{Path: "spec"}}
	reboots := []*v1alpha1.NodeReboot{{}, {Unreadable: problems}, {Unreadable: problems}}
	collectUnreadable(metrics, reboots, []*v1alpha1.RebootPolicy{{Unreadable: problems}, {}})
}

func TestObjectsThatCannotBeReadAreCounted(t *testing.T) {
	want := `
# HELP reboot_operator_unreadable_objects Stored objects that cannot be read completely, by kind.
# TYPE reboot_operator_unreadable_objects gauge
reboot_operator_unreadable_objects{kind="NodeReboot"} 2
reboot_operator_unreadable_objects{kind="RebootPolicy"} 1
`
	if err := testutil.CollectAndCompare(unreadableObjects{}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestTheBuildInfoNamesVersionAndProtocol(t *testing.T) {
	want := fmt.Sprintf(`# HELP reboot_operator_build_info Always 1; the labels are the version of the manager.
# TYPE reboot_operator_build_info gauge
reboot_operator_build_info{goversion=%q,protocol="%d",version=%q} 1
`, runtime.Version(), v1alpha1.ProtocolLevel, version.Get())
	if err := testutil.CollectAndCompare(buildInfo(), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestARebootWithoutATimeIsNotTheOldest(t *testing.T) {
	pending := newReboot("a", "a")
	pending.Status = v1alpha1.NodeRebootStatus{PolicyName: "p", Phase: v1alpha1.PhasePending}
	if got := oldestWaiting([]*v1alpha1.NodeReboot{pending}, func(*v1alpha1.NodeReboot) bool { return false }); len(got) > 0 {
		t.Errorf("the oldest are %v", got)
	}
}
