package controllers

import (
	"context"
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// addWorkloads reads how ready workloads are, if that is not known yet. Workloads that do not exist are left out. A workload that cannot be
// read is not known to be ready.
func (r *reader) addWorkloads(ctx context.Context, s *snapshot, keys sets.Set[model.WorkloadKey]) {
	more := keys.Difference(s.workloads)
	s.workloads = s.workloads.Union(more)
	r.interest.set(s.workloads)
	for key := range more {
		workload, err := readWorkload(ctx, r.cache, key)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			s.unread = append(s.unread, fmt.Errorf("read %s %s/%s: %w", key.Kind, key.Namespace, key.Name, err))
			workload = &model.Workload{Stale: true, Desired: math.MaxInt32}
			s.unknown.Insert(key)
		}
		if workload != nil {
			s.Workloads[key] = *workload
		}
	}
}

// readWorkload returns nil for a DaemonSet: whether it is ready on a node can be seen from its pod there.
func readWorkload(ctx context.Context, reader client.Reader, key model.WorkloadKey) (*model.Workload, error) {
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
	var workload model.Workload
	switch key.Kind {
	case v1alpha1.WorkloadDeployment:
		var object appsv1.Deployment
		if err := reader.Get(ctx, name, &object, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		workload = projection.DeploymentReadiness(&object)
	case v1alpha1.WorkloadStatefulSet:
		var object appsv1.StatefulSet
		if err := reader.Get(ctx, name, &object, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		workload = projection.StatefulSetReadiness(&object)
	case v1alpha1.WorkloadPodDisruptionBudget:
		var object policyv1.PodDisruptionBudget
		if err := reader.Get(ctx, name, &object, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		workload = projection.BudgetReadiness(&object)
	default:
		return nil, nil
	}
	return &workload, nil
}
