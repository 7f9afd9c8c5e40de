package controllers

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// MostNodeSeries is the most that Options.MaxNodeSeries can be.
const MostNodeSeries = 10_000

const labelNode = "node"

var (
	nodeRequiredDesc = stateDesc("node_reboot_required",
		"1 for a node that needs a reboot, from when that is known until it is proved.", labelNode, labelPolicy)
	nodeStateDesc = stateDesc("node_reboot_state",
		"1 for a node that needs a reboot, with what it waits for.", labelNode, labelPolicy, labelPhase, labelReason)
	nodesLeftOutDesc = stateDesc("nodes_left_out",
		"Nodes that need a reboot and have no series, because of the limit to their number.")
)

// nodeNeed is what is shown of a node that needs a reboot: its NodeReboot that is under way, otherwise the one that has been required for
// longest.
type nodeNeed struct {
	node   string
	status *v1alpha1.NodeRebootStatus
}

// nodeNeeds are those of all nodes that need a reboot, the longest required first.
func nodeNeeds(reboots []*v1alpha1.NodeReboot, needed func(*v1alpha1.NodeReboot) bool) []nodeNeed {
	byNode := map[string]nodeNeed{}
	for i := range reboots {
		need := nodeNeed{reboots[i].Spec.NodeName, &reboots[i].Status}
		if !shown(reboots[i], needed) {
			continue
		}
		if other, ok := byNode[need.node]; !ok || need.compare(other) < 0 {
			byNode[need.node] = need
		}
	}
	needs := make([]nodeNeed, 0, len(byNode))
	for _, need := range byNode {
		needs = append(needs, need)
	}
	slices.SortFunc(needs, func(a, b nodeNeed) int { return cmp.Or(a.since(b), cmp.Compare(a.node, b.node)) })
	return needs
}

// shown says that the node of a NodeReboot needs it: it waits, is under way or is watched, or was given up and is needed.
func shown(reboot *v1alpha1.NodeReboot, needed func(*v1alpha1.NodeReboot) bool) bool {
	if reboot.Status.Outcome != "" {
		return needed(reboot)
	}
	return reboot.Status.Phase != "" && reboot.Status.RequiredSince != nil
}

// compare says which of two needs of a node is shown.
func (n nodeNeed) compare(other nodeNeed) int {
	underWay := func(status *v1alpha1.NodeRebootStatus) int {
		if status.Phase == v1alpha1.PhasePending || status.Outcome != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(underWay(n.status)-underWay(other.status), n.since(other), cmp.Compare(n.status.Reason, other.status.Reason))
}

// since compares since when two are required.
func (n nodeNeed) since(other nodeNeed) int {
	if n.status.RequiredSince == nil || other.status.RequiredSince == nil {
		return 0
	}
	return n.status.RequiredSince.Compare(other.status.RequiredSince.Time)
}

// collectNodes shows up to limit nodes by name, and how many more there are.
func collectNodes(
	metrics chan<- prometheus.Metric, reboots []*v1alpha1.NodeReboot, needed func(*v1alpha1.NodeReboot) bool, limit int,
) {
	if limit == 0 {
		return
	}
	needs := nodeNeeds(reboots, needed)
	leftOut := max(0, len(needs)-limit)
	for _, need := range needs[:len(needs)-leftOut] {
		status := need.status
		metrics <- prometheus.MustNewConstMetric(nodeRequiredDesc, prometheus.GaugeValue, 1, need.node, status.PolicyName)
		metrics <- prometheus.MustNewConstMetric(
			nodeStateDesc, prometheus.GaugeValue, 1, need.node, status.PolicyName, string(status.Phase), status.Reason)
	}
	metrics <- prometheus.MustNewConstMetric(nodesLeftOutDesc, prometheus.GaugeValue, float64(leftOut))
}
