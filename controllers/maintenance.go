package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Signs of maintenance by others: the Leases and NodeMaintenances of medik8s, and the conditions of KEP-5683 that others set.
const (
	maintenanceLeases = "medik8s-leases"
	leasePrefix       = "node-"
)

var nodeMaintenanceKind = schema.GroupVersionKind{Group: "nodemaintenance.medik8s.io", Version: "v1beta1", Kind: "NodeMaintenance"}

// foreignConditions tell of a maintenance that is under way. One that is only planned may be far away.
var foreignConditions = []corev1.NodeConditionType{plan.DrainInProgress, plan.Drained, plan.MaintenanceInProgress}

// hasNodeMaintenances says whether the cluster knows NodeMaintenances. They are watched only then: a watch of a kind that does not exist
// never begins.
func hasNodeMaintenances(mapper meta.RESTMapper) (bool, error) {
	_, err := mapper.RESTMapping(nodeMaintenanceKind.GroupKind(), nodeMaintenanceKind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find out whether there are NodeMaintenances: %w", err)
	}
	return true, nil
}

func newNodeMaintenance() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(nodeMaintenanceKind)
	return object
}

// readForeign finds the maintenance that others do, by node.
func (r *reader) readForeign(ctx context.Context) (map[string][]model.OtherMaintenance, error) {
	found := map[string][]model.OtherMaintenance{}
	var leases coordinationv1.LeaseList
	if err := r.cache.List(ctx, &leases, client.InNamespace(maintenanceLeases), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the Leases of maintenances: %w", err)
	}
	for i := range leases.Items {
		if node, foreign, ok := leaseMaintenance(&leases.Items[i]); ok {
			found[node] = append(found[node], foreign)
		}
	}
	if !r.nodeMaintenances {
		return found, nil
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(nodeMaintenanceKind)
	if err := r.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list NodeMaintenances: %w", err)
	}
	for i := range list.Items {
		if node := maintainedNode(&list.Items[i]); node != "" {
			found[node] = append(found[node], model.OtherMaintenance{Object: "NodeMaintenance " + list.Items[i].GetName() + " is about it"})
		}
	}
	return found, nil
}

// leaseMaintenance is what a Lease says. It is over when it was not renewed in time.
func leaseMaintenance(lease *coordinationv1.Lease) (node string, foreign model.OtherMaintenance, ok bool) {
	node, ok = strings.CutPrefix(lease.Name, leasePrefix)
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	if !ok || holder == "" || !lease.DeletionTimestamp.IsZero() {
		return "", foreign, false
	}
	foreign.Object = fmt.Sprintf("Lease %s/%s is held by %s", lease.Namespace, lease.Name, holder)
	if renewed, duration := lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds; renewed != nil && duration != nil {
		foreign.Until = renewed.Add(time.Duration(*duration) * time.Second)
	}
	return node, foreign, true
}

func maintainedNode(object *unstructured.Unstructured) string {
	node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName")
	return node
}

// conditionMaintenance is what the conditions of a node say that others set.
func conditionMaintenance(node *corev1.Node) []model.OtherMaintenance {
	var found []model.OtherMaintenance
	for _, t := range foreignConditions {
		if nodeCondition(node, t) == corev1.ConditionTrue && !ownMaintenance(node, t) {
			found = append(found, model.OtherMaintenance{Object: fmt.Sprintf("condition %s of the node was set by another tool", t)})
		}
	}
	return found
}

// leaseChanged drops renewals: how long a Lease holds is read in the pass that waits for its end.
func leaseChanged(before, after *coordinationv1.Lease) bool {
	return metadataChanged(before, after) || !ptr.Equal(before.Spec.HolderIdentity, after.Spec.HolderIdentity)
}

func nodeMaintenanceChanged(before, after *unstructured.Unstructured) bool {
	return metadataChanged(before, after) || maintainedNode(before) != maintainedNode(after)
}

func stripLease(lease *coordinationv1.Lease) *coordinationv1.Lease {
	stripped := &coordinationv1.Lease{ObjectMeta: stripMeta(&lease.ObjectMeta)}
	stripped.Spec.HolderIdentity = lease.Spec.HolderIdentity
	stripped.Spec.RenewTime, stripped.Spec.LeaseDurationSeconds = lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds
	return stripped
}
