package chart

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/manifests"
	"github.com/reboot-operator/reboot-operator/test/testbed"
	"github.com/reboot-operator/reboot-operator/test/webhookurl"
)

// helm does what the program helm does.
type helm struct {
	*testbed.Cluster
	t *testing.T
	// driver is where revisions are stored: in Secrets, if it is not set.
	driver string
	// notes of the last upgrade that did not fail.
	notes string
}

// configuration is new for each action, as it is for each call of the program.
func (h *helm) configuration(namespace string) *action.Configuration {
	h.t.Helper()
	settings := cli.New()
	settings.KubeConfig = h.Kubeconfig()
	settings.SetNamespace(namespace)
	configuration := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := configuration.Init(settings.RESTClientGetter(), namespace, cmp.Or(h.driver, "secret")); err != nil {
		h.t.Fatal(err)
	}
	return configuration
}

// webhooks has the API server reach the webhooks of managers that are processes of this machine.
type webhooks struct{ address string }

func (w webhooks) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	if !strings.Contains(rendered.String(), "WebhookConfiguration") {
		return rendered, nil
	}
	moved, err := webhookurl.In(rendered.Bytes(), w.address)
	return bytes.NewBuffer(moved), err
}

func (h *helm) install(chart *helmchart.Chart, name, namespace string, vals map[string]any, change ...func(*action.Install)) error {
	install := action.NewInstall(h.configuration(namespace))
	install.ReleaseName, install.Namespace, install.CreateNamespace = name, namespace, true
	install.WaitStrategy, install.Timeout = kube.StatusWatcherStrategy, 5*time.Minute
	install.PostRenderer = webhooks{h.WebhooksAt()}
	for _, change := range change {
		change(install)
	}
	_, err := install.RunWithContext(h.t.Context(), chart, merged(vals))
	return err
}

func (h *helm) upgrade(chart *helmchart.Chart, vals map[string]any, change ...func(*action.Upgrade)) error {
	upgrade := action.NewUpgrade(h.configuration(manifests.Namespace))
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.Timeout = manifests.Namespace, kube.StatusWatcherStrategy, 5*time.Minute
	upgrade.PostRenderer = webhooks{h.WebhooksAt()}
	for _, change := range change {
		change(upgrade)
	}
	rendered, err := upgrade.RunWithContext(h.t.Context(), releaseName, chart, vals)
	if err == nil {
		h.notes = notesOf(rendered)
	}
	return err
}

func (h *helm) uninstall() error {
	uninstall := action.NewUninstall(h.configuration(manifests.Namespace))
	uninstall.WaitStrategy, uninstall.Timeout = kube.StatusWatcherStrategy, 5*time.Minute
	_, err := uninstall.Run(releaseName)
	return err
}

func (h *helm) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// older is the chart of a version whose kind of a policy lacks one field, and is the same otherwise.
func older(t *testing.T) *helmchart.Chart {
	t.Helper()
	current := load(t)
	chart := *current
	chart.Files = slices.Clone(current.Files)
	for i, file := range chart.Files {
		if !strings.HasSuffix(file.Name, "_rebootpolicies.yaml") {
			continue
		}
		kind := &unstructured.Unstructured{}
		decode(t, file.Data, &kind.Object)
		versions, _, _ := unstructured.NestedSlice(kind.Object, "spec", "versions")
		unstructured.RemoveNestedField(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec", "properties", fieldOfNew)
		_ = unstructured.SetNestedSlice(kind.Object, versions, "spec", "versions")
		copied := *file
		copied.Data = []byte(manifests.YAML(kind.Object))
		chart.Files[i] = &copied
		return &chart
	}
	t.Fatal("the chart has no kind RebootPolicy")
	return nil
}

// fieldOfNew is a field of a policy that the older kinds do not have.
const fieldOfNew = "priority"

const workers = `
policies:
- name: linux
  spec:
    nodeSelector: {matchLabels: {kubernetes.io/os: linux}}
    recovery: {settleSeconds: 0}
`

// One node needs a reboot and gets it, before and after an upgrade that brings newer kinds. Then everything goes, and nothing stays.
func TestInstallUpgradeAndUninstall(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{}), t: t}
	for i := range 3 {
		_, err := h.AddNode(t.Context(), testbed.NodeOptions{Name: fmt.Sprintf("worker-%d", i), RebootDuration: time.Second})
		h.check(err)
	}
	h.check(h.RunManagers(t.Context()))
	before := h.everything()

	h.check(h.install(older(t), releaseName, manifests.Namespace, values(t, workers)))
	h.reboots("worker-0")
	policy := &v1alpha1.RebootPolicy{}
	h.check(h.Client().Get(t.Context(), client.ObjectKey{Name: "linux"}, policy))
	uid := policy.UID

	newer := merged(values(t, workers))
	newer["policies"].([]any)[0].(map[string]any)["spec"].(map[string]any)[fieldOfNew] = int64(7)
	h.check(h.upgrade(load(t), newer))
	h.check(h.Client().Get(t.Context(), client.ObjectKey{Name: "linux"}, policy))
	if policy.UID != uid {
		t.Error("the policy was deleted and created again")
	}
	if policy.Spec.Priority != 7 {
		t.Errorf("the kind was not upgraded: priority is %d", policy.Spec.Priority)
	}
	h.reboots("worker-1")
	h.secondReleaseIsRefused()

	h.removeAsDocumented("worker-2")
	h.check(h.uninstall())
	h.leaves(before, append(slices.Clone(keptKinds),
		"configmaps "+manifests.Namespace+"/kube-root-ca.crt", "configmaps "+manifests.Namespace+"/reboot-operator-slots",
		"leases.coordination.k8s.io "+manifests.Namespace+"/reboot-operator", "namespaces "+manifests.Namespace,
		"serviceaccounts "+manifests.Namespace+"/default",
	))
	h.deleteNamespace()
	h.leaves(before, keptKinds)

	// Kinds that were kept belong to the release with this name, which takes them again, and this time does not keep them.
	all := merged(values(t, workers), values(t, "crds: {keep: false}"),
		values(t, "{notifications: {urls: {chat: 'slack://a@b'}}, gates: {credentials: {a: b}}}"))
	h.check(h.install(load(t), releaseName, manifests.Namespace, all))
	h.reboots("worker-2")
	h.removeAsDocumented("worker-0")
	h.check(h.uninstall())
	h.deleteNamespace()
	h.leaves(before, nil)
	h.nodesAreAsBefore()
}

// keptKinds are what a release leaves in the cluster by default.
var keptKinds = []string{
	"customresourcedefinitions.apiextensions.k8s.io nodereboots.reboot-operator.io",
	"customresourcedefinitions.apiextensions.k8s.io rebootpolicies.reboot-operator.io",
}

func (h *helm) deleteNamespace() {
	h.t.Helper()
	h.check(h.Client().Delete(h.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: manifests.Namespace}}))
}

// leaves waits until garbage is collected, and compares what is left then.
func (h *helm) leaves(before map[string]bool, want []string) {
	h.t.Helper()
	slices.Sort(want)
	var left []string
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	_ = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(context.Context) (bool, error) {
		left = h.newSince(before)
		return slices.Equal(want, left), nil
	})
	if diff := gocmp.Diff(want, left); diff != "" {
		h.t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// secondReleaseIsRefused tries another name, and another namespace.
func (h *helm) secondReleaseIsRefused() {
	h.t.Helper()
	for _, try := range []struct{ name, namespace string }{{"second", manifests.Namespace}, {releaseName, "elsewhere"}} {
		for _, takeOwnership := range []bool{false, true} {
			err := h.install(load(h.t), try.name, try.namespace, nil, func(i *action.Install) { i.TakeOwnership = takeOwnership })
			want := "in this cluster already, as release " + releaseName + " in namespace " + manifests.Namespace
			if err == nil || !strings.Contains(err.Error(), want) {
				h.t.Errorf("a second release %s in %s: %v, want %q", try.name, try.namespace, err, want)
			}
		}
	}
	var manager appsv1.Deployment
	h.check(h.Client().Get(h.t.Context(), client.ObjectKey{Namespace: manifests.Namespace, Name: "reboot-operator-manager"}, &manager))
	if manager.Annotations["meta.helm.sh/release-name"] != releaseName {
		h.t.Errorf("the manager belongs to %s", manager.Annotations["meta.helm.sh/release-name"])
	}
}

// reboots has a host ask for a reboot, and waits until that is proved.
func (h *helm) reboots(name string) {
	h.t.Helper()
	host := h.Host(name)
	host.RequireReboot()
	await.True(h.t, "the reboot of "+name+" to be proved", func() bool {
		var all v1alpha1.NodeRebootList
		h.check(h.Client().List(h.t.Context(), &all))
		return slices.ContainsFunc(all.Items, func(n v1alpha1.NodeReboot) bool {
			return n.Spec.NodeName == name && n.Status.Phase == v1alpha1.PhaseSucceeded
		})
	})
	if host.RebootsAccepted() != 1 {
		h.t.Errorf("%s was rebooted %d times", name, host.RebootsAccepted())
	}
}

// removeAsDocumented does what docs/helm.md says comes before helm uninstall, while a host asks for a reboot.
func (h *helm) removeAsDocumented(asking string) {
	h.t.Helper()
	ctx := h.t.Context()
	h.check(h.Client().DeleteAllOf(ctx, &v1alpha1.RebootPolicy{}))
	h.Host(asking).RequireReboot()
	await.True(h.t, "a NodeReboot that waits, with a finalizer", func() bool {
		var all v1alpha1.NodeRebootList
		h.check(h.Client().List(ctx, &all))
		return slices.ContainsFunc(all.Items, func(n v1alpha1.NodeReboot) bool {
			return n.Spec.NodeName == asking && n.Status.Phase == v1alpha1.PhasePending && len(n.Finalizers) > 0
		})
	})
	helpers := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-helper", Namespace: manifests.Namespace}}
	h.check(client.IgnoreNotFound(h.Client().Delete(ctx, helpers, client.PropagationPolicy(metav1.DeletePropagationForeground))))
	await.True(h.t, "the helpers to be gone", func() bool {
		return apierrors.IsNotFound(h.Client().Get(ctx, client.ObjectKeyFromObject(helpers), helpers))
	})
	h.check(h.Client().DeleteAllOf(ctx, &v1alpha1.NodeReboot{}))
	await.True(h.t, "all NodeReboots to be gone", func() bool {
		var all v1alpha1.NodeRebootList
		h.check(h.Client().List(ctx, &all))
		return len(all.Items) == 0
	})
}

// nodesAreAsBefore: nothing of the operator is on a node.
func (h *helm) nodesAreAsBefore() {
	h.t.Helper()
	var nodes corev1.NodeList
	h.check(h.Client().List(h.t.Context(), &nodes))
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if node.Spec.Unschedulable || strings.Contains(fmt.Sprint(node.Spec.Taints, node.Labels, node.Annotations), "reboot-operator.io") {
			h.t.Errorf("%s: %v %v %v", node.Name, node.Spec, node.Labels, node.Annotations)
		}
	}
}

// everything that an administrator finds in the cluster, by resource, namespace and name.
func (h *helm) everything() map[string]bool {
	h.t.Helper()
	found := map[string]bool{}
	resources, err := discovery.NewDiscoveryClientForConfigOrDie(h.Config()).ServerPreferredResources()
	h.check(err)
	lists := dynamic.NewForConfigOrDie(h.Config())
	for _, group := range resources {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		h.check(err)
		for i := range group.APIResources {
			resource := &group.APIResources[i]
			if !slices.Contains(resource.Verbs, "list") || slices.Contains(notInstalled, resource.Name) {
				continue
			}
			all, err := lists.Resource(version.WithResource(resource.Name)).List(h.t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
				continue
			}
			h.check(err)
			for j := range all.Items {
				object := &all.Items[j]
				kind := strings.TrimSuffix(resource.Name+"."+version.Group, ".")
				found[kind+" "+strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")] = true
			}
		}
	}
	return found
}

// notInstalled are what a cluster makes itself.
var notInstalled = []string{"apiservices", "componentstatuses", "endpoints", "events"}

// newSince is what is there now and was not.
func (h *helm) newSince(before map[string]bool) []string {
	h.t.Helper()
	var left []string
	for _, name := range sortedKeys(h.everything()) {
		if !before[name] {
			left = append(left, name)
		}
	}
	return left
}
