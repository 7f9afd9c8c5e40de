package manifests

import (
	"slices"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Before Kubernetes 1.36 the API server does not know MutatingAdmissionPolicies, and the whole installation would fail. The webhook that does
// it instead must not stand in the way of anybody while no manager runs; the one that confines helpers has to.
func TestNamesAreFilledInByAWebhookThatNobodyDependsOn(t *testing.T) {
	for name, objects := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			if slices.ContainsFunc(objects, func(o Object) bool { return o.Kind() == "MutatingAdmissionPolicy" }) {
				t.Error("there is a MutatingAdmissionPolicy")
			}
			names, err := Find[admissionregistrationv1.MutatingWebhookConfiguration](objects, "MutatingWebhookConfiguration", "reboot-operator-names")
			if err != nil {
				t.Fatal(err)
			}
			for _, webhook := range names.Webhooks {
				if *webhook.FailurePolicy != admissionregistrationv1.Ignore {
					t.Errorf("%s refuses what it cannot decide", webhook.Name)
				}
			}
			evictions, err := Find[admissionregistrationv1.ValidatingWebhookConfiguration](
				objects, "ValidatingWebhookConfiguration", "reboot-operator-evictions")
			if err != nil {
				t.Fatal(err)
			}
			for _, webhook := range evictions.Webhooks {
				if *webhook.FailurePolicy != admissionregistrationv1.Fail {
					t.Errorf("%s lets through what it cannot decide", webhook.Name)
				}
			}
		})
	}
}
