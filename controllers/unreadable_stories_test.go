package controllers

import (
	"context"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/loose"
)

var _ = Describe("What cannot be read", Serial, func() {
	BeforeEach(func(ctx context.Context) { loosenDefinitions(ctx) })

	It("of one condition costs that condition, and is repaired", func(ctx context.Context) {
		startOperator(Options{}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModePaused)
		createNode(ctx, "n1")
		createReboot(ctx, "r1", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Reason", v1alpha1.ReasonPaused))
		addCondition(ctx, "r1", "2026-01-01t00:00:00z")

		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Unreadable", BeEmpty()),
			HaveField("Status.Reason", v1alpha1.ReasonPaused),
			HaveField("Status.Conditions", ContainElement(SatisfyAll(
				HaveField("Type", "example.com/x"), HaveField("Reason", v1alpha1.ReasonUnreadable),
				HaveField("Message", ContainSubstring("2026-01-01t00:00:00z")),
			))),
		))
		Eventually(eventReasons(ctx)).Should(ContainElement("NodeReboot/" + v1alpha1.ReasonUnreadable))
	})

	It("of one NodeReboot stops no other, before and after a restart, until it is repaired", func(ctx context.Context) {
		createPolicy(ctx, v1alpha1.ModeEnforce)
		patchPolicy(ctx, `{"spec":{"rollout":{"maxUnavailable":2,"zones":{"strategy":"AnyOrder"}}}}`)
		createNode(ctx, "n1")
		createReboot(ctx, "r1", "n1")
		patchRebootStatus(ctx, "r1", `{"status":{"attempt":{"number":1,"policyName":"p","grantedTime":"2026-01-01T00:00:00Z"}}}`)
		startOperator(Options{}, ClientOptions()) // it finds the object when it starts

		By("setting it aside")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonUnreadable),
			HaveField("Status.Message", ContainSubstring("status.attempt.grantedTime")),
			HaveField("Status.Conditions", ContainElement(HaveField("Reason", v1alpha1.ReasonUnreadable))),
		))
		Eventually(eventReasons(ctx)).Should(ContainElement("Node/" + v1alpha1.ReasonUnreadable))

		By("continuing with another node, within the budget")
		for node, reboot := range map[string]string{"n2": "r2", "n3": "r3"} {
			createNode(ctx, node)
			becameReady(ctx, createHelper(ctx, node), testNow)
			createReboot(ctx, reboot, node)
		}
		Eventually(func() []string { return orderedNodes(ctx) }).Should(HaveLen(1))
		Eventually(nodeOf(ctx, "n3")).Should(HaveField("Spec.Taints", ContainElement(ours)))
		Consistently(func() []string { return orderedNodes(ctx) }).WithTimeout(time.Second).Should(HaveLen(1))

		By("taking it up again when it is repaired")
		patchRebootStatus(ctx, "r1", `{"status":{"attempt":{"grantedTime":"2026-01-01T00:00:00.000000Z"}}}`)
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Reason", Not(Equal(v1alpha1.ReasonUnreadable))))
		Expect(rebootNamed(ctx, "r1")()).To(HaveField("Unreadable", BeEmpty()))
	})

	It("of one RebootPolicy stops its nodes and no others", func(ctx context.Context) {
		startOperator(Options{}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModePaused)
		bad := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
			"priority": int64(5), "nodeSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/hostname": "n1"}},
			"schedule": map[string]any{"freezes": []any{map[string]any{"name": "x", "from": "2026-01-01t00:00:00z", "to": "2026-01-02T00:00:00Z"}}},
		}}}
		bad.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("RebootPolicy"))
		bad.SetName("bad")
		Expect(k8s.Create(ctx, bad)).To(Succeed())
		createNode(ctx, "n1")
		patchNode(ctx, "n1", func(n *corev1.Node) { n.Labels = map[string]string{"kubernetes.io/hostname": "n1"} })
		createReboot(ctx, "r1", "n1")
		createNode(ctx, "n2")
		createReboot(ctx, "r2", "n2")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.PolicyName", "bad"), HaveField("Status.Reason", v1alpha1.ReasonPolicyInvalid),
			HaveField("Status.Message", ContainSubstring("spec.schedule.freezes[0].from")),
		))
		Eventually(rebootNamed(ctx, "r2")).Should(HaveField("Status.PolicyName", "p"))
		policy := &v1alpha1.RebootPolicy{}
		Eventually(func() *v1alpha1.RebootPolicy {
			Expect(k8s.Get(ctx, types.NamespacedName{Name: "bad"}, policy)).To(Succeed())
			return policy
		}).Should(HaveField("Status.Conditions", ContainElement(SatisfyAll(
			HaveField("Type", "Ready"), HaveField("Reason", v1alpha1.ReasonUnreadable),
		))))
		Eventually(eventReasons(ctx)).Should(ContainElement("RebootPolicy/" + v1alpha1.ReasonUnreadable))
	})

	It("of the slots object stops nothing", func(ctx context.Context) {
		Expect(k8s.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName},
			Data: map[string]string{
				"n1": `{"nodeReboot":"a/b","uid":"x","attempt":1}`, "n2": `}{`, "_.-": `null`, "n3": `{"nodeReboot":"..","uid":"x","attempt":1}`,
				"n4": `{"nodeReboot":"r1","uid":"x","attempt":1e99}`, "n5": `[]`,
			},
			BinaryData: map[string][]byte{"n9": {0xff}},
		})).To(Succeed())
		startOperator(Options{}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		becameReady(ctx, createHelper(ctx, "n1"), testNow)
		createReboot(ctx, "r1", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
		Expect(slots(ctx)()).To(HaveLen(1))
	})
})

// loosenDefinitions has the API server take what it took with earlier definitions, until the end of the test.
func loosenDefinitions(ctx context.Context) {
	scheme := runtime.NewScheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	admin, err := client.New(apiServer, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	definitions, err := loose.Definitions(filepath.Join("..", "config", "crd", "bases"))
	Expect(err).NotTo(HaveOccurred())
	set := func(ctx context.Context, definition *apiextensionsv1.CustomResourceDefinition) {
		Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error { // The API server writes its status.
			stored := &apiextensionsv1.CustomResourceDefinition{}
			if err := admin.Get(ctx, client.ObjectKeyFromObject(definition), stored); err != nil {
				return err
			}
			stored.Spec.Versions = definition.Spec.Versions
			return admin.Update(ctx, stored)
		})).To(Succeed())
	}
	for _, definition := range definitions {
		loosened := definition.DeepCopy()
		loose.Loosen(loose.Schema(loosened))
		set(ctx, loosened)
	}
	DeferCleanup(func(ctx context.Context) {
		for _, definition := range definitions {
			set(ctx, definition)
		}
		Eventually(func() error { return createFrozen(ctx) }).ShouldNot(Succeed())
	})
	Eventually(func() error { return createFrozen(ctx) }).Should(Succeed())
}

// createFrozen asks whether a freeze may have a time that cannot be read, and a NodeReboot one without fractions.
func createFrozen(ctx context.Context) error {
	freeze := map[string]any{"name": "x", "from": "2026-01-01t00:00:00z", "to": "2026-01-02T00:00:00Z"}
	policy := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"nodes": "All", "schedule": map[string]any{"freezes": []any{freeze}}},
	}}
	policy.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("RebootPolicy"))
	policy.SetName("frozen")
	return k8s.Create(ctx, policy, client.DryRunAll)
}

// addCondition as a program does that may do no more than that.
func addCondition(ctx context.Context, reboot, transition string) {
	patch := `[{"op":"add","path":"/status/conditions/-","value":{` +
		`"type":"example.com/x","status":"True","reason":"Done","message":"","lastTransitionTime":"` + transition + `"}}]`
	Eventually(func() error {
		return k8s.Status().Patch(ctx, named(reboot), client.RawPatch(types.JSONPatchType, []byte(patch)))
	}).Should(Succeed())
}

func patchRebootStatus(ctx context.Context, reboot, patch string) {
	Eventually(func() error {
		return k8s.Status().Patch(ctx, named(reboot), client.RawPatch(types.MergePatchType, []byte(patch)))
	}).Should(Succeed())
}

func named(reboot string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodeReboot"))
	object.SetName(reboot)
	return object
}

func patchPolicy(ctx context.Context, patch string) {
	policy := &v1alpha1.RebootPolicy{}
	policy.Name = "p"
	Expect(k8s.Patch(ctx, policy, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
}

// orderedNodes are the nodes that were ordered to drain.
func orderedNodes(ctx context.Context) []string {
	var list v1alpha1.NodeRebootList
	Expect(k8s.List(ctx, &list)).To(Succeed())
	var nodes []string
	for i := range list.Items {
		if list.Items[i].Status.Order != nil {
			nodes = append(nodes, list.Items[i].Spec.NodeName)
		}
	}
	return nodes
}
