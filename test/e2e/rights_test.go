package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/edition"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// right is one cell of a role of the manager or the helper.
type right struct{ actor, verb, group, resource string }

const (
	ofManager = "reboot-operator-manager"
	medik8s   = "nodemaintenance.medik8s.io"
	kubevirt  = "nodemaintenance.kubevirt.io"
)

// shownByKinds is a story of package controllers.
const shownByKinds = "Maintenance by others is honored when its kind is installed after the manager started"

// shownByRoom is another one.
const shownByRoom = "Room is watched once a node waits for it, and is there when another node is"

// shownElsewhere are rights that no request of a rollout shows, and the test that does.
var shownElsewhere = map[right]string{
	{ofManager, "list", medik8s, "nodemaintenances"}:                 shownByKinds,
	{ofManager, "watch", medik8s, "nodemaintenances"}:                shownByKinds,
	{ofManager, "list", kubevirt, "nodemaintenances"}:                shownByKinds,
	{ofManager, "watch", kubevirt, "nodemaintenances"}:               shownByKinds,
	{ofManager, "list", "", "namespaces"}:                            shownByRoom,
	{ofManager, "watch", "", "namespaces"}:                           shownByRoom,
	{ofManager, "list", "", "persistentvolumes"}:                     shownByRoom,
	{ofManager, "watch", "", "persistentvolumes"}:                    shownByRoom,
	{ofManager, "list", "", "persistentvolumeclaims"}:                shownByRoom,
	{ofManager, "watch", "", "persistentvolumeclaims"}:               shownByRoom,
	{ofManager, "list", "storage.k8s.io", "csinodes"}:                shownByRoom,
	{ofManager, "watch", "storage.k8s.io", "csinodes"}:               shownByRoom,
	{ofManager, "patch", "events.k8s.io", "events"}:                  "TestTheManagerMayDoItsWork",
	{ofManager, "watch", "coordination.k8s.io", "leases"}:            "TestTheLeadIsHandedOver",
	{ofManager, "order", "reboot-operator.io", "nodereboots/status"}: "TestAProgramThatDoesHooksSetsItsConditionsAndNothingElse",
}

// unusedRights are those that the roles of the manager and the helper give and that no request so far needed. A request that was refused by
// authorization needs a right that is not there, and shows none. One as another account was let through to be judged as that account.
func unusedRights(g Gomega) []string {
	GinkgoHelper()
	requests, err := cluster.Requests()
	g.Expect(err).NotTo(HaveOccurred())
	used := map[right]bool{}
	for i := range requests {
		if requests[i].Code != http.StatusForbidden || gatesAccount(&requests[i]) != "" {
			for _, right := range shownBy(&requests[i]) {
				used[right] = true
			}
		}
	}
	installed, err := edition.Of(cluster.Config())
	g.Expect(err).NotTo(HaveOccurred())
	var unused []string
	for _, right := range grantedRights(g) {
		if !installed.DrainsAsNode && strings.Contains(right.verb, "associated-node") {
			continue // Such an API server does not know the verb.
		}
		if !used[right] && shownElsewhere[right] == "" {
			unused = append(unused, fmt.Sprintf("%s: %s %s %s", right.actor, right.verb, right.group, right.resource))
		}
	}
	slices.Sort(unused)
	return unused
}

// refusedReads are the lists and watches of the manager for itself that were refused. It asks for nothing that its roles do not give.
func refusedReads(g Gomega) []string {
	GinkgoHelper()
	requests, err := cluster.Requests()
	g.Expect(err).NotTo(HaveOccurred())
	refused := map[string]bool{}
	for i := range requests {
		r := &requests[i]
		if r.Actor == ofManager && r.As == "" && r.Code == http.StatusForbidden && (r.Verb == "list" || r.Verb == "watch") {
			refused[fmt.Sprintf("%s %s %s in %q", r.Verb, r.Group, r.Resource, r.Namespace)] = true
		}
	}
	return slices.Sorted(maps.Keys(refused))
}

// gatesAccount is the ServiceAccount that a request was made as; empty if it was none.
func gatesAccount(r *testbed.Request) string {
	account, is := strings.CutPrefix(r.As, "system:serviceaccount:"+testbed.Namespace+":")
	if !is {
		return ""
	}
	return account
}

// shownBy are the rights that a request needs.
func shownBy(r *testbed.Request) []right {
	if account := gatesAccount(r); account != "" {
		return []right{{r.Actor, "impersonate", "", "serviceaccounts"}, {account, r.Verb, r.Group, r.Resource}}
	}
	verbs := []string{r.Verb}
	if r.Verb == "watch" && strings.Contains(r.URI, "sendInitialEvents=true") {
		verbs = append(verbs, "list") // by another name; an API server that cannot do that is asked to list
	}
	var rights []right
	if r.As != "" {
		rights = append(rights, right{r.Actor, "impersonate:associated-node", "authentication.k8s.io", "nodes"})
	}
	for _, verb := range verbs {
		if r.As != "" {
			verb = "impersonate-on:associated-node:" + verb
		}
		rights = append(rights, right{r.Actor, verb, r.Group, r.Resource})
	}
	return rights
}

// grantedRights are all cells of all roles that are bound to the manager and to the helper.
func grantedRights(g Gomega) []right {
	GinkgoHelper()
	ofThis := client.MatchingLabels{"app.kubernetes.io/name": "reboot-operator"}
	var clusterBindings rbacv1.ClusterRoleBindingList
	g.Expect(cluster.Client().List(ctx, &clusterBindings, ofThis)).To(Succeed())
	var bindings rbacv1.RoleBindingList
	g.Expect(cluster.Client().List(ctx, &bindings, ofThis)).To(Succeed())
	var rights []right
	for i := range clusterBindings.Items {
		var role rbacv1.ClusterRole
		g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: clusterBindings.Items[i].RoleRef.Name}, &role)).To(Succeed())
		rights = append(rights, cells(clusterBindings.Items[i].Subjects, role.Rules)...)
	}
	for i := range bindings.Items {
		var role rbacv1.Role
		key := client.ObjectKey{Namespace: bindings.Items[i].Namespace, Name: bindings.Items[i].RoleRef.Name}
		g.Expect(cluster.Client().Get(ctx, key, &role)).To(Succeed())
		rights = append(rights, cells(bindings.Items[i].Subjects, role.Rules)...)
	}
	g.Expect(len(rights)).To(BeNumerically(">", 20), "the roles were read")
	return rights
}

func cells(subjects []rbacv1.Subject, rules []rbacv1.PolicyRule) []right {
	var rights []right
	for i := range rules {
		for _, subject := range subjects {
			for _, verb := range rules[i].Verbs {
				for _, group := range rules[i].APIGroups {
					for _, resource := range rules[i].Resources {
						rights = append(rights, right{subject.Name, verb, group, resource})
					}
				}
			}
		}
	}
	return rights
}
