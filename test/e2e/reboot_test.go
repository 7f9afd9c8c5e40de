package e2e

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("A reboot that is required", func() {
	It("is carried out and proved, and leaves the node as it was", func() {
		p := newPool("proved", "a")
		p.applyPolicy()
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded)
		expectProved(p.hosts[0], reboot)
		expectLeftAsFound(p.hosts[0])
		Expect(p.hosts[0].RebootsAccepted()).To(Equal(1))
		Eventually(func(g Gomega) { g.Expect(theReboot(g, p.hosts[0].Name()).Finalizers).To(BeEmpty()) }).Should(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(eventsOf(g, p.hosts[0].Name())).To(ContainElements(v1alpha1.ReasonDraining, v1alpha1.ReasonProved))
			g.Expect(eventsOf(g, reboot.Name)).To(BeEmpty(), "each is written once")
		}).Should(Succeed())
	})

	It("is withdrawn with its sentinel while it waits", func() {
		p := newPool("withdrawn", "a")
		p.applyPolicy(mode(v1alpha1.ModePaused))
		p.hosts[0].RequireReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		Eventually(func(g Gomega) { g.Expect(ourTaint(getNode(g, p.hosts[0].Name()))).NotTo(BeNil()) }).Should(Succeed())
		p.hosts[0].WithdrawReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseCancelled, v1alpha1.ReasonNeedWithdrawn)
		expectLeftAsFound(p.hosts[0])

		By("asking again within the same boot")
		p.hosts[0].RequireReboot()
		eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPaused)
	})

	It("is carried out for a NodeReboot made by hand, for a host that asks for nothing", func() {
		p := newPool("byhand", "a")
		p.applyPolicy()
		manual := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "by-hand"}}
		manual.Spec = v1alpha1.NodeRebootSpec{NodeName: p.hosts[0].Name(), Reason: "a firmware setting"}
		Expect(cluster.Client().Create(ctx, manual)).To(Succeed())
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded)
		Expect(reboot.Name).To(Equal("by-hand"))
		expectProved(p.hosts[0], reboot)
		expectLeftAsFound(p.hosts[0])
	})

	It("is rolled back when its NodeReboot is deleted during the drain", func() {
		p := newPool("deleted", "a", "a")
		app := testbed.App{Name: "slow", Namespace: "deleted", Replicas: 2, AntiAffinity: true, TerminateAfter: 20 * time.Second}
		createApp(app)
		p.applyPolicy()
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
		p.hosts[0].WithdrawReboot()
		Expect(cluster.Client().Delete(ctx, reboot)).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(rebootsOf(g, p.hosts[0].Name())).To(BeEmpty()) }).Should(Succeed())
		expectLeftAsFound(p.hosts[0])
		Expect(p.hosts[0].RebootsAccepted()).To(BeZero())
	})

	It("leaves a node cordoned that someone else had cordoned", func() {
		p := newPool("cordoned", "a")
		setUnschedulable(p.hosts[0], true)
		p.applyPolicy()
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded)
		expectProved(p.hosts[0], reboot)
		Expect(reboot.Status.Attempt.Cordon).To(Equal(v1alpha1.CordonForeign))
		Eventually(func(g Gomega) { g.Expect(ourTaint(getNode(g, p.hosts[0].Name()))).To(BeNil()) }).Should(Succeed())
		Expect(getNode(Default, p.hosts[0].Name()).Spec.Unschedulable).To(BeTrue())
	})

	It("is proved although the node was never seen NotReady", func() {
		const podStatusLag = 2 * time.Second
		p := newPool("fast")
		host := p.add(testbed.NodeOptions{
			Name: "fast-1", Zone: "a", RebootDuration: time.Second, FastReboot: true, PodStatusLag: podStatusLag,
		})
		p.applyPolicy()
		host.RequireReboot()
		reboot := eventuallyPhase(host, v1alpha1.PhaseSucceeded)
		expectProved(host, reboot)
		// The statuses of the pods that stayed were those of before the boot for two seconds, and did not count.
		events := host.Events()
		up := slices.IndexFunc(events, func(e testbed.HostEvent) bool { return e.Kind == testbed.EventUp })
		Expect(up).To(BeNumerically(">=", 0), "the host came up")
		Expect(reboot.Status.Attempt.UncordonedTime.Time).To(BeTemporally(">=", events[up].At.Add(podStatusLag).Truncate(time.Microsecond)))
	})
})

func createApp(app testbed.App) {
	GinkgoHelper()
	Expect(cluster.CreateApp(ctx, app)).To(Succeed())
	DeferCleanup(func() {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: app.Namespace}}
		Expect(client.IgnoreNotFound(cluster.Client().Delete(ctx, namespace))).To(Succeed())
	})
	Expect(cluster.WaitReady(ctx, app)).To(Succeed())
}

func setUnschedulable(host *testbed.Host, unschedulable bool) {
	GinkgoHelper()
	node := getNode(Default, host.Name())
	before := node.DeepCopy()
	node.Spec.Unschedulable = unschedulable
	Expect(cluster.Client().Patch(ctx, node, client.MergeFrom(before))).To(Succeed())
}
