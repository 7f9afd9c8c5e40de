package model

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// ManagerPod is what a plan needs to know of a pod of the manager that has not ended and is not being deleted.
type ManagerPod struct {
	// Node that the pod is bound to; empty while the scheduler has found none.
	Node  string
	Ready bool
	// Spec has what says where such a pod can run: node selector, node affinity and tolerations. The rest may be missing.
	Spec corev1.PodSpec
}

// RebootingTaint takes the place of the cordon on a node on which the manager stays.
var RebootingTaint = corev1.Taint{Key: v1alpha1.RebootingTaintKey, Effect: corev1.TaintEffectNoSchedule}

// CanRunOn says whether the scheduler considers a node for such a pod: the node takes pods, the pod selects it and tolerates its taints.
// Whether there is room is not known.
func (m *ManagerPod) CanRunOn(n *Node) bool {
	if !n.takes(m.Spec.Tolerations) {
		return false
	}
	node := &corev1.Node{}
	node.Name, node.Labels = n.Name, n.Labels
	selects, err := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: m.Spec}).Match(node)
	return err == nil && selects
}

// TaintedForCordon says that the node has RebootingTaint.
func (n *Node) TaintedForCordon() bool {
	return slices.ContainsFunc(n.Taints, func(taint corev1.Taint) bool { return taint.MatchTaint(&RebootingTaint) })
}

// defaultTolerations are those that the API server adds to each pod that has none of its own for these taints (admission plugin
// DefaultTolerationSeconds). The node controller looks at all nodes every 5 seconds, and only then removes the taints from nodes that are
// Ready.
var defaultTolerations = []corev1.Toleration{
	{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
}

// TakesPods says that the scheduler considers the node for pods that tolerate only what every pod tolerates.
func (n *Node) TakesPods() bool { return n.takes(defaultTolerations) }

// takes says that the scheduler considers the node for pods with these tolerations.
func (n *Node) takes(tolerations []corev1.Toleration) bool {
	return n.Ready && !n.Unschedulable && !n.MarkedForDeletion() && !slices.ContainsFunc(n.Taints, func(taint corev1.Taint) bool {
		return taint.Effect != corev1.TaintEffectPreferNoSchedule && !tolerates(tolerations, &taint)
	})
}

// tolerates says whether one of the tolerations is for the taint.
func tolerates(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	return slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool {
		switch {
		case t.Effect != "" && t.Effect != taint.Effect, t.Key != "" && t.Key != taint.Key:
			return false
		case t.Operator == corev1.TolerationOpExists:
			return true
		}
		return (t.Operator == "" || t.Operator == corev1.TolerationOpEqual) && t.Key != "" && t.Value == taint.Value
	})
}
