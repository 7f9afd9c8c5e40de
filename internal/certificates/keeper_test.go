package certificates

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
	"k8s.io/apimachinery/pkg/types"
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
	reference := &admissionregistrationv1.ServiceReference{Namespace: "ns", Name: "webhook"}
	service := admissionregistrationv1.WebhookClientConfig{Service: reference}
	return []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: secretName}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: authorityName}},
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

// replica keeps the certificate.
type replica struct {
	*Keeper
	t      *testing.T
	api    client.Client
	clock  *clocktesting.FakePassiveClock
	writes int
	// refuse is how updates are answered, and refusePatches how patches of webhook configurations are.
	refuse, refusePatches error
}

func newReplica(t *testing.T, objects ...client.Object) *replica {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	k := &replica{t: t, clock: clocktesting.NewFakePassiveClock(noon)}
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
			if k.refusePatches != nil {
				return k.refusePatches
			}
			return api.Patch(ctx, object, patch, options...)
		},
	}).Build()
	k.Keeper = New(Options{Namespace: "ns", Webhooks: true, MetricsService: "metrics", Clock: k.clock})
	k.read, k.write = k.api, k.api
	return k
}

// look has the replica look once, and returns how often it wrote.
func (k *replica) look() (reconcile.Result, int) {
	k.t.Helper()
	before := k.writes
	result, err := k.Reconcile(k.t.Context(), reconcile.Request{})
	if err != nil {
		k.t.Fatal(err)
	}
	return result, k.writes - before
}

// bundles are what the API server trusts, of each webhook.
func (k *replica) bundles() (evictions, names string) {
	k.t.Helper()
	validating, mutating := &admissionregistrationv1.ValidatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfiguration{}
	for name, object := range map[string]client.Object{evictionsWebhookName: validating, namesWebhookName: mutating} {
		if err := k.api.Get(k.t.Context(), client.ObjectKey{Name: name}, object); err != nil {
			k.t.Fatal(err)
		}
	}
	return string(validating.Webhooks[0].ClientConfig.CABundle), string(mutating.Webhooks[0].ClientConfig.CABundle)
}

func bundle(k *replica) string {
	evictions, _ := k.bundles()
	return evictions
}

// published is what those who collect metrics verify by.
func (k *replica) published() string {
	k.t.Helper()
	found := &corev1.ConfigMap{}
	if err := k.api.Get(k.t.Context(), client.ObjectKey{Namespace: "ns", Name: authorityName}, found); err != nil {
		k.t.Fatal(err)
	}
	return found.Data["ca.crt"]
}

func TestACertificateIsMadeTrustedAndServedAndThenThereIsQuiet(t *testing.T) {
	k := newReplica(t, installation()...)
	if _, err := k.Get(nil); err == nil {
		t.Error("something is served before there is a certificate")
	}
	result, writes := k.look()
	served, err := k.Get(nil)
	if err != nil || served.Leaf.VerifyHostname("webhook.ns.svc") != nil || served.Leaf.VerifyHostname("metrics.ns.svc") != nil ||
		served.Leaf.VerifyHostname("metrics") != nil {
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
	if renewed, _ := k.Get(nil); renewed.Leaf.Equal(served.Leaf) {
		t.Error("the certificate is served beyond its time")
	}
	k.publish()
	before := k.published()
	k.clock.SetTime(noon.Add(authorityLifetime - announceBefore))
	k.look()
	k.publish()
	both, after := string(authoritiesOf([]byte(bundle(k)))), k.published()
	if both != after || !strings.HasPrefix(after, before) || after == before {
		t.Error("the next authority is not announced in time")
	}
}

// publish has the replica look once at what is published, and returns how often it wrote.
func (k *replica) publish() int {
	k.t.Helper()
	before := k.writes
	if _, err := (&publisher{k.Keeper}).Reconcile(k.t.Context(), reconcile.Request{}); err != nil {
		k.t.Fatal(err)
	}
	return k.writes - before
}

func TestWhatIsPublishedIsWrittenOnceAgainIfItIsChangedAndNotIfItIsDeleted(t *testing.T) {
	k := newReplica(t, installation()...)
	if writes := k.publish(); writes != 0 {
		t.Errorf("%d writes before there is an authority", writes)
	}
	k.look()
	want := string(authoritiesOf([]byte(bundle(k))))
	if writes := k.publish(); want == "" || writes != 1 || k.published() != want {
		t.Errorf("%d writes, published %q", writes, k.published())
	}
	if writes := k.publish(); writes != 0 {
		t.Errorf("%d writes of what is there", writes)
	}
	found := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: authorityName}}
	other := client.RawPatch(types.MergePatchType, []byte(`{"data":{"ca.crt":"x","more":"y"}}`))
	if err := k.api.Patch(t.Context(), found, other); err != nil {
		t.Fatal(err)
	}
	k.refuse = apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, authorityName, nil)
	k.publish() // Another replica was first, and the watch brings what it wrote.
	k.refuse = nil
	if writes := k.publish(); writes != 1 || k.published() != want {
		t.Errorf("%d writes, published %q", writes, k.published())
	}
	if err := k.api.Delete(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	if writes := k.publish(); writes != 0 {
		t.Errorf("%d writes without the ConfigMap", writes)
	}
}

func TestEachOfWebhooksAndMetricsCanBeServedWithoutTheOther(t *testing.T) {
	for name, test := range map[string]struct {
		webhooks        bool
		service         string
		want, otherwise string
		writes          int
	}{
		"webhooks": {true, "", "webhook.ns.svc", "metrics.ns.svc", 3},
		"metrics":  {false, "metrics", "metrics.ns.svc", "webhook.ns.svc", 1},
	} {
		k := newReplica(t, installation()...)
		k.options.Webhooks, k.options.MetricsService = test.webhooks, test.service
		_, writes := k.look()
		leaf := k.served.Load().Leaf
		if writes != test.writes || leaf.VerifyHostname(test.want) != nil || leaf.VerifyHostname(test.otherwise) == nil {
			t.Errorf("%s: %d writes, a certificate of %q", name, writes, leaf.DNSNames)
		}
	}
}

// Metrics do not depend on the right to say what the API server trusts, and webhooks are served with what it trusts for as long as that is
// good.
func TestWhileWebhooksCannotBeTrustedMetricsAreServed(t *testing.T) {
	k := newReplica(t, installation()...)
	k.refusePatches = apierrors.NewForbidden(schema.GroupResource{Resource: "validatingwebhookconfigurations"}, evictionsWebhookName, nil)
	refused := func() {
		t.Helper()
		if _, err := k.Reconcile(t.Context(), reconcile.Request{}); !apierrors.IsForbidden(err) {
			t.Errorf("error %v", err)
		}
	}
	refused()
	first, err := k.Get(nil)
	if err != nil {
		t.Fatalf("nothing is served: %v", err)
	}
	k.clock.SetTime(noon.Add(lifetime - renewBefore))
	refused()
	if served, _ := k.Get(nil); !served.Leaf.Equal(first.Leaf) {
		t.Error("what the API server may trust is replaced before it trusts the other one")
	}
	k.clock.SetTime(noon.Add(lifetime + time.Hour))
	refused()
	if served, _ := k.Get(nil); served.Leaf.Equal(first.Leaf) {
		t.Error("what is at its end is served")
	}
	k.refusePatches = nil
	k.look()
	if evictions, names := k.bundles(); evictions == "" || names != evictions {
		t.Errorf("bundles %q and %q", evictions, names)
	}
}

func TestWhoIsSecondTakesWhatTheFirstMade(t *testing.T) {
	k := newReplica(t, installation()...)
	k.refuse = apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, secretName, nil)
	if result, writes := k.look(); writes != 1 || result.RequeueAfter != 0 || k.served.Load() != nil {
		t.Errorf("%d writes, next look in %s, served %v", writes, result.RequeueAfter, k.served.Load())
	}
	k.refuse = nil
	k.look()
	second := New(k.options)
	second.read, second.write = k.api, k.api
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
	k := newReplica(t, objects...)
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
	k := newReplica(t)
	k.options.MetricsService = ""
	if result, writes := k.look(); writes != 0 || result.RequeueAfter != 0 {
		t.Errorf("%d writes without webhooks", writes)
	}
	k = newReplica(t, installation()[1:]...)
	if _, err := k.Reconcile(t.Context(), reconcile.Request{}); !apierrors.IsNotFound(err) || k.writes != 0 {
		t.Errorf("without a Secret: error %v, %d writes", err, k.writes)
	}
}
