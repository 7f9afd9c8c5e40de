package policyfile

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/policycheck"
	"github.com/reboot-operator/reboot-operator/internal/plugin/schema"
)

// policyOf reads one object. The error is about an object of another kind.
func policyOf(kind *schema.Kind, object map[string]any) (*Policy, error) {
	head := unstructured.Unstructured{Object: object}
	want := v1alpha1.GroupVersion.WithKind(policyKind)
	switch got := head.GroupVersionKind(); {
	case got.Kind == "" || head.GetAPIVersion() == "":
		return nil, fmt.Errorf("the object has no apiVersion or no kind; write apiVersion: %s and kind: %s", want.GroupVersion(), want.Kind)
	case got.GroupKind() != want.GroupKind():
		return nil, fmt.Errorf("this is a %s (%s), not a %s (%s)", got.Kind, head.GetAPIVersion(), want.Kind, want.GroupVersion())
	case got.Version != want.Version:
		return nil, fmt.Errorf("this is a RebootPolicy of version %s; this plugin knows %s", got.Version, want.Version)
	}
	policy := &Policy{Name: head.GetName()}
	policy.Problems = kind.Check(context.Background(), object)
	if len(policy.Problems) > 0 {
		return policy, nil
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("read RebootPolicy %s: %w", policy.Name, err)
	}
	policy.Object = &v1alpha1.RebootPolicy{}
	if err := json.Unmarshal(encoded, policy.Object); err != nil {
		return nil, fmt.Errorf("read RebootPolicy %s: %w", policy.Name, err)
	}
	for _, unreadable := range policy.Object.Unreadable {
		policy.Problems = append(policy.Problems, schema.Problem{Path: unreadable.Path, Message: unreadable.Description})
	}
	policy.Findings = policycheck.Check(policy.Object)
	return policy, nil
}
