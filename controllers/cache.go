package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// componentLabel and helperComponent mark helper pods.
const (
	componentLabel  = v1alpha1.ComponentLabel
	helperComponent = projection.HelperComponent
)

// ownPods selects the pods of the helpers and of the manager.
func ownPods() labels.Selector {
	either, err := labels.NewRequirement(componentLabel, selection.In, []string{helperComponent, v1alpha1.ManagerComponent})
	if err != nil {
		return labels.Nothing() // there is nothing invalid in it
	}
	return labels.NewSelector().Add(*either)
}

// CacheOptions says what a manager for this package caches: of Nodes, workloads and VolumeAttachments only the fields that a plan reads, of
// pods only the helpers and managers in the operator's namespace, of Leases only those in the namespaces that are named. What is cut off is
// lost, so nothing read from this cache may be sent back as a whole. It keeps only what a plan reads of finished NodeReboots, and these
// cannot be sent at all.
func CacheOptions(namespace string, leaseNamespaces ...string) crcache.Options {
	leases := make(map[string]crcache.Config, len(leaseNamespaces))
	for _, named := range leaseNamespaces {
		leases[named] = crcache.Config{}
	}
	options := crcache.Options{
		DefaultTransform: stripOther,
		ByObject: map[client.Object]crcache.ByObject{
			&corev1.Node{}:         {Transform: transform(projection.StripNode)},
			&v1alpha1.NodeReboot{}: {Transform: transform(keepReboot)},
			&corev1.Pod{}: {
				Namespaces: map[string]crcache.Config{namespace: {}},
				Label:      ownPods(),
				Transform:  transform(projection.StripOwn),
			},
			&appsv1.DaemonSet{}: {
				Namespaces: map[string]crcache.Config{namespace: {}},
				Label:      labels.SelectorFromSet(labels.Set{componentLabel: helperComponent}),
				Transform:  transform(projection.StripHelperSet),
			},
			&appsv1.Deployment{}:            {Transform: transform(projection.StripDeployment)},
			&appsv1.StatefulSet{}:           {Transform: transform(projection.StripStatefulSet)},
			&policyv1.PodDisruptionBudget{}: {Transform: transform(projection.StripBudget)},
			&storagev1.VolumeAttachment{}:   {Transform: transform(projection.StripVolumeAttachment)},
			definition():                    {Transform: transform(stripDefinition)},
		},
	}
	if len(leases) > 0 {
		options.ByObject[&coordinationv1.Lease{}] = crcache.ByObject{Namespaces: leases, Transform: transform(projection.StripLease)}
	}
	return options
}

// ClientOptions says how a manager's client for this package behaves: a read waits until the cache has seen every write of this process.
// Without that, a pass could count a budget from the state before its predecessor's grants.
func ClientOptions() client.Options {
	readYourWrites := true
	return client.Options{
		Cache:      &client.CacheOptions{EnableReadYourWritesConsistency: &readYourWrites},
		FieldOwner: v1alpha1.ManagerFieldManager,
	}
}

// transform makes an informer's transform of a projection. Anything but a T (a tombstone) passes unchanged.
func transform[T any](project func(T) T) cache.TransformFunc {
	return func(object any) (any, error) {
		if typed, ok := object.(T); ok {
			return project(typed), nil
		}
		return object, nil
	}
}

// stripOther is the transform of the kinds that have none of their own.
func stripOther(object any) (any, error) {
	if maintenance, is := object.(*unstructured.Unstructured); is {
		return projection.StripMaintenance(maintenance), nil
	}
	return crcache.TransformStripManagedFields()(object)
}
