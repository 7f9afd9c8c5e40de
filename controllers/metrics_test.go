package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
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
			withAttempt(drained), withAttempt(func(a *v1alpha1.Attempt) { drained(a); a.Number = 2 }),
			[]observation{{metric: metricDrain, seconds: 30}},
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
	for name, test := range map[string]struct {
		before, after *v1alpha1.NodeRebootStatus
		want          []string
	}{
		"nothing": {begun, begun, nil},
		"start":   {pending, begun, []string{"attempt started", "drain ordered"}},
		"rest": {begun, done, []string{
			"node drained", "reboot ordered", "node is back", "node is healthy", "attempt ended", "reboot succeeded",
		}},
		"stalled": {begun, stalled, []string{"attempt stalled"}},
		"failed":  {pending, status(func(s *v1alpha1.NodeRebootStatus) { s.Outcome = v1alpha1.OutcomeFailed }), []string{"reboot failed"}},
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

func TestNumbersForgetAPolicyThatIsGone(t *testing.T) {
	n := newNumbers()
	registry := prometheus.NewRegistry()
	if err := registerAll(registry, n.collectors()...); err != nil {
		t.Fatal(err)
	}
	before := status(func(*v1alpha1.NodeRebootStatus) {})
	for _, policy := range []string{"p", "q", ""} {
		n.observe(before, status(func(s *v1alpha1.NodeRebootStatus) {
			s.PolicyName, s.TaintLeadSeconds = policy, ptr.To[int64](1)
			s.Outcome, s.OutcomeReason = v1alpha1.OutcomeCancelled, "NeedWithdrawn"
			s.Failures = &v1alpha1.Failures{Count: 1, LastReason: "DrainTimedOut"}
		}))
	}
	n.keepPolicies([]*v1alpha1.RebootPolicy{newPolicy("q")})
	want := `
# HELP reboot_operator_reboots_total NodeReboots that ended.
# TYPE reboot_operator_reboots_total counter
reboot_operator_reboots_total{outcome="Cancelled",policy="",reason="NeedWithdrawn"} 1
reboot_operator_reboots_total{outcome="Cancelled",policy="q",reason="NeedWithdrawn"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "reboot_operator_reboots_total"); err != nil {
		t.Error(err)
	}
	if leads, failed := testutil.CollectAndCount(n.taintLead), testutil.CollectAndCount(n.attemptsFailed); leads != 2 || failed != 2 {
		t.Errorf("%d taint leads and %d failed attempts, want 2 of each", leads, failed)
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
	policy.Status = v1alpha1.RebootPolicyStatus{
		Nodes: 9, UnderWay: 1, Unavailable: 2, MaxUnavailable: 3, Overdue: 4, Window: &v1alpha1.WindowStatus{State: v1alpha1.WindowFrozen},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionHalted, Status: metav1.ConditionTrue}},
	}
	pending := func(since int) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) {
			r.Status = v1alpha1.NodeRebootStatus{PolicyName: "p", Phase: v1alpha1.PhasePending, Reason: "ZoneBusy", RequiredSince: at(since)}
		}
	}
	done := newReboot("c", "c", pending(-500))
	done.Status.Phase, done.Status.Reason = v1alpha1.PhaseSucceeded, "Proved"
	open := newPolicy("r")
	open.Status.Window = &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen}
	w := newWorld(t, policy, newPolicy("q"), open, newReboot("a", "a", pending(-60)), newReboot("b", "b", pending(-30)), done)
	elected := make(chan struct{})
	c := &stateCollector{reader: w, clock: clocktesting.NewFakePassiveClock(testNow), elected: elected}
	if got := testutil.CollectAndCount(c); got != 0 {
		t.Errorf("%d metrics of a manager that does not lead, want none", got)
	}
	close(elected)
	want := `
# HELP reboot_operator_nodereboots NodeReboots, by policy, phase and reason.
# TYPE reboot_operator_nodereboots gauge
reboot_operator_nodereboots{phase="Pending",policy="p",reason="ZoneBusy"} 2
reboot_operator_nodereboots{phase="Succeeded",policy="p",reason="Proved"} 1
# HELP reboot_operator_policy_halted 1 while nothing starts because nodes did not come back.
# TYPE reboot_operator_policy_halted gauge
reboot_operator_policy_halted{policy="p"} 1
reboot_operator_policy_halted{policy="q"} 0
reboot_operator_policy_halted{policy="r"} 0
# HELP reboot_operator_policy_max_unavailable The limit that maxUnavailable comes to, in nodes.
# TYPE reboot_operator_policy_max_unavailable gauge
reboot_operator_policy_max_unavailable{policy="p"} 3
reboot_operator_policy_max_unavailable{policy="q"} 0
reboot_operator_policy_max_unavailable{policy="r"} 0
# HELP reboot_operator_policy_nodes Nodes that a policy owns.
# TYPE reboot_operator_policy_nodes gauge
reboot_operator_policy_nodes{policy="p"} 9
reboot_operator_policy_nodes{policy="q"} 0
reboot_operator_policy_nodes{policy="r"} 0
# HELP reboot_operator_policy_oldest_waiting_seconds How long the reboot that waits longest has been required; 0 when none waits.
# TYPE reboot_operator_policy_oldest_waiting_seconds gauge
reboot_operator_policy_oldest_waiting_seconds{policy="p"} 60
reboot_operator_policy_oldest_waiting_seconds{policy="q"} 0
reboot_operator_policy_oldest_waiting_seconds{policy="r"} 0
# HELP reboot_operator_policy_overdue Nodes of a policy that have needed a reboot for longer than failure.maxDeferralSeconds.
# TYPE reboot_operator_policy_overdue gauge
reboot_operator_policy_overdue{policy="p"} 4
reboot_operator_policy_overdue{policy="q"} 0
reboot_operator_policy_overdue{policy="r"} 0
# HELP reboot_operator_policy_unavailable Nodes of a policy that count against maxUnavailable.
# TYPE reboot_operator_policy_unavailable gauge
reboot_operator_policy_unavailable{policy="p"} 2
reboot_operator_policy_unavailable{policy="q"} 0
reboot_operator_policy_unavailable{policy="r"} 0
# HELP reboot_operator_policy_underway Nodes of a policy that hold a slot.
# TYPE reboot_operator_policy_underway gauge
reboot_operator_policy_underway{policy="p"} 1
reboot_operator_policy_underway{policy="q"} 0
reboot_operator_policy_underway{policy="r"} 0
# HELP reboot_operator_policy_window_open 1 while the schedule lets nodes start; 0 outside its windows and in a freeze.
# TYPE reboot_operator_policy_window_open gauge
reboot_operator_policy_window_open{policy="p"} 0
reboot_operator_policy_window_open{policy="q"} 1
reboot_operator_policy_window_open{policy="r"} 1
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
		t.Errorf("after %s and %s, want both to begin anew", errors, stale)
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
