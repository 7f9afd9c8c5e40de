package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// scrapeTimeout bounds how long a scrape waits for the cache.
const scrapeTimeout = 5 * time.Second

var (
	rebootsDesc = stateDesc("nodereboots", "NodeReboots, by policy, phase and reason.", labelPolicy, labelPhase, labelReason)

	policyNodesDesc          = stateDesc("policy_nodes", "Nodes that a policy owns.", labelPolicy)
	policyUnavailableDesc    = stateDesc("policy_unavailable", "Nodes of a policy that count against maxUnavailable.", labelPolicy)
	policyMaxUnavailableDesc = stateDesc("policy_max_unavailable", "The limit that maxUnavailable comes to, in nodes.", labelPolicy)
	policyUnderWayDesc       = stateDesc("policy_underway", "Nodes of a policy that hold a slot.", labelPolicy)
	policyHaltedDesc         = stateDesc("policy_halted", "1 while nothing starts because nodes did not come back.", labelPolicy)
	policyOverdueDesc        = stateDesc("policy_overdue",
		"Nodes of a policy that have needed a reboot for longer than failure.maxDeferralSeconds.", labelPolicy)
	policyWindowOpenDesc = stateDesc("policy_window_open",
		"1 while the schedule lets nodes start; 0 outside its windows and in a freeze.", labelPolicy)
	policyOldestWaitingDesc = stateDesc("policy_oldest_waiting_seconds",
		"How long the reboot that waits longest has been required; 0 when none waits.", labelPolicy)
)

func stateDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, "", name), help, labels, nil)
}

// stateCollector reads the state of the cluster from the cache when it is scraped, so it never shows what is not there any more. Only the
// leader shows any state: a sum over all replicas would count everything twice.
type stateCollector struct {
	reader  client.Reader
	clock   clock.PassiveClock
	elected <-chan struct{}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		rebootsDesc, policyNodesDesc, policyUnavailableDesc, policyMaxUnavailableDesc, policyUnderWayDesc, policyHaltedDesc,
		policyOverdueDesc, policyWindowOpenDesc, policyOldestWaitingDesc,
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
	var reboots v1alpha1.NodeRebootList
	var policies v1alpha1.RebootPolicyList
	if err := c.reader.List(ctx, &reboots, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(rebootsDesc, fmt.Errorf("list NodeReboots: %w", err))
		return
	}
	if err := c.reader.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(policyNodesDesc, fmt.Errorf("list RebootPolicies: %w", err))
		return
	}
	collectReboots(metrics, reboots.Items)
	collectPolicies(metrics, policies.Items, oldestWaiting(reboots.Items), c.clock.Now())
}

func collectReboots(metrics chan<- prometheus.Metric, reboots []v1alpha1.NodeReboot) {
	type state struct{ policy, phase, reason string }
	counts := map[state]int{}
	for i := range reboots {
		status := &reboots[i].Status
		counts[state{status.PolicyName, string(status.Phase), status.Reason}]++
	}
	for s, count := range counts {
		metrics <- prometheus.MustNewConstMetric(rebootsDesc, prometheus.GaugeValue, float64(count), s.policy, s.phase, s.reason)
	}
}

// oldestWaiting is since when the reboot that waits longest is required, by policy.
func oldestWaiting(reboots []v1alpha1.NodeReboot) map[string]time.Time {
	oldest := map[string]time.Time{}
	for i := range reboots {
		status := &reboots[i].Status
		if status.Phase != v1alpha1.PhasePending || status.RequiredSince == nil {
			continue
		}
		if since, ok := oldest[status.PolicyName]; !ok || status.RequiredSince.Time.Before(since) {
			oldest[status.PolicyName] = status.RequiredSince.Time
		}
	}
	return oldest
}

func collectPolicies(
	metrics chan<- prometheus.Metric, policies []v1alpha1.RebootPolicy, oldest map[string]time.Time, now time.Time,
) {
	for i := range policies {
		name, status := policies[i].Name, &policies[i].Status
		gauge := func(desc *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, name)
		}
		halted := 0.0
		if meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionHalted) {
			halted = 1
		}
		waiting := 0.0
		if since, ok := oldest[name]; ok {
			waiting = max(now.Sub(since), 0).Seconds()
		}
		gauge(policyNodesDesc, float64(status.Nodes))
		gauge(policyUnavailableDesc, float64(status.Unavailable))
		gauge(policyMaxUnavailableDesc, float64(status.MaxUnavailable))
		gauge(policyUnderWayDesc, float64(status.UnderWay))
		gauge(policyHaltedDesc, halted)
		gauge(policyWindowOpenDesc, windowOpen(status))
		gauge(policyOverdueDesc, float64(status.Overdue))
		gauge(policyOldestWaitingDesc, waiting)
	}
}

// windowOpen is 1 if the window is open; a policy that has none is always open.
func windowOpen(status *v1alpha1.RebootPolicyStatus) float64 {
	if status.Window == nil || status.Window.State == v1alpha1.WindowOpen {
		return 1
	}
	return 0
}
