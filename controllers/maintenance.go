package controllers

import (
	"context"
	"fmt"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// reasonLeaseNotHonored is the reason of an Event about a Lease that says nothing that is waited for.
const reasonLeaseNotHonored = "LeaseNotHonored"

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
	// notices are about Leases that are not honored and were not reported before.
	notices []notice
}

func (f *foreignMaintenance) of(node string) []model.OtherMaintenance {
	return slices.Concat(f.byNode[node], f.everywhere)
}

// readForeign finds the maintenance that others do. An object that cannot be read may be about any node.
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
		if node, foreign := projection.ObjectMaintenance(&objects[i]); node != "" {
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
		if !projection.IsMaintenance(lease) {
			continue
		}
		if why := projection.Unbounded(lease); why != "" {
			if r.observed.isNews(lease, why) {
				found.notices = append(found.notices, notice{lease, model.Event{Warning: true, Reason: reasonLeaseNotHonored, Message: why}})
			}
			continue
		}
		node, foreign := projection.LeaseMaintenance(lease, r.observed.ofLease(lease))
		found.byNode[node] = append(found.byNode[node], foreign)
	}
	r.observed.keepLeases(all)
}

// leaseChanged drops renewals: how long a Lease holds is read in the pass that waits for its end.
func leaseChanged(before, after *coordinationv1.Lease) bool {
	return metadataChanged(before, after) ||
		!ptr.Equal(before.Spec.HolderIdentity, after.Spec.HolderIdentity) ||
		!ptr.Equal(before.Spec.LeaseDurationSeconds, after.Spec.LeaseDurationSeconds) ||
		(before.Spec.RenewTime == nil) != (after.Spec.RenewTime == nil)
}

func nodeMaintenanceChanged(before, after *unstructured.Unstructured) bool {
	return metadataChanged(before, after) || projection.MaintainedNode(before) != projection.MaintainedNode(after)
}
