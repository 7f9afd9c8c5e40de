package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// projectPods makes what a plan sees of pods, from the cache. It is good for one pass.
func projectPods(ctx context.Context, cache client.Reader, known *projection.KnownBudgets) *projection.Pods {
	return projection.NewPods(known, projection.Lookup{
		Budgets: func(namespace string) ([]policyv1.PodDisruptionBudget, error) {
			var list policyv1.PodDisruptionBudgetList
			if err := cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
				return nil, fmt.Errorf("list PodDisruptionBudgets of namespace %s: %w", namespace, err)
			}
			return list.Items, nil
		},
		HasDeployment: func(namespace, name string) (bool, error) {
			var deployment appsv1.Deployment
			err := cache.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &deployment, client.UnsafeDisableDeepCopy)
			if client.IgnoreNotFound(err) != nil {
				return false, fmt.Errorf("read Deployment %s/%s: %w", namespace, name, err)
			}
			return err == nil, nil
		},
	})
}
