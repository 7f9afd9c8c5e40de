package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/helpers"
)

// helperView is what is known of the helper of a node. Without a pod it is zero.
type helperView struct {
	ready   bool
	problem string
}

// helpers are those of each node that has a helper pod. A pod that is being deleted does not count.
func (r *reader) helpers(ctx context.Context) (map[string]helperView, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{componentLabel: helperComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list helper pods: %w", err)
	}
	first := make(map[string]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Spec.NodeName == "" || !pod.DeletionTimestamp.IsZero() || !goesBefore(pod, first[pod.Spec.NodeName]) {
			continue
		}
		first[pod.Spec.NodeName] = pod
	}
	helpers := make(map[string]helperView, len(first))
	for node, pod := range first {
		helpers[node] = viewHelper(pod)
	}
	return helpers, nil
}

// goesBefore says which of two helper pods of a node counts: one that is Ready, else always the same one, so that a message does not flap.
func goesBefore(pod, other *corev1.Pod) bool {
	if other == nil || podReady(pod) != podReady(other) {
		return other == nil || podReady(pod)
	}
	return pod.Name < other.Name
}

func viewHelper(pod *corev1.Pod) helperView {
	view := helperView{ready: podReady(pod)}
	if !view.ready {
		view.problem = fmt.Sprintf("pod %s: %s", pod.Name, helpers.Problem(pod))
	}
	return view
}
