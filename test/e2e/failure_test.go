package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("When something goes wrong", func() {
	It("a PodDisruptionBudget that can never allow an eviction is named before anything is cordoned, until it is fixed", func() {
		p := newPool("impossible", "a", "a")
		createApp(testbed.App{Name: "web", Namespace: "impossible", Replicas: 2, AntiAffinity: true, MinAvailable: ptr.To(2)})
		p.applyPolicy()
		p.hosts[0].RequireReboot()

		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonDrainImpossible)
		Expect(reboot.Status.Message).To(ContainSubstring(
			"PodDisruptionBudget impossible/web allows no disruption although all of its 2 pods are healthy"))
		Expect(getNode(Default, p.hosts[0].Name()).Spec.Unschedulable).To(BeFalse())
		Expect(reboot.Status.Attempt).To(BeNil())

		By("letting the PodDisruptionBudget allow one")
		deletePDB("impossible", "web")
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded)
		expectLeftAsFound(p.hosts[0])
	})

	It("a PodDisruptionBudget that refuses is named, the drain is rolled back in time, and tried again after a back-off", func() {
		p := newPool("refused", "a", "a")
		createApp(testbed.App{Name: "web", Namespace: "refused", Replicas: 2, AntiAffinity: true, MinAvailable: ptr.To(1)})
		Expect(cluster.CreateApp(ctx, testbed.App{
			Name: "ill", Namespace: "refused", Replicas: 2, AntiAffinity: true, MinAvailable: ptr.To(1), ReadyAfter: time.Hour,
		})).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(podsOn(g, "refused", p.hosts[0].Name())).To(HaveLen(2)) }).Should(Succeed())
		p.applyPolicy(drainTimeout(12), backoff(6))
		p.hosts[0].RequireReboot()

		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining, v1alpha1.ReasonEvictionRefused)
		Expect(reboot.Status.Message).To(And(
			ContainSubstring("PodDisruptionBudget ill"), ContainSubstring("needs 1 healthy pods and has 0 currently")))

		reboot = eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonBackingOff)
		Expect(reboot.Status.Message).To(And(ContainSubstring(v1alpha1.ReasonDrainTimedOut), ContainSubstring("PodDisruptionBudget ill")))
		Eventually(func(g Gomega) { g.Expect(getNode(g, p.hosts[0].Name()).Spec.Unschedulable).To(BeFalse()) }).Should(Succeed())
		Expect(p.hosts[0].RebootsAccepted()).To(BeZero())

		By("deleting the PodDisruptionBudget")
		deletePDB("refused", "ill")
		reboot = eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded)
		Expect(reboot.Status.Attempt.Number).To(BeNumerically(">=", 2))
		expectLeftAsFound(p.hosts[0])
	})

	It("a node that does not come back halts the rollout, and it goes on when the node does come back", func() {
		p := newPool("halt", "a", "a", "a")
		p.applyPolicy(rebootTimeout(4), maxUnavailable(2), mode(v1alpha1.ModePaused))
		lost, other := p.hosts[0], p.hosts[1]
		lost.SetFault(testbed.FaultNeverBack)
		lost.RequireReboot()
		eventuallyPhase(lost, v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		changePolicy(p.name, mode(v1alpha1.ModeEnforce))
		eventuallyPhase(lost, v1alpha1.PhaseFailed, v1alpha1.ReasonNodeNotBack)

		other.RequireReboot()
		waiting := eventuallyPhase(other, v1alpha1.PhasePending, v1alpha1.ReasonHalted)
		Expect(waiting.Status.Message).To(ContainSubstring(theReboot(Default, lost.Name()).Name))
		Eventually(func(g Gomega) {
			g.Expect(conditionOf(g, p.name, v1alpha1.ConditionHalted)).To(Equal(metav1.ConditionTrue))
		}).Should(Succeed())

		By("letting the node come back")
		lost.Return()
		expectProved(lost, eventuallyPhase(lost, v1alpha1.PhaseSucceeded))
		eventuallyPhase(other, v1alpha1.PhaseSucceeded)
		expectLeftAsFound(lost)
	})

	It("a halted rollout goes on when the NodeReboot of the lost node is deleted", func() {
		p := newPool("giveup", "a", "a")
		p.applyPolicy(rebootTimeout(3), maxUnavailable(2))
		p.hosts[0].SetFault(testbed.FaultNeverBack)
		p.hosts[0].RequireReboot()
		lost := eventuallyPhase(p.hosts[0], v1alpha1.PhaseFailed, v1alpha1.ReasonNodeNotBack)
		p.hosts[1].RequireReboot()
		eventuallyPhase(p.hosts[1], v1alpha1.PhasePending, v1alpha1.ReasonHalted)
		Expect(cluster.Client().Delete(ctx, lost)).To(Succeed())
		eventuallyPhase(p.hosts[1], v1alpha1.PhaseSucceeded)
	})

	It("a host that accepts the reboot and does nothing is uncordoned, and the reboot counts as not observed", func() {
		p := newPool("ignored", "a")
		p.applyPolicy(rebootTimeout(3), backoff(60))
		p.hosts[0].SetFault(testbed.FaultRebootIgnored)
		p.hosts[0].RequireReboot()
		// It is waited for a minute longer than the policy says: a host that went down is shown as Ready for that long.
		var reboot *v1alpha1.NodeReboot
		Eventually(func(g Gomega) {
			reboot = theReboot(g, p.hosts[0].Name())
			g.Expect(reboot.Status.Reason).To(Equal(v1alpha1.ReasonBackingOff), reboot.Status.Message)
		}).WithTimeout(time.Minute + waitLimit).Should(Succeed())
		Expect(reboot.Status.Failures.LastReason).To(Equal(v1alpha1.ReasonRebootNotObserved))
		Eventually(func(g Gomega) {
			g.Expect(getNode(g, p.hosts[0].Name()).Spec.Unschedulable).To(BeFalse())
		}).Should(Succeed())
		Expect(p.hosts[0].RebootsAccepted()).To(Equal(1), "told once, however often anything looked")
	})

	It("a sentinel that is still there after the reboot is a failure that says so", func() {
		p := newPool("sticky", "a")
		p.applyPolicy(backoff(60))
		p.hosts[0].SetSentinelSticky(true)
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonBackingOff)
		Expect(reboot.Status.Failures.LastReason).To(Equal(v1alpha1.ReasonSentinelStillPresent))
		Expect(rebootsOf(Default, p.hosts[0].Name())).To(HaveLen(1), "the same need, not a new one")
	})

	It("a sentinel that cannot be read never means that a reboot is required", func() {
		p := newPool("broken", "a", "a")
		p.applyPolicy()
		p.hosts[0].BreakSentinel()
		p.hosts[1].RequireReboot()
		eventuallyPhase(p.hosts[1], v1alpha1.PhaseSucceeded)
		Expect(rebootsOf(Default, p.hosts[0].Name())).To(BeEmpty())
	})

	It("a Node that is deleted while it is drained frees its slot when what was evicted is back, and the next node starts", func() {
		p := newPool("gonedraining", "a", "a", "a")
		createApp(testbed.App{Name: "app", Namespace: "gonedraining", Replicas: 3, AntiAffinity: true, TerminateAfter: 15 * time.Second})
		p.applyPolicy(mode(v1alpha1.ModePaused))
		p.hosts[0].RequireReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhasePending)
		changePolicy(p.name, mode(v1alpha1.ModeEnforce))
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
		p.hosts[1].RequireReboot()
		eventuallyPhase(p.hosts[1], v1alpha1.PhasePending, v1alpha1.ReasonBudgetExhausted)
		Eventually(func(g Gomega) {
			app, err := cluster.Kubernetes().AppsV1().Deployments("gonedraining").Get(ctx, "app", metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(app.Status.ReadyReplicas).To(BeEquivalentTo(2), "something was evicted")
		}).Should(Succeed())
		Expect(p.hosts[0].Delete(ctx)).To(Succeed())
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseRecovering, v1alpha1.ReasonWorkloadsNotReady)
		scaleApp("gonedraining", "app", 2) // there is no third node anymore
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseFailed, v1alpha1.ReasonNodeGone)
		eventuallyPhase(p.hosts[1], v1alpha1.PhaseSucceeded)
	})

	It("a Node that is deleted while its host reboots keeps its slot, and is proved when it registers again", func() {
		p := newPool("goneagain", "a", "a")
		p.applyPolicy(rebootTimeout(60))
		p.hosts[0].SetFault(testbed.FaultNeverBack)
		p.hosts[0].RequireReboot()
		Eventually(func(g Gomega) { g.Expect(p.hosts[0].Up()).To(BeFalse()) }).Should(Succeed())
		Expect(p.hosts[0].Deregister(ctx)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(theReboot(g, p.hosts[0].Name()).Status.Message).To(ContainSubstring("was deleted at"))
		}).Should(Succeed())
		p.hosts[1].RequireReboot()
		eventuallyPhase(p.hosts[1], v1alpha1.PhasePending, v1alpha1.ReasonBudgetExhausted)

		By("letting the host boot")
		p.hosts[0].Return()
		expectProved(p.hosts[0], eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded))
		expectLeftAsFound(p.hosts[0])
		eventuallyPhase(p.hosts[1], v1alpha1.PhaseSucceeded)
	})

	It("a helper that dies in the middle of a drain continues it when it is back", func() {
		p := newPool("helper", "a", "a")
		createApp(testbed.App{Name: "slow", Namespace: "helper", Replicas: 2, AntiAffinity: true, TerminateAfter: 12 * time.Second})
		p.applyPolicy()
		p.hosts[0].RequireReboot()
		Eventually(func(g Gomega) {
			var pods corev1.PodList
			g.Expect(cluster.Client().List(ctx, &pods, client.InNamespace("helper"))).To(Succeed())
			g.Expect(pods.Items).To(ContainElement(HaveField("DeletionTimestamp", Not(BeNil()))), "a pod was evicted")
		}).Should(Succeed())
		p.hosts[0].StopHelper()
		Expect(theReboot(Default, p.hosts[0].Name()).Status.Phase).To(Equal(v1alpha1.PhaseDraining))
		p.hosts[0].StartHelper()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded)
		Expect(reboot.Status.Attempt.Number).To(BeEquivalentTo(1))
		Expect(p.hosts[0].RebootsAccepted()).To(Equal(1))
	})

	It("a host that loses its power in the middle of a drain counts as rebooted, and is proved like any other", func() {
		p := newPool("power", "a", "a")
		createApp(testbed.App{Name: "slow", Namespace: "power", Replicas: 2, AntiAffinity: true, TerminateAfter: 15 * time.Second})
		p.applyPolicy()
		p.hosts[0].RequireReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
		p.hosts[0].PowerCycle()
		expectProved(p.hosts[0], eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded))
		Expect(p.hosts[0].RebootsAccepted()).To(BeZero(), "the host was never told to")
		expectLeftAsFound(p.hosts[0])
	})

	It("someone who uncordons the node between drain and reboot stops the reboot", func() {
		p := newPool("uncordoned", "a")
		p.applyPolicy(drainDelay(30), backoff(60))
		p.hosts[0].RequireReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining, v1alpha1.ReasonDrainDelayed)
		Eventually(func(g Gomega) { g.Expect(getNode(g, p.hosts[0].Name()).Spec.Unschedulable).To(BeTrue()) }).Should(Succeed())
		setUnschedulable(p.hosts[0], false)
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonBackingOff)
		Expect(reboot.Status.Failures.LastReason).To(Equal(v1alpha1.ReasonUncordoned))
		Expect(p.hosts[0].RebootsAccepted()).To(BeZero())
	})

	It("pausing during a drain takes the drain back", func() {
		p := newPool("paused", "a")
		p.applyPolicy(drainDelay(30))
		p.hosts[0].RequireReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
		changePolicy(p.name, mode(v1alpha1.ModePaused))
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		Expect(reboot.Status.Failures).To(BeNil())
		Eventually(func(g Gomega) {
			node := getNode(g, p.hosts[0].Name())
			g.Expect(node.Spec.Unschedulable).To(BeFalse())
			g.Expect(ourTaint(node)).NotTo(BeNil(), "still required")
		}).Should(Succeed())
	})
})

func deletePDB(namespace, name string) {
	GinkgoHelper()
	Expect(cluster.Kubernetes().PolicyV1().PodDisruptionBudgets(namespace).Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed())
}

// conditionOf is the status of a policy's condition; empty if it is absent.
func conditionOf(g Gomega, policyName, conditionType string) metav1.ConditionStatus {
	GinkgoHelper()
	var policy v1alpha1.RebootPolicy
	g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: policyName}, &policy)).To(Succeed())
	for _, condition := range policy.Status.Conditions {
		if condition.Type == conditionType {
			return condition.Status
		}
	}
	return ""
}

func podsOn(g Gomega, namespace, node string) []corev1.Pod {
	GinkgoHelper()
	list, err := cluster.Kubernetes().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	g.Expect(err).NotTo(HaveOccurred())
	return list.Items
}

func scaleApp(namespace, name string, replicas int) {
	GinkgoHelper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := cluster.Kubernetes().AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	Expect(err).NotTo(HaveOccurred())
}
