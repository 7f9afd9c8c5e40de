package certificates

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync/atomic"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// What config/webhook and config/manager install.
const (
	secretName           = "reboot-operator-webhook"
	authorityName        = "reboot-operator-metrics-ca"
	evictionsWebhookName = "reboot-operator-evictions"
	namesWebhookName     = "reboot-operator-names"
)

// Keeper keeps the Secret with the certificate, configures the API server to trust it, and serves it. Every replica has one: the first one
// writes, and what it wrote is right for all. It writes nothing while nothing has to change.
type Keeper struct {
	options Options
	// read sees the one Secret, the one ConfigMap and the webhook configurations of this operator, and nothing else.
	read  client.Reader
	write client.Writer

	served atomic.Pointer[tls.Certificate]
}

// Options of a Keeper.
type Options struct {
	// Namespace that the operator runs in.
	Namespace string
	// Webhooks are served: the certificate has the names of the webhook configurations, which say what to trust.
	Webhooks bool
	// MetricsService is the name of the Service of the metrics. The certificate has its name, and a ConfigMap has what to verify it by. Empty
	// means that metrics have another certificate, or none.
	MetricsService string
	// Clock by which certificates are made and renewed: the API server's, because the API server verifies them.
	Clock clock.PassiveClock
}

// New returns a Keeper. It serves nothing before AddToManager, and the manager's start.
func New(options Options) *Keeper { return &Keeper{options: options} }

// Get implements tls.Config.GetCertificate.
func (k *Keeper) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if served := k.served.Load(); served != nil {
		return served, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// Reconcile implements reconcile.Reconciler. The API server is configured to trust a certificate before it is served. While that write is
// refused, the certificate that it trusts is served as long as it is valid; without one, webhooks fail either way, but metrics do not have
// to.
func (k *Keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	configurations, err := k.configurations(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	names := namesOf(configurations)
	if service := k.options.MetricsService; service != "" {
		// Only the name is verified: it is the same in every namespace, and no one else has it, because the authority signs nothing else.
		names = append(names, service, service+"."+k.options.Namespace+".svc")
	}
	if len(names) == 0 {
		return reconcile.Result{}, nil // Nothing is served.
	}
	now := k.options.Clock.Now()
	current, err := k.current(ctx, names)
	if apierrors.IsConflict(err) {
		return reconcile.Result{}, nil // Another replica was first, and the watch brings what it wrote.
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	untrusted := k.trustAll(ctx, configurations, current.trusted)
	served, _, err := current.load()
	if err != nil {
		return reconcile.Result{}, err
	}
	if before := k.served.Load(); untrusted == nil || before == nil || !now.Before(before.Leaf.NotAfter) {
		k.served.Store(served)
	}
	if untrusted != nil {
		return reconcile.Result{}, untrusted
	}
	return reconcile.Result{RequeueAfter: current.goodUntil(names, now).Sub(now)}, nil
}

// current is the pair in the Secret, which is replaced if it is not as good as a new one.
func (k *Keeper) current(ctx context.Context, names []string) (pair, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: k.options.Namespace, Name: secretName}
	if err := k.read.Get(ctx, key, secret); err != nil {
		return pair{}, fmt.Errorf("get the Secret with the certificate, which is part of the installation: %w", err)
	}
	now := k.options.Clock.Now()
	found := pairOf(secret)
	if !found.goodUntil(names, now).IsZero() {
		return found, nil
	}
	made, err := found.renewed(names, now)
	if err != nil {
		return pair{}, err
	}
	secret = secret.DeepCopy()
	made.write(secret)
	if err := k.write.Update(ctx, secret); err != nil {
		return pair{}, fmt.Errorf("update the Secret with the certificate: %w", err)
	}
	log.FromContext(ctx).Info("The certificate was renewed", "names", names, "newAuthority", !bytes.Equal(found.authority, made.authority))
	return made, nil
}

// configuration is a webhook configuration, of either kind.
type configuration struct {
	object client.Object
	// webhooks are the names of its webhooks, with how the API server reaches them.
	webhooks []string
	clients  []admissionregistrationv1.WebhookClientConfig
}

// configurations are those of this operator that are installed. Each may be left out.
func (k *Keeper) configurations(ctx context.Context) ([]configuration, error) {
	if !k.options.Webhooks {
		return nil, nil
	}
	evictions, names := &admissionregistrationv1.ValidatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfiguration{}
	errEvictions := k.read.Get(ctx, client.ObjectKey{Name: evictionsWebhookName}, evictions)
	errNames := k.read.Get(ctx, client.ObjectKey{Name: namesWebhookName}, names)
	if err := errors.Join(client.IgnoreNotFound(errEvictions), client.IgnoreNotFound(errNames)); err != nil {
		return nil, fmt.Errorf("get the webhook configurations: %w", err)
	}
	validating, mutating := configuration{object: evictions}, configuration{object: names}
	for i := range evictions.Webhooks {
		validating.webhooks = append(validating.webhooks, evictions.Webhooks[i].Name)
		validating.clients = append(validating.clients, evictions.Webhooks[i].ClientConfig)
	}
	for i := range names.Webhooks {
		mutating.webhooks = append(mutating.webhooks, names.Webhooks[i].Name)
		mutating.clients = append(mutating.clients, names.Webhooks[i].ClientConfig)
	}
	return []configuration{validating, mutating}, nil
}

// namesOf are the names by which the API server reaches the webhooks, which the certificate must contain: the names of a Service, or the
// name in a URL if the manager runs elsewhere.
func namesOf(configurations []configuration) []string {
	var names []string
	for _, configuration := range configurations {
		for _, client := range configuration.clients {
			if service := client.Service; service != nil {
				names = append(names, service.Name+"."+service.Namespace+".svc")
			}
			if client.URL == nil {
				continue
			}
			if parsed, err := url.Parse(*client.URL); err == nil && parsed.Hostname() != "" {
				names = append(names, parsed.Hostname())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// trustAll has the API server trust what the manager serves, in all configurations.
func (k *Keeper) trustAll(ctx context.Context, configurations []configuration, trusted []byte) error {
	var errs []error
	for _, configuration := range configurations {
		errs = append(errs, k.trust(ctx, configuration, trusted))
	}
	return errors.Join(errs...)
}

// operation of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// trust has the API server trust what the manager serves, unless it does. Nothing else of the configuration is written.
func (k *Keeper) trust(ctx context.Context, configuration configuration, trusted []byte) error {
	var patch []operation
	for i, client := range configuration.clients {
		if bytes.Equal(client.CABundle, trusted) {
			continue
		}
		webhook := fmt.Sprintf("/webhooks/%d", i)
		patch = append(patch,
			operation{Op: "test", Path: webhook + "/name", Value: configuration.webhooks[i]},
			operation{Op: "add", Path: webhook + "/clientConfig/caBundle", Value: trusted})
	}
	if len(patch) == 0 {
		return nil
	}
	encoded, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode a patch: %w", err)
	}
	if err := k.write.Patch(ctx, configuration.object, client.RawPatch(types.JSONPatchType, encoded)); err != nil {
		return fmt.Errorf("write what the API server trusts into %s: %w", configuration.object.GetName(), err)
	}
	return nil
}
