package notifier

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// secrets reads the keys that policies name. They are read each time, so a URL that was changed is used at once.
type secrets struct {
	live      client.Reader
	namespace string
}

// value of a key that the policy may use. The line end that editors and echo put behind it is left out.
func (s *secrets) value(ctx context.Context, policy string, key *v1alpha1.NotificationKey) (string, *problem) {
	ctx, stop := context.WithTimeout(ctx, requestTimeout)
	defer stop()
	secret := &corev1.Secret{}
	err := s.live.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: key.Secret}, secret)
	switch {
	case apierrors.IsForbidden(err):
		return "", invalid("the manager may not read Secret %s/%s: put the key into the Secret %s, or give the manager's ServiceAccount a Role "+
			"to get this one", s.namespace, key.Secret, v1alpha1.NotificationsSecret)
	case apierrors.IsNotFound(err):
		return "", invalid("there is no Secret %s/%s; it has to be in the namespace of the operator", s.namespace, key.Secret)
	case err != nil:
		return "", failed("Secret %s/%s cannot be read", s.namespace, key.Secret)
	}
	if !allows(secret.Annotations[v1alpha1.AllowedPoliciesAnnotation], policy) {
		return "", invalid("RebootPolicy %s may not use Secret %s/%s: an administrator allows that with its annotation %s: "+
			"%q", policy, s.namespace,
			key.Secret, v1alpha1.AllowedPoliciesAnnotation, policy)
	}
	value := strings.TrimSpace(string(secret.Data[key.Key]))
	if value == "" {
		return "", invalid("there is no key %s in Secret %s/%s, or it is empty", key.Key, s.namespace, key.Secret)
	}
	return value, nil
}

// allows says whether an annotation names a policy.
func allows(annotation, policy string) bool {
	names := strings.FieldsFunc(annotation, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
	return slices.Contains(names, "*") || slices.Contains(names, policy)
}
