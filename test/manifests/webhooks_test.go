package manifests

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// An API server refuses all of an installation that has a kind it does not know: these are served since 1.32 or before.
var servedSince132 = map[string][]string{
	"v1":                           {"ConfigMap", "Namespace", "ResourceQuota", "Secret", "Service", "ServiceAccount"},
	"apps/v1":                      {"DaemonSet", "Deployment"},
	"apiextensions.k8s.io/v1":      {"CustomResourceDefinition"},
	"rbac.authorization.k8s.io/v1": {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"},
	"policy/v1":                    {"PodDisruptionBudget"},
	"networking.k8s.io/v1":         {"NetworkPolicy"},
	"admissionregistration.k8s.io/v1": {
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
	},
}

func TestOldAPIServersKnowEveryKindOfTheInstallation(t *testing.T) {
	objects, err := Render("default")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		version, _ := object["apiVersion"].(string)
		if !slices.Contains(servedSince132[version], object.Kind()) {
			t.Errorf("%s %s %s", version, object.Kind(), object.Name())
		}
	}
}

func TestTheComponentForOldClustersOnlyAddsRights(t *testing.T) {
	without, err := Render("default")
	if err != nil {
		t.Fatal(err)
	}
	with, err := Render("overlays/before-1.36")
	if err != nil {
		t.Fatal(err)
	}
	texts := func(objects Rendered) map[string]string {
		all := map[string]string{}
		for _, object := range objects {
			all[object.Kind()+" "+object.Name()] = YAML(object)
		}
		return all
	}
	before, after := texts(without), texts(with)
	for name, text := range before {
		if diff := cmp.Diff(text, after[name]); diff != "" {
			t.Errorf("%s (-without +with):\n%s", name, diff)
		}
		delete(after, name)
	}
	want := []string{"ClusterRole reboot-operator-helper-drain", "ClusterRoleBinding reboot-operator-helper-drain"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(after))); diff != "" {
		t.Errorf("what it adds (-want +got):\n%s", diff)
	}
}

// Nobody may have to wait for the manager but those who are meant to.
func TestWebhooksAreAskedAboutWhatTheyAreForAndFailAsTheyShould(t *testing.T) {
	objects, err := Render("default")
	if err != nil {
		t.Fatal(err)
	}
	evictions := evictionsWebhook(t, objects)
	names, err := Find[admissionregistrationv1.MutatingWebhookConfiguration](objects, "MutatingWebhookConfiguration", "reboot-operator-names")
	if err != nil {
		t.Fatal(err)
	}
	if len(names.Webhooks) != 1 {
		t.Fatalf("%d webhooks", len(names.Webhooks))
	}
	confines, fills := evictions, names.Webhooks[0]
	for name, test := range map[string]struct {
		policy      *admissionregistrationv1.FailurePolicyType
		wantPolicy  admissionregistrationv1.FailurePolicyType
		effects     *admissionregistrationv1.SideEffectClass
		seconds     *int32
		wantSeconds int32
	}{
		"evictions": {confines.FailurePolicy, admissionregistrationv1.Fail, confines.SideEffects, confines.TimeoutSeconds, 5},
		"names":     {fills.FailurePolicy, admissionregistrationv1.Ignore, fills.SideEffects, fills.TimeoutSeconds, 2},
	} {
		if *test.policy != test.wantPolicy || *test.effects != admissionregistrationv1.SideEffectClassNone || *test.seconds > test.wantSeconds {
			t.Errorf("%s: failure policy %s, side effects %s, %d seconds", name, *test.policy, *test.effects, *test.seconds)
		}
	}
	matches := userPattern(t, confines.MatchConditions)
	for user, want := range map[string]bool{
		"system:serviceaccount:any:reboot-operator-helper": true, "system:serviceaccount:any:reboot-operator-helper2": false,
		"system:node:n1": false, "x:system:serviceaccount:any:reboot-operator-helper": false,
	} {
		if matches(user) != want {
			t.Errorf("evictions by %s are asked about: %t", user, !want)
		}
	}
	if leavesOut := userPattern(t, fills.MatchConditions); !leavesOut("system:serviceaccount:any:reboot-operator-helper") ||
		!leavesOut("system:serviceaccount:any:reboot-operator-manager") || leavesOut("system:serviceaccount:any:other") || leavesOut("alice") {
		t.Error("helper and manager are asked about, or others are not")
	}
	if !strings.HasPrefix(fills.MatchConditions[0].Expression, "!") {
		t.Error("the webhook is asked about helper and manager only")
	}
}

// evictionsWebhook is the one that confines helpers.
func evictionsWebhook(t *testing.T, objects Rendered) *admissionregistrationv1.ValidatingWebhook {
	t.Helper()
	found, err := Find[admissionregistrationv1.ValidatingWebhookConfiguration](
		objects, "ValidatingWebhookConfiguration", "reboot-operator-evictions")
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Webhooks) != 1 {
		t.Fatalf("%d webhooks", len(found.Webhooks))
	}
	return &found.Webhooks[0]
}

// Everything that makes pods of a node go is asked about, whatever the version of its API.
func TestTheWebhookIsAskedAboutEverythingThatRemovesPods(t *testing.T) {
	objects, err := Render("default")
	if err != nil {
		t.Fatal(err)
	}
	evictions := evictionsWebhook(t, objects)
	got := map[string]string{}
	for _, r := range evictions.Rules {
		key := strings.Join(append(slices.Clone(r.APIGroups), r.Resources...), "/")
		got[key] = fmt.Sprintf("%v %v %s", r.Operations, r.APIVersions, *r.Scope)
	}
	want := map[string]string{
		"/pods/eviction": "[CREATE] [*] Namespaced", "/pods": "[DELETE] [*] Namespaced",
		"lifecycle.k8s.io/evictionrequests": "[CREATE] [*] Namespaced",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestEveryAdmissionPolicyRefusesWhatItCannotJudge(t *testing.T) {
	objects, err := RenderWith("eviction-requests")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, object := range objects {
		if object.Kind() != "ValidatingAdmissionPolicy" {
			continue
		}
		found++
		spec, _ := object["spec"].(map[string]any)
		if spec["failurePolicy"] != string(admissionregistrationv1.Fail) {
			t.Errorf("%s: failure policy %v", object.Name(), spec["failurePolicy"])
		}
	}
	if found < 5 {
		t.Errorf("%d policies", found)
	}
}

// userPattern is the pattern that the first of the conditions compares user names with.
func userPattern(t *testing.T, conditions []admissionregistrationv1.MatchCondition) func(string) bool {
	t.Helper()
	expression := conditions[0].Expression
	_, rest, found := strings.Cut(expression, "request.userInfo.username.matches('")
	pattern, _, ends := strings.Cut(rest, "')")
	if !found || !ends {
		t.Fatalf("condition %q compares no user name", expression)
	}
	return regexp.MustCompile(pattern).MatchString
}

func TestTheAPIServerReachesTheWebhooks(t *testing.T) {
	objects, err := Render("default")
	if err != nil {
		t.Fatal(err)
	}
	service, err := Find[corev1.Service](objects, "Service", "reboot-operator-webhook")
	if err != nil {
		t.Fatal(err)
	}
	manager, err := Find[appsv1.Deployment](objects, "Deployment", "reboot-operator-manager")
	if err != nil {
		t.Fatal(err)
	}
	container := manager.Spec.Template.Spec.Containers[0]
	port := slices.IndexFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == service.Spec.Ports[0].TargetPort.StrVal })
	// Firewalls between the control plane of a private GKE cluster and its nodes let 443 and 10250 through, and nothing else.
	if port < 0 || !slices.Contains(container.Args, "--webhook-bind-address=:10250") || container.Ports[port].ContainerPort != 10250 {
		t.Errorf("arguments %q, ports %v", container.Args, container.Ports)
	}
	if manager.Spec.Template.Spec.HostNetwork {
		t.Error("the port is the kubelet's in the host's network")
	}
	for key, value := range service.Spec.Selector {
		if manager.Spec.Template.Labels[key] != value {
			t.Errorf("the Service selects pods with %s=%s", key, value)
		}
	}
	evictions := evictionsWebhook(t, objects)
	to := evictions.ClientConfig.Service
	if to.Name != service.Name || to.Namespace != service.Namespace || *to.Port != service.Spec.Ports[0].Port {
		t.Errorf("the API server asks %+v", to)
	}
}
