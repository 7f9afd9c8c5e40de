package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("The manager", Ordered, func() {
	It("may be killed at any phase: the next one goes on, and no limit is passed", func() {
		p := newPool("killed", "a", "a", "b")
		createApp(testbed.App{
			Name: "web", Namespace: "killed", Replicas: 3, AntiAffinity: true,
			ReadyAfter: 2 * time.Second, TerminateAfter: 2 * time.Second,
		})
		observer := observe()
		p.applyPolicy(mode(v1alpha1.ModePaused), func(s *v1alpha1.RebootPolicySpec) {
			s.Recovery.SettleSeconds = ptr.To[int32](2) // or the first status of a host that is back may be its success
		})
		requireAll(p.hosts)
		for _, host := range p.hosts {
			eventuallyPhase(host, v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		}
		changePolicy(p.name, mode(v1alpha1.ModeEnforce))
		killed := false
		DeferCleanup(func() {
			if killed {
				startManager()
			}
		})
		for _, phase := range []v1alpha1.Phase{v1alpha1.PhaseDraining, v1alpha1.PhaseRebooting, v1alpha1.PhaseRecovering} {
			By("killing it while a node is " + string(phase))
			Eventually(func(g Gomega) {
				var phases []v1alpha1.Phase
				for _, host := range p.hosts {
					phases = append(phases, theReboot(g, host.Name()).Status.Phase)
				}
				g.Expect(phases).To(ContainElement(phase))
			}).WithPolling(5 * time.Millisecond).Should(Succeed())
			killed = true
			Expect(manager.Kill()).To(Succeed())
			startManager()
			killed = false
		}
		eventuallyProved(2*time.Minute, p.hosts...)
		expectWithinLimits(observer, 1)
		for _, host := range p.hosts {
			expectLeftAsFound(host)
		}
	})

	It("shares its limits with a second one that believes it leads, too", func() {
		second, err := cluster.StartManager(ctx, testbed.ManagerOptions{Args: []string{"--leader-elect=false"}})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(second.Kill)
		p := newPool("twice", "a", "a", "a", "b", "b", "c")
		observer := observe()
		p.applyPolicy(maxUnavailable(2))
		requireAll(p.hosts)
		eventuallyProved(3*time.Minute, p.hosts...)
		expectWithinLimits(observer, 2)
		for _, host := range p.hosts {
			expectLeftAsFound(host)
			Expect(theReboot(Default, host.Name()).Status.Attempt.Number).To(BeEquivalentTo(1))
		}
	})
})

// expectWithinLimits checks what was recorded: never more nodes down than allowed, and never two zones at once.
func expectWithinLimits(observer *testbed.Observer, limit int) {
	GinkgoHelper()
	observer.Stop()
	summary := observer.Summary()
	Expect(summary.Down.Count).To(BeNumerically("<=", limit), "nodes down at once: %v", summary.Down.Names)
	Expect(summary.Down.Count).To(BeNumerically(">=", 1), "the observer saw something")
	Expect(summary.ZonesUnderWay.Count).To(Equal(1), "zones under way at once: %v", summary.ZonesUnderWay.Names)
}
