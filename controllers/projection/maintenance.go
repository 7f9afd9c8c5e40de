package projection

import (
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Signs of maintenance by others: Leases as medik8s makes them, in namespaces that an administrator names, its NodeMaintenances, and the
// conditions of KEP-5683 that others set.
const (
	leasePrefix = "node-"
	// maxLease is the longest duration of a Lease that is honored. Anyone who maintains a node for longer renews it.
	maxLease = 4 * time.Hour
)

// foreignConditions report a maintenance that is under way. One that is only planned may be far away.
var foreignConditions = []corev1.NodeConditionType{plan.DrainInProgress, plan.Drained, plan.MaintenanceInProgress}

// MaintenanceKinds are the kinds by which other tools say that they maintain the node which spec.nodeName names. The second one is the
// first's older name.
func MaintenanceKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		{Group: "nodemaintenance.medik8s.io", Version: "v1beta1", Kind: "NodeMaintenance"},
		{Group: "nodemaintenance.kubevirt.io", Version: "v1beta1", Kind: "NodeMaintenance"},
	}
}

// IsMaintenance says that someone holds the Lease, and that it is of a node.
func IsMaintenance(lease *coordinationv1.Lease) bool {
	return strings.HasPrefix(lease.Name, leasePrefix) && ptr.Deref(lease.Spec.HolderIdentity, "") != "" && lease.DeletionTimestamp.IsZero()
}

// Unbounded says why a Lease would hold up its node for too long; empty if it does not.
func Unbounded(lease *coordinationv1.Lease) string {
	const hint = "No node waits for it: set leaseDurationSeconds, to %d or less, and renewTime, and renew it in time."
	duration := ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)
	longest := int32(maxLease / time.Second)
	switch {
	case duration <= 0:
		return fmt.Sprintf("The Lease has no leaseDurationSeconds. "+hint, longest)
	case lease.Spec.RenewTime == nil:
		return fmt.Sprintf("The Lease has no renewTime. "+hint, longest)
	case duration > longest:
		return fmt.Sprintf("The Lease has a leaseDurationSeconds of %d. "+hint, duration, longest)
	}
	return ""
}

// LeaseMaintenance is what a Lease says whose last renewal was seen at a time. It is over when it was not renewed in time.
func LeaseMaintenance(lease *coordinationv1.Lease, renewed time.Time) (node string, foreign model.OtherMaintenance) {
	return strings.TrimPrefix(lease.Name, leasePrefix), model.OtherMaintenance{
		Object: fmt.Sprintf("Lease %s/%s is held by %s", lease.Namespace, lease.Name, *lease.Spec.HolderIdentity),
		Until:  renewed.Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second),
	}
}

// ObjectMaintenance is what an object of another tool says, and about which node; an empty name means none. The kinds are cluster-scoped:
// an object in a namespace could come from anyone who may write there.
func ObjectMaintenance(object *unstructured.Unstructured) (node string, foreign model.OtherMaintenance) {
	if node = MaintainedNode(object); node == "" || object.GetNamespace() != "" {
		return "", foreign
	}
	return node, model.OtherMaintenance{Object: fmt.Sprintf("%s %s is about it", object.GetKind(), object.GetName())}
}

// MaintainedNode is the node that an object of another tool is about; empty if it names none.
func MaintainedNode(object *unstructured.Unstructured) string {
	node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName")
	return node
}

// conditionMaintenance is what the conditions of a node say that others set.
func conditionMaintenance(node *corev1.Node) []model.OtherMaintenance {
	var found []model.OtherMaintenance
	for _, t := range foreignConditions {
		if ConditionStatus(node, t) == corev1.ConditionTrue && !ownMaintenance(node, t) {
			found = append(found, model.OtherMaintenance{Object: fmt.Sprintf("condition %s of the node was set by another tool", t)})
		}
	}
	return found
}

// StripMaintenance keeps what says which node is maintained.
func StripMaintenance(object *unstructured.Unstructured) *unstructured.Unstructured {
	stripped := &unstructured.Unstructured{}
	stripped.SetGroupVersionKind(object.GroupVersionKind())
	stripped.SetNamespace(object.GetNamespace())
	stripped.SetName(object.GetName())
	stripped.SetUID(object.GetUID())
	stripped.SetResourceVersion(object.GetResourceVersion())
	stripped.SetGeneration(object.GetGeneration())
	stripped.SetDeletionTimestamp(object.GetDeletionTimestamp())
	if node := MaintainedNode(object); node != "" {
		stripped.Object["spec"] = map[string]any{"nodeName": beginning(node)}
	}
	return stripped
}

// StripLease keeps what says whether a node is maintained, and for how long.
func StripLease(lease *coordinationv1.Lease) *coordinationv1.Lease {
	stripped := &coordinationv1.Lease{ObjectMeta: stripMeta(&lease.ObjectMeta)}
	if holder := lease.Spec.HolderIdentity; holder != nil {
		stripped.Spec.HolderIdentity = ptr.To(beginning(*holder))
	}
	stripped.Spec.RenewTime, stripped.Spec.LeaseDurationSeconds = lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds
	return stripped
}
