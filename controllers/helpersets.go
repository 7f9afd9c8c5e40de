package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// helperSets are the DaemonSets of helpers.
func (r *reader) helperSets(ctx context.Context) (*projection.HelperSets, error) {
	var list appsv1.DaemonSetList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{componentLabel: helperComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list DaemonSets of helpers: %w", err)
	}
	return projection.NewHelperSets(r.namespace, list.Items), nil
}

func helperSetChanged(before, after *appsv1.DaemonSet) bool {
	return metadataChanged(before, after) || !equality.Semantic.DeepEqual(before.Spec.Template.Spec, after.Spec.Template.Spec)
}
