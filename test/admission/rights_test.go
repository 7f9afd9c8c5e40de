package admission

import (
	"context"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// right is one thing that one might do.
type right struct {
	verb, group, resource, subresource, namespace, name string
}

// evictAnywhere is a right of helpers only where they cannot drain as their node.
var evictAnywhere = right{verb: "create", resource: "pods", subresource: "eviction", namespace: "default"}

// allowed asks the API server whether the ServiceAccount of the operator's namespace may do something.
func allowed(t *testing.T, serviceAccount string, of right) bool {
	t.Helper()
	allowed, err := mayDo(t.Context(), namespace, serviceAccount, of)
	if err != nil {
		t.Fatal(err)
	}
	return allowed
}

// awaitAllowed waits until a binding that was just made is in force: the API server notices it a moment later.
func awaitAllowed(t *testing.T, namespace, serviceAccount string, of right) {
	t.Helper()
	await.True(t, serviceAccount+" may "+of.verb+" "+of.resource, func() bool {
		allowed, err := mayDo(t.Context(), namespace, serviceAccount, of)
		return err == nil && allowed
	})
}

func mayDo(ctx context.Context, namespace, serviceAccount string, of right) (bool, error) {
	user := fmt.Sprintf("system:serviceaccount:%s:%s", namespace, serviceAccount)
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   user,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: of.verb, Group: of.group, Version: "*", Resource: of.resource, Subresource: of.subresource, Namespace: of.namespace, Name: of.name,
		},
	}}
	if err := admin.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask what %s may do: %w", user, err)
	}
	return review.Status.Allowed, nil
}

func TestTheManagerMayDoItsWork(t *testing.T) {
	const group = "reboot-operator.io"
	for _, right := range []right{
		{verb: "watch", resource: "nodes"},
		{verb: "patch", resource: "nodes"},
		{verb: "patch", resource: "nodes", subresource: "status"},
		{verb: "watch", group: group, resource: "rebootpolicies"},
		{verb: "patch", group: group, resource: "rebootpolicies", subresource: "status"},
		{verb: "delete", group: group, resource: "nodereboots"},
		{verb: "patch", group: group, resource: "nodereboots"},
		{verb: "patch", group: group, resource: "nodereboots", subresource: "status"},
		{verb: "create", group: group, resource: "nodereboots"},
		{verb: "watch", group: "nodemaintenance.medik8s.io", resource: "nodemaintenances"},
		{verb: "list", group: "nodemaintenance.kubevirt.io", resource: "nodemaintenances"},
		{verb: "watch", group: "nodemaintenance.kubevirt.io", resource: "nodemaintenances"},
		{verb: "watch", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
		{verb: "order", group: group, resource: "nodereboots", subresource: "status"},
		{verb: "watch", resource: "pods"},
		{verb: "watch", group: "apps", resource: "statefulsets"},
		{verb: "watch", group: "apps", resource: "daemonsets", namespace: namespace},
		{verb: "watch", group: "apps", resource: "deployments"},
		{verb: "watch", group: "policy", resource: "poddisruptionbudgets"},
		{verb: "watch", group: "storage.k8s.io", resource: "volumeattachments"},
		{verb: "watch", group: "storage.k8s.io", resource: "csinodes"},
		{verb: "watch", resource: "namespaces"},
		{verb: "watch", resource: "persistentvolumes"},
		{verb: "watch", resource: "persistentvolumeclaims"},
		{verb: "create", group: "events.k8s.io", resource: "events", namespace: "default"},
		{verb: "patch", group: "events.k8s.io", resource: "events", namespace: "default"},
		{verb: "create", group: "coordination.k8s.io", resource: "leases", namespace: namespace},
		{verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: namespace},
		{verb: "create", resource: "configmaps", namespace: namespace},
		{verb: "get", resource: "configmaps", namespace: namespace, name: "reboot-operator-slots"},
		{verb: "update", resource: "configmaps", namespace: namespace, name: "reboot-operator-slots"},
		{verb: "list", resource: "configmaps", namespace: namespace, name: "reboot-operator-metrics-ca"},
		{verb: "watch", resource: "configmaps", namespace: namespace, name: "reboot-operator-metrics-ca"},
		{verb: "update", resource: "configmaps", namespace: namespace, name: "reboot-operator-metrics-ca"},
		{verb: "get", resource: "configmaps", namespace: namespace, name: "reboot-operator-notifications"},
		{verb: "update", resource: "configmaps", namespace: namespace, name: "reboot-operator-notifications"},
		{verb: "get", resource: "secrets", namespace: namespace, name: "reboot-operator-gates"},
		{verb: "get", resource: "secrets", namespace: namespace, name: "reboot-operator-notifications"},
		{verb: "impersonate", resource: "serviceaccounts", namespace: namespace, name: "reboot-operator-gates"},
		{verb: "create", group: "authentication.k8s.io", resource: "tokenreviews"},
		{verb: "create", group: "authorization.k8s.io", resource: "subjectaccessreviews"},
	} {
		t.Run(fmt.Sprint(right), func(t *testing.T) {
			if !allowed(t, manager, right) {
				t.Error("not allowed")
			}
		})
	}
}

// Gates see nothing of what the manager may read for its own work.
func TestGatesMayReadNothingUntilAnAdministratorSaysSo(t *testing.T) {
	for _, right := range []right{
		{verb: "list", resource: "pods"},
		{verb: "list", resource: "pods", namespace: namespace},
		{verb: "list", resource: "nodes"},
		{verb: "list", resource: "secrets"},
		{verb: "list", resource: "configmaps"},
		{verb: "list", group: "apps", resource: "deployments"},
		{verb: "list", group: "coordination.k8s.io", resource: "leases"},
		{verb: "list", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
		{verb: "list", group: "reboot-operator.io", resource: "rebootpolicies"},
	} {
		if allowed(t, gates, right) {
			t.Errorf("gates may %v", right)
		}
	}
}

func TestTheHelperMayNotReadTheCredentialsOfGatesAndNotifications(t *testing.T) {
	for _, name := range []string{"reboot-operator-gates", "reboot-operator-notifications"} {
		if allowed(t, helper, right{verb: "get", resource: "secrets", namespace: namespace, name: name}) {
			t.Errorf("%s: allowed", name)
		}
	}
}

func TestNeitherMayDoMore(t *testing.T) {
	for _, right := range []right{
		{verb: "create", resource: "pods", namespace: namespace},
		{verb: "delete", resource: "pods", namespace: "default"},
		{verb: "create", resource: "pods", subresource: "exec", namespace: "default"},
		evictAnywhere,
		{verb: "get", resource: "secrets", namespace: namespace},
		{verb: "get", resource: "secrets", namespace: namespace, name: "other"},
		{verb: "get", resource: "secrets", namespace: "default", name: "reboot-operator-gates"},
		{verb: "list", resource: "secrets", namespace: namespace},
		{verb: "update", resource: "secrets", namespace: namespace, name: "reboot-operator-gates"},
		{verb: "list", resource: "secrets", namespace: namespace, name: "reboot-operator-notifications"},
		{verb: "update", resource: "secrets", namespace: namespace, name: "reboot-operator-notifications"},
		{verb: "get", resource: "secrets", namespace: "default", name: "reboot-operator-notifications"},
		{verb: "delete", resource: "configmaps", namespace: namespace, name: "reboot-operator-notifications"},
		{verb: "list", resource: "secrets"},
		{verb: "list", group: "apps", resource: "daemonsets"},
		{verb: "list", resource: "configmaps", namespace: namespace},
		{verb: "get", resource: "configmaps", namespace: namespace, name: "other"},
		{verb: "update", resource: "configmaps", namespace: namespace, name: "other"},
		{verb: "delete", resource: "configmaps", namespace: namespace, name: "reboot-operator-metrics-ca"},
		{verb: "update", resource: "configmaps", namespace: "default", name: "reboot-operator-metrics-ca"},
		{verb: "create", resource: "configmaps", namespace: "default"},
		{verb: "create", group: "coordination.k8s.io", resource: "leases", namespace: "kube-node-lease"},
		{verb: "watch", group: "coordination.k8s.io", resource: "leases", namespace: "kube-node-lease"},
		{verb: "list", group: "coordination.k8s.io", resource: "leases", namespace: "medik8s-leases"},
		{verb: "delete", resource: "nodes"},
		{verb: "create", resource: "nodes"},
		{verb: "get", resource: "nodes", subresource: "proxy"},
		{verb: "create", resource: "serviceaccounts", subresource: "token", namespace: namespace},
		{verb: "impersonate", resource: "serviceaccounts", namespace: namespace, name: "default"},
		{verb: "impersonate", resource: "serviceaccounts", namespace: "default", name: "reboot-operator-gates"},
		{verb: "impersonate", resource: "users"},
		{verb: "impersonate", resource: "groups"},
		{verb: "patch", group: "apps", resource: "daemonsets", namespace: namespace},
		{verb: "watch", group: "apps", resource: "replicasets"},
		{verb: "create", group: "reboot-operator.io", resource: "rebootpolicies"},
		{verb: "patch", group: "reboot-operator.io", resource: "rebootpolicies"},
		{verb: "delete", group: "policy", resource: "poddisruptionbudgets", namespace: "default"},
		{verb: "delete", group: "storage.k8s.io", resource: "volumeattachments"},
		{verb: "patch", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
		{verb: "delete", group: "nodemaintenance.medik8s.io", resource: "nodemaintenances"},
		{verb: "impersonate", resource: "users", name: "system:node:n1"},
		{verb: "impersonate", resource: "groups", name: "system:masters"},
		{verb: "impersonate:user-info", group: "authentication.k8s.io", resource: "users", name: "admin"},
		{verb: "impersonate:arbitrary-node", group: "authentication.k8s.io", resource: "nodes", name: "n2"},
		{verb: "bind", group: "rbac.authorization.k8s.io", resource: "clusterroles"},
		{verb: "escalate", group: "rbac.authorization.k8s.io", resource: "clusterroles"},
		{verb: "patch", group: "admissionregistration.k8s.io", resource: "validatingadmissionpolicies", name: helper},
	} {
		for _, account := range []string{manager, helper} {
			t.Run(account+fmt.Sprint(right), func(t *testing.T) {
				own := account == helper && !installed.DrainsAsNode && right == evictAnywhere
				if got := allowed(t, account, right); got != own {
					t.Errorf("allowed: %v, want %v", got, own)
				}
			})
		}
	}
}
