package chart

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/manifests"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// policiesNamed are values with these policies, which allow so many nodes at once.
func policiesNamed(maxUnavailable int64, names ...string) map[string]any {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name, "spec": map[string]any{
			"nodeSelector": map[string]any{"matchLabels": map[string]any{"example.com/pool": name}},
			"rollout":      map[string]any{"maxUnavailable": maxUnavailable},
		}})
	}
	return map[string]any{"policies": list}
}

// Whatever Helm did last, and whether that went well, the cluster has the policies that the values have, and those that someone made by
// hand.
func TestPoliciesAreThoseOfTheValues(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	hooksOnly := func(i *action.Install) { i.WaitStrategy = kube.HookOnlyStrategy }
	h.check(h.install(load(t), releaseName, manifests.Namespace, policiesNamed(1, "kept", "renamed", "dropped"), hooksOnly))
	h.hasPolicies("the install", 1, "kept", "renamed", "dropped")
	kept := h.policy("kept").UID
	h.check(h.Client().Create(t.Context(), &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: byHand}, Spec: v1alpha1.RebootPolicySpec{Nodes: v1alpha1.NodesAll},
	}))

	h.check(h.upgrade(load(t), policiesNamed(2, "kept", "new"), noWait))
	h.hasPolicies("the first upgrade, with a change, a new name and one less", 2, "kept", "new")
	h.rollback(1)
	h.hasPolicies("a rollback to the install", 1, "kept", "renamed", "dropped")
	h.fails(h.upgrade(load(t), policiesNamed(3, "kept", "failed"), inVain, func(u *action.Upgrade) { u.RollbackOnFailure = true }))
	h.hasPolicies("an upgrade that was rolled back", 1, "kept", "renamed", "dropped")

	h.fails(h.upgrade(load(t), policiesNamed(4, "kept", "failed"), inVain))
	h.hasPolicies("an upgrade that failed", 4, "kept", "failed")
	h.fails(h.upgrade(load(t), policiesNamed(5, "kept", "again"), inVain))
	h.hasPolicies("another one, without what the first brought", 5, "kept", "again")
	h.check(h.upgrade(load(t), policiesNamed(1, "kept"), noWait))
	h.hasPolicies("one that does not fail, and has the values of the install", 1, "kept")
	h.fails(h.upgrade(load(t), policiesNamed(6, "kept", "failed"), inVain))
	h.check(h.upgrade(load(t), nil, noWait, func(u *action.Upgrade) { u.ResetThenReuseValues = true }))
	h.hasPolicies("one with the values of the last that did not fail", 1, "kept")
	h.says("deletes policies that the values do not have, and that a failed upgrade left: failed.")
	if h.policy("kept").UID != kept {
		t.Error("a policy that the values always had was deleted and created again")
	}
	h.refusedByTheServer()

	h.check(h.upgrade(load(t), policiesNamed(7), noWait))
	h.hasPolicies("no policies", 7)
	h.rollback(2)
	h.hasPolicies("a rollback to the first upgrade", 2, "kept", "new")
	h.check(h.uninstall())
	h.hasPolicies("an uninstall", 0)
}

// refusedByTheServer: Helm stops at what the API server refuses, and deletes only after it has applied everything.
func (h *helm) refusedByTheServer() {
	h.t.Helper()
	h.check(h.upgrade(load(h.t), policiesNamed(1, "dropped", "kept"), noWait))
	h.check(h.patched("kept", func(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused }))
	withMode := policiesNamed(2, "kept")
	withMode["policies"].([]any)[0].(map[string]any)["spec"].(map[string]any)["mode"] = "Enforce"
	if err := h.upgrade(load(h.t), withMode, noWait); err == nil || !strings.Contains(err.Error(), ".spec.mode") {
		h.t.Errorf("someone paused a policy, and the values have its mode: %v", err)
	}
	h.hasPolicies("an upgrade that conflicts", 1, "dropped", "kept")
	h.check(h.upgrade(load(h.t), policiesNamed(1, "dropped", "kept"), noWait))

	refused := policiesNamed(3, "kept")
	refused["policies"] = append(refused["policies"].([]any), map[string]any{"name": "refused", "spec": map[string]any{}})
	if err := h.upgrade(load(h.t), refused, noWait); err == nil || !strings.Contains(err.Error(), "nodeSelector selects nothing") {
		h.t.Errorf("a policy that the API server refuses: %v", err)
	}
	var all v1alpha1.RebootPolicyList
	h.check(h.Client().List(h.t.Context(), &all))
	if len(all.Items) != 3 {
		h.t.Errorf("%d policies, want the one that the values no longer have as well", len(all.Items))
	}
	h.check(h.upgrade(load(h.t), policiesNamed(4, "kept"), noWait))
	h.hasPolicies("an upgrade after it", 4, "kept")
}

// Helm 3 has no server-side apply, nor has Helm 4 for what Helm 3 installed. After an upgrade that failed it changes only what the values
// have changed since the last one that did not, and takes a policy that is there for one that is right.
func TestPoliciesAreThoseOfTheValuesWithoutServerSideApply(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	clientSide := func(u *action.Upgrade) { u.ServerSideApply = "false" }
	h.check(h.install(load(t), releaseName, manifests.Namespace, policiesNamed(1, "kept", "same"), func(i *action.Install) {
		i.WaitStrategy, i.ServerSideApply = kube.HookOnlyStrategy, false
	}))
	h.check(h.Client().Create(t.Context(), &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: byHand}, Spec: v1alpha1.RebootPolicySpec{Nodes: v1alpha1.NodesAll},
	}))
	first := h.policy("kept").UID

	h.fails(h.upgrade(load(t), policiesNamed(4, "kept", "failed"), inVain, clientSide))
	h.hasPolicies("an upgrade that failed", 4, "kept", "failed")
	h.check(h.upgrade(load(t), policiesNamed(1, "kept", "failed"), noWait, clientSide))
	h.hasPolicies("one with the values of the install", 1, "kept", "failed")
	h.says("creates them again, because they were not as the values say after a failed upgrade: failed, kept.")
	second := h.policy("kept").UID
	if second == first {
		t.Error("the policy is the same, so this test tries nothing")
	}

	h.fails(h.upgrade(load(t), policiesNamed(1, "kept", "failed"), inVain, clientSide))
	h.check(h.upgrade(load(t), policiesNamed(1, "kept", "failed"), noWait, clientSide))
	h.check(h.upgrade(load(t), policiesNamed(2, "kept", "failed"), noWait, clientSide))
	h.hasPolicies("upgrades that find what the values say, or did not fail", 2, "kept", "failed")
	if h.policy("kept").UID != second {
		t.Error("a policy was deleted and created again without need")
	}

	h.fails(h.upgrade(load(t), policiesNamed(3, "kept", "failed"), inVain, clientSide))
	h.check(h.patched("kept", func(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused }))
	h.check(h.upgrade(load(t), policiesNamed(2, "kept", "failed"), noWait, clientSide))
	h.says("were not as the values say, and the last upgrade failed: kept.")
	if got := h.policy("kept"); got.UID != second || got.Spec.Mode != v1alpha1.ModePaused {
		t.Errorf("someone paused a policy, and now it has the mode %s", got.Spec.Mode)
	}
	if got := h.policy("failed").Spec.Rollout.MaxUnavailable.String(); got != "2" {
		t.Errorf("the other policy allows %s nodes at once", got)
	}
}

// A release brings fields with defaults. The policies of the release before lack them, and are not deleted for that, though its last
// upgrade failed and nothing was applied by the server.
func TestADefaultOfANewerKindMakesNoPolicyAnotherOne(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	clientSide := func(u *action.Upgrade) { u.ServerSideApply = "false" }
	h.check(h.install(older(t), releaseName, manifests.Namespace, policiesNamed(1, "kept"), func(i *action.Install) {
		i.WaitStrategy, i.ServerSideApply = kube.HookOnlyStrategy, false
	}))
	before := h.policy("kept")
	if h.hasField("kept", fieldOfNew) {
		t.Fatal("the older kind has the field, so this test tries nothing")
	}
	h.fails(h.upgrade(older(t), policiesNamed(1, "kept"), inVain, clientSide))
	h.check(h.upgrade(load(t), policiesNamed(1, "kept"), noWait, clientSide))
	if h.policy("kept").UID != before.UID {
		t.Error("the policy was deleted and created again")
	}
	if !h.hasField("kept", fieldOfNew) {
		t.Error("the newer kind has no default for the field, so this test tries nothing")
	}
}

// hasField says that the spec of a policy in the cluster has a field, be it by a default.
func (h *helm) hasField(policy, field string) bool {
	h.t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("RebootPolicy"))
	h.check(h.Client().Get(h.t.Context(), client.ObjectKey{Name: policy}, object))
	_, found, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", field)
	return found
}

// Nothing deletes what someone else made or keeps, whatever failed.
func TestPoliciesOfOthersStay(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t}
	handedOver := policiesNamed(1, "kept", byHand)
	handedOver["policies"].([]any)[1].(map[string]any)["annotations"] = map[string]any{keepKey: "keep"}
	hooksOnly := func(i *action.Install) { i.WaitStrategy = kube.HookOnlyStrategy }
	h.check(h.install(load(t), releaseName, manifests.Namespace, handedOver, hooksOnly))
	h.check(h.upgrade(load(t), policiesNamed(1, "kept"), noWait))
	copied := h.policy("kept").DeepCopy()
	copied.ObjectMeta = metav1.ObjectMeta{Name: "copied", Labels: copied.Labels, Annotations: copied.Annotations}
	h.check(h.Client().Create(t.Context(), copied))

	h.fails(h.upgrade(load(t), policiesNamed(1, "kept", "failed"), inVain))
	h.check(h.upgrade(load(t), policiesNamed(1, "kept"), noWait))
	h.hasPolicies("an upgrade after one that failed", 1, "kept", "copied")
	h.says("The values do not have these policies, and the last upgrade failed: copied.")
	h.check(h.upgrade(load(t), policiesNamed(1, "kept"), noWait))
	if strings.Contains(h.notes, "copied") {
		t.Errorf("an upgrade after one that did not fail says:\n%s", h.notes)
	}
	h.check(h.uninstall())
	h.hasPolicies("an uninstall", 1, "copied")
}

// Where Helm keeps revisions elsewhere than in Secrets of the namespace, it is not known whether the last one failed. Nothing is deleted
// then.
func TestPoliciesStayWhereItIsNotKnownWhetherAnUpgradeFailed(t *testing.T) {
	h := &helm{Cluster: bed(t, testbed.Options{BareAPI: true}), t: t, driver: "configmap"}
	hooksOnly := func(i *action.Install) { i.WaitStrategy = kube.HookOnlyStrategy }
	h.check(h.install(load(t), releaseName, manifests.Namespace, policiesNamed(1, "kept", byHand), hooksOnly))
	h.fails(h.upgrade(load(t), policiesNamed(1, "kept", byHand, "failed"), inVain))
	h.check(h.upgrade(load(t), policiesNamed(1, "kept", byHand), noWait))
	h.hasPolicies("an upgrade after one that failed", 1, "kept", "failed")
	h.says("so the chart cannot tell whether the last upgrade failed: failed.")
}

// says looks into the notes of the last upgrade.
func (h *helm) says(want string) {
	h.t.Helper()
	if !strings.Contains(h.notes, want) {
		h.t.Errorf("the notes do not say %q:\n%s", want, h.notes)
	}
}

// patched changes a policy as someone does with kubectl.
func (h *helm) patched(name string, change func(*v1alpha1.RebootPolicy)) error {
	policy := h.policy(name)
	before := policy.DeepCopy()
	change(policy)
	return h.Client().Patch(h.t.Context(), policy, client.MergeFrom(before), client.FieldOwner("kubectl-patch"))
}

// byHand is a policy that is in no values.
const byHand = "by-hand"

func noWait(u *action.Upgrade) { u.WaitStrategy = kube.HookOnlyStrategy }

// inVain waits for helpers in a cluster in which nothing runs.
func inVain(u *action.Upgrade) { u.Timeout = 2 * time.Second }

func (h *helm) fails(err error) {
	h.t.Helper()
	if err == nil || !strings.Contains(err.Error(), "context deadline exceeded") {
		h.t.Fatalf("nothing runs in this cluster, and helm waited for it: %v", err)
	}
}

func (h *helm) rollback(revision int) {
	h.t.Helper()
	rollback := action.NewRollback(h.configuration(manifests.Namespace))
	rollback.Version, rollback.WaitStrategy, rollback.Timeout = revision, kube.HookOnlyStrategy, time.Minute
	h.check(rollback.Run(releaseName))
}

func (h *helm) policy(name string) *v1alpha1.RebootPolicy {
	h.t.Helper()
	policy := &v1alpha1.RebootPolicy{}
	h.check(h.Client().Get(h.t.Context(), client.ObjectKey{Name: name}, policy))
	return policy
}

// hasPolicies compares the policies of the cluster, except the one that was made by hand, with the policies of the values.
func (h *helm) hasPolicies(after string, maxUnavailable int, names ...string) {
	h.t.Helper()
	want := map[string]string{byHand: "1"}
	for _, name := range names {
		want[name] = strconv.Itoa(maxUnavailable)
	}
	if after == "the install" {
		delete(want, byHand)
	}
	var all v1alpha1.RebootPolicyList
	h.check(h.Client().List(h.t.Context(), &all))
	got := map[string]string{}
	for i := range all.Items {
		got[all.Items[i].Name] = all.Items[i].Spec.Rollout.MaxUnavailable.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("policies after %s (-want +got):\n%s", after, diff)
	}
}
