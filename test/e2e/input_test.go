package e2e

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("What only shows at run time becomes a condition and an event, and nothing is rebooted:", func() {
	It("a policy that selects no node", func() {
		newPool("nobody")
		createPolicy("nobody", "no-such-pool")
		expectPolicyCondition("nobody", v1alpha1.ConditionStalled, v1alpha1.ReasonNoNodes)
	})

	It("policies that overlap: both say so, and the one of higher priority owns the nodes", func() {
		p := newPool("overlap", "a")
		createPolicy("overlap-high", p.name, mode(v1alpha1.ModePaused), func(s *v1alpha1.RebootPolicySpec) { s.Priority = 10 })
		createPolicy("overlap-low", p.name)
		expectPolicyCondition("overlap-high", v1alpha1.ConditionOverlapping, v1alpha1.ReasonOverlap)
		expectPolicyCondition("overlap-low", v1alpha1.ConditionOverlapping, v1alpha1.ReasonOverlap)
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		Expect(reboot.Status.PolicyName).To(Equal("overlap-high"))
		Expect(p.hosts[0].RebootsAccepted()).To(BeZero())
	})

	It("a zone in the order that no node is in", func() {
		p := newPool("zones", "a")
		p.applyPolicy(zoneOrder("a", "typo"))
		expectPolicyCondition(p.name, v1alpha1.ConditionUnknownZones, v1alpha1.ReasonZoneNotFound)
	})

	It("a node without a helper", func() {
		p := newPool("helperless")
		host := p.add(testbed.NodeOptions{Name: "helperless-1", Zone: "a"})
		p.applyPolicy(mode(v1alpha1.ModePaused))
		host.RequireReboot()
		eventuallyPhase(host, v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		host.StopHelper()
		Eventually(func(g Gomega) { g.Expect(helperReady(g, host)).To(BeFalse()) }).Should(Succeed())
		changePolicy(p.name, mode(v1alpha1.ModeEnforce))
		reboot := eventuallyPhase(host, v1alpha1.PhasePending, v1alpha1.ReasonHelperNotReady)
		expectEvent(reboot.Name, v1alpha1.ReasonHelperNotReady)
		Expect(getNode(Default, host.Name()).Spec.Unschedulable).To(BeFalse())
	})

	It("a NodeReboot for a node that no policy selects", func() {
		p := newPool("unowned", "a")
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonNoPolicy)
		expectEvent(reboot.Name, v1alpha1.ReasonNoPolicy)
		Expect(getNode(Default, p.hosts[0].Name()).Spec.Unschedulable).To(BeFalse())
	})

	It("a NodeReboot for a node that does not exist", func() {
		newPool("nowhere")
		reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "nowhere"}}
		reboot.Spec.NodeName = "no-such-node"
		Expect(cluster.Client().Create(ctx, reboot)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(theReboot(g, "no-such-node").Status.Reason).To(Equal(v1alpha1.ReasonNodeNotFound))
		}).Should(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(theReboot(g, "no-such-node").Status.Phase).To(Equal(v1alpha1.PhaseFailed))
		}).Should(Succeed())
		expectEvent("nowhere", v1alpha1.ReasonNodeNotFound)
	})
})

func expectPolicyCondition(policy, conditionType, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var object v1alpha1.RebootPolicy
		g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: policy}, &object)).To(Succeed())
		g.Expect(object.Status.Conditions).To(ContainElement(And(
			HaveField("Type", conditionType), HaveField("Status", metav1.ConditionTrue), HaveField("Reason", reason),
			HaveField("ObservedGeneration", object.Generation))))
	}).Should(Succeed())
	expectEvent(policy, reason)
}

func expectEvent(object, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) { g.Expect(eventsOf(g, object)).To(ContainElement(reason)) }).Should(Succeed())
}

// helperReady reports whether the helper pod of a host is shown as Ready.
func helperReady(g Gomega, host *testbed.Host) bool {
	GinkgoHelper()
	var pods corev1.PodList
	g.Expect(cluster.Client().List(ctx, &pods, client.InNamespace(testbed.Namespace),
		client.MatchingLabels{"app.kubernetes.io/component": "helper"})).To(Succeed())
	return slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool {
		return pod.Spec.NodeName == host.Name() && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
	})
}
