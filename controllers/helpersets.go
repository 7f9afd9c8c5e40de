package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/helpers"
)

func (r *reader) helperSets(ctx context.Context) (*helpers.Sets, error) {
	var list appsv1.DaemonSetList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{componentLabel: helperComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list DaemonSets of helpers: %w", err)
	}
	sets := &helpers.Sets{Namespace: r.namespace}
	for i := range list.Items {
		sets.Add(&list.Items[i])
	}
	return sets, nil
}

// stripHelperSet keeps what says on which nodes a DaemonSet runs, and what of their hosts it looks for.
func stripHelperSet(set *appsv1.DaemonSet) *appsv1.DaemonSet {
	stripped := &appsv1.DaemonSet{ObjectMeta: stripMeta(&set.ObjectMeta)}
	stripped.Labels = set.Labels
	stripped.Spec.Template = helpers.Template(&set.Spec.Template)
	return stripped
}

func helperSetChanged(before, after *appsv1.DaemonSet) bool {
	return metadataChanged(before, after) || !equality.Semantic.DeepEqual(before.Spec.Template.Spec, after.Spec.Template.Spec)
}
