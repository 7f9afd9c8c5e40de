package certificates

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// publisher writes what those who collect metrics verify them by into a ConfigMap. It works by itself: the webhooks do not depend on a
// right that only this needs.
type publisher struct{ *Keeper }

// Reconcile implements reconcile.Reconciler. An authority is published as soon as it is in the Secret, long before it signs what is served.
// The certificate is not: it is renewed each year, and a copy of the authorities is good for longer.
func (p *publisher) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	secret, published := &corev1.Secret{}, &corev1.ConfigMap{}
	err := p.read.Get(ctx, client.ObjectKey{Namespace: p.options.Namespace, Name: secretName}, secret)
	if err == nil {
		err = p.read.Get(ctx, client.ObjectKey{Namespace: p.options.Namespace, Name: authorityName}, published)
	}
	trusted := string(authoritiesOf(secret.Data[trustedKey]))
	if apierrors.IsNotFound(err) || err == nil && (trusted == "" || published.Data[trustedKey] == trusted) {
		return reconcile.Result{}, nil // There is nothing to publish yet, or it is, or the user who deleted the ConfigMap does without it.
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("get the authority and the ConfigMap for it: %w", err)
	}
	published = published.DeepCopy()
	published.Data = map[string]string{trustedKey: trusted}
	if err := p.write.Update(ctx, published); err != nil && !apierrors.IsConflict(err) {
		return reconcile.Result{}, fmt.Errorf("update the ConfigMap with the authority: %w", err)
	}
	return reconcile.Result{}, nil
}
