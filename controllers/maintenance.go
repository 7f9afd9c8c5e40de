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

// Signs of maintenance by others: Leases as medik8s makes them, in namespaces that an administrator names, its NodeMaintenances, and the
// conditions of KEP-5683 that others set.
const (
	leasePrefix = "node-"
	// maxLease is the longest duration of a Lease that is honored. Whoever maintains a node for longer renews it.
	maxLease = 4 * time.Hour
	// reasonLeaseNotHonored is the reason of an Event about a Lease that says nothing that is waited for.
	reasonLeaseNotHonored = "LeaseNotHonored"
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
	// notices are about Leases that are not honored and were not told of before.
	notices []notice
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
		// Both kinds are cluster-scoped. An object in a namespace is one of whoever may write there.
		if node := maintainedNode(&objects[i]); node != "" && objects[i].GetNamespace() == "" {
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

// readLeases finds the Leases of maintenances, in the namespaces that an administrator named and in no other.
func (r *reader) readLeases(ctx context.Context, found *foreignMaintenance, assume func(what string, err error)) {
	var all []coordinationv1.Lease
	for _, namespace := range r.leaseNamespaces {
		var leases coordinationv1.LeaseList
		if err := r.cache.List(ctx, &leases, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			assume("the Leases in namespace "+namespace, fmt.Errorf("list the Leases of maintenances in namespace %s: %w", namespace, err))
			continue
		}
		all = append(all, leases.Items...)
	}
	for i := range all {
		lease := &all[i]
		if !isMaintenance(lease) {
			continue
		}
		if why := unbounded(lease); why != "" {
			if r.observed.isNews(lease, why) {
				found.notices = append(found.notices, notice{lease, model.Event{Warning: true, Reason: reasonLeaseNotHonored, Message: why}})
			}
			continue
		}
		node, foreign := leaseMaintenance(lease, r.observed.ofLease(lease))
		found.byNode[node] = append(found.byNode[node], foreign)
	}
	r.observed.keepLeases(all)
}

// isMaintenance says that someone holds the Lease, and that it is of a node.
func isMaintenance(lease *coordinationv1.Lease) bool {
	return strings.HasPrefix(lease.Name, leasePrefix) && ptr.Deref(lease.Spec.HolderIdentity, "") != "" && lease.DeletionTimestamp.IsZero()
}

// unbounded says why a Lease would hold up its node for too long; empty if it does not.
func unbounded(lease *coordinationv1.Lease) string {
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

// leaseMaintenance is what a Lease says whose last renewal was seen at a time. It is over when it was not renewed in time.
func leaseMaintenance(lease *coordinationv1.Lease, renewed time.Time) (node string, foreign model.OtherMaintenance) {
	return strings.TrimPrefix(lease.Name, leasePrefix), model.OtherMaintenance{
		Object: fmt.Sprintf("Lease %s/%s is held by %s", lease.Namespace, lease.Name, *lease.Spec.HolderIdentity),
		Until:  renewed.Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second),
	}
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

// stripMaintenance keeps what says which node is maintained.
func stripMaintenance(object *unstructured.Unstructured) *unstructured.Unstructured {
	stripped := objectOf(object.GroupVersionKind())
	stripped.SetNamespace(object.GetNamespace())
	stripped.SetName(object.GetName())
	stripped.SetUID(object.GetUID())
	stripped.SetResourceVersion(object.GetResourceVersion())
	stripped.SetGeneration(object.GetGeneration())
	stripped.SetDeletionTimestamp(object.GetDeletionTimestamp())
	if node := maintainedNode(object); node != "" {
		stripped.Object["spec"] = map[string]any{"nodeName": beginning(node)}
	}
	return stripped
}

func stripLease(lease *coordinationv1.Lease) *coordinationv1.Lease {
	stripped := &coordinationv1.Lease{ObjectMeta: stripMeta(&lease.ObjectMeta)}
	if holder := lease.Spec.HolderIdentity; holder != nil {
		stripped.Spec.HolderIdentity = ptr.To(beginning(*holder))
	}
	stripped.Spec.RenewTime, stripped.Spec.LeaseDurationSeconds = lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds
	return stripped
}
