package controllers

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/notifier"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

const (
	metricsNamespace = "reboot_operator"

	labelPolicy  = "policy"
	labelKind    = "kind"
	labelPhase   = "phase"
	labelReason  = "reason"
	labelOutcome = "outcome"
	labelWrite   = "write"
	labelResult  = "result"
)

// numbers are the counters and histograms. Their labels are policy names and closed sets, never nodes or objects.
type numbers struct {
	taintLead, drain, downtime, recovery, total *prometheus.HistogramVec
	reboots, attemptsFailed                     *prometheus.CounterVec
	passes                                      prometheus.Histogram
	// refused counts refused writes; refusedNow is how many different ones wait to be tried again.
	refused    *prometheus.CounterVec
	refusedNow prometheus.Gauge
	// notifications counts messages to receivers.
	notifications *prometheus.CounterVec
	mu            sync.Mutex
	// policies have label values.
	policies sets.Set[string]
}

func newNumbers() *numbers {
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: metricsNamespace, Name: name, Help: help, Buckets: buckets,
		}, []string{labelPolicy})
	}
	return &numbers{
		policies: sets.New[string](),
		taintLead: histogram("taint_lead_seconds", "Time from the taint of a node that needs a reboot to the order to drain it.",
			prometheus.ExponentialBuckets(1, 4, 11)),
		drain: histogram("drain_seconds", "Time from the order to drain a node until it is drained.",
			prometheus.ExponentialBuckets(1, 2, 13)),
		downtime: histogram("downtime_seconds", "Time from the order to reboot a node until it reports another boot.",
			prometheus.ExponentialBuckets(5, 1.7, 12)),
		recovery: histogram("recovery_seconds", "Time from another boot of a node until its slot is freed.",
			prometheus.ExponentialBuckets(1, 2, 13)),
		total: histogram("reboot_seconds", "Time from the grant of a slot until it is freed, of reboots that succeeded.",
			prometheus.ExponentialBuckets(10, 1.8, 13)),
		reboots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Name: "reboots_total", Help: "NodeReboots that ended.",
		}, []string{labelPolicy, labelOutcome, labelReason}),
		attemptsFailed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Name: "attempts_failed_total", Help: "Attempts to reboot a node that failed.",
		}, []string{labelPolicy, labelReason}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Name: "writes_refused_total", Help: "Writes that the API server refused, by what was to be written.",
		}, []string{labelWrite}),
		refusedNow: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: metricsNamespace, Name: "refused_writes", Help: "Writes that the API server refuses, and that wait to be tried again.",
		}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Name: "notifications_total",
			Help: "Messages to the receivers of a policy's notifications, by result.",
		}, []string{labelPolicy, labelResult}),
		passes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: metricsNamespace, Name: "pass_seconds", Help: "Duration of a pass over the cluster, its writes included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}),
	}
}

// buildInfo is 1, with what this manager was built from and the protocol that it speaks with helpers as labels.
func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: metricsNamespace, Name: "build_info", Help: "Always 1; the labels are the version of the manager.",
		ConstLabels: prometheus.Labels{
			"version": version.Get(), "goversion": runtime.Version(), "protocol": strconv.Itoa(int(v1alpha1.ProtocolLevel)),
		},
	}, func() float64 { return 1 })
}

func (n *numbers) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		buildInfo(), n.taintLead, n.drain, n.downtime, n.recovery, n.total, n.reboots, n.attemptsFailed, n.passes, n.refused, n.refusedNow,
		n.notifications,
	}
}

// registerAll registers collectors. It fails for a registry that has them already: two operators in one process need one each.
func registerAll(registry prometheus.Registerer, collectors ...prometheus.Collector) error {
	var errs []error
	for _, c := range collectors {
		if err := registry.Register(c); err != nil {
			errs = append(errs, fmt.Errorf("register metrics: %w", err))
		}
	}
	return errors.Join(errs...)
}

// countNotification counts a message to a receiver. A policy that is gone by now has no series.
func (n *numbers) countNotification(policy, result string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.policies.Has(policy) {
		n.notifications.WithLabelValues(policy, result).Inc()
	}
}

// observe counts and measures what happened between two statuses of a NodeReboot.
func (n *numbers) observe(before, after *v1alpha1.NodeRebootStatus) {
	policy := after.PolicyName
	list := observations(before, after)
	if len(list) > 0 {
		n.mu.Lock()
		n.policies.Insert(policy)
		n.mu.Unlock()
	}
	for _, o := range list {
		switch o.metric {
		case metricTaintLead:
			n.taintLead.WithLabelValues(policy).Observe(o.seconds)
		case metricDrain:
			n.drain.WithLabelValues(policy).Observe(o.seconds)
		case metricDowntime:
			n.downtime.WithLabelValues(policy).Observe(o.seconds)
		case metricRecovery:
			n.recovery.WithLabelValues(policy).Observe(o.seconds)
		case metricTotal:
			n.total.WithLabelValues(policy).Observe(o.seconds)
		case metricOutcome:
			n.reboots.WithLabelValues(policy, string(after.Outcome), o.reason).Inc()
		case metricAttemptFailed:
			n.attemptsFailed.WithLabelValues(policy, o.reason).Inc()
		}
	}
}

// Reasons for which attempts fail, and NodeReboots end: series that begin with 0, so that the first one counts in an increase.
var (
	failedReasons = []string{
		v1alpha1.ReasonUncordoned, v1alpha1.ReasonPodsNotFinished, v1alpha1.ReasonDrainTimedOut, v1alpha1.ReasonDrainFailed,
		v1alpha1.ReasonHookTimedOut, v1alpha1.ReasonOrderExpired, v1alpha1.ReasonRebootFailed, v1alpha1.ReasonRebootNotObserved,
		v1alpha1.ReasonSentinelStillPresent, v1alpha1.ReasonConditionStillPresent,
	}
	endReasons = map[v1alpha1.Outcome][]string{
		v1alpha1.OutcomeSucceeded: {v1alpha1.ReasonProved, v1alpha1.ReasonRebootedMeanwhile},
		v1alpha1.OutcomeCancelled: {v1alpha1.ReasonNeedWithdrawn, v1alpha1.ReasonSuperseded},
		v1alpha1.OutcomeFailed: {
			v1alpha1.ReasonRebootFailed, v1alpha1.ReasonRebootNotObserved, v1alpha1.ReasonSentinelStillPresent,
			v1alpha1.ReasonConditionStillPresent, v1alpha1.ReasonNodeGone,
		},
	}
)

// begin shows all series of a policy.
func (n *numbers) begin(policy string) {
	for _, vec := range n.histograms() {
		vec.WithLabelValues(policy)
	}
	for _, result := range notifier.Results {
		n.notifications.WithLabelValues(policy, result)
	}
	for _, reason := range failedReasons {
		n.attemptsFailed.WithLabelValues(policy, reason)
	}
	for outcome, reasons := range endReasons {
		for _, reason := range reasons {
			n.reboots.WithLabelValues(policy, string(outcome), reason)
		}
	}
}

// histograms are those of policies.
func (n *numbers) histograms() []*prometheus.HistogramVec {
	return []*prometheus.HistogramVec{n.taintLead, n.drain, n.downtime, n.recovery, n.total}
}

// keepPolicies shows the label values of these policies, and forgets those of every other.
func (n *numbers) keepPolicies(policies []*v1alpha1.RebootPolicy) {
	// NodeReboots that no policy owns are counted under the empty name.
	current := sets.New("")
	for _, policy := range policies {
		current.Insert(policy.Name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.policies.Difference(current) {
		gone := prometheus.Labels{labelPolicy: name}
		for _, vec := range n.histograms() {
			vec.DeletePartialMatch(gone)
		}
		n.reboots.DeletePartialMatch(gone)
		n.attemptsFailed.DeletePartialMatch(gone)
		n.notifications.DeletePartialMatch(gone)
	}
	for name := range current.Difference(n.policies).Delete("") {
		n.begin(name)
	}
	n.policies = current
}

// metric is something that is counted or measured.
type metric int

const (
	metricTaintLead metric = iota
	metricDrain
	metricDowntime
	metricRecovery
	metricTotal
	metricOutcome
	metricAttemptFailed
)

// observation is one thing to count (by reason) or to measure (in seconds).
type observation struct {
	metric  metric
	seconds float64
	reason  string
}

// observations compares two statuses of a NodeReboot: each fact that is new is observed once.
func observations(before, after *v1alpha1.NodeRebootStatus) []observation {
	var list []observation
	if before.TaintLeadSeconds == nil && after.TaintLeadSeconds != nil {
		list = append(list, observation{metric: metricTaintLead, seconds: float64(*after.TaintLeadSeconds)})
	}
	old, attempt := attempts(before, after)
	if attempt != nil {
		list = append(list, attemptObservations(old, attempt)...)
	}
	ended := before.Outcome == "" && after.Outcome != ""
	if ended && after.Outcome == v1alpha1.OutcomeSucceeded && attempt != nil && began(old.EndedTime, attempt.EndedTime) {
		list = append(list, observation{metric: metricTotal, seconds: between(&attempt.GrantedTime, attempt.EndedTime)})
	}
	if ended {
		list = append(list, observation{metric: metricOutcome, reason: after.OutcomeReason})
	}
	if failures(after) > failures(before) {
		list = append(list, observation{metric: metricAttemptFailed, reason: after.Failures.LastReason})
	}
	return list
}

func attemptObservations(old, attempt *v1alpha1.Attempt) []observation {
	var list []observation
	measure := func(m metric, from, before, after *metav1.MicroTime) {
		if from != nil && began(before, after) {
			list = append(list, observation{metric: m, seconds: between(from, after)})
		}
	}
	measure(metricDrain, attempt.DrainOrderedTime, old.DrainedTime, attempt.DrainedTime)
	measure(metricDowntime, attempt.RebootOrderedTime, old.BackTime, attempt.BackTime)
	measure(metricRecovery, attempt.BackTime, old.EndedTime, attempt.EndedTime)
	return list
}

// attempts returns the attempt of a status, nil if it has none, and what was known of the same attempt before. They are
// compared by when their slots were granted: a grant that was not used gives the attempt before it another number, and nothing else.
func attempts(before, after *v1alpha1.NodeRebootStatus) (old, attempt *v1alpha1.Attempt) {
	old = &v1alpha1.Attempt{}
	if after.Attempt == nil {
		return old, nil
	}
	if before.Attempt != nil && before.Attempt.GrantedTime.Equal(&after.Attempt.GrantedTime) {
		old = before.Attempt
	}
	return old, after.Attempt
}

// unused says that a slot was granted for the attempt, and nothing was done with it.
func unused(attempt *v1alpha1.Attempt) bool { return attempt.GrantedTime.Equal(attempt.EndedTime) }

// began says that a time is set and was not set before.
func began(before, after *metav1.MicroTime) bool { return before == nil && after != nil }

func between(from, to *metav1.MicroTime) float64 { return max(to.Sub(from.Time), 0).Seconds() }

func failures(status *v1alpha1.NodeRebootStatus) int32 {
	if status.Failures == nil {
		return 0
	}
	return status.Failures.Count
}
