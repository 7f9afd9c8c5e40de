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
)

// addWorkloads reads how ready workloads are, those of which that is not known yet. Those that do not exist stay out. One that cannot be
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
		workload = deploymentReadiness(&object)
	case v1alpha1.WorkloadStatefulSet:
		var object appsv1.StatefulSet
		if err := reader.Get(ctx, name, &object, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		workload = statefulSetReadiness(&object)
	case v1alpha1.WorkloadPodDisruptionBudget:
		var object policyv1.PodDisruptionBudget
		if err := reader.Get(ctx, name, &object, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		workload = budgetReadiness(&object)
	default:
		return nil, nil
	}
	return &workload, nil
}

// replicas is 1 if it is not set, as the API server defaults it.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

func deploymentReadiness(d *appsv1.Deployment) model.Workload {
	return model.Workload{
		Ready:   d.Status.ReadyReplicas,
		Desired: replicas(d.Spec.Replicas),
		Stale:   d.Status.ObservedGeneration < d.Generation,
	}
}

func statefulSetReadiness(s *appsv1.StatefulSet) model.Workload {
	return model.Workload{
		Ready:   s.Status.ReadyReplicas,
		Desired: replicas(s.Spec.Replicas),
		Stale:   s.Status.ObservedGeneration < s.Generation,
	}
}

func budgetReadiness(b *policyv1.PodDisruptionBudget) model.Workload {
	return model.Workload{
		Ready:              b.Status.CurrentHealthy,
		Desired:            b.Status.ExpectedPods,
		DisruptionsAllowed: b.Status.DisruptionsAllowed,
		Expected:           b.Status.ExpectedPods,
		Stale:              b.Status.ObservedGeneration < b.Generation,
	}
}
