package controllers

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// watches are all kinds that are watched from the start. The pods of single nodes, and the kinds by which others say that they maintain a
// node, are watched while they matter; Leases if there are namespaces in which they are honored.
func watches(interest *interest, observed *observed, leaseNamespaces []string) []kindWatch {
	interest.ownPods.watch()
	all := []kindWatch{
		watch(&corev1.Node{}, always, interest.nodeChanged),
		watch(&v1alpha1.NodeReboot{}, always, nodeRebootChanged),
		watch(&v1alpha1.RebootPolicy{}, always, policyChanged),
		watch(&corev1.Pod{}, interest.sawOwnPod, interest.ownPodChanged),
		watch(&appsv1.DaemonSet{}, always, helperSetChanged),
		watch(&appsv1.Deployment{}, interest.hasDeployment, deploymentChanged),
		watch(&appsv1.StatefulSet{}, interest.hasStatefulSet, statefulSetChanged),
		watch(&policyv1.PodDisruptionBudget{}, interest.hasBudget, budgetChanged),
		watch(&storagev1.VolumeAttachment{}, interest.hasVolume, volumeAttachmentChanged),
	}
	if len(leaseNamespaces) > 0 {
		all = append(all, watch(&coordinationv1.Lease{}, observed.sawLease, leaseChanged))
	}
	return all
}

func always[T client.Object](T) bool { return true }

// kindWatch says which events of a kind ask for a pass. Any of the functions is false for an object of another kind.
type kindWatch struct {
	// source of passes.
	source func(cache.Cache) source.Source
	// came says that an object matters that comes, went one that goes, and changed that a change of one does.
	came, went func(client.Object) bool
	changed    func(before, after client.Object) bool
}

// watch asks for a pass when an object that matters comes, goes, or changes in a way that matters.
func watch[T client.Object](object T, matters func(T) bool, changed func(before, after T) bool) kindWatch {
	events := predicate.TypedFuncs[T]{
		CreateFunc: func(e event.TypedCreateEvent[T]) bool { return matters(e.Object) },
		DeleteFunc: func(e event.TypedDeleteEvent[T]) bool { return matters(e.Object) },
		UpdateFunc: func(e event.TypedUpdateEvent[T]) bool {
			return matters(e.ObjectNew) && changed(e.ObjectOld, e.ObjectNew)
		},
	}
	return kindWatch{
		source: func(c cache.Cache) source.Source { return source.Kind(c, object, enqueueCluster[T](), events) },
		came: func(object client.Object) bool {
			typed, is := object.(T)
			return is && events.Create(event.TypedCreateEvent[T]{Object: typed})
		},
		went: func(object client.Object) bool {
			typed, is := object.(T)
			return is && events.Delete(event.TypedDeleteEvent[T]{Object: typed})
		},
		changed: func(before, after client.Object) bool {
			from, was := before.(T)
			to, is := after.(T)
			return was && is && events.Update(event.TypedUpdateEvent[T]{ObjectOld: from, ObjectNew: to})
		},
	}
}

type passQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

func enqueueCluster[T client.Object]() handler.TypedEventHandler[T, reconcile.Request] {
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc: func(_ context.Context, _ event.TypedCreateEvent[T], q passQueue) { q.AddAfter(clusterKey, burst) },
		UpdateFunc: func(_ context.Context, _ event.TypedUpdateEvent[T], q passQueue) { q.AddAfter(clusterKey, burst) },
		DeleteFunc: func(_ context.Context, _ event.TypedDeleteEvent[T], q passQueue) { q.AddAfter(clusterKey, burst) },
	}
}
