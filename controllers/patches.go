package controllers

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// Patches are written by hand where the object that was read is not the whole object (the cache keeps parts only): a difference between two
// parts could remove what is not in either of them.

type jsonObject = map[string]any

// patch is what is sent, as JSON. It implements client.Patch.
type patch struct {
	kind    types.PatchType
	content any
}

// Type implements client.Patch.
func (p patch) Type() types.PatchType { return p.kind }

// Data implements client.Patch.
func (p patch) Data(client.Object) ([]byte, error) { return json.Marshal(p.content) }

func mergePatch(content jsonObject) client.Patch { return patch{types.MergePatchType, content} }

// nodePatch is the merge patch of a Node. It fails with a conflict if the Node has changed since it was read.
func nodePatch(node *corev1.Node, change *plan.NodePatch) client.Patch {
	metadata := jsonObject{"resourceVersion": node.ResourceVersion}
	annotations := maps.Clone(change.Annotations) // null removes one
	if change.CordonedFor != nil {
		if annotations == nil {
			annotations = map[string]*string{}
		}
		annotations[v1alpha1.CordonAnnotation] = change.CordonedFor
		if *change.CordonedFor == "" {
			annotations[v1alpha1.CordonAnnotation] = nil
		}
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	if len(change.Labels) > 0 {
		metadata["labels"] = change.Labels
	}
	spec := jsonObject{}
	if change.SetTaints {
		spec["taints"] = nil
		if len(change.Taints) > 0 {
			spec["taints"] = change.Taints
		}
	}
	if change.Unschedulable != nil {
		spec["unschedulable"] = nil
		if *change.Unschedulable {
			spec["unschedulable"] = true
		}
	}
	content := jsonObject{"metadata": metadata}
	if len(spec) > 0 {
		content["spec"] = spec
	}
	return mergePatch(content)
}

// policyStatusPatch replaces the status of a RebootPolicy, whatever is stored there. All of it is derived, and a merge would keep what
// is no longer part of it, or could not be read.
func policyStatusPatch(status *v1alpha1.RebootPolicyStatus) client.Patch {
	return patch{types.JSONPatchType, []jsonObject{{"op": "add", "path": "/status", "value": status}}}
}

// reportPatch is the merge patch that says that a NodeReboot cannot be read. It fails with a conflict if the NodeReboot has changed.
func reportPatch(reboot *v1alpha1.NodeReboot, report *plan.Report) client.Patch {
	return mergePatch(jsonObject{
		"metadata": jsonObject{"resourceVersion": reboot.ResourceVersion},
		"status": jsonObject{
			"phase": v1alpha1.PhaseFailed, "reason": report.Reason, "message": report.Message,
			"observedGeneration": reboot.Generation, "conditions": report.Conditions,
		},
	})
}

// maintenancePatch is the strategic merge patch of a Node's status that makes its maintenance conditions what they should be; nil if they
// are. It touches no other condition. A condition that stays True keeps its transition time.
func maintenancePatch(node *corev1.Node, want map[corev1.NodeConditionType]plan.MaintenanceCondition, now time.Time) client.Patch {
	var conditions []jsonObject
	for _, t := range plan.MaintenanceConditions {
		condition, wanted := want[t]
		index := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == t })
		switch {
		case !wanted && (index < 0 || node.Status.Conditions[index].Reason != plan.MaintenanceReason):
		case !wanted:
			conditions = append(conditions, jsonObject{"$patch": "delete", "type": t})
		default:
			var before *corev1.NodeCondition
			if index >= 0 {
				before = &node.Status.Conditions[index]
			}
			if change := maintenanceCondition(t, before, condition, metav1.NewTime(now)); change != nil {
				conditions = append(conditions, change)
			}
		}
	}
	if len(conditions) == 0 {
		return nil
	}
	return patch{types.StrategicMergePatchType, jsonObject{"status": jsonObject{"conditions": conditions}}}
}

func maintenanceCondition(
	t corev1.NodeConditionType, before *corev1.NodeCondition, want plan.MaintenanceCondition, now metav1.Time,
) jsonObject {
	change := jsonObject{
		"type": t, "status": corev1.ConditionTrue, "reason": want.Reason, "message": want.Message, "lastHeartbeatTime": now,
	}
	switch {
	case before == nil || before.Status != corev1.ConditionTrue:
		change["lastTransitionTime"] = now
		return change
	case before.Reason != want.Reason:
		return nil // another tool says the same already
	case before.Message == want.Message:
		return nil
	}
	return change
}

// finalizersPatch is the merge patch that sets the finalizers of a NodeReboot. It fails with a conflict if the NodeReboot has changed.
func finalizersPatch(reboot *v1alpha1.NodeReboot, finalizers []string) client.Patch {
	metadata := jsonObject{"resourceVersion": reboot.ResourceVersion, "finalizers": nil}
	if len(finalizers) > 0 {
		metadata["finalizers"] = finalizers
	}
	return mergePatch(jsonObject{"metadata": metadata})
}

// rebootStatus returns the NodeReboot with another status, and the patch that makes it so. The report is the helper's: it is left as read,
// so the patch cannot contain it. The patch fails with a conflict if the NodeReboot has changed, because what was decided may rest on an
// older report.
func rebootStatus(read *v1alpha1.NodeReboot, status *v1alpha1.NodeRebootStatus) (*v1alpha1.NodeReboot, client.Patch) {
	written, before := *read, *read
	written.Status = *status
	written.Status.Report = read.Status.Report
	if len(read.Unreadable) > 0 { // The list of conditions is written as a whole, without those that cannot be read.
		written.Unreadable, before.Unreadable, before.Status.Conditions = nil, nil, nil
	}
	return written.DeepCopy(), client.MergeFromWithOptions(&before, client.MergeFromWithOptimisticLock{})
}
