package controllers

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	planpolicies "github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// scrapeTimeout bounds how long a scrape waits for the cache.
const scrapeTimeout = 5 * time.Second

var (
	rebootsDesc = stateDesc("nodereboots", "NodeReboots, by policy, phase and reason.", labelPolicy, labelPhase, labelReason)

	unreadableDesc = stateDesc("unreadable_objects", "Stored objects that cannot be read completely, by kind.", labelKind)

	policyNodesDesc       = stateDesc("policy_nodes", "Nodes that a policy owns.", labelPolicy)
	policyUnavailableDesc = stateDesc("policy_unavailable",
		"Nodes of a policy that are unavailable, and count against maxUnavailable.", labelPolicy)
	policyMaxUnavailableDesc = stateDesc("policy_max_unavailable", "The limit of maxUnavailable of a policy, as a number of "+
		"nodes.", labelPolicy)
	policyUnderWayDesc = stateDesc("policy_underway", "Nodes of a policy that hold a slot.", labelPolicy)
	policyHaltedDesc   = stateDesc("policy_halted",
		"1 while nothing starts because nodes did not come back, or drains fail.", labelPolicy)
	policyFailedDesc = stateDesc("policy_failed",
		"Reboots of a policy that have failed and not recovered, or were given up while they are still needed.", labelPolicy)
	policyOverdueDesc = stateDesc("policy_overdue",
		"Nodes of a policy that have needed a reboot for longer than schedule.maxDeferralSeconds.", labelPolicy)
	policyWithoutHelperDesc = stateDesc("policy_nodes_without_helper",
		"Ready nodes of a policy that have had no Ready helper for five minutes.", labelPolicy)
	policyNoDetectorDesc = stateDesc("policy_no_detector",
		"1 while nothing could detect that the host of a node of the policy needs a reboot.", labelPolicy)
	policyFailingDesc = stateDesc("policy_nodes_failing",
		"Nodes on which the last two attempts or more failed, by the reason of the last one.",
		labelPolicy, labelReason)
	policyReadyDesc = stateDesc("policy_ready",
		"1 while a policy is in force, 0 while it is not; the reason says why.", labelPolicy, labelReason)
	policyNextStartDesc = stateDesc("policy_next_start_seconds",
		"How long until the schedule lets nodes start: 0 while it does, +Inf if it never does again.", labelPolicy)
	policyWindowOpenDesc = stateDesc("policy_window_open",
		"1 while the schedule lets nodes start; 0 outside its windows and in a freeze.", labelPolicy)
	policyOldestWaitingDesc = stateDesc("policy_oldest_waiting_seconds",
		"How long the oldest reboot that waits or was given up has been required; 0 if none.", labelPolicy)
)

func stateDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, "", name), help, labels, nil)
}

// stateCollector reads the state of the cluster from the cache when it is scraped, so it never shows what is no longer there. Only the
// leader shows any state: a sum over all replicas would count everything twice.
type stateCollector struct {
	objects objectCache
	clock   clock.PassiveClock
	elected <-chan struct{}
	// maxNodes is how many nodes are shown by name.
	maxNodes int
}

func newStateCollector(mgr manager.Manager, options *Options) *stateCollector {
	return &stateCollector{
		objects: objectCache{reader: mgr.GetCache(), informers: mgr.GetCache()}, clock: options.Clock, elected: mgr.Elected(),
		maxNodes: options.MaxNodeSeries,
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		rebootsDesc, unreadableDesc, policyNodesDesc, policyUnavailableDesc, policyMaxUnavailableDesc, policyUnderWayDesc, policyHaltedDesc,
		policyFailedDesc, policyOverdueDesc, policyWithoutHelperDesc, policyNoDetectorDesc, policyWindowOpenDesc,
		policyOldestWaitingDesc,
		policyReadyDesc, policyNextStartDesc, policyFailingDesc, nodeRequiredDesc, nodeStateDesc, nodesLeftOutDesc,
	} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(metrics chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	reboots, err := c.objects.reboots(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(rebootsDesc, err)
		return
	}
	policies, err := c.objects.policies(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(policyNodesDesc, err)
		return
	}
	nodes, err := c.objects.nodes(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(policyOldestWaitingDesc, err)
		return
	}
	collectReboots(metrics, reboots, policies)
	collectFailing(metrics, reboots, policies)
	collectUnreadable(metrics, reboots, policies)
	needed := neededBy(policies, nodes)
	collectPolicies(metrics, policies, oldestWaiting(reboots, needed), c.clock.Now())
	collectNodes(metrics, reboots, needed, c.maxNodes)
}

// phases are those that a NodeReboot can be in.
var phases = []v1alpha1.Phase{
	v1alpha1.PhasePending, v1alpha1.PhaseDraining, v1alpha1.PhaseRebooting, v1alpha1.PhaseRecovering,
	v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled,
}

// collectReboots counts NodeReboots. A phase that none of a policy is in is there with 0 and no reason.
func collectReboots(metrics chan<- prometheus.Metric, reboots []*v1alpha1.NodeReboot, policies []*v1alpha1.RebootPolicy) {
	type state struct{ policy, phase, reason string }
	counts, seen := map[state]int{}, map[state]bool{}
	for i := range reboots {
		status := &reboots[i].Status
		counts[state{status.PolicyName, string(status.Phase), status.Reason}]++
		seen[state{policy: status.PolicyName, phase: string(status.Phase)}] = true
	}
	for i := range policies {
		for _, phase := range phases {
			if none := (state{policy: policies[i].Name, phase: string(phase)}); !seen[none] {
				counts[none] = 0
			}
		}
	}
	for s, count := range counts {
		metrics <- prometheus.MustNewConstMetric(rebootsDesc, prometheus.GaugeValue, float64(count), s.policy, s.phase, s.reason)
	}
}

// failingFrom is from how many failed attempts on a node is failing. One may fail because of a budget that lets its pods go a little later.
const failingFrom = 2

// collectFailing counts the NodeReboots whose attempts fail repeatedly, until one succeeds or nothing more is tried: also between two
// attempts, while the next one waits for its back-off or a window. A policy without any has 0 and no reason.
func collectFailing(metrics chan<- prometheus.Metric, reboots []*v1alpha1.NodeReboot, policies []*v1alpha1.RebootPolicy) {
	type failing struct{ policy, reason string }
	counts, seen := map[failing]int{}, map[string]bool{}
	for i := range reboots {
		status := &reboots[i].Status
		if status.Outcome == "" && failures(status) >= failingFrom {
			counts[failing{status.PolicyName, status.Failures.LastReason}]++
			seen[status.PolicyName] = true
		}
	}
	for i := range policies {
		if name := policies[i].Name; !seen[name] {
			counts[failing{policy: name}] = 0
		}
	}
	for f, count := range counts {
		metrics <- prometheus.MustNewConstMetric(policyFailingDesc, prometheus.GaugeValue, float64(count), f.policy, f.reason)
	}
}

func collectUnreadable(metrics chan<- prometheus.Metric, reboots []*v1alpha1.NodeReboot, policies []*v1alpha1.RebootPolicy) {
	counts := map[string]int{"NodeReboot": 0, "RebootPolicy": 0}
	for i := range reboots {
		if len(reboots[i].Unreadable) > 0 {
			counts["NodeReboot"]++
		}
	}
	for i := range policies {
		if len(policies[i].Unreadable) > 0 {
			counts["RebootPolicy"]++
		}
	}
	for kind, count := range counts {
		metrics <- prometheus.MustNewConstMetric(unreadableDesc, prometheus.GaugeValue, float64(count), kind)
	}
}

// oldestWaiting is since when the reboot that waits longest is required, by policy. One that was given up and is still needed waits for
// someone, and one that was rolled back will wait again.
func oldestWaiting(reboots []*v1alpha1.NodeReboot, needed func(*v1alpha1.NodeReboot) bool) map[string]time.Time {
	oldest := map[string]time.Time{}
	for i := range reboots {
		status := &reboots[i].Status
		rolledBack := model.OpenAttempt(status) && status.Attempt.RolledBackTime != nil
		waits := status.Phase == v1alpha1.PhasePending || rolledBack || needed(reboots[i])
		if !waits || status.RequiredSince == nil {
			continue
		}
		if since, ok := oldest[status.PolicyName]; !ok || status.RequiredSince.Time.Before(since) {
			oldest[status.PolicyName] = status.RequiredSince.Time
		}
	}
	return oldest
}

// neededBy says whether the node of a NodeReboot that was given up still asks for it: by the sentinel, or by the condition that its policy
// names.
func neededBy(policies []*v1alpha1.RebootPolicy, nodes []*corev1.Node) func(*v1alpha1.NodeReboot) bool {
	byName := make(map[string]*corev1.Node, len(nodes))
	for i := range nodes {
		byName[nodes[i].Name] = nodes[i]
	}
	triggers := map[string]*planpolicies.Policy{}
	for i := range policies {
		triggers[policies[i].Name] = &planpolicies.Policy{Object: policies[i], Spec: &policies[i].Spec}
	}
	return func(reboot *v1alpha1.NodeReboot) bool {
		node, status := byName[reboot.Spec.NodeName], &reboot.Status
		if status.Outcome != v1alpha1.OutcomeFailed || node == nil || !reboot.DeletionTimestamp.IsZero() || string(node.UID) != status.NodeUID {
			return false
		}
		if reboot.Spec.Trigger == v1alpha1.TriggerSentinel {
			return status.Report != nil && status.Report.BootID == node.Status.NodeInfo.BootID && status.Report.Sentinel == v1alpha1.SentinelRequired
		}
		trigger := triggers[status.PolicyName].Trigger(reboot.Spec.ConditionType)
		return trigger != nil && string(projection.ConditionStatus(node, corev1.NodeConditionType(trigger.Type))) == string(trigger.Status)
	}
}

func collectPolicies(
	metrics chan<- prometheus.Metric, policies []*v1alpha1.RebootPolicy, oldest map[string]time.Time, now time.Time,
) {
	for i := range policies {
		name, status := policies[i].Name, &policies[i].Status
		gauge := func(desc *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, name)
		}
		waiting := 0.0
		if since, ok := oldest[name]; ok {
			waiting = max(now.Sub(since), 0).Seconds()
		}
		gauge(policyNodesDesc, float64(status.Nodes))
		gauge(policyUnavailableDesc, float64(status.Unavailable))
		gauge(policyMaxUnavailableDesc, float64(status.MaxUnavailable))
		gauge(policyUnderWayDesc, float64(status.UnderWay))
		gauge(policyHaltedDesc, conditionTrue(status, v1alpha1.ConditionHalted))
		gauge(policyWindowOpenDesc, windowOpen(status))
		gauge(policyNextStartDesc, nextStart(status, now))
		collectReady(metrics, name, status.Conditions)
		gauge(policyFailedDesc, float64(status.Failed))
		gauge(policyOverdueDesc, float64(status.Overdue))
		gauge(policyWithoutHelperDesc, float64(status.NodesWithoutHelper))
		gauge(policyNoDetectorDesc, conditionTrue(status, v1alpha1.ConditionNoDetector))
		gauge(policyOldestWaitingDesc, waiting)
	}
}

// conditionTrue is 1 while a condition is True.
func conditionTrue(status *v1alpha1.RebootPolicyStatus, condition string) float64 {
	if meta.IsStatusConditionTrue(status.Conditions, condition) {
		return 1
	}
	return 0
}

// windowOpen is 1 if the window is open; a policy that has none is always open.
func windowOpen(status *v1alpha1.RebootPolicyStatus) float64 {
	if status.Window == nil || status.Window.State == v1alpha1.WindowOpen {
		return 1
	}
	return 0
}

// nextStart is how many seconds it is until the schedule lets nodes start.
func nextStart(status *v1alpha1.RebootPolicyStatus, now time.Time) float64 {
	switch {
	case windowOpen(status) == 1:
		return 0
	case status.Window.NextOpeningTime == nil:
		return math.Inf(1)
	}
	return max(status.Window.NextOpeningTime.Sub(now), 0).Seconds()
}

// collectReady shows whether a policy is in force, once the operator has looked at it.
func collectReady(metrics chan<- prometheus.Metric, policy string, conditions []metav1.Condition) {
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return
	}
	value := 0.0
	if ready.Status == metav1.ConditionTrue {
		value = 1
	}
	metrics <- prometheus.MustNewConstMetric(policyReadyDesc, prometheus.GaugeValue, value, policy, ready.Reason)
}
