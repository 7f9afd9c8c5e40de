package webhooks

import (
	"context"
	"fmt"
	stdlog "log"
	"math"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// controllerName is also that of the metrics of the work queue.
const controllerName = "webhook-certificate"

// Options for AddToManager.
type Options struct {
	// Namespace that the operator runs in.
	Namespace string
	// BindAddress is where the webhooks are served, such as :10250.
	BindAddress string
	// Clock by which certificates are made and renewed: that of the API server, which judges them.
	Clock clock.Clock
}

// AddToManager serves the webhooks from every replica, with a certificate that the replicas share.
func AddToManager(mgr manager.Manager, options Options) error {
	log := mgr.GetLogger().WithName("webhooks")
	// A cache of its own: while it cannot be filled, for want of a right, the manager's other caches are not held up.
	own, err := cache.New(mgr.GetConfig(), cacheOptions(mgr, options.Namespace))
	if err != nil {
		return fmt.Errorf("make a cache for the webhooks: %w", err)
	}
	direct, err := client.New(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), FieldOwner: "reboot-operator-webhook",
	})
	if err != nil {
		return fmt.Errorf("make a client for the webhooks: %w", err)
	}
	kept := &certificates{read: own, write: direct, namespace: options.Namespace, clock: options.Clock}
	keeper, err := newKeeper(own, kept, log)
	if err != nil {
		return err
	}
	served := &server{
		address:        options.BindAddress,
		handler:        newHandler(mgr.GetAPIReader(), log),
		getCertificate: kept.get,
		clock:          options.Clock,
		log:            log,
	}
	for _, runnable := range []manager.Runnable{&onEveryReplica{own}, keeper, served} {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("add the webhooks: %w", err)
		}
	}
	return nil
}

// onEveryReplica runs something without leadership.
type onEveryReplica struct{ manager.Runnable }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*onEveryReplica) NeedLeaderElection() bool { return false }

// cacheOptions confine every list and watch to one name, and so do the rights in controllers/rbac.go.
func cacheOptions(mgr manager.Manager, namespace string) cache.Options {
	named := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	return cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{namespace: {FieldSelector: named(secretName)}}},
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: {Field: named(evictionsWebhookName)},
			&admissionregistrationv1.MutatingWebhookConfiguration{}:   {Field: named(namesWebhookName)},
		},
	}
}

// newKeeper is a controller with one key that keeps the certificate.
func newKeeper(own cache.Cache, kept *certificates, log logr.Logger) (controller.Controller, error) {
	keeper, err := controller.NewUnmanaged(controllerName, controller.Options{
		Reconciler:         kept,
		NeedLeaderElection: ptr.To(false),
		SkipNameValidation: ptr.To(true),
		// A controller that gives up ends the manager.
		CacheSyncTimeout: math.MaxInt64,
		LogConstructor:   func(*reconcile.Request) logr.Logger { return log },
	})
	if err != nil {
		return nil, fmt.Errorf("make a controller for the certificate: %w", err)
	}
	key := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: kept.namespace, Name: secretName}}
	always := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request { return []reconcile.Request{key} })
	for _, kind := range []client.Object{
		&corev1.Secret{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfiguration{},
	} {
		if err := keeper.Watch(source.Kind(own, kind, always)); err != nil {
			return nil, fmt.Errorf("watch %T: %w", kind, err)
		}
	}
	return keeper, nil
}

// newErrorLog is where an HTTP server complains about those who connect, which is nothing that has to be looked at.
func newErrorLog(log logr.Logger) *stdlog.Logger {
	return stdlog.New(writer(func(line string) { log.V(1).Info("Connection failed", "reason", line) }), "", 0)
}

// writer is an io.Writer of lines.
type writer func(line string)

// Write implements io.Writer.
func (w writer) Write(line []byte) (int, error) {
	w(string(line))
	return len(line), nil
}
