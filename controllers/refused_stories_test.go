package controllers

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// guarded marks the node that admission guards.
const guarded = "example.com/guarded"

var _ = Describe("A write that the API server refuses", func() {
	// Two nodes need a reboot, and one may be down: n1 goes first.
	BeforeEach(func(ctx context.Context) {
		createPolicy(ctx, v1alpha1.ModeEnforce)
		for _, name := range []string{"1", "2"} {
			createNode(ctx, "n"+name)
			createHelper(ctx, "n"+name)
			createReboot(ctx, "r"+name, "n"+name)
		}
		patchNode(ctx, "n1", func(n *corev1.Node) { metav1.SetMetaDataLabel(&n.ObjectMeta, guarded, "") })
	})

	for what, refused := range map[string]struct {
		rule admissionregistrationv1.NamedRuleWithOperations
		// allowed is an expression that is false for what is refused.
		allowed string
		// answer is in the message, and in that of the policy.
		answer, object string
		// probe is such a write.
		probe func(ctx context.Context) error
		// untold: the NodeReboot's own status is refused.
		untold bool
		// untainted: no write of the node passes.
		untainted bool
	}{
		"the cordon of a node": {
			rule: ruleFor("", "v1", "nodes"), allowed: "object.metadata.name != 'n1' || !has(object.spec.unschedulable)",
			answer: "no cordon here", object: "n1",
			probe: func(ctx context.Context) error {
				node := nodeOf(ctx, "n1")()
				node.Spec.Unschedulable = true
				return k8s.Update(ctx, node, client.DryRunAll)
			},
		},
		"the status of a NodeReboot": {
			rule:    ruleFor(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "nodereboots/status"),
			allowed: "object.metadata.name != 'r1'", answer: "no status here", object: "r1", untold: true,
			probe: func(ctx context.Context) error {
				return k8s.Status().Update(ctx, rebootNamed(ctx, "r1")(), client.DryRunAll)
			},
		},
		"the order to the helper of a node": {
			rule:    ruleFor(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "nodereboots/status"),
			allowed: "object.metadata.name != 'r1' || !has(object.status.order)", answer: "no order here", object: "r1",
			probe: func(ctx context.Context) error {
				reboot := rebootNamed(ctx, "r1")()
				reboot.Status.Order = &v1alpha1.RebootOrder{
					Sequence: 1, Action: v1alpha1.ActionReboot, BootID: "b", Deadline: metav1.NowMicro(),
				}
				return k8s.Status().Update(ctx, reboot, client.DryRunAll)
			},
		},
		"the finalizer of a NodeReboot": {
			rule:    ruleFor(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "nodereboots"),
			allowed: "object.metadata.name != 'r1' || !has(object.metadata.finalizers)", answer: "no finalizer here", object: "r1",
			probe: func(ctx context.Context) error {
				reboot := rebootNamed(ctx, "r1")()
				reboot.Finalizers = []string{v1alpha1.Finalizer}
				return k8s.Update(ctx, reboot, client.DryRunAll)
			},
		},
	} {
		It("holds up nobody else: "+what, func(ctx context.Context) {
			lift := deny(ctx, refused.rule, refused.allowed, refused.answer, refused.probe)
			startOperator(Options{PublishMaintenance: true}, ClientOptions())
			othersGoOn(ctx, refused.answer, refused.object)
			Eventually(nodeOf(ctx, "n1")).Should(HaveField("Spec.Taints", ContainElement(ours)))
			if !refused.untold {
				Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
					HaveField("Status.Phase", v1alpha1.PhasePending),
					HaveField("Status.Reason", v1alpha1.ReasonWriteRefused),
					HaveField("Status.Message", SatisfyAll(ContainSubstring(refused.answer), ContainSubstring(refused.object))),
				))
			}
			lift()
			goesOn(ctx)
		})
	}

	It("holds up nobody else: a node whose webhook is down", func(ctx context.Context) {
		webhook := &admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "guard"},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{
				Name: "guard.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone),
				ClientConfig:   admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
				FailurePolicy:  ptr.To(admissionregistrationv1.Fail),
				ObjectSelector: &metav1.LabelSelector{MatchLabels: map[string]string{guarded: ""}},
				Rules:          []admissionregistrationv1.RuleWithOperations{ruleFor("", "v1", "nodes").RuleWithOperations},
			}},
		}
		Expect(k8s.Create(ctx, webhook)).To(Succeed())
		lift := func() { Expect(client.IgnoreNotFound(k8s.Delete(context.Background(), webhook))).To(Succeed()) }
		DeferCleanup(lift)
		Eventually(func() error { return k8s.Update(ctx, nodeOf(ctx, "n1")(), client.DryRunAll) }).Should(MatchError(ContainSubstring("webhook")))
		startOperator(Options{PublishMaintenance: true}, ClientOptions())
		othersGoOn(ctx, "failed calling webhook", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonWriteRefused), HaveField("Status.Message", ContainSubstring("failed calling webhook")),
		))
		lift()
		Eventually(nodeOf(ctx, "n1")).Should(HaveField("Spec.Taints", ContainElement(ours)))
		goesOn(ctx)
	})

	It("is tried again at once when its object changes", func(ctx context.Context) {
		deny(ctx, ruleFor("", "v1", "nodes"),
			"!('example.com/guarded' in object.metadata.?labels.orValue({})) || !has(object.spec.unschedulable)", "no cordon for this one",
			func(ctx context.Context) error {
				node := nodeOf(ctx, "n1")()
				node.Spec.Unschedulable = true
				return k8s.Update(ctx, node, client.DryRunAll)
			})
		startOperator(Options{PublishMaintenance: true}, ClientOptions())
		othersGoOn(ctx, "no cordon for this one", "n1")
		Expect(k8s.Delete(ctx, rebootNamed(ctx, "r2")())).To(Succeed())
		Eventually(slots(ctx)).Should(BeEmpty())
		Eventually(func(g Gomega) { // until the next try is some time ahead
			var policy v1alpha1.RebootPolicy
			g.Expect(k8s.Get(ctx, types.NamespacedName{Name: "p"}, &policy)).To(Succeed())
			g.Expect(policy.Status.Waiting).To(ContainElement(HaveField("Reason", v1alpha1.ReasonWriteRefused)))
		}).Should(Succeed())
		patchNode(ctx, "n1", func(n *corev1.Node) { delete(n.Labels, guarded) })
		Eventually(rebootNamed(ctx, "r1")).WithTimeout(3 * time.Second).Should(
			HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
	})

	It("keeps nodes from starting if it is that of the slots, and says so", func(ctx context.Context) {
		lift := deny(ctx, ruleFor("", "v1", "configmaps"), "object.metadata.name != '"+v1alpha1.SlotsName+"'", "no slots here",
			func(ctx context.Context) error {
				return k8s.Create(ctx, &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName},
				}, client.DryRunAll)
			})
		startOperator(Options{PublishMaintenance: true}, ClientOptions())
		for _, node := range []string{"n1", "n2"} {
			Eventually(nodeOf(ctx, node)).Should(HaveField("Spec.Taints", ContainElement(ours)))
		}
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonWriteRefused), HaveField("Status.Message", ContainSubstring("no slots here")),
		))
		// Another message of the same reason waits for half a minute, and each time that the write is tried again it is the old one.
		Eventually(rebootNamed(ctx, "r2")).WithTimeout(3 * time.Minute).Should(
			HaveField("Status.Message", ContainSubstring("n1 (a write for its reboot is refused)")))
		Eventually(writesRefused(ctx)).Should(ContainSubstring("no slots here"))
		Expect(nodeOf(ctx, "n1")()).To(HaveField("Spec.Unschedulable", false))
		lift()
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
		Eventually(writesRefused(ctx)).Should(BeEmpty())
	})
})

// othersGoOn expects that the other node is drained, and that it is reported why the first one is not.
func othersGoOn(ctx context.Context, answer, object string) {
	Eventually(rebootNamed(ctx, "r2")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
	Expect(rebootNamed(ctx, "r2")().Status.Message).NotTo(ContainSubstring("n1"))
	Eventually(slots(ctx)).Should(SatisfyAll(HaveKey("n2"), Not(HaveKey("n1"))))
	Eventually(nodeOf(ctx, "n1")).Should(SatisfyAll(
		HaveField("Spec.Unschedulable", false), HaveField("Annotations", Not(HaveKey(v1alpha1.CordonAnnotation))),
	))
	Eventually(writesRefused(ctx)).Should(SatisfyAll(ContainSubstring(answer), ContainSubstring(object)))
	Eventually(eventReasons(ctx)).Should(ContainElement(HaveSuffix("/" + v1alpha1.ReasonWriteRefused)))
}

// goesOn expects that the first node has its turn after the other one, and that nothing speaks of refusals anymore.
func goesOn(ctx context.Context) {
	Expect(k8s.Delete(ctx, rebootNamed(ctx, "r2")())).To(Succeed())
	Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
	Eventually(writesRefused(ctx)).Should(BeEmpty())
}

// writesRefused is what the policy says about refused writes.
func writesRefused(ctx context.Context) func() string {
	return func() string {
		var policy v1alpha1.RebootPolicy
		Expect(k8s.Get(ctx, types.NamespacedName{Name: "p"}, &policy)).To(Succeed())
		if condition := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionWritesRefused); condition != nil {
			return condition.Message
		}
		return ""
	}
}

func ruleFor(group, version, resource string) admissionregistrationv1.NamedRuleWithOperations {
	return admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: []string{resource}},
	}}
}

// deny has the API server refuse what an expression is false for, and waits until it refuses a write that is such.
func deny(
	ctx context.Context, rule admissionregistrationv1.NamedRuleWithOperations, allowed, message string, probe func(context.Context) error,
) (lift func()) {
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "denial"},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    ptr.To(admissionregistrationv1.Fail),
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{rule}},
			Validations:      []admissionregistrationv1.Validation{{Expression: allowed, Message: message}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "denial"},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: "denial", ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	Expect(k8s.Create(ctx, policy)).To(Succeed())
	Expect(k8s.Create(ctx, binding)).To(Succeed())
	lift = func() {
		Expect(client.IgnoreNotFound(k8s.Delete(context.Background(), binding))).To(Succeed())
		Expect(client.IgnoreNotFound(k8s.Delete(context.Background(), policy))).To(Succeed())
	}
	DeferCleanup(lift)
	Eventually(func() error { return probe(ctx) }).Should(MatchError(ContainSubstring(message)))
	return lift
}
