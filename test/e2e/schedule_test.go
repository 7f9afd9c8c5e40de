package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

var _ = Describe("A node whose policy has a schedule", func() {
	It("waits tainted for the window, starts within a second of its opening, and waits again in a freeze", func() {
		// A zone that is not a whole number of hours from UTC, and a window that opens at a full minute, but not before all is prepared.
		zone, err := time.LoadLocation("Asia/Kathmandu")
		Expect(err).NotTo(HaveOccurred())
		opens := time.Now().Add(90 * time.Second).Truncate(time.Minute)
		window := v1alpha1.ScheduleWindow{
			Cron:            fmt.Sprintf("%d %d * * *", opens.In(zone).Minute(), opens.In(zone).Hour()),
			DurationSeconds: 3600,
		}
		p := newPool("window", "a", "a")
		p.applyPolicy(func(s *v1alpha1.RebootPolicySpec) {
			s.Schedule = v1alpha1.ScheduleSpec{TimeZone: zone.String(), Windows: []v1alpha1.ScheduleWindow{window}}
		})

		By("waiting outside the window")
		lag := measureLag()
		p.hosts[0].RequireReboot()
		waiting := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonWindowClosed)
		Expect(waiting.Status.Message).To(ContainSubstring(opens.In(zone).Format("it opens next at 2006-01-02 15:04 -07:00 (in ")))
		Eventually(func(g Gomega) { g.Expect(ourTaint(getNode(g, p.hosts[0].Name()))).NotTo(BeNil()) }).Should(Succeed())
		Eventually(func(g Gomega) {
			status := windowOf(g, p.name)
			g.Expect(status).To(HaveField("State", v1alpha1.WindowClosed))
			g.Expect(status.NextOpeningTime.Time).To(BeTemporally("==", opens))
		}).Should(Succeed())
		Eventually(metrics).Should(MatchRegexp(`reboot_operator_policy_window_open\{policy="window"\} 0\b`))

		By("starting when it opens")
		eventuallyProved(2*time.Minute, p.hosts[0])
		const steps = 5 // of writing and seeing what was written
		delay := theReboot(Default, p.hosts[0].Name()).Status.Attempt.DrainOrderedTime.Sub(opens)
		AddReportEntry("window opens to drain ordered", delay.String())
		GinkgoWriter.Printf("from the opening of the window to the order to drain: %s\n", delay)
		Expect(delay).To(And(BeNumerically(">=", 0), BeNumerically("<", lag.On(time.Second, steps))))
		Eventually(func(g Gomega) { g.Expect(windowOf(g, p.name)).To(HaveField("State", v1alpha1.WindowOpen)) }).Should(Succeed())
		Eventually(metrics).Should(MatchRegexp(`reboot_operator_policy_window_open\{policy="window"\} 1\b`))

		By("waiting in a freeze, though the window is open")
		changePolicy(p.name, func(s *v1alpha1.RebootPolicySpec) {
			s.Schedule.Freezes = []v1alpha1.Freeze{{
				Name: "audit", From: metav1.NewTime(opens), To: metav1.NewTime(opens.Add(24 * time.Hour)),
			}}
		})
		Eventually(func(g Gomega) { g.Expect(windowOf(g, p.name)).To(HaveField("Freeze", "audit")) }).Should(Succeed())
		p.hosts[1].RequireReboot()
		Expect(eventuallyPhase(p.hosts[1], v1alpha1.PhasePending, v1alpha1.ReasonFreeze).Status.Message).To(ContainSubstring(`freeze "audit"`))

		By("going in the freeze when someone says that it cannot wait")
		urgent := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "cannot-wait"}}
		urgent.Spec = v1alpha1.NodeRebootSpec{NodeName: p.hosts[1].Name(), Urgency: v1alpha1.UrgencyImmediate}
		Expect(cluster.Client().Create(ctx, urgent)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(cluster.Client().Get(ctx, client.ObjectKeyFromObject(urgent), urgent)).To(Succeed())
			g.Expect(urgent.Status.Phase).To(Equal(v1alpha1.PhaseSucceeded))
		}).Should(Succeed())
		Expect(p.hosts[1].RebootsAccepted()).To(Equal(1))
	})

	It("says why when its schedule makes no sense, and nothing starts", func() {
		p := newPool("nonsense", "a")
		p.applyPolicy(func(s *v1alpha1.RebootPolicySpec) {
			s.Schedule = v1alpha1.ScheduleSpec{MinRemainingSeconds: ptr.To[int32](0), Windows: []v1alpha1.ScheduleWindow{
				{Cron: "0 3 30 2 *", DurationSeconds: 3600},
			}}
		})
		p.hosts[0].RequireReboot()
		waiting := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPolicyInvalid)
		Expect(waiting.Status.Message).To(ContainSubstring(`schedule.windows[0].cron: "0 3 30 2 *": there is no such day in any year`))
	})
})

// windowOf is where the schedule of a policy stands.
func windowOf(g Gomega, name string) *v1alpha1.WindowStatus {
	var policy v1alpha1.RebootPolicy
	g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: name}, &policy)).To(Succeed())
	g.Expect(policy.Status.Window).NotTo(BeNil())
	return policy.Status.Window
}
