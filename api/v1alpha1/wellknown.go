package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// TaintKey is the key of the taint on a node whose reboot is required.
	TaintKey = "reboot-operator.io/reboot-required"
	// RebootingTaintKey is the key of the taint, with effect NoSchedule, that replaces the cordon on a node where the manager stays during the
	// reboot. The manager tolerates it.
	RebootingTaintKey = "reboot-operator.io/rebooting"
	// ComponentLabel tells the operator's own pods apart.
	ComponentLabel = "app.kubernetes.io/component"
	// ManagerComponent is the value of ComponentLabel on pods of the manager.
	ManagerComponent = "manager"
	// CordonAnnotation on a Node holds the UID of the NodeReboot for which the operator cordoned it. It is written in the same request
	// as the cordon, or the taint in its place, and removed with it, so that a cordon without it is always someone else's.
	CordonAnnotation = "reboot-operator.io/cordoned-for"
	// MarksAnnotation on a Node holds which labels and annotations the operator set on it for the reboot that is under way, and what they
	// were before. It is written in the same request as they are, so that they can be restored whatever happens in between.
	MarksAnnotation = "reboot-operator.io/marks"
	// ExcludeLabel takes a node out of external load balancers, whatever its value.
	ExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers"
	// ScaleDownDisabledAnnotation keeps the cluster-autoscaler from removing a node.
	ScaleDownDisabledAnnotation = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
	// DoNotDisruptAnnotation keeps Karpenter from removing a node voluntarily.
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
	// SkipReasonAnnotation on a Node says for people why it has SkipLabel, if the reason is not a valid label value.
	SkipReasonAnnotation = "reboot-operator.io/skip-reason"
	// PausedFromAnnotation on a RebootPolicy holds the mode that "kubectl reboots pause" found, so that "resume" can restore it. The manager
	// does not read it.
	PausedFromAnnotation = "reboot-operator.io/paused-from"
	// ControlPlaneLabel is on every control-plane node.
	ControlPlaneLabel = "node-role.kubernetes.io/control-plane"
)

const (
	maxNameLength = 253
	// sentinelDigits are the last characters of the names of sentinel NodeReboots. There are no others, so a helper holds no more NodeReboots
	// than there are digits.
	sentinelDigits = "0123456789abcdef"
)

// SentinelRebootNames returns all names that a NodeReboot of trigger Sentinel may have when a node's helper creates it, in the order in
// which the helper tries them for a boot: the node's name, a dash and one hexadecimal digit. A node name that is too long for that is cut,
// so the names of two such nodes may be the same. Names carry no meaning: spec.nodeName says which node a NodeReboot is about, and
// spec.bootID which boot asked.
func SentinelRebootNames(nodeName, bootID string) []string {
	stem := sentinelStem(nodeName)
	first := int(sha256.Sum256([]byte(nodeName + "/" + bootID))[0]) % len(sentinelDigits)
	names := make([]string, len(sentinelDigits))
	for i := range names {
		names[i] = stem + "-" + string(sentinelDigits[(first+i)%len(sentinelDigits)])
	}
	return names
}

// SentinelRebootName is the first of SentinelRebootNames.
func SentinelRebootName(nodeName, bootID string) string {
	return SentinelRebootNames(nodeName, bootID)[0]
}

// SentinelRebootNode returns the name of the node whose helper may use the name for a NodeReboot of trigger Sentinel; false if no helper
// may. It does not know nodes whose names SentinelRebootNames cuts.
func SentinelRebootNode(name string) (nodeName string, ok bool) {
	digit := len(name) - 1
	if digit < 2 || name[digit-1] != '-' || !strings.Contains(sentinelDigits, name[digit:]) {
		return "", false
	}
	return name[:digit-1], true
}

// sentinelStem is the node's name as far as it fits. config/admission/helper.yaml has the same rule. The x keeps a name valid that is cut
// after a dot.
func sentinelStem(nodeName string) string {
	if limit := maxNameLength - len("-0"); len(nodeName) > limit {
		return nodeName[:limit-1] + "x"
	}
	return nodeName
}

// NodeConditionRebootName is the first of NodeConditionRebootNames.
func NodeConditionRebootName(nodeName, bootID, conditionType string) string {
	return nodeConditionRebootName(nodeName, nodeName+"/"+bootID+"/"+conditionType)
}

// conditionNames is how many names a NodeReboot for a condition of a Node may have in one boot.
const conditionNames = 4

// NodeConditionRebootNames returns the names that the manager may give to the NodeReboot for a condition of a Node in one boot. The manager
// uses the first name that no other NodeReboot has. Each name ends in a dash and at least eight hexadecimal digits, so it is never one of
// SentinelRebootNames.
func NodeConditionRebootNames(nodeName, bootID, conditionType string) []string {
	names := []string{NodeConditionRebootName(nodeName, bootID, conditionType)}
	for i := 1; i < conditionNames; i++ {
		names = append(names, nodeConditionRebootName(nodeName, fmt.Sprintf("%s/%s/%s/%d", nodeName, bootID, conditionType, i)))
	}
	return names
}

func nodeConditionRebootName(nodeName, seed string) string {
	sum := sha256.Sum256([]byte(seed))
	suffix := "-" + hex.EncodeToString(sum[:4])
	if len(nodeName)+len(suffix) <= maxNameLength {
		return nodeName + suffix
	}
	suffix = "-" + hex.EncodeToString(sum[:16])
	head := strings.TrimRight(nodeName[:maxNameLength-len(suffix)], ".-")
	return head + suffix
}
