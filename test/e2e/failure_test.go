package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("When something goes wrong", func() {
	It("a PodDisruptionBudget that refuses is named, the drain is taken back in time, and tried again after a back-off", func() {
		p := newPool("refused", "a", "a")
		createApp(testbed.App{Name: "web", Namespace: "refused", Replicas: 2, AntiAffinity: true, MinAvailable: ptr.To(2)})
		p.applyPolicy(drainTimeout(3), backoff(6))
		p.hosts[0].RequireReboot()

		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining, v1alpha1.ReasonEvictionRefused)
		Expect(reboot.Status.Message).To(ContainSubstring("PodDisruptionBudget web"))

		reboot = eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonBackingOff)
		Expect(reboot.Status.Message).To(And(ContainSubstring(v1alpha1.ReasonDrainTimedOut), ContainSubstring("PodDisruptionBudget web")))
		Eventually(func(g Gomega) { g.Expect(getNode(g, p.hosts[0].Name()).Spec.Unschedulable).To(BeFalse()) }).Should(Succeed())
		Expect(p.hosts[0].RebootsAccepted()).To(BeZero())

		By("deleting the PodDisruptionBudget")
		deletePDB("refused", "web")
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

	DescribeTable("a Node that is deleted frees its slot at once, and the next node starts",
		func(name string, phase v1alpha1.Phase, fault testbed.Fault, terminate time.Duration) {
			p := newPool(name, "a", "a", "a")
			createApp(testbed.App{Name: "app", Namespace: name, Replicas: 3, AntiAffinity: true, TerminateAfter: terminate})
			p.applyPolicy(mode(v1alpha1.ModePaused))
			p.hosts[0].SetFault(fault)
			p.hosts[0].RequireReboot()
			eventuallyPhase(p.hosts[0], v1alpha1.PhasePending)
			changePolicy(p.name, mode(v1alpha1.ModeEnforce))
			eventuallyPhase(p.hosts[0], phase)
			p.hosts[1].RequireReboot()
			eventuallyPhase(p.hosts[1], v1alpha1.PhasePending, v1alpha1.ReasonBudgetExhausted)
			Expect(p.hosts[0].Delete(ctx)).To(Succeed())
			eventuallyPhase(p.hosts[0], v1alpha1.PhaseFailed, v1alpha1.ReasonNodeGone)
			eventuallyPhase(p.hosts[1], v1alpha1.PhaseSucceeded)
		},
		Entry("while it is drained", "gonedraining", v1alpha1.PhaseDraining, testbed.FaultNone, 15*time.Second),
		Entry("while it reboots", "gonerebooting", v1alpha1.PhaseRebooting, testbed.FaultNeverBack, time.Duration(0)),
	)

	It("a helper that dies in the middle of a drain goes on with it when it is back", func() {
		p := newPool("helper", "a", "a")
		createApp(testbed.App{Name: "slow", Namespace: "helper", Replicas: 2, AntiAffinity: true, TerminateAfter: 12 * time.Second})
		p.applyPolicy()
		p.hosts[0].RequireReboot()
		Eventually(func(g Gomega) {
			reboot := theReboot(g, p.hosts[0].Name())
			g.Expect(reboot.Status.Report).NotTo(BeNil())
			g.Expect(reboot.Status.Report.State).To(Equal(v1alpha1.OrderStarted))
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

	It("somebody who uncordons the node between drain and reboot stops the reboot", func() {
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
