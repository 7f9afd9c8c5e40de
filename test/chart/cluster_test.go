package chart

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/manifests"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// Kinds that are there and are not those of the chart: the chart says so, and refuses policies in a cluster without any.
func TestKindsOfAnotherVersionAreSaid(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	without := values(t, "crds: {install: false}")
	dry := func(i *action.Install) { i.DryRunStrategy = action.DryRunServer }
	err := h.install(load(t), releaseName, manifests.Namespace, merged(without, values(t, workers)), dry)
	if err == nil || !strings.Contains(err.Error(), "does not serve RebootPolicies yet") {
		t.Errorf("policies without their kind: %v", err)
	}
	for _, step := range []struct {
		name  string
		kinds *helmchart.Chart
		want  string
	}{
		{"none", nil, "The cluster has no kind rebootpolicies.reboot-operator.io"},
		{"older", older(t), "The kind rebootpolicies.reboot-operator.io in the cluster is of another version"},
		{"the same", load(t), ""},
	} {
		if step.kinds != nil {
			for _, file := range step.kinds.Files {
				if strings.HasPrefix(file.Name, "crds/") {
					h.check(h.Apply(t.Context(), file.Data))
				}
			}
		}
		notes := h.notesOf(without)
		if (step.want == "" && strings.Contains(notes, "kind ")) || !strings.Contains(notes, step.want) {
			t.Errorf("%s: the notes do not say %q:\n%s", step.name, step.want, notes)
		}
	}
}

// notesOf are what helm would say after an install.
func (h *helm) notesOf(vals map[string]any) string {
	h.t.Helper()
	install := action.NewInstall(h.configuration(manifests.Namespace))
	install.ReleaseName, install.Namespace, install.DryRunStrategy = releaseName, manifests.Namespace, action.DryRunServer
	rendered, err := install.RunWithContext(h.t.Context(), load(h.t), vals)
	h.check(err)
	return notesOf(rendered)
}

// The chart reports a namespace that refuses the helper's pods before anything is installed.
func TestANamespaceThatEnforcesPodSecurityIsRefused(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	ctx := context.WithoutCancel(t.Context())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: manifests.Namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	h.check(h.Client().Create(ctx, namespace))
	dry := func(i *action.Install) { i.DryRunStrategy = action.DryRunServer }
	err := h.install(load(t), releaseName, manifests.Namespace, nil, dry)
	want := "kubectl label --overwrite namespace reboot-operator-system pod-security.kubernetes.io/enforce=privileged"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	namespace.Labels["pod-security.kubernetes.io/enforce"] = "privileged"
	h.check(h.Client().Update(ctx, namespace))
	h.check(h.install(load(t), releaseName, manifests.Namespace, nil, dry))
	err = h.install(load(t), releaseName, manifests.Namespace, values(t, "namespace: {create: true}"), dry)
	if err == nil || !strings.Contains(err.Error(), "namespace.create is for tools that apply what is rendered") {
		t.Errorf("a namespace that is there already: %v", err)
	}
	h.anotherNameTakesTheKindsOver()
}

// anotherNameTakesTheKindsOver: the folder crds has the usual name of the release, and one of another name has to say that it takes them.
func (h *helm) anotherNameTakesTheKindsOver() {
	h.t.Helper()
	hooksOnly := func(i *action.Install) { i.WaitStrategy = kube.HookOnlyStrategy }
	err := h.install(load(h.t), "other", "elsewhere", values(h.t, workers), hooksOnly)
	if err == nil || !strings.Contains(err.Error(), "CustomResourceDefinition") || !strings.Contains(err.Error(), "cannot be imported") {
		h.t.Errorf("another name, without taking over the kinds: %v", err)
	}
	h.check(h.install(load(h.t), "other", "elsewhere", values(h.t, workers), hooksOnly, func(i *action.Install) { i.TakeOwnership = true }))
	kind := &unstructured.Unstructured{}
	kind.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	h.check(h.Client().Get(h.t.Context(), client.ObjectKey{Name: "rebootpolicies.reboot-operator.io"}, kind))
	for what, object := range map[string]client.Object{"kind": kind, "policy": h.policy("linux")} {
		if got := object.GetAnnotations()["meta.helm.sh/release-name"]; got != "other" {
			h.t.Errorf("the %s belongs to %q", what, got)
		}
	}
}

// In a cluster with a node without a Ready helper, helm waits without end. Everything is installed, and an upgrade that does not wait
// finishes it, as docs/helm.md says. Then whatever the values no longer contain is gone, as is a key of a Secret.
func TestAnUpgradeFinishesAnInstallThatWaitedInVain(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	first := merged(values(t, workers), values(t, "notifications: {urls: {slack: 'slack://a@b', teams: 'teams://secret'}}"))
	err := h.install(load(t), releaseName, manifests.Namespace, first, func(i *action.Install) { i.Timeout = 2 * time.Second })
	if err == nil || !strings.Contains(err.Error(), "context deadline exceeded") {
		t.Fatalf("nothing runs in this cluster, and helm waited for it: %v", err)
	}
	uid := h.policy("linux").UID
	h.check(h.upgrade(load(t), nil, noWait, func(u *action.Upgrade) { u.ResetThenReuseValues = true }))
	if h.policy("linux").UID != uid {
		t.Error("the policy was deleted and created again")
	}
	h.secretHas("slack", "teams")

	h.check(h.upgrade(load(t), merged(values(t, workers), values(t, "notifications: {urls: {slack: 'slack://a@b'}}")), noWait))
	h.secretHas("slack")

	// A second release is refused also where the first one has no roles.
	h.check(h.upgrade(load(t), values(t, "rbac: {create: false}"), noWait))
	err = h.install(load(t), "second", "elsewhere", nil, func(i *action.Install) { i.TakeOwnership = true })
	if err == nil || !strings.Contains(err.Error(), "in this cluster already, as release "+releaseName) {
		t.Errorf("a second release: %v", err)
	}
}

// secretHas compares the keys of the Secret with the URLs of receivers.
func (h *helm) secretHas(want ...string) {
	h.t.Helper()
	secret := &corev1.Secret{}
	h.check(h.Client().Get(h.t.Context(), client.ObjectKey{Namespace: manifests.Namespace, Name: "reboot-operator-notifications"}, secret))
	if diff := cmp.Diff(want, sortedKeys(secret.Data)); diff != "" {
		h.t.Errorf("keys of the Secret (-want +got):\n%s", diff)
	}
	if got := string(secret.Data["slack"]); got != "slack://a@b" {
		h.t.Errorf("slack is %q", got)
	}
}

// Helm can take over an installation of config/ in place.
func TestHelmTakesOverWhatKustomizeInstalled(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	h.check(h.Install(t.Context()))
	object := func() *appsv1.DaemonSet {
		helpers := &appsv1.DaemonSet{}
		h.check(h.Client().Get(t.Context(), client.ObjectKey{Namespace: manifests.Namespace, Name: "reboot-operator-helper"}, helpers))
		return helpers
	}
	before := object().UID
	hooksOnly := func(i *action.Install) { i.WaitStrategy = kube.HookOnlyStrategy }
	err := h.install(load(t), releaseName, manifests.Namespace, values(t, workers), hooksOnly)
	if err == nil || !strings.Contains(err.Error(), "cannot be imported into the current release") {
		t.Errorf("without taking it over: %v", err)
	}
	h.check(h.install(load(t), releaseName, manifests.Namespace, values(t, workers), hooksOnly, func(i *action.Install) {
		i.TakeOwnership, i.ForceConflicts = true, true
	}))
	if after := object(); after.UID != before || after.Annotations["meta.helm.sh/release-name"] != releaseName {
		t.Errorf("UID %s, before %s, annotations %v", after.UID, before, after.Annotations)
	}
}
