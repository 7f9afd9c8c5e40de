package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// helperSets are the DaemonSets of helpers, by name.
func (r *reader) helperSets(ctx context.Context) ([]appsv1.DaemonSet, error) {
	var list appsv1.DaemonSetList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{componentLabel: helperComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list DaemonSets of helpers: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b appsv1.DaemonSet) int { return cmp.Compare(a.Name, b.Name) })
	return list.Items, nil
}

func helperSetChanged(before, after *appsv1.DaemonSet) bool {
	return metadataChanged(before, after) || !equality.Semantic.DeepEqual(before.Spec.Template.Spec, after.Spec.Template.Spec)
}
