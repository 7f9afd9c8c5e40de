package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
)

const (
	controllerName = "reboot"
	// burst is how long a pass waits for more events, so that a burst of them costs one pass.
	burst = 20 * time.Millisecond
	// passTimeout ends a pass that hangs, for example because a watch is broken and the cache does not catch up with a write.
	passTimeout = 2 * time.Minute
)

// clusterKey is the one key of the work queue: budgets are arithmetic over all nodes, so every change is a reason to look at all of them.
var clusterKey = reconcile.Request{NamespacedName: types.NamespacedName{Name: "cluster"}}

// Options for SetupWithManager.
type Options struct {
	// Namespace that the operator runs in: of the slots object and of the helper pods.
	Namespace string
	// NodeName is the node that the manager runs on, which goes last; empty if it is not known.
	NodeName string
	// Clock of every decision; the real one if nil.
	Clock clock.PassiveClock
	// ClusterMaxUnavailable is the most nodes of the cluster that may be unavailable at once, as a number or in percent; nil is no limit
	// besides those of the policies.
	ClusterMaxUnavailable *intstr.IntOrString
	// PublishMaintenance says whether the maintenance conditions of KEP-5683 are published on Nodes.
	PublishMaintenance bool
	// Registry takes the metrics; the one that the manager serves if nil.
	Registry prometheus.Registerer
}

// SetupWithManager adds the operator to a manager that was made with CacheOptions and ClientOptions.
func SetupWithManager(mgr manager.Manager, options Options) error {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Registry == nil {
		options.Registry = metrics.Registry
	}
	// Not a clientset: that would link the clients of all kinds that there are.
	core, err := typedcorev1.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("make a client for the pods of nodes: %w", err)
	}
	asker := gates.New(gates.Options{Live: mgr.GetAPIReader(), Pods: core, Namespace: options.Namespace, Clock: options.Clock})
	interest := &interest{}
	pods := newNodePods(core)
	maintenances := newMaintenanceWatcher(mgr.GetCache(), mgr.GetAPIReader())
	numbers := newNumbers()
	state := &stateCollector{reader: mgr.GetCache(), clock: options.Clock, elected: mgr.Elected()}
	if err := registerAll(options.Registry, append(numbers.collectors(), state)...); err != nil {
		return err
	}
	limiter := newRetryLimiter()
	r := &reconciler{
		clock: options.Clock,
		reader: &reader{
			cache: mgr.GetClient(), live: mgr.GetAPIReader(), pods: pods, gates: asker, interest: interest,
			namespace: options.Namespace, clusterMaxUnavailable: options.ClusterMaxUnavailable,
			leaderNode: options.NodeName, maintenances: maintenances,
		},
		executor: &executor{
			client: mgr.GetClient(), recorder: mgr.GetEventRecorder(v1alpha1.ManagerFieldManager), numbers: numbers,
			namespace: options.Namespace, publishMaintenance: options.PublishMaintenance,
		},
		numbers: numbers,
		limiter: limiter,
	}
	b := builder.ControllerManagedBy(mgr).Named(controllerName).WithOptions(controller.Options{
		MaxConcurrentReconciles: 1,
		RateLimiter:             limiter,
		ReconciliationTimeout:   passTimeout,
	})
	for _, watched := range watches(mgr.GetCache(), interest) {
		b = b.WatchesRawSource(watched)
	}
	if err := b.WatchesRawSource(pods).WatchesRawSource(maintenances).WatchesRawSource(gateSource(asker)).Complete(r); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	return nil
}

// gateSource asks for a pass when a gate has something new to say. The gates live and die with the controller.
func gateSource(asker *gates.Asker) source.Source {
	return source.Func(func(ctx context.Context, queue passQueue) error {
		asker.Start(ctx, func() { queue.AddAfter(clusterKey, burst) })
		return nil
	})
}

// watches are all sources of passes but the pods of single nodes.
func watches(c cache.Cache, interest *interest) []source.Source {
	return []source.Source{
		watch(c, &corev1.Node{}, always, interest.nodeChanged),
		watch(c, &v1alpha1.NodeReboot{}, always, nodeRebootChanged),
		watch(c, &v1alpha1.RebootPolicy{}, always, policyChanged),
		watch(c, &corev1.Pod{}, always, helperChanged),
		watch(c, &coordinationv1.Lease{}, always, leaseChanged),
		watch(c, &appsv1.Deployment{}, interest.hasDeployment, deploymentChanged),
		watch(c, &appsv1.StatefulSet{}, interest.hasStatefulSet, statefulSetChanged),
		watch(c, &policyv1.PodDisruptionBudget{}, interest.hasBudget, budgetChanged),
		watch(c, &storagev1.VolumeAttachment{}, interest.hasVolume, volumeAttachmentChanged),
	}
}

func always[T client.Object](T) bool { return true }

// watch asks for a pass when an object that matters comes, goes, or changes in a way that matters.
func watch[T client.Object](c cache.Cache, object T, matters func(T) bool, changed func(before, after T) bool) source.Source {
	return source.Kind(c, object, enqueueCluster[T](), predicate.TypedFuncs[T]{
		CreateFunc: func(e event.TypedCreateEvent[T]) bool { return matters(e.Object) },
		DeleteFunc: func(e event.TypedDeleteEvent[T]) bool { return matters(e.Object) },
		UpdateFunc: func(e event.TypedUpdateEvent[T]) bool {
			return matters(e.ObjectNew) && changed(e.ObjectOld, e.ObjectNew)
		},
	})
}

type passQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

func enqueueCluster[T client.Object]() handler.TypedEventHandler[T, reconcile.Request] {
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc: func(_ context.Context, _ event.TypedCreateEvent[T], q passQueue) { q.AddAfter(clusterKey, burst) },
		UpdateFunc: func(_ context.Context, _ event.TypedUpdateEvent[T], q passQueue) { q.AddAfter(clusterKey, burst) },
		DeleteFunc: func(_ context.Context, _ event.TypedDeleteEvent[T], q passQueue) { q.AddAfter(clusterKey, burst) },
	}
}
