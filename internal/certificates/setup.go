package certificates

import (
	"context"
	"fmt"
	"math"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// The names of the controllers are also those of the metrics of their work queues.
const (
	keeperName    = "webhook-certificate"
	publisherName = "metrics-authority"
)

// AddToManager keeps the certificate on every replica. The replicas share it.
func (k *Keeper) AddToManager(mgr manager.Manager) error {
	// A cache of its own: while it cannot be filled, for want of a right, the manager's other caches are not held up.
	own, err := cache.New(mgr.GetConfig(), k.cacheOptions(mgr))
	if err != nil {
		return fmt.Errorf("make a cache for the certificate: %w", err)
	}
	direct, err := client.New(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), FieldOwner: "reboot-operator-webhook",
	})
	if err != nil {
		return fmt.Errorf("make a client for the certificate: %w", err)
	}
	k.read, k.write = own, direct
	log := mgr.GetLogger().WithName("certificates")
	runnables := []manager.Runnable{&onEveryReplica{own}}
	keeper, err := k.controller(keeperName, k, own, log, k.kept())
	if err != nil {
		return err
	}
	runnables = append(runnables, keeper)
	if k.options.MetricsService != "" {
		publisher, err := k.controller(publisherName, &publisher{k}, own, log, []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}})
		if err != nil {
			return err
		}
		runnables = append(runnables, publisher)
	}
	for _, runnable := range runnables {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("add the certificate: %w", err)
		}
	}
	return nil
}

// onEveryReplica runs something without leadership.
type onEveryReplica struct{ manager.Runnable }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*onEveryReplica) NeedLeaderElection() bool { return false }

// kept are the kinds that say what the certificate has to be, and the Secret that it is in.
func (k *Keeper) kept() []client.Object {
	if !k.options.Webhooks {
		return []client.Object{&corev1.Secret{}}
	}
	return []client.Object{
		&corev1.Secret{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfiguration{},
	}
}

// cacheOptions confine every list and watch to one name, and so do the rights in controllers/rbac.go.
func (k *Keeper) cacheOptions(mgr manager.Manager) cache.Options {
	named := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	here := func(name string) cache.ByObject {
		return cache.ByObject{Namespaces: map[string]cache.Config{k.options.Namespace: {FieldSelector: named(name)}}}
	}
	return cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:    here(secretName),
			&corev1.ConfigMap{}: here(authorityName),
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: {Field: named(evictionsWebhookName)},
			&admissionregistrationv1.MutatingWebhookConfiguration{}:   {Field: named(namesWebhookName)},
		},
	}
}

// controller has one key, and looks whenever an object of these kinds changes.
func (k *Keeper) controller(
	name string, looks reconcile.Reconciler, own cache.Cache, log logr.Logger, kinds []client.Object,
) (controller.Controller, error) {
	made, err := controller.NewUnmanaged(name, controller.Options{
		Reconciler:         looks,
		NeedLeaderElection: ptr.To(false),
		SkipNameValidation: ptr.To(true),
		// A controller that gives up ends the manager.
		CacheSyncTimeout: math.MaxInt64,
		LogConstructor:   func(*reconcile.Request) logr.Logger { return log },
	})
	if err != nil {
		return nil, fmt.Errorf("make the controller %s: %w", name, err)
	}
	key := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: k.options.Namespace, Name: secretName}}
	always := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request { return []reconcile.Request{key} })
	for _, kind := range kinds {
		if err := made.Watch(source.Kind(own, kind, always)); err != nil {
			return nil, fmt.Errorf("watch %T: %w", kind, err)
		}
	}
	return made, nil
}
