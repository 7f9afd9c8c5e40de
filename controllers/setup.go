package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	typedstoragev1 "k8s.io/client-go/kubernetes/typed/storage/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/internal/notifier"
	"github.com/reboot-operator/reboot-operator/internal/podstream"
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
	// HandOver has another manager lead instead of this one, which then ends, and says whether it does. It is called before the node of this
	// manager is drained, when another manager is Ready. Nil is for a manager that has nobody to hand the lead over to.
	HandOver func() bool
	// Clock of every decision; the real one if nil. Give it the API server's: managers on other machines decide by the same times.
	Clock clock.PassiveClock
	// ClusterMaxUnavailable is how many nodes of the cluster may be unavailable at once, as a number or in percent; nil means no limit except
	// those of the policies.
	ClusterMaxUnavailable *intstr.IntOrString
	// QuorumLabels are keys of labels of nodes that may run etcd, in addition to the keys of Kubernetes: two such nodes are never down at
	// once.
	QuorumLabels []string
	// MaintenanceLeaseNamespaces are those whose Leases are honored as signs of maintenance by others: the same as were given to
	// CacheOptions. The manager needs the right to list and watch Leases there.
	MaintenanceLeaseNamespaces []string
	// PublishMaintenance says whether the maintenance conditions of KEP-5683 are published on Nodes.
	PublishMaintenance bool
	// GateAllowedCIDRs are addresses that gates may ask although they are loopback, link-local or those of metadata services.
	GateAllowedCIDRs []netip.Prefix
	// NotifyAllowedCIDRs are addresses that notifications may be sent to although they are loopback, link-local or those of metadata services.
	NotifyAllowedCIDRs []netip.Prefix
	// lingering of watches of pods; 0 is the default.
	lingering time.Duration
	// MaxNodeSeries is how many nodes that need a reboot have series by their names, those that have needed it longest; 0 means none.
	MaxNodeSeries int
	// Registry takes the metrics; if nil, it is the registry that the manager serves.
	Registry prometheus.Registerer
}

// gateReader reads the objects of gates with the rights of a ServiceAccount that has no others: what the manager may read for its own work,
// such as pods, is no way for the author of a policy to find out about it.
func gateReader(mgr manager.Manager, namespace string) (client.Reader, error) {
	config := rest.CopyConfig(mgr.GetConfig())
	config.Impersonate = rest.ImpersonationConfig{UserName: serviceaccount.MakeUsername(namespace, gates.ServiceAccount)}
	reader, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("make a client for the objects of gates: %w", err)
	}
	return reader, nil
}

// roomClients watch all nodes, pods and volumes.
func roomClients(mgr manager.Manager) (typedcorev1.CoreV1Interface, typedstoragev1.StorageV1Interface, error) {
	core, err := typedcorev1.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, nil, fmt.Errorf("make a client for nodes and pods: %w", err)
	}
	storage, err := typedstoragev1.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, nil, fmt.Errorf("make a client for the storage of nodes: %w", err)
	}
	return core, storage, nil
}

// newAsker makes what asks the gates of policies.
func newAsker(mgr manager.Manager, core *typedcorev1.CoreV1Client, options *Options) (*gates.Asker, error) {
	objects, err := gateReader(mgr, options.Namespace)
	if err != nil {
		return nil, err
	}
	roomCore, roomStorage, err := roomClients(mgr)
	if err != nil {
		return nil, err
	}
	return gates.New(gates.Options{
		Live: mgr.GetAPIReader(), Objects: objects, Pods: core, ListPods: podstream.Of(core.RESTClient()),
		Core: roomCore, Storage: roomStorage,
		Namespace: options.Namespace, AllowedCIDRs: options.GateAllowedCIDRs,
		Clock: options.Clock, Log: mgr.GetLogger().WithName("gates"),
	}), nil
}

// newNotifier makes what sends notifications of policies.
func newNotifier(mgr manager.Manager, numbers *numbers, options *Options) *notifier.Notifier {
	return notifier.New(notifier.Options{
		Live: mgr.GetAPIReader(), Client: mgr.GetClient(), Namespace: options.Namespace, AllowedCIDRs: options.NotifyAllowedCIDRs,
		Clock: options.Clock, Log: mgr.GetLogger().WithName("notifications"), Count: numbers.countNotification,
	})
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
	asker, err := newAsker(mgr, core, &options)
	if err != nil {
		return err
	}
	interest, observed := &interest{}, newObserved(options.Clock)
	pods := newNodePods(core)
	pods.lingering = cmp.Or(options.lingering, lingering)
	maintenances := newMaintenanceWatcher(mgr.GetCache(), mgr.GetAPIReader())
	numbers := newNumbers()
	state := newStateCollector(mgr, &options)
	keeper, receivers := newSilencer(mgr, asker, &options), newNotifier(mgr, numbers, &options)
	registering := registerAll(options.Registry, append(numbers.collectors(), state, silenceCollector{keeper})...)
	if err := errors.Join(registering, mgr.Add(receivers)); err != nil {
		return fmt.Errorf("add metrics and notifications: %w", err)
	}
	limiter, slots, forecasts := newRetryLimiter(), &slotsMemory{}, newForecaster(mgr, &options)
	r := &reconciler{
		clock: options.Clock,
		reader: &reader{
			cache: mgr.GetClient(), informers: mgr.GetCache(), live: mgr.GetAPIReader(), pods: pods, gates: asker, interest: interest,
			namespace: options.Namespace, clusterMaxUnavailable: options.ClusterMaxUnavailable,
			leaderNode: options.NodeName, maintenances: maintenances,
			observed: observed, quorumLabels: options.QuorumLabels, leaseNamespaces: options.MaintenanceLeaseNamespaces,
			slotsKnown: slots,
		},
		executor: &executor{
			client: mgr.GetClient(), live: mgr.GetAPIReader(), recorder: mgr.GetEventRecorder(v1alpha1.ManagerFieldManager), numbers: numbers,
			namespace: options.Namespace, publishMaintenance: options.PublishMaintenance, refused: &refusedWrites{},
			clock: options.Clock, slotsKnown: slots,
		},
		silences: keeper, receivers: receivers, forecasts: forecasts, numbers: numbers, limiter: limiter,
		handOver: options.HandOver,
	}
	warm := true
	b := builder.ControllerManagedBy(mgr).Named(controllerName).WithOptions(controller.Options{
		MaxConcurrentReconciles: 1,
		// A standby knows the cluster, so that it continues at once when it leads.
		EnableWarmup:          &warm,
		RateLimiter:           limiter,
		ReconciliationTimeout: passTimeout,
	})
	for _, watched := range watches(interest, observed, options.MaintenanceLeaseNamespaces) {
		b = b.WatchesRawSource(watched.source(mgr.GetCache()))
	}
	for _, other := range []source.Source{pods, maintenances, besides(asker), besides(keeper), besides(forecasts), asking(receivers)} {
		b = b.WatchesRawSource(other)
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	return nil
}

// asking lets notifications ask for a pass when a receiver has another problem.
func asking(receivers *notifier.Notifier) source.Source {
	return source.Func(func(_ context.Context, queue passQueue) error {
		receivers.Ask(func() { queue.AddAfter(clusterKey, burst) })
		return nil
	})
}

// besides asks for a pass when something has news that works alongside the passes: a gate has something else to say, a silence cannot be
// kept, or a forecast is news. It lives and dies with the controller.
func besides(works interface {
	Start(ctx context.Context, changed func())
}) source.Source {
	return source.Func(func(ctx context.Context, queue passQueue) error {
		works.Start(ctx, func() { queue.AddAfter(clusterKey, burst) })
		return nil
	})
}
