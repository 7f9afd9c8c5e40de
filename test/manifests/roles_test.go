package manifests

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

const (
	// look is what "kubectl get", also with -w, and "kubectl describe" require, and change what "kubectl apply", "edit" and "delete" require
	// in addition.
	look   = "get list watch"
	change = "create update patch delete"

	ownPolicies = "rebootpolicies.reboot-operator.io"
	ownReboots  = "nodereboots.reboot-operator.io"
)

// grant is verbs of kinds of objects, each separated by spaces. A kind may have the name of the only object.
type grant struct{ verbs, resources string }

// rolesOfPeople are what each role of config/rbac/users.yaml gives to whom it is bound, and no more.
var rolesOfPeople = map[string][]grant{
	"reboot-operator-viewer":    {{look, ownPolicies + " " + ownReboots}},
	"reboot-operator-editor":    {{look + " " + change, ownPolicies + " " + ownReboots}},
	"reboot-operator-requester": {{look, ownPolicies}, {look + " " + change, ownReboots}},
	"reboot-operator-approver":  {{look, ownPolicies}, {look + " patch approve", ownReboots}},
	"reboot-operator-skipper":   {{look + " patch", "nodes"}},
	"reboot-operator-hook":      {{look, ownReboots}, {"get patch update", ownReboots + "/status"}},
	"reboot-operator-plugin": {
		{look, "nodes pods events daemonsets.apps deployments.apps statefulsets.apps poddisruptionbudgets.policy"},
		{"get", "configmaps:reboot-operator-slots leases.coordination.k8s.io:reboot-operator"},
		{"list", "volumeattachments.storage.k8s.io"},
		{"get", "customresourcedefinitions.apiextensions.k8s.io:" + ownPolicies + " customresourcedefinitions.apiextensions.k8s.io:" + ownReboots},
		{"list", "validatingadmissionpolicies.admissionregistration.k8s.io validatingadmissionpolicybindings.admissionregistration.k8s.io"},
		{"get", "clusterrolebindings.rbac.authorization.k8s.io:reboot-operator-helper-drain"},
	},
	"reboot-operator-metrics-reader": {{"get", "/metrics"}},
}

// rights are pairs of a verb and an object, in order.
func (g grant) rights() []string {
	var rights []string
	for verb := range strings.FieldsSeq(g.verbs) {
		for resource := range strings.FieldsSeq(g.resources) {
			rights = append(rights, verb+" "+resource)
		}
	}
	return rights
}

// rightsOf a role. A rule without groups, resources or verbs gives none, or is refused by the API server.
func rightsOf(role *rbacv1.ClusterRole) []string {
	var rights []string
	for _, rule := range role.Rules {
		resources := slices.Clone(rule.NonResourceURLs)
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				resource, part, divided := strings.Cut(resource, "/")
				if group != "" {
					resource += "." + group
				}
				if divided {
					resource += "/" + part
				}
				if len(rule.ResourceNames) == 0 {
					resources = append(resources, resource)
				}
				for _, name := range rule.ResourceNames {
					resources = append(resources, resource+":"+name)
				}
			}
		}
		rights = append(rights, grant{strings.Join(rule.Verbs, " "), strings.Join(resources, " ")}.rights()...)
	}
	slices.Sort(rights)
	return rights
}

func compareRights(t *testing.T, objects Rendered, name string, grants []grant) {
	t.Helper()
	role, err := Find[rbacv1.ClusterRole](objects, "ClusterRole", name)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, g := range grants {
		want = append(want, g.rights()...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, rightsOf(role)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestEachRoleOfPeopleGivesWhatItIsForAndNoMore(t *testing.T) {
	objects := rendered(t)["default"]
	for name, grants := range rolesOfPeople {
		compareRights(t, objects, name, grants)
	}
	content, err := os.ReadFile("../../config/rbac/users.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names, viewed []string
	for _, object := range objects {
		if object.Kind() != "ClusterRole" || !strings.Contains(string(content), "  name: "+object.Name()+"\n") {
			continue
		}
		role, err := Find[rbacv1.ClusterRole](objects, "ClusterRole", object.Name())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, role.Name)
		for label := range role.Labels {
			if strings.HasPrefix(label, rbacv1.GroupName+"/aggregate-to-") {
				viewed = append(viewed, role.Name+": "+label)
			}
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(rolesOfPeople)), names); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"reboot-operator-viewer: " + rbacv1.GroupName + "/aggregate-to-view"}, viewed); diff != "" {
		t.Errorf("what is part of the roles of Kubernetes (-want +got):\n%s", diff)
	}
}

// Where a helper cannot drain as its node, it has these rights itself. Tests that need an API server run on a later one.
func TestHelpersBefore136MayListPodsAndEvictThem(t *testing.T) {
	objects, err := Render("overlays/before-1.36")
	if err != nil {
		t.Fatal(err)
	}
	compareRights(t, objects, "reboot-operator-helper-drain", []grant{{"list watch", "pods"}, {"create", "pods/eviction"}})
}
