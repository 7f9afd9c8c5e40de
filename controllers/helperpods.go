package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// helpers are those of each node that has a helper pod. A pod that is being deleted does not count.
func (r *reader) helpers(ctx context.Context) (map[string]projection.Helper, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{componentLabel: helperComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list helper pods: %w", err)
	}
	return projection.Helpers(list.Items), nil
}
