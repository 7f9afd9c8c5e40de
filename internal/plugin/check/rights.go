package check

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// Right is something that the plugin does in the name of its user.
type Right struct {
	Verb, Group, Resource string
	// Namespaced: it is needed in the namespace of the operator only.
	Namespaced bool
	// Command that needs it. Reading is needed by nearly all.
	Command string
}

// String is the right as kubectl auth can-i takes it.
func (r Right) String() string {
	if r.Group == "" {
		return r.Verb + " " + r.Resource
	}
	return r.Verb + " " + r.Resource + "." + r.Group
}

// read is for what only looks.
const read = ""

// rights that commands of the plugin need.
func rights() []Right {
	group := v1alpha1.GroupVersion.Group
	return []Right{
		{"list", group, "rebootpolicies", false, read}, {"watch", group, "rebootpolicies", false, read},
		{"list", group, "nodereboots", false, read}, {"watch", group, "nodereboots", false, read},
		{"list", "", "nodes", false, read}, {"watch", "", "nodes", false, read},
		{"list", "", "pods", true, read}, {"list", "apps", "daemonsets", true, read}, {"list", "apps", "deployments", true, read},
		{"get", "coordination.k8s.io", "leases", true, read},
		{"list", "policy", "poddisruptionbudgets", false, "lint, plan"}, {"list", "", "pods", false, "lint, plan"},
		{"create", group, "nodereboots", false, "now"}, {"delete", group, "nodereboots", false, "cancel, retry"},
		{"patch", group, "nodereboots", false, "approve, deny"}, {"approve", group, "nodereboots", false, "approve"},
		{"patch", group, "rebootpolicies", false, "pause, resume"}, {"patch", "", "nodes", false, "skip, unskip"},
	}
}

// missingRights asks the API server which of the rights its user lacks.
func missingRights(ctx context.Context, c client.Client, namespace string) ([]Right, error) {
	var missing []Right
	for _, right := range rights() {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: right.Verb, Group: right.Group, Resource: right.Resource},
		}}
		if right.Namespaced {
			review.Spec.ResourceAttributes.Namespace = namespace
		}
		if right.Resource == "leases" {
			review.Spec.ResourceAttributes.Name = install.LeaseName // of all Leases it needs this one only
		}
		if err := c.Create(ctx, review); err != nil {
			return nil, fmt.Errorf("ask for the right to %s: %w", right, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, right)
		}
	}
	return missing, nil
}
