package bench

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// listWatch lists and watches one kind in all namespaces.
func listWatch(cluster *testbed.Cluster, list client.ObjectList) cache.ListerWatcher {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			fresh, ok := list.DeepCopyObject().(client.ObjectList)
			if !ok {
				return nil, fmt.Errorf("the copy of a %T is none", list)
			}
			err := cluster.Client().List(ctx, fresh, &client.ListOptions{Raw: &options})
			return fresh, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return cluster.Client().Watch(ctx, list, &client.ListOptions{Raw: &options})
		},
	}
}

// follow calls seen with each version of each object of a kind, until it says that it is done.
func follow[T any, P interface {
	*T
	client.Object
}](ctx context.Context, cluster *testbed.Cluster, list client.ObjectList, what string, seen func(P, bool) bool) error {
	_, err := watchtools.UntilWithSync(ctx, listWatch(cluster, list), P(new(T)), nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(P)
		return ok && seen(object, event.Type == watch.Deleted), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
}

// untilHolds waits until something is true of one object of a kind.
func untilHolds[T any, P interface {
	*T
	client.Object
}](ctx context.Context, cluster *testbed.Cluster, list client.ObjectList, what string, holds func(P) bool) error {
	return follow(ctx, cluster, list, what, func(object P, gone bool) bool { return !gone && holds(object) })
}
