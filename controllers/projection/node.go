package projection

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/intern"
)

// Outside is what is known about a node in addition to its Node.
type Outside struct {
	Helper Helper
	// Problem says what is known of why there is no pod of a helper, and NotMeant that there should be none.
	Problem  string
	NotMeant bool
	// NoDetector says what to install on a host where nothing detects that it needs a reboot.
	NoDetector string
	// Since is how long the helper is as Ready as it is.
	Since      time.Time
	Conditions []model.NodeCondition
	Foreign    []model.OtherMaintenance
	Volumes    []string
}

// Equal says that both are known to be the same.
func (b *Outside) Equal(other *Outside) bool {
	return b.Helper == other.Helper && b.Problem == other.Problem && b.NotMeant == other.NotMeant && b.Since.Equal(other.Since) &&
		b.NoDetector == other.NoDetector &&
		(sameMemory(b.Conditions, other.Conditions) || slices.Equal(b.Conditions, other.Conditions)) &&
		slices.Equal(b.Foreign, other.Foreign) && slices.Equal(b.Volumes, other.Volumes)
}

// sameMemory says that both are the same piece of memory.
func sameMemory[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Node is what a plan sees of a Node.
func Node(node *corev1.Node, outside *Outside) *model.Node {
	view := &model.Node{
		Name:             node.Name,
		UID:              string(node.UID),
		Labels:           node.Labels,
		Taints:           node.Spec.Taints,
		Unschedulable:    node.Spec.Unschedulable,
		CordonedFor:      node.Annotations[v1alpha1.CordonAnnotation],
		Deleting:         !node.DeletionTimestamp.IsZero(),
		Annotations:      node.Annotations,
		Ready:            ConditionStatus(node, corev1.NodeReady) == corev1.ConditionTrue,
		BootID:           model.UsableBootID(node.Status.NodeInfo.BootID),
		KernelVersion:    node.Status.NodeInfo.KernelVersion,
		Conditions:       outside.Conditions,
		OtherMaintenance: append(conditionMaintenance(node), outside.Foreign...),
		Volumes:          outside.Volumes,
		HelperReady:      outside.Helper.Ready,
		HelperProblem:    cmp.Or(outside.Helper.Problem, outside.Problem),
		HelperSince:      outside.Since,
		HelperNotMeant:   outside.NotMeant,
		HelperImpossible: outside.Helper == Helper{} && outside.Problem != "" && outside.Problem != NotMade,
		NoDetector:       outside.NoDetector,
	}
	for _, t := range plan.MaintenanceConditions {
		if !ownMaintenance(node, t) {
			continue
		}
		if view.Maintenance == nil {
			view.Maintenance = make(map[corev1.NodeConditionType]bool, len(plan.MaintenanceConditions))
		}
		view.Maintenance[t] = true
	}
	return view
}

// ownMaintenance reports whether the operator has set the maintenance condition to True.
func ownMaintenance(node *corev1.Node, t corev1.NodeConditionType) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == t && c.Status == corev1.ConditionTrue && c.Reason == plan.MaintenanceReason
	})
}

// ConditionStatus is the status of a condition of a Node; empty if it has none of that type.
func ConditionStatus(node *corev1.Node, t corev1.NodeConditionType) corev1.ConditionStatus {
	if found := FindCondition(node, t); found != nil {
		return found.Status
	}
	return ""
}

// FindCondition of a Node; nil if it has none of that type.
func FindCondition(node *corev1.Node, t corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == t {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// NodeAnnotations are those that a plan reads.
var NodeAnnotations = []string{
	v1alpha1.CordonAnnotation, v1alpha1.MarksAnnotation, v1alpha1.ScaleDownDisabledAnnotation, v1alpha1.DoNotDisruptAnnotation,
}

// StripNode keeps what a plan reads. Nodes have most of their labels, taints and conditions in common.
func StripNode(node *corev1.Node) *corev1.Node {
	stripped := &corev1.Node{ObjectMeta: stripMeta(&node.ObjectMeta)}
	stripped.Name, stripped.Labels = intern.Text(node.Name), intern.Map(node.Labels)
	for _, key := range NodeAnnotations {
		if value, ok := node.Annotations[key]; ok {
			metav1.SetMetaDataAnnotation(&stripped.ObjectMeta, key, value)
		}
	}
	stripped.Spec.Taints = slices.Clone(node.Spec.Taints)
	for i := range stripped.Spec.Taints {
		taint := &stripped.Spec.Taints[i]
		taint.Key, taint.Value, taint.Effect = intern.Text(taint.Key), intern.Text(taint.Value), intern.Text(taint.Effect)
	}
	stripped.Spec.Unschedulable = node.Spec.Unschedulable
	stripped.Status.NodeInfo.BootID = node.Status.NodeInfo.BootID
	stripped.Status.NodeInfo.KernelVersion = intern.Text(node.Status.NodeInfo.KernelVersion)
	stripped.Status.NodeInfo.OSImage = intern.Text(beginning(node.Status.NodeInfo.OSImage))
	stripped.Status.Conditions = make([]corev1.NodeCondition, len(node.Status.Conditions))
	for i := range node.Status.Conditions {
		c := &node.Status.Conditions[i]
		// The heartbeat is left out. Any other condition may be named by a policy, and only its status counts.
		kept := corev1.NodeCondition{Type: intern.Text(c.Type), Status: intern.Text(c.Status), LastTransitionTime: c.LastTransitionTime}
		if slices.Contains(plan.MaintenanceConditions, c.Type) {
			kept.Reason, kept.Message = c.Reason, c.Message
		}
		stripped.Status.Conditions[i] = kept
	}
	return stripped
}

// TriggerTypes are the types of node conditions that policies name, in order.
func TriggerTypes(policies []*v1alpha1.RebootPolicy) []corev1.NodeConditionType {
	var types []corev1.NodeConditionType
	for _, policy := range policies {
		if policy.Spec.Triggers == nil {
			continue
		}
		for i := range policy.Spec.Triggers.NodeConditions {
			types = append(types, corev1.NodeConditionType(policy.Spec.Triggers.NodeConditions[i].Type))
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// IsWatched says whether a plan may read a condition, if policies name the types.
func IsWatched(t corev1.NodeConditionType, types []corev1.NodeConditionType) bool {
	return t == corev1.NodeReady || slices.Contains(types, t)
}
