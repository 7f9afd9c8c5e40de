package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	// TaintKey is the key of the taint on a node whose reboot is required.
	TaintKey = "reboot-operator.io/reboot-required"
	// CordonAnnotation on a Node holds the UID of the NodeReboot for which the operator cordoned it. It is written in the same request
	// as the cordon and taken away with it, so that a cordon without it is always someone else's.
	CordonAnnotation = "reboot-operator.io/cordoned-for"
	// MarksAnnotation on a Node holds which labels and annotations the operator set on it for the reboot that is under way, and what they
	// were before. It is written in the same request as they are, so that they can be restored whatever happens in between.
	MarksAnnotation = "reboot-operator.io/marks"
	// ExcludeLabel takes a node out of external load balancers, whatever its value.
	ExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers"
	// ScaleDownDisabledAnnotation keeps the cluster-autoscaler from removing a node.
	ScaleDownDisabledAnnotation = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
	// DoNotDisruptAnnotation keeps Karpenter from removing a node of its own accord.
	DoNotDisruptAnnotation = "karpenter.sh/do-not-disrupt"
	// Finalizer is on a NodeReboot while an attempt is open, so that deleting it undoes what was done to the node first.
	Finalizer = "reboot-operator.io/cleanup"
	// SlotsName is the name of the ConfigMap that fences slots, in the operator's namespace.
	SlotsName = "reboot-operator-slots"
	// HelperFieldManager owns status.report of a NodeReboot.
	HelperFieldManager = "reboot-operator-helper"
	// ManagerFieldManager owns everything that the manager writes.
	ManagerFieldManager = "reboot-operator"
	// SkipLabel on a Node, with any value, keeps it from being rebooted.
	SkipLabel = "reboot-operator.io/skip"
	// ControlPlaneLabel is on every control-plane node.
	ControlPlaneLabel = "node-role.kubernetes.io/control-plane"
)

const maxNameLength = 253

// SentinelRebootName is the name of the NodeReboot that a helper makes for one need of one boot of its node. It is a function of both, so
// the same need never makes two. It is a valid object name for every node name, of up to 253 characters.
func SentinelRebootName(nodeName, bootID string) string {
	return rebootName(nodeName, nodeName+"/"+bootID)
}

// NodeConditionRebootName is the name of the NodeReboot that the manager makes for a condition of a Node in one boot.
func NodeConditionRebootName(nodeName, bootID, conditionType string) string {
	return rebootName(nodeName, nodeName+"/"+bootID+"/"+conditionType)
}

func rebootName(nodeName, need string) string {
	sum := sha256.Sum256([]byte(need))
	suffix := "-" + hex.EncodeToString(sum[:4])
	if len(nodeName)+len(suffix) <= maxNameLength {
		return nodeName + suffix
	}
	suffix = "-" + hex.EncodeToString(sum[:16])
	head := nodeName[:maxNameLength-len(suffix)]
	for head[len(head)-1] == '.' || head[len(head)-1] == '-' {
		head = head[:len(head)-1]
	}
	return head + suffix
}
