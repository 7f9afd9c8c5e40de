package webhooks

import (
	"context"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// installation is what config/webhook installs.
func installation() []client.Object {
	service := admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "ns", Name: "webhook"}}
	return []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: secretName}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: evictionsWebhookName},
			Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "evictions", ClientConfig: service}},
		},
		&admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: namesWebhookName},
			Webhooks:   []admissionregistrationv1.MutatingWebhook{{Name: "names", ClientConfig: service}},
		},
	}
}

// keeper is a replica that keeps the certificate.
type keeper struct {
	*certificates
	t      *testing.T
	api    client.Client
	clock  *clocktesting.FakePassiveClock
	writes int
	refuse error
}

func newTestKeeper(t *testing.T, objects ...client.Object) *keeper {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	k := &keeper{t: t, clock: clocktesting.NewFakePassiveClock(noon)}
	k.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Update: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			k.writes++
			if k.refuse != nil {
				return k.refuse
			}
			return api.Update(ctx, object, options...)
		},
		Patch: func(ctx context.Context, api client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			k.writes++
			return api.Patch(ctx, object, patch, options...)
		},
	}).Build()
	k.certificates = &certificates{read: k.api, write: k.api, namespace: "ns", clock: k.clock}
	return k
}

// look has the replica look once, and returns how often it wrote.
func (k *keeper) look() (reconcile.Result, int) {
	k.t.Helper()
	before := k.writes
	result, err := k.Reconcile(k.t.Context(), reconcile.Request{})
	if err != nil {
		k.t.Fatal(err)
	}
	return result, k.writes - before
}

// bundles are what the API server trusts, of each webhook.
func (k *keeper) bundles() (evictions, names string) {
	k.t.Helper()
	validating, mutating := &admissionregistrationv1.ValidatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfiguration{}
	for name, object := range map[string]client.Object{evictionsWebhookName: validating, namesWebhookName: mutating} {
		if err := k.api.Get(k.t.Context(), client.ObjectKey{Name: name}, object); err != nil {
			k.t.Fatal(err)
		}
	}
	return string(validating.Webhooks[0].ClientConfig.CABundle), string(mutating.Webhooks[0].ClientConfig.CABundle)
}

func TestACertificateIsMadeTrustedAndServedAndThenThereIsQuiet(t *testing.T) {
	k := newTestKeeper(t, installation()...)
	if _, err := k.get(nil); err == nil {
		t.Error("something is served before there is a certificate")
	}
	result, writes := k.look()
	served, err := k.get(nil)
	if err != nil || served.Leaf.VerifyHostname("webhook.ns.svc") != nil {
		t.Fatalf("served %v, error %v", served, err)
	}
	evictions, names := k.bundles()
	if evictions == "" || evictions != names || writes != 3 || result.RequeueAfter != lifetime-renewBefore {
		t.Errorf("bundles %q and %q, %d writes, next look in %s", evictions, names, writes, result.RequeueAfter)
	}
	k.clock.SetTime(noon.Add(lifetime - renewBefore - time.Hour))
	if result, writes := k.look(); writes != 0 || result.RequeueAfter != time.Hour {
		t.Errorf("%d writes, next look in %s", writes, result.RequeueAfter)
	}
	k.clock.SetTime(noon.Add(lifetime - renewBefore))
	if _, writes := k.look(); writes != 3 {
		t.Errorf("%d writes", writes)
	}
	if renewed, _ := k.get(nil); renewed.Leaf.Equal(served.Leaf) {
		t.Error("the certificate is served beyond its time")
	}
	if both, _ := k.bundles(); !strings.HasSuffix(both, evictions) || len(both) <= len(evictions) {
		t.Error("other replicas are not trusted until they have the new certificate")
	}
}

func TestWhoIsSecondTakesWhatTheFirstMade(t *testing.T) {
	k := newTestKeeper(t, installation()...)
	k.refuse = apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, secretName, nil)
	if result, writes := k.look(); writes != 1 || result.RequeueAfter != 0 || k.served.Load() != nil {
		t.Errorf("%d writes, next look in %s, served %v", writes, result.RequeueAfter, k.served.Load())
	}
	k.refuse = nil
	k.look()
	second := &certificates{read: k.api, write: k.api, namespace: "ns", clock: k.clock}
	before := k.writes
	if _, err := second.Reconcile(t.Context(), reconcile.Request{}); err != nil || k.writes != before {
		t.Errorf("error %v, %d writes", err, k.writes-before)
	}
	if !second.served.Load().Leaf.Equal(k.served.Load().Leaf) {
		t.Error("they serve different certificates")
	}
}

func TestACertificateHasTheNamesThatAreUsed(t *testing.T) {
	objects := installation()
	k := newTestKeeper(t, objects...)
	k.look()
	names := &admissionregistrationv1.MutatingWebhookConfiguration{}
	if err := k.api.Get(t.Context(), client.ObjectKey{Name: namesWebhookName}, names); err != nil {
		t.Fatal(err)
	}
	names.Webhooks[0].ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1234/x")}
	if err := k.api.Update(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	k.look()
	for _, name := range []string{"127.0.0.1", "webhook.ns.svc"} {
		if err := k.served.Load().Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := k.api.Delete(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	if _, writes := k.look(); writes != 0 { // A name too many does no harm.
		t.Errorf("%d writes", writes)
	}
}

func TestWhatIsNotInstalledIsLeftAlone(t *testing.T) {
	k := newTestKeeper(t)
	if result, writes := k.look(); writes != 0 || result.RequeueAfter != 0 {
		t.Errorf("%d writes without webhooks", writes)
	}
	k = newTestKeeper(t, installation()[1:]...)
	if _, err := k.Reconcile(t.Context(), reconcile.Request{}); !apierrors.IsNotFound(err) || k.writes != 0 {
		t.Errorf("without a Secret: error %v, %d writes", err, k.writes)
	}
}
