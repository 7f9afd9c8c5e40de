package certificates

import (
	"bytes"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// older is a manager of version 0.1, which had no authority: its certificate vouches for itself.
type older struct{ *replica }

// look is what version 0.1 did whenever one of the objects changed.
func (o older) look() {
	o.t.Helper()
	secret := &corev1.Secret{}
	if err := o.api.Get(o.t.Context(), client.ObjectKey{Namespace: "ns", Name: secretName}, secret); err != nil {
		o.t.Fatal(err)
	}
	current := pairOf(secret)
	if !o.good(current) {
		certificate, key, err := sign(certificateTemplate([]string{"webhook.ns.svc"}, o.clock.Now()), nil)
		if err != nil {
			o.t.Fatal(err)
		}
		trusted := certificate
		if _, _, err := current.load(); err == nil {
			trusted = bytes.Join([][]byte{certificate, current.certificate}, nil)
		}
		current = pair{certificate: certificate, key: key, trusted: trusted}
		secret.Data = map[string][]byte{certificateKey: certificate, privateKey: key, trustedKey: trusted}
		o.writes++
		if err := o.api.Update(o.t.Context(), secret); err != nil {
			o.t.Fatal(err)
		}
	}
	configurations, err := o.configurations(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.trustAll(o.t.Context(), configurations, current.trusted); err != nil {
		o.t.Fatal(err)
	}
}

// good is how it judged what is in the Secret.
func (o older) good(p pair) bool {
	_, leaf, err := p.load()
	now := o.clock.Now()
	return err == nil && bytes.HasPrefix(p.trusted, p.certificate) && leaf.VerifyHostname("webhook.ns.svc") == nil &&
		!now.Before(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-renewBefore))
}

// An update may be stuck for as long as it likes: managers of both versions agree on one certificate, after each renewal as well.
func TestManagersOfTwoVersionsDoNotReplaceEachOthersCertificate(t *testing.T) {
	for name, olderFirst := range map[string]bool{"the older one is first": true, "the newer one is first": false} {
		t.Run(name, func(t *testing.T) {
			k := newReplica(t, installation()...)
			before := older{k}
			if olderFirst {
				before.look()
			}
			for year, at := range []time.Time{noon, noon.Add(lifetime - renewBefore), noon.Add(2 * (lifetime - renewBefore))} {
				k.clock.SetTime(at)
				for range 2 { // One makes it, and the other one adds an authority at most.
					k.look()
					before.look()
				}
				settled := k.writes
				for range 5 {
					k.look()
					before.look()
				}
				if k.writes != settled {
					t.Fatalf("year %d: %d writes of managers that have what they need", year, k.writes-settled)
				}
				secret := &corev1.Secret{}
				if err := k.api.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: secretName}, secret); err != nil {
					t.Fatal(err)
				}
				found := pairOf(secret)
				if err := verify(t, found, found, "metrics", at); err != nil {
					t.Errorf("year %d: a Prometheus refuses it: %v", year, err)
				}
				if err := verifyBy(t, found, []byte(bundle(k)), "webhook.ns.svc", at); err != nil {
					t.Errorf("year %d: the API server refuses it: %v", year, err)
				}
			}
		})
	}
}
