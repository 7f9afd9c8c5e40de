package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
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

// foreignConditions tell of a maintenance that is under way. One that is only planned may be far away.
var foreignConditions = []corev1.NodeConditionType{plan.DrainInProgress, plan.Drained, plan.MaintenanceInProgress}

// maintenanceLister knows the objects by which other tools say that they maintain a node.
type maintenanceLister interface {
	// list returns all of them, and the kinds that are installed and whose objects are not known.
	list(ctx context.Context) (objects []unstructured.Unstructured, unknown []schema.GroupVersionKind, err error)
}

// foreignMaintenance is the maintenance that others do.
type foreignMaintenance struct {
	byNode map[string][]model.OtherMaintenance
	// everywhere is what may be about any node.
	everywhere []model.OtherMaintenance
}

func (f *foreignMaintenance) of(node string) []model.OtherMaintenance {
	return slices.Concat(f.byNode[node], f.everywhere)
}

// readForeign finds the maintenance that others do. What cannot be read is about any node: it is not known that it is not.
func (r *reader) readForeign(ctx context.Context, s *snapshot) *foreignMaintenance {
	found := &foreignMaintenance{byNode: map[string][]model.OtherMaintenance{}}
	assume := func(what string, err error) {
		s.unread = append(s.unread, err)
		found.everywhere = append(found.everywhere, model.OtherMaintenance{
			Object: fmt.Sprintf("that is assumed, because %s cannot be read", what),
		})
	}
	r.readLeases(ctx, found, assume)
	objects, unknown, err := r.maintenances.list(ctx)
	if err != nil {
		assume("the objects of other tools", err)
	}
	for i := range objects {
		if node := maintainedNode(&objects[i]); node != "" {
			foreign := model.OtherMaintenance{Object: fmt.Sprintf("%s %s is about it", objects[i].GetKind(), objects[i].GetName())}
			found.byNode[node] = append(found.byNode[node], foreign)
		}
	}
	for _, kind := range unknown {
		found.everywhere = append(found.everywhere, model.OtherMaintenance{
			Object: fmt.Sprintf("that is assumed, because objects of kind %s (%s) cannot be read", kind.Kind, kind.GroupVersion()),
		})
	}
	return found
}

func (r *reader) readLeases(ctx context.Context, found *foreignMaintenance, assume func(what string, err error)) {
	var leases coordinationv1.LeaseList
	if err := r.cache.List(ctx, &leases, client.InNamespace(maintenanceLeases), client.UnsafeDisableDeepCopy); err != nil {
		assume("the Leases of other tools", fmt.Errorf("list the Leases of maintenances: %w", err))
		return
	}
	for i := range leases.Items {
		if node, foreign, ok := leaseMaintenance(&leases.Items[i], r.observed.ofLease(&leases.Items[i])); ok {
			found.byNode[node] = append(found.byNode[node], foreign)
		}
	}
	r.observed.keepLeases(leases.Items)
}

// leaseMaintenance is what a Lease says whose last renewal was seen at a time. It is over when it was not renewed in time.
func leaseMaintenance(lease *coordinationv1.Lease, renewed time.Time) (node string, foreign model.OtherMaintenance, ok bool) {
	node, ok = strings.CutPrefix(lease.Name, leasePrefix)
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	if !ok || holder == "" || !lease.DeletionTimestamp.IsZero() {
		return "", foreign, false
	}
	foreign.Object = fmt.Sprintf("Lease %s/%s is held by %s", lease.Namespace, lease.Name, holder)
	if duration := lease.Spec.LeaseDurationSeconds; lease.Spec.RenewTime != nil && duration != nil {
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
	return metadataChanged(before, after) ||
		!ptr.Equal(before.Spec.HolderIdentity, after.Spec.HolderIdentity) ||
		!ptr.Equal(before.Spec.LeaseDurationSeconds, after.Spec.LeaseDurationSeconds) ||
		(before.Spec.RenewTime == nil) != (after.Spec.RenewTime == nil)
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
