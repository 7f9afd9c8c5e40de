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
	h.check(h.upgrade(load(t), policiesNamed(6, "kept"), noWait))
	h.hasPolicies("one that does not fail", 6, "kept")
	if h.policy("kept").UID != kept {
		t.Error("a policy that the values always had was deleted and created again")
	}

	h.check(h.upgrade(load(t), policiesNamed(7), noWait))
	h.hasPolicies("no policies", 7)
	h.rollback(2)
	h.hasPolicies("a rollback to the first upgrade", 2, "kept", "new")
	h.check(h.uninstall())
	h.hasPolicies("an uninstall", 0)
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

// hasPolicies compares the policies of the cluster with those of the values, besides the one that was made by hand.
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
